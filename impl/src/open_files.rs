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
    /// The one that was used last stands last.
    files: Vec<(SegmentNo, StdArc<dyn File>)>,
    /// What is below is going to be removed, or was: it is not kept open.
    floor: SegmentNo,
}

impl OpenFiles {
    /// The file of a segment.
    ///
    /// # Errors
    /// That of opening it.
    pub(crate) fn get(&self, home: &Home, segment: SegmentNo) -> Result<StdArc<dyn File>> {
        {
            let files = &mut self.state.lock().files;
            if let Some(at) = files.iter().rposition(|(number, _)| *number == segment) {
                let file = StdArc::clone(&files[at].1);
                files[at..].rotate_left(1);
                return Ok(file);
            }
        }
        let file: StdArc<dyn File> = home.open(Name::Segment(segment), OpenMode::READ)?.into();
        let mut state = self.state.lock();
        if segment >= state.floor {
            if state.files.len() == MOST {
                state.files.remove(0);
            }
            state.files.push((segment, StdArc::clone(&file)));
        }
        Ok(file)
    }

    /// Closes those that are going to be removed. Whoever has one still goes on with it.
    pub(crate) fn close_below(&self, floor: SegmentNo) {
        let mut state = self.state.lock();
        state.floor = state.floor.max(floor);
        state.files.retain(|(segment, _)| *segment >= floor);
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
        let open =
            |files: &OpenFiles| files.state.lock().files.iter().map(|file| file.0.get()).collect::<Vec<_>>();
        let expected: Vec<_> = (3..=most).chain([1, most + 1]).collect();
        assert_eq!(open(&files), expected, "2 was not used for longest");
        files.close_below(SegmentNo(most));
        assert_eq!(open(&files), [most, most + 1]);
        files.get(&home, SegmentNo(1)).expect("it has its name still");
        assert_eq!(open(&files), [most, most + 1], "but not for long");
        assert!(files.get(&home, SegmentNo(999)).is_err());
    }
}
