//! A panic inside a case: it is a finding, and whoever ran the case goes on behind it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use truelog_spec::Invariant;

use crate::schedules::{Strategy, runner};

/// What findings that name no invariant are called: defects of the harness itself.
pub(crate) const HARNESS: &str = "harness";
/// The engine's sources, as the compiler names them in all three builds.
const ENGINE: &str = "impl/";

/// How the line begins that names what a case violates.
const VIOLATED: &str = "VIOLATED ";

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panicked {
    /// Its words.
    pub(crate) says: String,
    /// The line of code, if it is known.
    pub(crate) at: String,
}

thread_local! {
    static LISTENS: Cell<bool> = const { Cell::new(false) };
    static HEARD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a case, or a part of one. A panic is not printed: whoever asked tells it.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    listen();
    let before = LISTENS.replace(true);
    HEARD.take();
    let ran = catch_unwind(AssertUnwindSafe(run));
    LISTENS.set(before);
    ran.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Panicked { says: text.unwrap_or_default(), at: HEARD.take() }
    })
}

/// Has the places of panics kept for the threads that listen; all others are told as before.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Shuttle sets a hook of its own with its first run, and takes every panic for one of a schedule. It must be set by
        // now, so that it is asked only where nobody listens.
        runner::run(&Strategy::Random, 0, 1, || {}, |_| true);
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if LISTENS.get() {
                HEARD.set(info.location().map(ToString::to_string).unwrap_or_default());
            } else {
                before(info);
            }
        }));
    });
}

impl Panicked {
    /// The invariant that its words name first. An engine that panics without a word of that resolves nothing; any other
    /// panic is a defect of the harness.
    pub(crate) fn breaks(&self) -> &'static str {
        // What stands behind the first line may be anything, such as the input itself.
        let violated = self.says.lines().find(|line| line.starts_with(VIOLATED));
        let text = violated.or_else(|| self.says.lines().next()).unwrap_or_default();
        let words = text.split(|char: char| char != '-' && !char.is_ascii_lowercase());
        let named = words.filter_map(|word| word.parse::<Invariant>().ok()).next();
        match named {
            Some(invariant) => invariant.as_str(),
            None if self.at.contains(ENGINE) => Invariant::AppendResolves.as_str(),
            None => HARNESS,
        }
    }

    /// What happened, in a line: what was violated, or the first line.
    pub(crate) fn line(&self) -> &str {
        let violated = self.says.lines().find_map(|line| line.strip_prefix(VIOLATED)?.split_once(": "));
        violated.map(|(_, detail)| detail).or_else(|| self.says.lines().next()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_named_by_its_words_then_by_its_place() {
        assert_eq!(caught(|| 7), Ok(7));
        let panicked = caught(|| panic!("read-never-stale: a seven")).expect_err("it panics");
        assert_eq!((panicked.breaks(), panicked.line()), ("read-never-stale", "read-never-stale: a seven"));
        let says =
            "cargo verify case \"random: append\"\nclient append\nVIOLATED read-never-stale: a seven: 7";
        let panicked = Panicked { says: says.to_owned(), at: String::new() };
        assert_eq!((panicked.breaks(), panicked.line()), ("read-never-stale", "a seven: 7"));
        let panicked = caught(|| panic!("what was read\n left: acked-is-durable")).expect_err("it panics");
        assert_eq!(panicked.breaks(), HARNESS, "an input names nothing");
        let panicked = caught(|| panic!("no name at all")).expect_err("it panics");
        assert!(panicked.at.contains("caught.rs"), "{panicked:?}");
        assert_eq!(panicked.breaks(), HARNESS);
        for at in ["impl/src/log.rs:3:1", "harness/under-shuttle/../../impl/src/log.rs:3:1"] {
            let panicked = Panicked { says: "index out of bounds".to_owned(), at: at.to_owned() };
            assert_eq!(panicked.breaks(), "append-resolves", "{at}");
        }
    }
}
