//! Lives of whole logs: steps, what goes wrong with them, and crashes, all of which the input chooses.

use crate::explore::{Case, Scope};
use crate::subject::Plain;

/// A case of a scope that the input chooses, and what came of it.
fn ran(scope: &'static Scope, data: &[u8]) -> Option<(Case, Vec<String>, bool)> {
    let mut case = Case::chosen::<Plain>(scope, data)?;
    loop {
        match case.run::<Plain>() {
            Ok((lines, holds)) => return Some((case, lines, holds)),
            // How many moments the second life has is known only now.
            Err(_) if case.earlier() => {}
            Err(_) => return None,
        }
    }
}

fn judge_steps(scope: &'static Scope, data: &[u8]) {
    if let Some((case, lines, holds)) = ran(scope, data) {
        assert!(holds, "cargo verify case \"{case}\"\n{}", lines.join("\n"));
    }
}

fn told(scope: &'static Scope, data: &[u8]) -> String {
    ran(scope, data).map_or_else(
        || "no case".to_owned(),
        |(case, lines, _)| format!("{case}\n{}", lines.last().cloned().unwrap_or_default()),
    )
}

/// Steps, a call of the last one that goes wrong, and crashes of which the input chooses the moment and what is kept,
/// against the oracle.
pub fn steps(data: &[u8]) {
    judge_steps(&Scope::RANDOM, data);
}

/// The same of a log with an archive on two drives.
pub fn archive_steps(data: &[u8]) {
    judge_steps(&Scope::RANDOM_ARCHIVE, data);
}

/// See [`steps`].
pub(super) fn tell_steps(data: &[u8]) -> String {
    told(&Scope::RANDOM, data)
}

/// See [`archive_steps`].
pub(super) fn tell_archive_steps(data: &[u8]) -> String {
    told(&Scope::RANDOM_ARCHIVE, data)
}
