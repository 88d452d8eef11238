//! Opening the log that a directory holds, as it is.

use std::path::Path;
use std::sync::Arc;

use truelog::{Inspection, Log, Name, Observer, Options, Recovered};

use crate::failure::Failure;

/// Opens the log in `dir` for a command that does one thing: no thread of the log's own works beside it.
///
/// # Errors
/// As [`with_options`].
pub(crate) fn alone(dir: &Path) -> Result<(Log, Recovered), Failure> {
    with_options(dir, |options| Options { background: false, ..options })
}

/// Opens the log in `dir` for writing, with what `change` makes of the options that are stored in it: only those of a
/// handle may differ.
///
/// # Errors
/// Whatever the log reports. A damaged log is refused: it opens for reading only.
pub(crate) fn with_options(
    dir: &Path,
    change: impl FnOnce(Options) -> Options,
) -> Result<(Log, Recovered), Failure> {
    observed(dir, change, &[])
}

/// As [`with_options`]; `observers` are told from the first event of the recovery on.
///
/// # Errors
/// As [`with_options`].
pub(crate) fn observed(
    dir: &Path,
    change: impl FnOnce(Options) -> Options,
    observers: &[Arc<dyn Observer>],
) -> Result<(Log, Recovered), Failure> {
    let failed = Failure::log(dir);
    let place = std::path::absolute(dir).map_err(|source| Failure::File { path: dir.to_owned(), source })?;
    let env = truelog::os::native();
    let options = change(truelog::recorded_options(&env, &place).map_err(&failed)?);
    let place = truelog::os::resolve(&place).map_err(&failed)?;
    let (log, recovered) = Log::open_observed_in(&env, &place, &options, observers).map_err(&failed)?;
    match log.read_only() {
        Some(why) => Err(failed(truelog::Error::ReadOnly { why: why.clone() })),
        None => Ok((log, recovered)),
    }
}

/// Looks at the log in `dir` without a lock, and without writing.
///
/// # Errors
/// Whatever the log reports.
pub(crate) fn readable(dir: &Path) -> Result<Inspection, Failure> {
    truelog::inspect(dir).map_err(Failure::log(dir))
}

/// The segments that accept-loss put aside, by path: no log reads them or removes them.
pub(crate) fn quarantined(dir: &Path, view: &Inspection) -> Vec<String> {
    let path = |number| dir.join(Name::Quarantined(number).to_string()).display().to_string();
    view.quarantined().iter().copied().map(path).collect()
}
