//! A race, told by the simplest way to it, thread by thread.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::arms::{Story, of_schedule};
use super::journal::Found;
use super::plain;
use super::propose::{Unproposed, hash, put};
use crate::schedules::kept::{Kept, SUFFIX};
use crate::schedules::{self, Act, Line, Part, Scene, Simplest, Spot, Strategy};

/// What schedules have found, and in which scene.
#[derive(Debug)]
pub(super) struct Race {
    pub(super) scene: &'static Scene,
    pub(super) found: schedules::Found,
}

impl Race {
    /// The simplest way to it; `None` if it does not come back.
    pub(super) fn simplest(&self) -> Option<Simplest> {
        Simplest::of(self.scene, &self.scene.spots(), &self.found)
    }
}

/// Puts the simplest way in the place of the one that was met.
pub(super) fn tell(found: &mut Found, story: &mut Story, simplest: &Simplest) {
    found.replay = simplest.replay();
    found.says = format!("{}: {}", simplest.scene.name, simplest.found.says());
    story.says = page(simplest);
}

/// How a race is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name. Without one its scene is, with a hash.
    pub slug: Option<&'a str>,
    /// What goes wrong, in a sentence. Without one it is what was broken.
    pub title: Option<&'a str>,
    /// The mutant that has the bug.
    pub mutant: &'a str,
    /// What found it.
    pub found_by: &'a str,
    /// Whether it may take the place of another race of this name.
    pub replace: bool,
}

/// Runs a schedule of these acts of a scene, looks for the simplest way to what it breaks, and writes that with its page as
/// `DIR/INVARIANT/SLUG.{race,md}`. Returns the path of the race.
///
/// # Errors
/// When it breaks no promise of the log, does not come back, or cannot be written.
pub fn promote(
    scene: &'static Scene,
    acts: &[Spot],
    strategy: &Strategy,
    wanted: Wanted<'_>,
    dir: &Path,
) -> Result<PathBuf, Unproposed> {
    let explored = schedules::explore(scene.only(acts), strategy, 0, 1);
    let met = match explored.found {
        None if explored.judged.points == 0 => {
            return Err(Unproposed::NoRace("the schedule does not fit the scene any more"));
        }
        found => found.ok_or(Unproposed::Holds)?,
    };
    let not_again = || Unproposed::NoRace("it does not come back each time");
    let simplest = Simplest::of(scene, acts, &met).ok_or_else(not_again)?;
    let (mut found, mut story) = of_schedule(scene, strategy, &met);
    tell(&mut found, &mut story, &simplest);
    let title = wanted.title.unwrap_or(&found.violation);
    let kept = Kept::of(&simplest, title, wanted.found_by, wanted.mutant)
        .ok_or(Unproposed::NoRace("it breaks no promise of the log, and the corpus is by promises"))?;
    found.again =
        (0..2).filter(|_| kept.run().found.is_some_and(|again| again.breaks == met.breaks)).count() as u64;
    if found.again < 2 {
        return Err(not_again());
    }
    story.title.clone_from(&kept.title);
    let text = kept.to_string();
    let slug = wanted.slug.map_or_else(|| format!("{}-{}", scene.name, hash(text.as_bytes())), str::to_owned);
    let path = dir.join(kept.invariant.as_str()).join(format!("{slug}.{SUFFIX}"));
    let has_trace = path.with_extension("trace").exists();
    if has_trace || !wanted.replace && std::fs::read_to_string(&path).is_ok_and(|there| there != text) {
        return Err(Unproposed::Exists(path));
    }
    for (path, text) in [(path.with_extension("md"), plain::page(&found, &story)), (path.clone(), text)] {
        put(&path, text.as_bytes()).map_err(|error| Unproposed::Unwritten(path, error))?;
    }
    Ok(path)
}

/// Who does what in a scene.
pub(super) fn scenery(scene: &Scene) -> String {
    let acts = |acts: &[Act]| acts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut text = "| thread | does |\n|---|---|\n".to_owned();
    let mut row = |thread: String, does: String| {
        let _ = writeln!(text, "| {thread} | {does} |");
    };
    for (part, list) in scene.parts().into_iter().filter(|(_, list)| !list.is_empty()) {
        let thread = match part {
            Part::Before => "main, before the others".to_owned(),
            Part::Client(number) => format!("client {number}"),
            Part::After => "main, behind the others".to_owned(),
            Part::Again => "main, in a second life".to_owned(),
        };
        row(thread, acts(list));
    }
    if let Some((role, op, nth)) = scene.fails {
        row("the disk".to_owned(), format!("fails call {nth} of `{op}` on {role:?}"));
    }
    text
}

/// The simplest way, in Markdown.
pub(super) fn page(simplest: &Simplest) -> String {
    let Simplest { scene, without, schedule, found, is_least, tale } = simplest;
    let (acts, switches) = (scene.spots().len(), schedule.preemptions.len());
    let needed = match is_least {
        true => {
            "Each of these acts is needed, and each switch: what is left without any one of them does not break this."
        }
        false => "Whether each of them is needed is not known: the search for less ended before.",
    };
    let mut text = format!(
        "It takes {} of the scene `{}` ({}), and {}, at which a thread gives way that could go on, \
         or not to the one whose turn it is. {needed}\n\n{}",
        count(acts, "act", "acts"),
        scene.name,
        scene.says,
        count(switches, "switch", "switches"),
        scenery(scene)
    );
    if !without.is_empty() {
        let left: Vec<String> = without.iter().map(Spot::to_string).collect();
        let _ = write!(text, "\nOf the scene these were left out: {}.\n", left.join(", "));
    }
    if !tale.is_empty() {
        let _ = write!(text, "\nWhat happens, up to where it shows:\n\n| thread | does |\n|---|---|\n");
        for lines in tale.chunk_by(|one, other| one.who == other.who) {
            let _ = writeln!(text, "| {} | {} |", thread(scene, lines), does(lines));
        }
        let ends = found.crash.as_ref().map_or("no crash", |crash| crash.says.as_str());
        let _ = writeln!(text, "| **{}** | {} |", cell(ends), cell(&found.violation));
    }
    text
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn thread(scene: &Scene, lines: &[Line]) -> String {
    let who = lines.first().and_then(|line| line.who);
    match who.map(|who| who as usize) {
        None => "another, as the log's own".to_owned(),
        Some(main) if main == scene.clients.len() => "main".to_owned(),
        Some(client) => format!("client {client}"),
    }
}

/// What a thread does until another goes on; what it does again and again, once.
fn does(lines: &[Line]) -> String {
    let runs = lines.chunk_by(|one, other| one.says == other.says);
    let told = runs.map(|run| match run {
        [one] => cell(&one.says),
        all => format!("{} ({} times)", cell(&all[0].says), all.len()),
    });
    told.collect::<Vec<_>>().join("<br>")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
