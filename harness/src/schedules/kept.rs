//! The races of the corpus: schedules that have broken an invariant once, and must not again.
//!
//! Each is kept as acts and switches ([`Simplest`]) and not as a tape: that can be run whatever the engine has become. What
//! it shows, if it is run on an engine that has the bug, is in the page beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use truelog_spec::Invariant;

use super::simplest::command;
use super::{Explored, Preempted, Scene, Simplest, Spot, Strategy, explore};
use crate::report::Report;

/// How a file ends that holds one.
pub const SUFFIX: &str = "race";

/// A race that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What goes wrong, in a sentence.
    pub title: String,
    /// What it broke.
    pub invariant: Invariant,
    /// Where.
    pub scene: &'static Scene,
    /// The acts of the scene that it does not take.
    pub without: Vec<Spot>,
    /// In which order.
    pub schedule: Preempted,
    /// What found it.
    pub found_by: String,
    /// The mutant that has the bug.
    pub mutant: String,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, invariant, scene, without, schedule, found_by, mutant } = self;
        let without: Vec<String> = without.iter().map(Spot::to_string).collect();
        writeln!(f, "title: {title}\ninvariant: {invariant}\nfound-by: {found_by}\nmutant: {mutant}")?;
        writeln!(f, "scene: {}\nwithout: {}\nschedule: {schedule}", scene.name, without.join(","))
    }
}

/// A text that is no race.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARace {
    /// A line of it is missing.
    #[error("it has no line `{0}: …`")]
    Missing(&'static str),
    /// A line of it says nothing that is known.
    #[error("its line `{0}: {1}` says nothing that is known")]
    Unknown(&'static str, String),
}

impl FromStr for Kept {
    type Err = NotARace;

    fn from_str(text: &str) -> Result<Self, NotARace> {
        let fields: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, ""))))
            .map(|(name, is)| (name, is.trim()))
            .collect();
        let field = |name: &'static str| fields.get(name).copied().ok_or(NotARace::Missing(name));
        let unknown = |name: &'static str, is: &str| NotARace::Unknown(name, is.to_owned());
        let (invariant, scene) = (field("invariant")?, field("scene")?);
        let (without, schedule) = (field("without")?, field("schedule")?);
        let scene_of = Scene::named(scene).ok_or_else(|| unknown("scene", scene))?;
        let spots = scene_of.spots();
        let spot = |word: &str| word.parse().ok().filter(|spot| spots.contains(spot));
        let words = without.split(',').filter(|word| !word.is_empty());
        Ok(Self {
            title: field("title")?.to_owned(),
            invariant: invariant.parse().map_err(|_| unknown("invariant", invariant))?,
            scene: scene_of,
            without: words.map(spot).collect::<Option<_>>().ok_or_else(|| unknown("without", without))?,
            schedule: schedule.parse().map_err(|_| unknown("schedule", schedule))?,
            found_by: field("found-by")?.to_owned(),
            mutant: field("mutant")?.to_owned(),
        })
    }
}

impl Kept {
    /// What is to be kept of a way to a race; `None` if it breaks no promise of the log.
    #[must_use]
    pub fn of(simplest: &Simplest, title: &str, found_by: &str, mutant: &str) -> Option<Self> {
        Some(Self {
            title: line(title),
            invariant: simplest.found.breaks.parse().ok()?,
            scene: Scene::named(simplest.scene.name)?,
            without: simplest.without.clone(),
            schedule: simplest.schedule.clone(),
            found_by: line(found_by),
            mutant: line(mutant),
        })
    }

    /// How many acts it takes, with one for the crash that it may take.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.scene.spots().len().saturating_sub(self.without.len()) + 1
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Explored {
        let kept: Vec<Spot> =
            self.scene.spots().into_iter().filter(|spot| !self.without.contains(spot)).collect();
        explore(self.scene.only(&kept), &Strategy::Preempted(self.schedule.clone()), 0, 1)
    }

    /// Whether any of its switches came about, if it has some. The engine may make other steps than when it was kept.
    #[must_use]
    pub fn fits(&self, explored: &Explored) -> bool {
        let made = explored.last.preempted(true).preemptions;
        let kept = &self.schedule.preemptions;
        kept.is_empty() || kept.iter().any(|switch| made.contains(switch))
    }

    /// The command that runs it.
    #[must_use]
    pub fn replay(&self) -> String {
        let Self { scene, without, schedule, .. } = self;
        command(scene, schedule, without)
    }
}

/// A text as one line of a file.
fn line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// All races under a corpus, in the order of their paths.
///
/// # Errors
/// A folder or a file cannot be read, or is no race.
pub fn races(corpus: &Path) -> io::Result<Vec<(PathBuf, Kept)>> {
    let mut races = Vec::new();
    for folder in fs::read_dir(corpus)? {
        let folder = folder?.path();
        for file in folder.is_dir().then(|| fs::read_dir(&folder)).transpose()?.into_iter().flatten() {
            let path = file?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                let race = fs::read_to_string(&path)?.parse().map_err(|why| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
                })?;
                races.push((path, race));
            }
        }
    }
    races.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(races)
}

/// Runs each race of the corpus. None may break anything; and that there is none at all is an error.
pub(super) fn replay(report: &mut Report) {
    let races = match races(&crate::replay::corpus()) {
        Ok(races) => races,
        Err(error) => return report.environment(format!("the races of the corpus cannot be read: {error}")),
    };
    if races.is_empty() {
        report.find("harness", "the corpus has no race", "cargo verify --only schedules");
    }
    for (path, race) in races {
        let explored = race.run();
        report.count("races replayed", 1);
        report.count("their switches", race.schedule.preemptions.len() as u64);
        let says = |what: &str| format!("{}: {}: {what}", path.display(), race.title);
        if let Some(found) = &explored.found {
            report.find(found.breaks, says(&found.says()), race.replay());
        } else if explored.judged.pairs == 0 || !race.fits(&explored) {
            let what = "nothing of it comes about any more: find it again on its mutant, and promote that";
            report.find("harness", says(what), race.replay());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACE: &str = "title: A bug.\ninvariant: read-never-stale\nfound-by: campaign\nmutant: a-bug\nscene: reader\n\
                        without: 0.1,2.2\nschedule: 7+1@17/2\n";

    #[test]
    fn a_race_is_its_text_and_holds_on_an_engine_without_the_bug() {
        let race: Kept = RACE.parse().expect("a race");
        assert_eq!(race.to_string(), RACE);
        let explored = race.run();
        assert!(race.fits(&explored), "task 1 gives way there");
        let far: Kept = RACE.replace("@17", "@170000").parse().expect("a race");
        assert!(!far.fits(&far.run()), "no task makes so many steps");
        assert!(explored.found.is_none() && explored.judged.pairs > 0 && explored.acks > 0, "{explored:?}");
        let refused = |text: &str| text.parse::<Kept>().expect_err("no race").to_string();
        assert!(refused(&RACE.replace("0.1", "0.9")).contains("without: 0.9,2.2"));
        assert!(refused(&RACE.replace("scene: reader", "scene: nowhere")).contains("scene: nowhere"));
        assert!(refused("scene: reader").contains("invariant"));
    }

    #[test]
    fn no_race_of_the_corpus_comes_back() {
        let mut report = Report::new("schedules", "");
        replay(&mut report);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let races = report.explored.iter().find(|count| count.what == "races replayed");
        assert!(races.is_some_and(|count| count.n > 0));
    }
}
