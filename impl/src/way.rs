//! How a batch reaches the device: through the page cache and a sync behind it, or past the cache by one call that is both.
//! Which is faster differs by device, and by how much is written. So of the small batches and of the large ones the first of
//! an open go either way in turn, and what they took decides.

use std::fmt;
use std::time::Duration;

use crate::options::SyncMethod;
use crate::types::Durability;

/// How one batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Written; whoever needs it durable syncs the file behind it.
    Synced,
    /// Durable once it is written.
    Through,
}

/// How long a batch is at least, in bytes, for the device to begin with it while the leader does something else before it
/// syncs. Where no sync follows, it is on its way by the time that somebody asks for one. So the two ways differ from here
/// on by more than how long they take.
const LARGE: u64 = 32 << 10;

/// What is chosen for at once: batches that are written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchSize {
    /// Less than 32 KiB.
    Small,
    /// 32 KiB or more, with which the device begins before the sync.
    Large,
}

impl BatchSize {
    /// That of a batch of so many bytes.
    pub(crate) const fn of(bytes: u64) -> Self {
        if bytes < LARGE { Self::Small } else { Self::Large }
    }
}

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Large => "large",
        })
    }
}

/// How many batches go each way before one is chosen.
const TRIES: usize = 16;

/// What has been tried, and what follows from it.
#[derive(Debug)]
pub(crate) struct Chooser {
    small: Trial,
    large: Trial,
}

/// What was chosen, and what a batch took each way: medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) method: SyncMethod,
    pub(crate) synced: Duration,
    pub(crate) through: Duration,
}

impl Chooser {
    /// For a log whose option is `method`, and whose appends promise `durability` where they do not say. What survives
    /// the process only is best left to the page cache.
    pub(crate) fn new(method: SyncMethod, durability: Durability) -> Self {
        let chosen = match (method, durability) {
            (SyncMethod::DataSync, _) | (SyncMethod::Auto, Durability::ProcessCrash) => Some(Way::Synced),
            (SyncMethod::WriteThrough, _) => Some(Way::Through),
            (SyncMethod::Auto, Durability::PowerLoss) => None,
        };
        Self { small: Trial::new(chosen), large: Trial::new(chosen) }
    }

    /// What is known of the ways of batches of this size.
    pub(crate) const fn of(&mut self, size: BatchSize) -> &mut Trial {
        match size {
            BatchSize::Small => &mut self.small,
            BatchSize::Large => &mut self.large,
        }
    }
}

/// The ways of batches that are written alike. They are taken to be as long as each other: if long and short ones of one size
/// come in turn, as the ways do, the choice may be the worse one for this open.
#[derive(Debug)]
pub(crate) struct Trial {
    chosen: Option<Way>,
    /// What the batches took, by the way that they went.
    synced: [Duration; TRIES],
    through: [Duration; TRIES],
    tried: usize,
}

impl Trial {
    const fn new(chosen: Option<Way>) -> Self {
        let none = [Duration::ZERO; TRIES];
        Self { chosen, synced: none, through: none, tried: 0 }
    }

    /// The way that the next durable batch goes.
    pub(crate) const fn next(&self) -> Way {
        match self.chosen {
            Some(way) => way,
            None if self.tried.is_multiple_of(2) => Way::Synced,
            None => Way::Through,
        }
    }

    /// Whether it is still to be told what batches take.
    pub(crate) const fn tries(&self) -> bool {
        self.chosen.is_none()
    }

    /// The batch that went the way of [`Trial::next`] took so long. Says what is chosen when the last try has ended.
    pub(crate) fn took(&mut self, time: Duration) -> Option<Chosen> {
        if self.chosen.is_some() {
            return None;
        }
        let times = if self.tried.is_multiple_of(2) { &mut self.synced } else { &mut self.through };
        if let Some(place) = times.get_mut(self.tried / 2) {
            *place = time;
        }
        self.tried += 1;
        if self.tried < 2 * TRIES {
            return None;
        }
        let (synced, through) = (median(&mut self.synced), median(&mut self.through));
        let (way, method) = if through < synced {
            (Way::Through, SyncMethod::WriteThrough)
        } else {
            (Way::Synced, SyncMethod::DataSync)
        };
        self.chosen = Some(way);
        Some(Chosen { method, synced, through })
    }
}

fn median(times: &mut [Duration; TRIES]) -> Duration {
    times.sort_unstable();
    times[TRIES / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(chooser: &mut Chooser, size: BatchSize, synced: u64, through: u64) -> (Chosen, Way) {
        let trial = chooser.of(size);
        for count in 0..2 * TRIES {
            assert!(trial.tries());
            // One that stalls decides nothing.
            let micros = match trial.next() {
                Way::Synced if count == 0 => 1_000_000,
                Way::Synced => synced,
                Way::Through => through,
            };
            if let Some(chosen) = trial.took(Duration::from_micros(micros)) {
                assert_eq!(count, 2 * TRIES - 1, "each way was tried as often");
                assert!(!trial.tries());
                return (chosen, trial.next());
            }
        }
        panic!("nothing was chosen")
    }

    #[test]
    fn the_faster_way_is_chosen_by_what_batches_of_a_size_took() {
        let micros = Duration::from_micros;
        let mut chooser = Chooser::new(SyncMethod::Auto, Durability::PowerLoss);
        let (through, way) = chosen(&mut chooser, BatchSize::Small, 200, 150);
        assert_eq!(way, Way::Through);
        let wanted = Chosen { method: SyncMethod::WriteThrough, synced: micros(200), through: micros(150) };
        assert_eq!(through, wanted);
        let (synced, way) = chosen(&mut chooser, BatchSize::Large, 150, 150);
        assert_eq!(
            (synced.method, way),
            (SyncMethod::DataSync, Way::Synced),
            "what is as fast changes nothing"
        );
        assert_eq!(chooser.of(BatchSize::Small).next(), Way::Through, "each size has its own");
        assert_eq!([LARGE - 1, LARGE].map(BatchSize::of), [BatchSize::Small, BatchSize::Large]);
    }

    #[test]
    fn what_is_said_is_not_tried() {
        for (method, durability, way) in [
            (SyncMethod::DataSync, Durability::PowerLoss, Way::Synced),
            (SyncMethod::WriteThrough, Durability::ProcessCrash, Way::Through),
            (SyncMethod::Auto, Durability::ProcessCrash, Way::Synced),
        ] {
            let mut chooser = Chooser::new(method, durability);
            for size in [BatchSize::Small, BatchSize::Large] {
                let trial = chooser.of(size);
                assert_eq!((trial.next(), trial.tries()), (way, false));
                assert_eq!(trial.took(Duration::ZERO), None);
            }
        }
    }
}
