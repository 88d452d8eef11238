//! Records at random.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::measure::{Meter, Sample, times, with_times};
use crate::payload::{SMALL, number, xorshift};
use crate::peers::{Peer, Use};
use crate::plan::Task;
use crate::workloads::kept;

/// Which records, and for how long.
pub struct Picks {
    records: Records,
    counted_from: Instant,
    until: Instant,
    counted: bool,
}

/// See [`Picks::records`].
pub struct Records {
    state: u64,
    count: u64,
}

impl Iterator for Records {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.state = xorshift(self.state);
        self.state.checked_rem(self.count)
    }
}

/// One of them.
pub struct Pick {
    /// The record's number.
    pub record: u64,
    /// Whether it is the first that counts.
    pub first: bool,
    /// Whether it counts.
    pub counted: bool,
}

impl Picks {
    /// The numbers of the records that are asked for: the same for everybody.
    pub fn records(task: &Task) -> Records {
        Records { state: 0x2545_f491_4f6c_dd1d, count: task.scale.scan_bytes / SMALL as u64 }
    }

    /// What counts comes behind a warm-up that is as long, in which a log may learn where its records are.
    pub fn new(task: &Task) -> Self {
        let now = Instant::now();
        let counted_from = now + Duration::from_millis(task.scale.millis);
        Self {
            records: Self::records(task),
            counted_from,
            until: counted_from + Duration::from_millis(task.scale.millis),
            counted: false,
        }
    }

    /// The next, until the time is up, but one that counts at least.
    pub fn next(&mut self) -> Option<Pick> {
        let now = Instant::now();
        if self.counted && now >= self.until {
            return None;
        }
        let record = self.records.next()?;
        let first = !self.counted && now >= self.counted_from;
        self.counted |= first;
        Some(Pick { record, first, counted: self.counted })
    }
}

/// Reads from an open log.
pub fn run(peer: &Peer, task: &Task) -> Result<Sample> {
    if let Some(why) = peer.lack(task.workload) {
        bail!("{why}");
    }
    kept::warm(&task.dir)?;
    let store = (peer.open)(&task.dir, Use::Keep)?;
    let mut times = times()?;
    let mut picks = Picks::new(task);
    let mut meter = Meter::start(&task.dir)?;
    let mut ops = 0;
    while let Some(pick) = picks.next() {
        if pick.first {
            meter = Meter::start(&task.dir)?;
        }
        let began = Instant::now();
        let mut found = None;
        store.get(pick.record, &mut |record| found = Some((number(record), record.len())))?;
        ensure!(found == Some((Some(pick.record), SMALL)), "asked for {}, got {found:?}", pick.record);
        if pick.counted {
            times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
            ops += 1;
        }
    }
    Ok(with_times(meter.stop(ops, ops * SMALL as u64)?, &times))
}
