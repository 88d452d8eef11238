//! The file in which a writer leaves its metrics: for `truelog watch`, and for node_exporter's textfile collector.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use truelog::{Log, Metric, MetricKind, Metrics, SyncDurations};

use crate::exposition::{About, Exposition, Number};
use crate::failure::Failure;

/// How often it is written.
const EVERY: Duration = Duration::from_secs(1);

/// Which log the numbers are of.
pub(crate) const WRITER_INFO: About = About {
    name: "truelog_writer_info",
    kind: MetricKind::Gauge,
    help: "Which log the writer's numbers are of.",
};

/// Writes the file again and again, until dropped or finished.
#[derive(Debug)]
pub(crate) struct Keeping {
    path: PathBuf,
    log: String,
    metrics: Arc<Metrics>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeping {
    /// Begins with the numbers as they are.
    ///
    /// # Errors
    /// The file cannot be written; no thread can be started.
    pub(crate) fn start(path: &Path, log: &Log, metrics: Arc<Metrics>) -> Result<Self, Failure> {
        let id = log.id().to_string();
        write(path, &id, &metrics)?;
        let (stop, stopped) = channel();
        let thread = {
            let (path, log, metrics) = (path.to_owned(), id.clone(), Arc::clone(&metrics));
            thread::Builder::new()
                .name("metrics".to_owned())
                .spawn(move || keep(&path, &log, &metrics, &stopped))
        };
        let thread = thread.map_err(|_| Failure::Thread("metrics"))?;
        Ok(Self { path: path.to_owned(), log: id, metrics, stop, thread })
    }

    /// Writes the numbers for the last time, and no more behind that.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        drop(self.stop);
        let _ = self.thread.join();
        write(&self.path, &self.log, &self.metrics)
    }
}

fn keep(path: &Path, log: &str, metrics: &Metrics, stopped: &Receiver<()>) {
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        // The file is no part of the log: appends go on. That it grows old is seen, and the last write is told.
        let _ = write(path, log, metrics);
    }
}

/// Replaces the file as a whole: nobody reads half of it.
fn write(path: &Path, log: &str, metrics: &Metrics) -> Result<(), Failure> {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    let written = fs::write(&temporary, text(log, metrics)).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| Failure::Written { path: path.to_owned(), source })
}

fn text(log: &str, metrics: &Metrics) -> String {
    let mut shown = Exposition::default();
    shown.many(WRITER_INFO, vec![(vec![("log", log.to_owned())], Number::Whole(1))]);
    for (metric, number) in metrics.snapshot().iter() {
        shown.one(metric, Number::Whole(number));
    }
    shown.syncs(metrics.syncs());
    shown.text()
}

/// What such a file says of syncs; `None` if it says nothing of them, or something that cannot be.
fn parse_syncs(text: &str) -> Option<SyncDurations> {
    let rest = |line: &'_ str| line.strip_prefix(SyncDurations::NAME).map(str::to_owned);
    let mut sum = None;
    let mut upto = Vec::new();
    for line in text.lines().filter_map(rest) {
        let number = line.rsplit(' ').next()?;
        if line.starts_with("_sum ") {
            sum = Some(Duration::try_from_secs_f64(number.parse().ok()?).ok()?);
        } else if line.starts_with("_bucket{") {
            upto.push(number.parse::<u64>().ok()?);
        }
    }
    let before = std::iter::once(&0).chain(&upto);
    let counts: Option<Vec<_>> =
        upto.iter().zip(before).map(|(upto, before)| upto.checked_sub(*before)).collect();
    Some(SyncDurations { counts: counts?.try_into().ok()?, sum: sum? })
}

/// What a writer's file of metrics says.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whose numbers they are.
    pub(crate) log: String,
    /// The numbers of the metrics that this program knows.
    pub(crate) numbers: BTreeMap<String, u64>,
    /// How long syncs took, if it says so.
    pub(crate) syncs: Option<SyncDurations>,
}

/// What such a file says; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<Told> {
    let mut log = None;
    let mut numbers = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(rest) = line.strip_prefix(WRITER_INFO.name) {
            log = rest.strip_prefix("{log=\"").and_then(|rest| rest.split('"').next()).map(str::to_owned);
        } else if let Some((name, number)) = line.split_once(' ')
            && Metric::ALL.iter().any(|metric| metric.name() == name)
            && let Ok(number) = number.parse()
        {
            numbers.insert(name.to_owned(), number);
        }
    }
    log.map(|log| Told { log, numbers, syncs: parse_syncs(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let metrics = Metrics::default();
        truelog::Observer::event(
            &metrics,
            &truelog::Event::Rejected { records: 7, error: truelog::Error::Closed },
        );
        for micros in [10, 700, 700, 9_000_000] {
            let (segment, took) = (truelog::SegmentNo(1), Duration::from_micros(micros));
            truelog::Observer::event(&metrics, &truelog::Event::Synced { segment, took });
        }
        let text = text("0af9", &metrics);
        for line in ["_bucket{le=\"0.001\"} 3", "_bucket{le=\"5\"} 3", "_bucket{le=\"+Inf\"} 4", "_count 4"] {
            assert!(text.contains(&format!("{}{line}\n", SyncDurations::NAME)), "{line}: {text}");
        }
        let Told { log, numbers, syncs } = parse(&text).unwrap();
        assert_eq!((log.as_str(), syncs), ("0af9", Some(metrics.syncs())));
        assert_eq!(numbers.len(), Metric::ALL.len());
        assert_eq!(numbers[Metric::RejectedRecords.name()], 7);
        assert!(parse("").is_none());
    }
}
