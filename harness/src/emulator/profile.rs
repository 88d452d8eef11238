//! The one device profile of all designs. 7.3 ms and 12 reads are the incident's; everything else is assumed, stated
//! here once, and swept.

use serde::Serialize;

use super::random::{Latency, MICRO, MILLI, Nanos};

/// The jitter of the incident: the most that a write-completion acknowledgement comes late.
pub const INCIDENT_JITTER: Nanos = 7_300 * MICRO;
/// The burst of the incident, in read transactions.
pub const INCIDENT_BURST: usize = 12;

/// See the module's text. The defaults describe old hard disks behind a controller with a write cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The incident's: how late an acknowledgement may come.
    pub jitter: Nanos,
    /// The incident's: how many read transactions come at once.
    pub burst: usize,
    /// Whether a compaction rewrites the blocks that the burst reads.
    pub compaction: bool,
    /// The drives; block `b` has its copies on `b` and `b + 1`, modulo their number.
    pub drives: usize,
    /// How long after the one before a transaction arrives.
    pub arrival: Latency,
    /// Burst and compaction each begin anywhere in so long.
    pub apart: Nanos,
    /// How long a drive's one head takes for a read. Reads wait for each other there.
    pub read: Latency,
    /// How long what was read takes to arrive.
    pub completion: Latency,
    /// How long a write takes until the drive's cache holds it. Writes do not wait for the head.
    pub write: Latency,
    /// How long its acknowledgement takes, before jitter.
    pub acknowledgement: Nanos,
    /// How long a sync takes.
    pub sync: Latency,
    /// How long the compaction waits between two blocks.
    pub pace: Nanos,
    /// How many blocks ahead of a read are prefetched.
    pub distance: usize,
    /// How long verification takes between two looks at the state.
    pub gap: Latency,
    /// How often what does not verify is tried again before it is FPRE004.
    pub retries: u32,
    /// How long before each retry.
    pub retry: Nanos,
    /// How long until one who waits looks again.
    pub poll: Nanos,
    /// The patch's: how long before a prefetch buffer is marked ready.
    pub back_off: Nanos,
    /// After how long the host gives up on a drive that does not answer.
    pub timeout: Nanos,
    /// How wrong a node's clock goes at most, in parts of a million.
    pub skew_ppm: u32,
    /// How far one clock in two jumps back at most.
    pub jump: Nanos,
}

impl Default for Profile {
    fn default() -> Self {
        let uniform =
            |least: Nanos, most: Nanos| Latency::Uniform { least: least * MICRO, most: most * MICRO };
        Self {
            jitter: INCIDENT_JITTER,
            burst: INCIDENT_BURST,
            compaction: true,
            drives: 4,
            arrival: uniform(0, 400),
            apart: 8 * MILLI,
            read: uniform(800, 2_400),
            completion: uniform(20, 80),
            write: uniform(100, 300),
            acknowledgement: 200 * MICRO,
            sync: uniform(4_000, 12_000),
            pace: 250 * MICRO,
            distance: 4,
            gap: uniform(5, 25),
            retries: 3,
            retry: MILLI,
            poll: 100 * MICRO,
            back_off: 500 * MICRO,
            timeout: 50 * MILLI,
            skew_ppm: 200,
            jump: 1_000 * MILLI,
        }
    }
}

impl Profile {
    /// The blocks that burst and compaction are about: what an incident's burst reads, whatever this one's size, so
    /// that a smaller burst is a smaller burst and not a smaller compaction too.
    #[must_use]
    pub const fn hot(&self) -> usize {
        INCIDENT_BURST
    }
}

/// One parameter, and how to change it.
#[derive(Debug, Clone, Copy)]
pub struct Knob {
    /// Its name.
    pub name: &'static str,
    /// Turns it to so many times its value, over so many.
    turn: fn(&mut Profile, u64, u64),
}

impl Knob {
    /// The stated profile with this knob turned to `times / over` of its value.
    #[must_use]
    pub fn turned(&self, times: u64, over: u64) -> Profile {
        let mut profile = Profile::default();
        (self.turn)(&mut profile, times, over);
        profile
    }
}

/// The incident's two numbers, then every assumed parameter that can make a difference.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "jitter (incident)",
        turn: |profile, times, over| profile.jitter = profile.jitter * times / over,
    },
    Knob {
        name: "burst (incident)",
        turn: |profile, times, over| profile.burst = profile.burst * times as usize / over as usize,
    },
    Knob {
        name: "arrival",
        turn: |profile, times, over| profile.arrival = profile.arrival.scaled(times, over),
    },
    Knob { name: "apart", turn: |profile, times, over| profile.apart = profile.apart * times / over },
    Knob { name: "read", turn: |profile, times, over| profile.read = profile.read.scaled(times, over) },
    Knob {
        name: "completion",
        turn: |profile, times, over| profile.completion = profile.completion.scaled(times, over),
    },
    Knob { name: "write", turn: |profile, times, over| profile.write = profile.write.scaled(times, over) },
    Knob {
        name: "acknowledgement",
        turn: |profile, times, over| profile.acknowledgement = profile.acknowledgement * times / over,
    },
    Knob { name: "sync", turn: |profile, times, over| profile.sync = profile.sync.scaled(times, over) },
    Knob { name: "pace", turn: |profile, times, over| profile.pace = profile.pace * times / over },
    Knob {
        name: "distance",
        turn: |profile, times, over| profile.distance = profile.distance * times as usize / over as usize,
    },
    Knob { name: "gap", turn: |profile, times, over| profile.gap = profile.gap.scaled(times, over) },
    Knob { name: "retry", turn: |profile, times, over| profile.retry = profile.retry * times / over },
    Knob { name: "poll", turn: |profile, times, over| profile.poll = profile.poll * times / over },
    Knob {
        name: "back-off",
        turn: |profile, times, over| profile.back_off = profile.back_off * times / over,
    },
    Knob {
        name: "skew",
        turn: |profile, times, over| profile.skew_ppm = profile.skew_ppm * times as u32 / over as u32,
    },
];
