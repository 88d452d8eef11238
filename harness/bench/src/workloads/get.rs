//! Records at random.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::measure::{Meter, Sample, times, with_times};
use crate::payload::{SMALL, number, xorshift};
use crate::peers::{Peer, Use};
use crate::plan::Task;
use crate::workloads::kept;

/// How many reads come before those that count.
pub const WARM_UP: u64 = 1000;

/// Which records, and for how long.
pub struct Picks {
    state: u64,
    ordinal: u64,
    records: u64,
    until: Instant,
}

/// One of them.
pub struct Pick {
    /// The record's number.
    pub record: u64,
    /// The how-manieth it is.
    pub ordinal: u64,
}

impl Picks {
    /// The same sequence for everybody.
    pub fn new(task: &Task) -> Self {
        Self {
            state: 0x2545_f491_4f6c_dd1d,
            ordinal: 0,
            records: task.scale.scan_bytes / SMALL as u64,
            until: Instant::now() + Duration::from_millis(task.scale.millis),
        }
    }

    /// The next, until the time is up.
    pub fn next(&mut self) -> Option<Pick> {
        if self.ordinal > WARM_UP + 1 && Instant::now() >= self.until {
            return None;
        }
        self.state = xorshift(self.state);
        let ordinal = self.ordinal;
        self.ordinal += 1;
        Some(Pick { record: self.state % self.records, ordinal })
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
        let began = Instant::now();
        let mut found = None;
        store.get(pick.record, &mut |record| found = Some((number(record), record.len())))?;
        ensure!(found == Some((Some(pick.record), SMALL)), "asked for {}, got {found:?}", pick.record);
        if pick.ordinal == WARM_UP {
            meter = Meter::start(&task.dir)?;
        } else if pick.ordinal > WARM_UP {
            times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
            ops += 1;
        }
    }
    Ok(with_times(meter.stop(ops, ops * SMALL as u64)?, &times))
}
