//! Numbers as Prometheus reads them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use truelog::{MetricKind, SyncDurations};

/// The type of what [`Exposition::text`] returns.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// A metric, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// Unit and, if it is a counter, `_total` included.
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    pub(crate) help: &'static str,
}

impl From<truelog::Metric> for About {
    fn from(metric: truelog::Metric) -> Self {
        Self { name: metric.name(), kind: metric.kind(), help: metric.help() }
    }
}

/// A number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// As most are.
    Whole(u64),
    /// Seconds, mostly.
    Real(f64),
}

type Labels = Vec<(&'static str, String)>;

/// Metrics with their numbers, in order.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    numbers: Vec<(About, Vec<(Labels, Number)>)>,
    syncs: Option<SyncDurations>,
}

impl Exposition {
    /// A metric with one number.
    pub(crate) fn one(&mut self, about: impl Into<About>, number: Number) {
        self.many(about, vec![(Vec::new(), number)]);
    }

    /// A metric with a number for each set of labels.
    pub(crate) fn many(&mut self, about: impl Into<About>, numbers: Vec<(Labels, Number)>) {
        self.numbers.push((about.into(), numbers));
    }

    /// How long syncs took, behind all others.
    pub(crate) fn syncs(&mut self, syncs: SyncDurations) {
        self.syncs = Some(syncs);
    }

    /// As text.
    pub(crate) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (about, numbers) in &self.numbers {
            // The encoder writes a counter's `_total` itself.
            let (name, kind) = match about.kind {
                MetricKind::Counter => {
                    (about.name.strip_suffix("_total").unwrap_or(about.name), MetricType::Counter)
                }
                MetricKind::Gauge => (about.name, MetricType::Gauge),
            };
            let mut metric = encoder.encode_descriptor(name, about.help, None, kind)?;
            for (labels, number) in numbers {
                let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let sample = metric.encode_family(&labels)?;
                match (about.kind, *number) {
                    (MetricKind::Counter, Number::Whole(number)) => ConstCounter::new(number).encode(sample),
                    (MetricKind::Counter, Number::Real(number)) => ConstCounter::new(number).encode(sample),
                    (MetricKind::Gauge, Number::Whole(number)) => ConstGauge::new(number).encode(sample),
                    (MetricKind::Gauge, Number::Real(number)) => ConstGauge::new(number).encode(sample),
                }?;
            }
        }
        let Some(syncs) = self.syncs else { return Ok(()) };
        let bounds = SyncDurations::bounds().map(|bound| bound.map_or(f64::INFINITY, |it| it.as_secs_f64()));
        let buckets: Vec<_> = bounds.zip(syncs.counts).collect();
        let (name, help) = (SyncDurations::NAME, SyncDurations::HELP);
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(syncs.sum.as_secs_f64(), syncs.count(), &buckets, None)
    }
}
