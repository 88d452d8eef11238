//! What happens in a schedule, thread by thread.

use std::sync::{Arc, Mutex};

use truelog_env::Op;
use truelog_spec::step::Writer;

use super::play::{Tray, locked, play};
use super::preempt::Preempted;
use super::{Found, Scene, Strategy, runner};
use crate::fabric::Call;
use crate::subject::UnderShuttle;

/// Something that a thread does, or hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The client, or the main thread as the last of them; `None` for any other, such as the log's own.
    pub who: Option<Writer>,
    /// How many moments at which a crash may come were before it.
    pub moment: usize,
    /// What it is.
    pub says: String,
}

/// Where the lines go, one by one: a schedule may end in a panic.
pub(super) type Tale = Arc<Mutex<Vec<Line>>>;

/// What a call does to a file, if that is worth telling: it moves, changes or reads records.
pub(super) fn of_call(call: &Call) -> Option<String> {
    let span = || format!("{} {} [{}..{}]", call.op, call.role, call.offset, call.offset + call.len);
    match call.op {
        Op::Read | Op::Write => Some(span()),
        Op::Rename => Some(match &call.to {
            Some((_, to)) => format!("rename {} to {to}", call.role),
            None => format!("rename {}", call.role),
        }),
        Op::SyncData | Op::SyncAll | Op::SyncDir | Op::Unlink => Some(format!("{} {}", call.op, call.role)),
        _ => None,
    }
}

/// Plays a schedule that has shown `found` once more, and tells of it up to where it shows.
pub(super) fn tale(scene: &'static Scene, schedule: &Preempted, found: &Found) -> Vec<Line> {
    let tale = Tale::default();
    let tray = Tray::telling(&tale);
    let body = move || play::<UnderShuttle>(scene, &tray);
    runner::run(&Strategy::Preempted(schedule.clone()), 0, 1, body, |_| false);
    let mut lines = std::mem::take(&mut *locked(&tale));
    let end = match &found.crash {
        Some(crash) => lines.iter().position(|line| line.moment > crash.moment),
        None => lines.iter().position(|line| line.says.contains(&found.violation)).map(|at| at + 1),
    };
    lines.truncate(end.unwrap_or(lines.len()));
    lines
}
