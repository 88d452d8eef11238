//! In which order the clients of a schedule began what they do, and the same as a run of one thread.

use std::fmt;

use truelog_spec::step::Writer;

use super::scene::{Act, Scene};
use crate::explore::Letter;

/// More than this in a record opens a new segment soon.
const SMALL: u32 = 8;

/// What began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// A client began this.
    Act(Writer, Act),
    /// A client began to wait for what it had handed in.
    Wait(Writer),
    /// The handle was let go of, and another thread opens the log.
    Life,
}

impl fmt::Display for Began {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(writer, act) => write!(f, "client {writer}: {act}"),
            Self::Wait(writer) => write!(f, "client {writer}: wait"),
            Self::Life => f.write_str("the handle is let go of, and the log opened again"),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(len) => write!(f, "append {len}"),
            Self::Accept(len) => write!(f, "append {len}, to survive the process only"),
            Self::Batch(len) => write!(f, "append two of {len}"),
            Self::Submit(len) => write!(f, "submit {len}"),
            Self::Leave(len) => write!(f, "submit {len}, and never wait"),
            Self::Trim(before) => write!(f, "trim below {before}"),
            Self::Step => f.write_str("step"),
            Self::Read => f.write_str("read all"),
            Self::Back => f.write_str("read backwards"),
            Self::Audit => f.write_str("verify all receipts"),
            Self::Archive(steps) => write!(f, "{steps} steps of the archive"),
            Self::Compact => f.write_str("compact"),
            Self::Scrub => f.write_str("scrub"),
            Self::Sleep(ms) => write!(f, "sleep {ms} ms"),
        }
    }
}

/// What one thread does that does all of this, one after the other, as far as the explorer has letters for it.
pub(super) fn letters(scene: &Scene, began: &[Began]) -> Vec<Letter> {
    let mut letters = Vec::new();
    let (mut records, mut slept) = (0, false);
    for began in began {
        let act = match began {
            Began::Act(_, act) => *act,
            Began::Wait(_) => {
                letters.push(Letter::Wait);
                continue;
            }
            Began::Life => {
                letters.push(Letter::Die);
                continue;
            }
        };
        records += act.write(0).map_or(0, |write| write.records.len() as u64);
        let letter = match act {
            Act::Append(len) if len > SMALL => Letter::AppendLarge,
            Act::Append(_) => Letter::Append,
            Act::Accept(_) => Letter::AppendLight,
            Act::Batch(_) => Letter::Batch,
            Act::Submit(_) | Act::Leave(_) => Letter::Submit,
            Act::Trim(before) if before > records => Letter::TrimAll,
            Act::Trim(_) => Letter::TrimMost,
            Act::Step if slept => Letter::Idle,
            Act::Step => Letter::Tick,
            Act::Read | Act::Back | Act::Audit => Letter::Read,
            Act::Archive(_) => Letter::Work,
            Act::Compact => Letter::Compact,
            Act::Scrub => Letter::Scrub,
            Act::Sleep(_) => {
                slept = true;
                continue;
            }
        };
        slept &= letter != Letter::Idle;
        letters.push(letter);
        if scene.worked && matches!(act, Act::Leave(_)) {
            // There the log's own thread commits it.
            letters.push(Letter::Tick);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_run_of_one_thread_in_the_order_in_which_it_began() {
        let scene = Scene::named("worker").expect("a scene");
        let began = [
            Began::Act(0, Act::Submit(8)),
            Began::Act(2, Act::Sleep(100)),
            Began::Act(1, Act::Append(200)),
            Began::Act(2, Act::Step),
            Began::Act(2, Act::Step),
            Began::Act(1, Act::Trim(2)),
            Began::Act(1, Act::Trim(3)),
            Began::Wait(0),
            Began::Life,
        ];
        use Letter::{AppendLarge, Die, Idle, Submit, Tick, TrimAll, TrimMost, Wait};
        let run = [Submit, AppendLarge, Idle, Tick, TrimMost, TrimAll, Wait, Die];
        assert_eq!(letters(scene, &began), run);
        let owned = Scene::named("own-thread").expect("a scene");
        assert_eq!(letters(owned, &[Began::Act(0, Act::Leave(8))]), [Submit, Tick]);
    }
}
