//! The segments that are open for reading: few of them, so that a read at random does not open its file each time.

use std::collections::VecDeque;

use truelog_env::{File, IoError, OpenMode};

use crate::home::Home;
use crate::lsn::SegmentNo;
use crate::names::Name;
use crate::sync::{Mutex, StdArc};

/// How many are kept open at most, besides those that iterators are in.
const MOST: usize = 32;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The one that was used last is at the end.
    open: Mutex<VecDeque<(SegmentNo, StdArc<dyn File>)>>,
}

impl Files {
    /// The file of a segment, opened unless it is open.
    pub(crate) fn get(&self, home: &Home, number: SegmentNo) -> Result<StdArc<dyn File>, IoError> {
        {
            let mut open = self.open.lock();
            if let Some(at) = open.iter().position(|(known, _)| *known == number)
                && let Some(found) = open.remove(at)
            {
                let file = StdArc::clone(&found.1);
                open.push_back(found);
                return Ok(file);
            }
        }
        let path = home.path(Name::Segment(number));
        let file: StdArc<dyn File> = StdArc::from(home.env.fs.open(&path, OpenMode::READ)?);
        let mut open = self.open.lock();
        if open.len() >= MOST {
            open.pop_front();
        }
        open.push_back((number, StdArc::clone(&file)));
        Ok(file)
    }

    /// Lets go of segments that were removed: their space is free only once nobody has them open.
    pub(crate) fn forget(&self, gone: impl Fn(SegmentNo) -> bool) {
        self.open.lock().retain(|(number, _)| !gone(*number));
    }
}
