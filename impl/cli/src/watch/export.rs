//! What is found, and what a writer claims, as metrics.

use std::time::SystemTime;

use truelog::{Metric, MetricKind, SyncDurations};

use super::facts::{Claims, Facts};
use super::said::Said;
use super::state::Look;
use super::tile::Tile;
use crate::audit::scan::Tally;
use crate::exposition::{About, Exposition, Number};
use crate::metrics_file::WRITER_INFO;

const fn gauge(name: &'static str, help: &'static str) -> About {
    About { name, help, kind: MetricKind::Gauge }
}

const INFO: About = gauge("truelog_found_info", "The log that was found, and its directory.");
const SUCCESS: About = gauge("truelog_look_success", "1 if the last look could look at the log.");
const AT: About = gauge("truelog_look_timestamp_seconds", "When the last look ended, in seconds since 1970.");
const TOOK: About = gauge("truelog_look_duration_seconds", "How long the last look took.");
const VERDICT: About = gauge(
    "truelog_tile_verdict",
    "What is watched: 0 it holds, 1 it cannot be seen, 2 it is degraded, 3 it is violated.",
);
const CLAIMS_AGE: About =
    gauge("truelog_claims_age_seconds", "How old the file of the writer's metrics was.");
const INODES: About =
    gauge("truelog_volume_free_inodes", "Inodes that the log's volume has free, where they are counted.");
const LOG_CLAIMS: About = About {
    name: "truelog_log_claims_total",
    help: "Claims in the logs of the application, by what became of them.",
    kind: MetricKind::Counter,
};
const LOG_UNREAD: About =
    gauge("truelog_log_unread_bytes", "Bytes of the logs of the application that are still to be read.");
const DRIVES: About = gauge("truelog_found_drives", "Drives of the archive, by state.");
/// The states of a drive.
const DRIVE_STATES: [&str; 4] = ["serves", "out", "suspect", "quarantined"];

/// What is told of the facts, each as one number.
type Told = (About, fn(&Facts) -> u64);

const FACTS: [Told; 12] = [
    (gauge("truelog_found_first_lsn", "The first record that is kept."), |facts| facts.first_lsn),
    (gauge("truelog_found_next_lsn", "The LSN behind the last record found."), |facts| facts.next_lsn),
    (gauge("truelog_found_vouched_lsn", "The last record that something durable vouches for."), |facts| {
        facts.vouched_lsn
    }),
    (gauge("truelog_found_torn_bytes", "Bytes behind the last valid batch."), |facts| facts.torn_bytes),
    (gauge("truelog_found_segments", "Segments that the manifest names."), |facts| facts.segments),
    (gauge("truelog_found_segment_bytes", "Bytes of these segments."), |facts| facts.segment_bytes),
    (gauge("truelog_found_damaged_ranges", "Damaged ranges of records, or files."), |facts| {
        facts.damage.len() as u64
    }),
    (gauge("truelog_found_given_up_records", "Records that accept-loss gave up."), |facts| {
        records(&facts.given_up)
    }),
    (gauge("truelog_found_quarantined_segments", "Segments that accept-loss put aside."), |facts| {
        facts.quarantined_segments.len() as u64
    }),
    (gauge("truelog_found_runs", "Runs of the archive."), |facts| facts.runs),
    (gauge("truelog_found_archived_lsn", "The last record in the archive."), |facts| facts.archived_lsn),
    (gauge("truelog_volume_free_bytes", "Bytes that the log's volume has free."), |facts| facts.free_bytes),
];

fn records(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(first, last)| (last + 1).saturating_sub(*first)).sum()
}

/// Every metric that `truelog watch` can show, by name and help: its own, and the writer's behind them.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let own =
        [INFO, SUCCESS, AT, TOOK, VERDICT, CLAIMS_AGE, INODES, DRIVES, LOG_CLAIMS, LOG_UNREAD, WRITER_INFO];
    let facts = FACTS.into_iter().map(|(about, _)| about);
    let writers = Metric::ALL.iter().map(|metric| About::from(*metric));
    let all = own.into_iter().chain(facts).chain(writers).map(|about| (about.name, about.help));
    all.chain([(SyncDurations::NAME, SyncDurations::HELP)])
}

/// All of it. What was not found this time is left out, so that nobody takes an old number for a new one.
pub(super) fn text(dir: &str, look: &Look, tiles: &[Tile]) -> String {
    let mut shown = Exposition::default();
    let at = look.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + look.took;
    shown.one(SUCCESS, Number::Whole(u64::from(look.facts.is_ok())));
    shown.one(AT, Number::Real(at.as_secs_f64()));
    shown.one(TOOK, Number::Real(look.took.as_secs_f64()));
    let verdict = |tile: &Tile| {
        let labels = vec![("tile", tile.name.to_owned()), ("kind", tile.kind.word().to_owned())];
        (labels, Number::Whole(u64::from(tile.verdict.number())))
    };
    shown.many(VERDICT, tiles.iter().map(verdict).collect());
    if let Ok(facts) = &look.facts {
        found(&mut shown, dir, facts);
    }
    if let Some(said) = &look.said {
        logged(&mut shown, said);
    }
    if let Some(Ok(claims)) = &look.claims {
        claimed(&mut shown, claims);
    }
    shown.text()
}

fn found(shown: &mut Exposition, dir: &str, facts: &Facts) {
    let labels = vec![("log", facts.log.clone()), ("dir", dir.to_owned())];
    shown.many(INFO, vec![(labels, Number::Whole(1))]);
    for (about, number) in FACTS {
        shown.one(about, Number::Whole(number(facts)));
    }
    if let Some(free) = facts.free_inodes {
        shown.one(INODES, Number::Whole(free));
    }
    let drives = DRIVE_STATES.map(|state| {
        let count = facts.drives.iter().filter(|drive| drive.state == state).count() as u64;
        (vec![("state", state.to_owned())], Number::Whole(count))
    });
    shown.many(DRIVES, drives.into());
}

fn logged(shown: &mut Exposition, said: &Said) {
    let Tally { verified, unvouched, by_name, trimmed, violated, gone, unverifiable, .. } = said.tally;
    let counts = [
        ("verified", verified),
        ("unvouched", unvouched),
        ("by-name", by_name),
        ("trimmed", trimmed),
        ("violated", violated),
        ("gone", gone),
        ("unverifiable", unverifiable),
    ];
    let counts = counts.map(|(name, count)| (vec![("verdict", name.to_owned())], Number::Whole(count)));
    shown.many(LOG_CLAIMS, counts.into());
    shown.one(LOG_UNREAD, Number::Whole(said.unread_bytes));
}

fn claimed(shown: &mut Exposition, claims: &Claims) {
    shown.one(CLAIMS_AGE, Number::Whole(claims.age_seconds));
    shown.many(WRITER_INFO, vec![(vec![("log", claims.log.clone())], Number::Whole(1))]);
    for metric in Metric::ALL {
        shown.one(*metric, Number::Whole(claims.get(*metric)));
    }
    if let Some(syncs) = claims.syncs {
        shown.syncs(syncs);
    }
}
