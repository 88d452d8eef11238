//! FPRE004, as it happened: the incident's scenario in the virtual storage fabric, on the three designs of the
//! prefetch buffer.
//!
//! Only the jitter of 7.3 ms and the burst of 12 reads are the incident's. The rest of the profile is assumed, stated
//! in [`crate::emulator::profile`], and turned to half and to double in the sweep.

pub mod broken;
pub mod experiment;
pub mod measured;
pub mod response;
pub mod stats;
pub mod table;
pub mod timeline;

use serde::Serialize;

use crate::command::Plan;
use crate::emulator::designs::{Historical, Packed, Patched};
use crate::emulator::profile::{INCIDENT_JITTER, KNOBS, Profile};
use crate::emulator::random::{Latency, MICRO};
use crate::progress::Progress;
use crate::report::Report;
use broken::{Broken, broken};
use experiment::{ATTEMPTS, Series, first_failing, packed_where_historical_fails, series};
use measured::prefetch_and_read;
use response::{Shown, show};
use stats::rule_of_three;

/// What "reliably" must mean at least: so much of the histories fail within the attempts, by the lower end of the
/// interval.
const RELIABLY: f64 = 0.9;
/// How many seeds are looked through for a failing attempt.
const LOOKED_THROUGH: u64 = 1_000;

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Histories of Historical, of Patched and of each control; their seeds begin at 0.
    pub histories: u64,
    /// Reads of Packed that must overlap a pending write or a compaction.
    pub overlapping: u64,
    /// Histories of each design at each setting of the sweep.
    pub swept: u64,
    /// Measurements of each design's nanoseconds.
    pub rounds: usize,
}

impl Size {
    /// What `cargo verify fpre004` runs.
    pub const FULL: Self = Self { histories: 10_000, overlapping: 10_000_000, swept: 300, rounds: 20_000 };
    /// What `cargo verify` and `cargo test` run.
    pub const SMALL: Self = Self { histories: 200, overlapping: 40_000, swept: 0, rounds: 200 };
}

/// One setting of the sweep.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Which parameter, and how it was turned.
    pub name: String,
    /// The designs, in the order Historical, Patched, Packed.
    pub series: [Series; 3],
}

/// How long a prefetch takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Prefetch {
    /// The design.
    pub design: &'static str,
    /// Virtual time on an archive at rest, in milliseconds.
    pub quiet_ms: f64,
    /// The same during compactions.
    pub compacting_ms: f64,
    /// Measured: nanoseconds of this machine for a prefetch and the first read from it.
    pub measured_ns: u64,
}

/// Everything that was found out.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// How much was run.
    pub size: Size,
    /// The device profile.
    pub profile: Profile,
    /// The incident's scenario on the design as it was.
    pub historical: Series,
    /// The same without one of its ingredients.
    pub controls: Vec<(&'static str, Series)>,
    /// The incident's scenario on the design as it was patched.
    pub patched: Series,
    /// The packed design, on histories on which the historical one fails.
    pub packed: Series,
    /// The upper bound of FPRE004 in a read of the packed design, with 95 % confidence.
    pub packed_bound: f64,
    /// How long a prefetch takes with Historical, Patched and Packed.
    pub prefetch: [Prefetch; 3],
    /// What the packed design does about drives that are broken.
    pub broken: Vec<Broken>,
    /// The first response, on one failing attempt.
    pub response: Option<Shown>,
    /// The sweep.
    pub sweep: Vec<Setting>,
}

/// Runs everything.
#[must_use]
pub fn figures(size: Size, progress: &Progress) -> Figures {
    let profile = Profile::default();
    progress.says("historical");
    let historical = series::<Historical>(&profile, size.histories);
    progress.says("controls");
    let at_rest = Profile { compaction: false, ..profile };
    let quiet = series::<Historical>(&at_rest, size.histories);
    let no_jitter = series::<Historical>(&Profile { jitter: 0, ..profile }, size.histories);
    let single = series::<Historical>(&Profile { burst: 1, ..profile }, size.histories);
    progress.says("patched");
    let patched = series::<Patched>(&profile, size.histories);
    progress.says("packed");
    let packed = packed_where_historical_fails(&profile, size.overlapping, progress);
    progress.says("latency");
    let [historical_ns, patched_ns, packed_ns] = prefetch_and_read(size.rounds);
    let prefetch = [
        Prefetch {
            design: historical.design,
            quiet_ms: quiet.prefetch_ms,
            compacting_ms: historical.prefetch_ms,
            measured_ns: historical_ns,
        },
        Prefetch {
            design: patched.design,
            quiet_ms: series::<Patched>(&at_rest, size.histories).prefetch_ms,
            compacting_ms: patched.prefetch_ms,
            measured_ns: patched_ns,
        },
        Prefetch {
            design: packed.design,
            quiet_ms: series::<Packed>(&at_rest, size.histories).prefetch_ms,
            // The same seeds as the others, whether Historical fails on them or not.
            compacting_ms: series::<Packed>(&profile, size.histories).prefetch_ms,
            measured_ns: packed_ns,
        },
    ];
    progress.says("first response");
    let response = first_failing::<Historical>(&profile, LOOKED_THROUGH).and_then(|at| show(&profile, at));
    progress.says("sweep");
    Figures {
        size,
        profile,
        packed_bound: rule_of_three(packed.overlapping),
        historical,
        controls: vec![("no jitter", no_jitter), ("a burst of 1", single), ("no compaction", quiet)],
        patched,
        packed,
        prefetch,
        broken: broken(&profile, (size.histories / 10).max(20)),
        response,
        sweep: if size.swept > 0 { sweep(size.swept) } else { Vec::new() },
    }
}

fn sweep(histories: u64) -> Vec<Setting> {
    let setting = |name: String, profile: &Profile| Setting {
        name,
        series: [
            series::<Historical>(profile, histories),
            series::<Patched>(profile, histories),
            series::<Packed>(profile, histories),
        ],
    };
    let mut settings = vec![setting("as stated".to_owned(), &Profile::default())];
    let late = Latency::Tailed { least: 20 * MICRO, most: 80 * MICRO, one_in: 100, worst: INCIDENT_JITTER };
    let profile = Profile { completion: late, ..Profile::default() };
    settings.push(setting("one completion in 100 as late as an acknowledgement".to_owned(), &profile));
    for knob in KNOBS {
        for (how, times, over) in [("half", 1, 2), ("double", 2, 1)] {
            settings.push(setting(format!("{} {how}", knob.name), &knob.turned(times, over)));
        }
    }
    settings
}

impl Figures {
    /// Everything that is not as it must be: the invariant or `harness`, and what is wrong.
    #[must_use]
    pub fn wrong(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, invariant, says: String| {
            if !holds {
                wrong.push((invariant, says));
            }
        };
        let failing = self.historical.failing;
        let says = format!("Historical fails in {} of {} histories: not reliably", failing.hits, failing.of);
        must(failing.low >= RELIABLY, "harness", says);
        for (name, control) in &self.controls {
            let rarer = control.failing.is_below(&failing);
            must(rarer, "harness", format!("{name}: {} of {}", control.failing.hits, control.failing.of));
        }
        let settings = self.sweep.iter().map(|setting| (setting.name.as_str(), &setting.series[2]));
        for (name, packed) in settings.chain([("the incident's scenario", &self.packed)]) {
            let on = |what: &str, n: u64| format!("Packed, {name}: {n} {what}");
            must(packed.wrong == 0, "read-never-stale", on("reads with other bytes", packed.wrong));
            must(packed.faults == 0, "verify-sees-one-state", on("times FPRE004", packed.faults));
            let deceived = on("healthy drives quarantined", packed.deceived);
            must(packed.deceived == 0, "quarantine-loses-nothing", deceived);
            must(packed.unresolved == 0, "append-resolves", on("reads without bytes", packed.unresolved));
        }
        let old = [&self.historical, &self.patched];
        let unsound = old.iter().map(|series| series.wrong + series.unresolved).sum::<u64>();
        must(unsound == 0, "harness", format!("{unsound} reads of the old designs ended wrongly"));
        // The same is taken away from both: what Historical takes.
        let [_, patched, packed] = &self.prefetch;
        let less = packed.quiet_ms < patched.quiet_ms && packed.compacting_ms < patched.compacting_ms;
        must(less, "harness", "Packed adds no less waiting to a prefetch than Patched".to_owned());
        let shown =
            self.response.as_ref().is_some_and(|shown| shown.exact == shown.reads && shown.remapped > 0);
        must(shown, "quarantine-loses-nothing", format!("the first response: {:?}", self.response));
        for broken in &self.broken {
            must(broken.right, "quarantine-loses-nothing", format!("{}: {broken:?}", broken.fault));
        }
        wrong
    }
}

/// The check `fpre004`: the small form.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let Size { histories, .. } = Size::SMALL;
    let scope =
        format!("virtual time, seeds 0 to {}, {ATTEMPTS} attempts each, three designs", histories - 1);
    let mut report = Report::new("fpre004", scope);
    let figures = figures(Size::SMALL, progress);
    report.count("reads of Packed that overlap", figures.packed.overlapping);
    report.count("FPRE004 in Historical", figures.historical.faults);
    report.count("blocks remapped", figures.response.as_ref().map_or(0, |shown| shown.remapped));
    for (invariant, says) in figures.wrong() {
        report.find(invariant, says, "cargo verify --only fpre004");
    }
    for line in table::summary(&figures) {
        report.note(line);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_picture_is_what_is_drawn() {
        let profile = Profile::default();
        let at = first_failing::<Historical>(&profile, LOOKED_THROUGH).expect("it fails");
        let drawn = timeline::svg(&profile, at).expect("it fails");
        let kept = include_str!("../../../docs/images/fpre004.svg");
        assert!(drawn == kept, "draw it anew: cargo verify fpre004 --svg docs/images/fpre004.svg");
        assert_eq!(timeline::svg(&Profile { jitter: 0, ..profile }, at), None, "nothing fails there");
    }

    #[test]
    fn the_small_form_holds_and_is_the_same_every_time() {
        let (one, two) =
            (figures(Size::SMALL, &Progress::silent()), figures(Size::SMALL, &Progress::silent()));
        assert_eq!(one.wrong(), Vec::new());
        assert!(one.packed.overlapping >= Size::SMALL.overlapping);
        assert_eq!(table::summary(&one), table::summary(&two));
        assert_eq!(one.response, two.response);
    }

    /// Whoever takes an ingredient away must see it.
    #[test]
    fn figures_that_are_not_as_they_must_be_are_named() {
        let good = figures(Size { histories: 100, overlapping: 1, swept: 1, rounds: 1 }, &Progress::silent());
        let named = |change: fn(&mut Figures)| {
            let mut figures = good.clone();
            change(&mut figures);
            figures.wrong().into_iter().map(|(invariant, _)| invariant).collect::<Vec<_>>()
        };
        assert_eq!(named(|_| {}), Vec::<&str>::new());
        assert_eq!(named(|figures| figures.packed.faults = 1), ["verify-sees-one-state"]);
        assert_eq!(named(|figures| figures.sweep[3].series[2].deceived = 1), ["quarantine-loses-nothing"]);
        assert_eq!(named(|figures| figures.packed.wrong = 1), ["read-never-stale"]);
        assert_eq!(named(|figures| figures.packed.unresolved = 1), ["append-resolves"]);
        assert_eq!(named(|figures| figures.broken[0].right = false), ["quarantine-loses-nothing"]);
        assert_eq!(named(|figures| figures.response = None), ["quarantine-loses-nothing"]);
        for change in [
            (|figures: &mut Figures| figures.controls[1].1.failing = figures.historical.failing)
                as fn(&mut Figures),
            |figures| figures.historical.failing = figures.controls[1].1.failing,
            |figures| figures.patched.wrong = 1,
            |figures| figures.prefetch[2].quiet_ms = 1e3,
        ] {
            assert!(named(change).contains(&"harness"));
        }
    }
}
