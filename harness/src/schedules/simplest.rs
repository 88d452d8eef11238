//! A finding of a schedule, told as simply as it can be: by the fewest acts of its scene, and by the fewest switches.

use super::preempt::Preempted;
use super::spots::Spot;
use super::tale::{Line, tale};
use super::{Found, Scene, Strategy, explore};
use crate::fewer::fewer;

/// How many runs it may take to leave switches out, the first time: a random schedule has hundreds.
const SWITCHES: usize = 400;
/// The same for acts, and for switches behind that.
const ACTS: usize = 100;
/// How often it is begun again, as long as something that is left can still be left out.
const ROUNDS: usize = 3;
/// So many of the first words of a violation say what is wrong.
const GIST: usize = 4;

/// See the module's text.
#[derive(Debug)]
pub struct Simplest {
    /// The scene, without what it does not take.
    pub scene: &'static Scene,
    /// The acts that were left out.
    pub without: Vec<Spot>,
    /// The schedule.
    pub schedule: Preempted,
    /// The same invariant broken by it.
    pub found: Found,
    /// Whether each act that is left is needed, and each switch: without it what is left does not break this.
    pub is_least: bool,
    /// What happens, up to where it shows.
    pub tale: Vec<Line>,
}

impl Simplest {
    /// The simplest way that was found to what `found` breaks, which these acts of a scene have shown; `None` if it does not
    /// come back.
    #[must_use]
    pub fn of(scene: &'static Scene, kept: &[Spot], found: &Found) -> Option<Self> {
        let broken = Broken { breaks: found.breaks, gist: gist(&found.violation) };
        let mut way = [false, true].into_iter().find_map(|whole| {
            let way = Way { scene, kept: kept.to_vec(), schedule: found.tape.preempted(whole) };
            way.breaks(&broken).map(|_| way)
        })?;
        let is_least = (0..ROUNDS).any(|_| {
            way.leave_out(&broken);
            is_least(&way, &broken)
        });
        let again = way.breaks(&broken)?;
        let Way { kept, schedule, .. } = way;
        let without = scene.spots().into_iter().filter(|spot| !kept.contains(spot)).collect();
        let least = scene.only(&kept);
        let tale = tale(least, &schedule, &again);
        Some(Self { scene: least, without, schedule, found: again, is_least, tale })
    }

    /// The command that runs it again.
    #[must_use]
    pub fn replay(&self) -> String {
        command(self.scene, &self.schedule, &self.without)
    }
}

/// The command that runs a scene without these acts under a schedule.
pub(super) fn command(scene: &Scene, schedule: &Preempted, without: &[Spot]) -> String {
    let left_out: Vec<String> = without.iter().map(Spot::to_string).collect();
    let left_out =
        if left_out.is_empty() { String::new() } else { format!(" --without {}", left_out.join(",")) };
    format!("cargo verify schedule {} {schedule}{left_out}", scene.name)
}

/// What is to be broken: the same invariant, and the same of it. Else a race would end as another: whatever panics or hangs
/// breaks one.
#[derive(Debug)]
struct Broken {
    breaks: &'static str,
    gist: String,
}

/// The first words of a violation, without what stands in numbers.
fn gist(violation: &str) -> String {
    let words =
        violation.split_whitespace().filter(|word| !word.contains(|char: char| char.is_ascii_digit()));
    words.take(GIST).collect::<Vec<_>>().join(" ")
}

/// Acts of a scene, and a schedule.
#[derive(Debug, Clone)]
struct Way {
    scene: &'static Scene,
    kept: Vec<Spot>,
    schedule: Preempted,
}

impl Way {
    /// How it breaks this.
    fn breaks(&self, broken: &Broken) -> Option<Found> {
        let scene = self.scene.only(&self.kept);
        let found = explore(scene, &Strategy::Preempted(self.schedule.clone()), 0, 1).found;
        found.filter(|found| found.breaks == broken.breaks && gist(&found.violation) == broken.gist)
    }

    /// Leaves out switches, then acts, and then again what switches those acts took.
    fn leave_out(&mut self, broken: &Broken) {
        self.leave_out_switches(broken, SWITCHES);
        self.leave_out_acts(broken);
        self.leave_out_switches(broken, ACTS);
        self.leave_out_acts(broken);
    }

    fn leave_out_switches(&mut self, broken: &Broken, tries: usize) {
        let seed = self.schedule.seed;
        let with = |preemptions: &[_]| Preempted { seed, preemptions: preemptions.to_vec() };
        let preemptions = fewer(self.schedule.preemptions.clone(), tries, |rest| {
            Some(Self { schedule: with(rest), ..self.clone() }.breaks(broken).is_some())
        });
        self.schedule = with(&preemptions);
    }

    fn leave_out_acts(&mut self, broken: &Broken) {
        self.kept = fewer(self.kept.clone(), ACTS, |rest| {
            Some(Self { kept: rest.to_vec(), ..self.clone() }.breaks(broken).is_some())
        });
    }
}

/// Whether what is left no longer breaks this without any one of its acts, or any one of its switches. What is still long was
/// not searched to its end.
fn is_least(way: &Way, broken: &Broken) -> bool {
    let holds = |leave_out: &dyn Fn(&mut Way)| {
        let mut less = way.clone();
        leave_out(&mut less);
        less.breaks(broken).is_none()
    };
    way.kept.len() + way.schedule.preemptions.len() <= ACTS
        && (0..way.kept.len()).all(|at| {
            holds(&|less| {
                less.kept.remove(at);
            })
        })
        && (0..way.schedule.preemptions.len()).all(|at| {
            holds(&|less| {
                less.schedule.preemptions.remove(at);
            })
        })
}
