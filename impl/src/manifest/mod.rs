//! The manifest: what the log consists of, durably, before it is used.

mod archive;
#[cfg(test)]
mod archive_tests;
mod file;
mod record;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use archive::Edition;
pub use archive::{ArchiveState, Publication};
pub(crate) use file::{ManifestFile, ManifestRead, ManifestVerdict, read_manifest};
pub use record::{Content, MANIFEST_MAGIC, ManifestRecord, RECORD_HEADER, RecordSite};
pub use state::{Edit, ManifestState, SegmentEntry};

use std::path::Path;

use truelog_env::Env;

use crate::error::{Error, Result};
use crate::home::Home;
use crate::identity::read_identity;
use crate::names::Name;
use crate::options::Options;

/// The options that are stored with the log in `dir`, an absolute path; what belongs to a handle has its
/// default. Takes no lock. For commands that open a log as it is.
///
/// # Errors
/// As opening: [`Error::NotALog`], [`Error::Unfinished`], [`Error::InDoubt`], [`Error::Version`], [`Error::CorruptFile`],
/// [`Error::Io`].
pub fn recorded_options(env: &Env, dir: &Path) -> Result<Options> {
    let identity = read_identity(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, identity.log, identity.block, volume);
    let read = read_manifest(&home)?;
    match (read.state, read.verdict) {
        (Some(state), _) => Ok(state.options),
        (None, ManifestVerdict::Damaged { offset, reason }) => {
            Err(Error::CorruptFile { path: home.path(Name::Manifest), offset, reason })
        }
        // A manifest that is not damaged has a state.
        (None, _) => Err(Error::Unfinished { dir: dir.into() }),
    }
}
