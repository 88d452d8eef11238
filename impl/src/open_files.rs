//! Segments that are open to be read, so that reads at random do not open a file each.

use truelog_env::{File, OpenMode};

use crate::error::Result;
use crate::home::Home;
use crate::lsn::SegmentNo;
use crate::names::Name;
use crate::sync::{Mutex, StdArc};

/// How many are kept open.
const MOST: usize = 64;

/// See the module's text. A file that has no name any more takes space as long as it is open: whoever removes segments
/// calls [`OpenFiles::close_below`].
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By ascending numbers.
    files: Vec<Opened>,
    /// How often one was asked for.
    uses: u64,
    /// What is below is going to be removed, or was: it is not kept open.
    floor: SegmentNo,
}

#[derive(Debug)]
struct Opened {
    segment: SegmentNo,
    file: StdArc<dyn File>,
    /// The number of its last use.
    used: u64,
}

impl State {
    /// The file of a segment that is open.
    fn find(&mut self, segment: SegmentNo) -> Option<StdArc<dyn File>> {
        let at = self.files.binary_search_by_key(&segment, |opened| opened.segment).ok()?;
        let opened = self.files.get_mut(at)?;
        self.uses += 1;
        opened.used = self.uses;
        Some(StdArc::clone(&opened.file))
    }

    /// Keeps a file open, in the place of the one that was used least recently if there are too many.
    fn keep(&mut self, segment: SegmentNo, file: StdArc<dyn File>) {
        if segment < self.floor {
            return;
        }
        // Another reader may have been faster.
        self.files.retain(|opened| opened.segment != segment);
        let oldest = (0..self.files.len()).min_by_key(|at| self.files[*at].used);
        if let Some(oldest) = oldest.filter(|_| self.files.len() == MOST) {
            self.files.remove(oldest);
        }
        self.uses += 1;
        let at = self.files.partition_point(|opened| opened.segment < segment);
        self.files.insert(at, Opened { segment, file, used: self.uses });
    }
}

impl OpenFiles {
    /// The file of a segment.
    ///
    /// # Errors
    /// That of opening it.
    pub(crate) fn get(&self, home: &Home, segment: SegmentNo) -> Result<StdArc<dyn File>> {
        if let Some(file) = self.state.lock().find(segment) {
            return Ok(file);
        }
        let file: StdArc<dyn File> = home.open(Name::Segment(segment), OpenMode::READ)?.into();
        self.state.lock().keep(segment, StdArc::clone(&file));
        Ok(file)
    }

    /// Closes those that are going to be removed. Whoever has one still goes on with it.
    pub(crate) fn close_below(&self, floor: SegmentNo) {
        let mut state = self.state.lock();
        state.floor = state.floor.max(floor);
        state.files.retain(|opened| opened.segment >= floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::check_volume;
    use crate::options::Options;
    use crate::types::LogId;

    #[test]
    fn the_files_used_last_stay_open_and_those_that_go_do_not() {
        let (env, dir) = (crate::os::native(), tempfile::tempdir().expect("a directory"));
        let volume = check_volume(&env, dir.path(), &Options::default()).expect("a volume");
        let home = Home::new(&env, dir.path(), LogId([1; 16]), 4096, volume);
        let most = u64::try_from(MOST).expect("few");
        for number in 1..=most + 1 {
            home.open(Name::Segment(SegmentNo(number)), OpenMode::CREATE).expect("made");
        }
        let files = OpenFiles::default();
        for number in (1..=most).chain([1, most + 1]) {
            files.get(&home, SegmentNo(number)).expect("opened");
        }
        let open = |files: &OpenFiles| {
            files.state.lock().files.iter().map(|opened| opened.segment.get()).collect::<Vec<_>>()
        };
        let expected: Vec<_> = [1].into_iter().chain(3..=most + 1).collect();
        assert_eq!(open(&files), expected, "2 was not used for longest");
        files.close_below(SegmentNo(most));
        assert_eq!(open(&files), [most, most + 1]);
        files.get(&home, SegmentNo(1)).expect("it has its name still");
        assert_eq!(open(&files), [most, most + 1], "but not for long");
        assert!(files.get(&home, SegmentNo(999)).is_err());
    }
}
