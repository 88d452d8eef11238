//! What an audit has found violated is looked at again: an open does not read the segments that are sealed, and must not
//! go on as if nothing had been found.

use crate::archive::Archive;
use crate::archive::shelf::Shelf;
use crate::audit::Audited;
use crate::catalog::{Catalog, Damage};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::lsn::LsnRange;
use crate::options::Options;
use crate::reader::{Iter, Reader};
use crate::recovery::survey::Survey;
use crate::sync::{Arc, Mutex};

/// The archive as a survey found it, for looking only.
pub(super) fn archive_of(home: &Home, survey: &Survey) -> Archive {
    archive_over(home, survey, &Arc::new(Mutex::new(survey.catalog())))
}

fn archive_over(home: &Home, survey: &Survey, catalog: &Arc<Mutex<Catalog>>) -> Archive {
    let options = Options { prefetch_bytes: 0, ..survey.state.options.clone() };
    let shelf = Shelf::open(home, &survey.state);
    Archive::new(home.clone(), Arc::clone(catalog), shelf, &options)
}

/// Adds what is still damaged to the survey. If all of it was put right, the audit is as if it had never been: the next
/// one is due soon.
///
/// # Errors
/// [`Error::Io`]: then nothing is known.
pub(crate) fn recheck(home: &Home, survey: &mut Survey) -> Result<()> {
    let Some(violated) = survey.state.audited.map(|audited| audited.violated).filter(|lsns| !lsns.is_empty())
    else {
        return Ok(());
    };
    let lsns = LsnRange::new(violated.first.max(survey.state.trimmed), violated.last);
    let catalog = Arc::new(Mutex::new(survey.catalog()));
    let archive = Arc::new(archive_over(home, survey, &catalog));
    let reader = Reader::new(home.clone(), catalog, archive, survey.state.options.read_buffer_bytes);
    let mut records = Iter::new(Arc::new(reader), lsns.first);
    records.bound(lsns.last);
    let mut whole = true;
    for found in records {
        let Err(error) = found else { continue };
        whole = false;
        match &error {
            Error::Corrupt { lsns, .. } | Error::CorruptBlock { lsns, .. } => {
                let known = |damage: &Damage| damage.lsns == *lsns;
                if !survey.damage.iter().any(known) {
                    survey.damage.push(Damage { lsns: *lsns, error });
                }
            }
            Error::Io { .. } => return Err(error),
            // Out of reach: not known to be put right.
            _ => {}
        }
    }
    if whole {
        survey.state.audited = Some(Audited::NEVER);
    }
    Ok(())
}
