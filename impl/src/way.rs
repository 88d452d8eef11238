//! How a batch reaches the device: through the page cache and a sync behind it, or past the cache by one call that is both.
//! Which is faster differs by device, and by what is written. So the first batches of an open go either way in turn, and
//! what they took decides.

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

/// How many batches go each way before one is chosen.
const TRIES: usize = 16;

/// What has been tried, and what follows from it.
#[derive(Debug)]
pub(crate) struct Chooser {
    chosen: Option<Way>,
    /// What the batches took, by the way that they went.
    synced: [Duration; TRIES],
    through: [Duration; TRIES],
    tried: usize,
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

    /// The batch that went the way of [`Chooser::next`] took so long. Says what is chosen when the last try has ended.
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

    fn chosen(synced: u64, through: u64) -> (Chosen, Way) {
        let mut chooser = Chooser::new(SyncMethod::Auto, Durability::PowerLoss);
        for count in 0..2 * TRIES {
            assert!(chooser.tries());
            // One that stalls decides nothing.
            let micros = match chooser.next() {
                Way::Synced if count == 0 => 1_000_000,
                Way::Synced => synced,
                Way::Through => through,
            };
            if let Some(chosen) = chooser.took(Duration::from_micros(micros)) {
                assert_eq!(count, 2 * TRIES - 1, "each way was tried as often");
                assert!(!chooser.tries());
                return (chosen, chooser.next());
            }
        }
        panic!("nothing was chosen")
    }

    #[test]
    fn the_faster_way_is_chosen_by_what_batches_took() {
        let micros = Duration::from_micros;
        let (through, way) = chosen(200, 150);
        assert_eq!(way, Way::Through);
        let wanted = Chosen { method: SyncMethod::WriteThrough, synced: micros(200), through: micros(150) };
        assert_eq!(through, wanted);
        let (synced, way) = chosen(150, 150);
        assert_eq!(
            (synced.method, way),
            (SyncMethod::DataSync, Way::Synced),
            "what is as fast changes nothing"
        );
    }

    #[test]
    fn what_is_said_is_not_tried() {
        for (method, durability, way) in [
            (SyncMethod::DataSync, Durability::PowerLoss, Way::Synced),
            (SyncMethod::WriteThrough, Durability::ProcessCrash, Way::Through),
            (SyncMethod::Auto, Durability::ProcessCrash, Way::Synced),
        ] {
            let mut chooser = Chooser::new(method, durability);
            assert_eq!((chooser.next(), chooser.tries()), (way, false));
            assert_eq!(chooser.took(Duration::ZERO), None);
        }
    }
}
