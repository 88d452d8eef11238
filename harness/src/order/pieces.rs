//! What is written in more calls than one: a write that goes on where a short one ended, and a copy of a run that is
//! read back block by block.

use std::collections::BTreeMap;

use truelog_spec::step::{DriveNo, RunNo};

use super::seen::{Call, Result as Outcome};
use crate::fabric::{DriveFile, Role};

/// Pieces of files that were begun: where each ends, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Pieces<T>(BTreeMap<(Role, u64), (u64, T)>);

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy> Pieces<T> {
    /// The piece that a write goes on with.
    pub(super) fn goes_on(&self, call: &Call) -> Option<T> {
        let before = self.0.range(..(call.role, call.offset)).next_back();
        let ((role, _), (end, what)) = before?;
        (*role == call.role && *end == call.offset + call.len).then_some(*what)
    }

    /// A write begins a piece.
    pub(super) fn begin(&mut self, call: &Call, what: T) -> T {
        self.0.insert((call.role, call.offset), (call.offset + call.len, what));
        what
    }

    /// A file begins anew.
    pub(super) fn forget(&mut self, role: Role) {
        self.0.retain(|(of, _), _| *of != role);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Bytes of a file, as pieces that do not touch: each by where it begins, with where it ends.
#[derive(Debug, Clone, Default)]
struct Bytes(BTreeMap<u64, u64>);

impl Bytes {
    fn add(&mut self, from: u64, to: u64) {
        let (mut from, mut to) = (from, to);
        while let Some((&begin, &end)) = self.0.range(..=to).next_back().filter(|(_, end)| **end >= from) {
            self.0.remove(&begin);
            (from, to) = (from.min(begin), to.max(end));
        }
        if from < to {
            self.0.insert(from, to);
        }
    }

    fn hold(&self, other: &Self) -> bool {
        other.0.iter().all(|(from, to)| self.0.range(..=from).next_back().is_some_and(|(_, end)| end >= to))
    }
}

/// The copies of runs that are being made: what was written of each, and what of that was read back.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadBack(BTreeMap<(DriveNo, RunNo), (Bytes, Bytes)>);

impl ReadBack {
    /// A copy begins.
    pub(super) fn begin(&mut self, drive: DriveNo, run: RunNo) {
        self.0.insert((drive, run), Default::default());
    }

    /// A write to a copy ended.
    pub(super) fn wrote(&mut self, call: &Call, outcome: Outcome) {
        if let (Role::OnDrive(drive, DriveFile::RunTmp(run)), Outcome::Ok(len)) = (call.role, outcome)
            && let Some((written, _)) = self.0.get_mut(&(drive, run))
        {
            written.add(call.offset, call.offset + len);
        }
    }

    /// A read of a run ended: the copy that was read back with it, all of it and for the first time.
    pub(super) fn read(&mut self, call: &Call, outcome: Outcome) -> Option<(DriveNo, RunNo)> {
        let (Role::OnDrive(drive, DriveFile::Run(run)), Outcome::Ok(len)) = (call.role, outcome) else {
            return None;
        };
        let copy = (drive, run);
        let (written, read) = self.0.get_mut(&copy)?;
        read.add(call.offset, call.offset + len);
        if !read.hold(written) {
            return None;
        }
        self.0.remove(&copy);
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truelog_env::Op;

    fn call(op: Op, file: DriveFile, offset: u64, len: u64) -> Call {
        Call { offset, len, ..Call::plain(op, Role::OnDrive(1, file)) }
    }

    #[test]
    fn a_copy_is_read_back_once_each_byte_of_it_was_read() {
        let mut back = ReadBack::default();
        let write = |back: &mut ReadBack, offset, len| {
            back.wrote(&call(Op::Write, DriveFile::RunTmp(7), offset, len), Outcome::Ok(len));
        };
        let read = |back: &mut ReadBack, offset, len| {
            back.read(&call(Op::Read, DriveFile::Run(7), offset, len), Outcome::Ok(len))
        };
        assert_eq!(read(&mut back, 0, 100), None, "nobody makes it");
        back.begin(1, 7);
        write(&mut back, 0, 10);
        write(&mut back, 10, 20);
        write(&mut back, 30, 5);
        assert_eq!(read(&mut back, 10, 20), None);
        assert_eq!(read(&mut back, 31, 9), None);
        assert_eq!(read(&mut back, 0, 10), None, "one byte is missing");
        assert_eq!(read(&mut back, 30, 1), Some((1, 7)));
        assert_eq!(read(&mut back, 0, 40), None, "once");
    }

    #[test]
    fn what_a_short_write_has_left_belongs_to_what_was_begun() {
        let mut pieces = Pieces::default();
        let whole = call(Op::Write, DriveFile::RunTmp(1), 100, 50);
        assert_eq!(pieces.goes_on(&whole), None);
        pieces.begin(&whole, 'a');
        assert_eq!(pieces.goes_on(&call(Op::Write, DriveFile::RunTmp(1), 120, 30)), Some('a'));
        assert_eq!(pieces.goes_on(&call(Op::Write, DriveFile::RunTmp(1), 150, 30)), None);
        assert_eq!(pieces.goes_on(&call(Op::Write, DriveFile::RunTmp(2), 120, 30)), None);
        pieces.forget(whole.role);
        assert_eq!(pieces.goes_on(&call(Op::Write, DriveFile::RunTmp(1), 120, 30)), None);
    }
}
