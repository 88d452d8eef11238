//! The corpus's files: each switch's trace, which follows from the specification, and the page of each trace.
//!
//! These files are made, not written, but for the traces of the engine's own bugs. A test holds them against what
//! makes them.

use std::fs;
use std::path::{Path, PathBuf};

use truelog_spec::prefetch;
use truelog_spec::switches::{NoTrace, Switch, counterexample};
use truelog_spec::trace::Head;
use truelog_spec::{Invariant, Trace};

use super::kept::{KEPT, Kept};
use super::{Facts, PageError, render};
use crate::command::commit;
use crate::replay::practice::completed;
use crate::replay::{check_one, keeps};
use crate::schedules::kept::{Kept as Race, races};
use crate::traces::shrink::shrink;

/// The corpus's own page, from the root of the repository.
pub const INDEX: &str = "corpus/README.md";

/// What the line begins with that says at which commit the traces were replayed last. It alone may be older than what
/// makes the page: no commit can name itself.
const REPRODUCED: &str = "Last reproduced, every one, at commit ";

const ABOUT: &str = "# The corpus

Every counterexample that must never come back. Each is a trace, which `cargo test` and `cargo verify --only corpus`
replay on the mechanism and on the production code with the endings that it states, and a page for its reader. What is
about prefetched blocks is replayed on a model of their own; what of such a path is the slot word's own is done on the
production word, too, and what those who use the word do beside it is not.
`mutants/` holds real bugs as patches of the engine: `cargo verify mutants` builds and kills them.

The traces of the design's switches, all pages and this page are made by `cargo verify corpus`; a test holds them
equal to what makes them. The traces that are unmodelled are of bugs that the engine had.

No path is replayed on a real file system: nobody can choose there what a loss of power keeps, and a replay has the simulated
disk bring about what else goes wrong.

The path is open with its mutant alone: a switch of the design's model, which turns one rule off, or a patch of the engine,
which has a link here, or both. The last two columns say how the path ends without it: at which step it is refused, and by which rule.

What takes several threads is a race: some acts of a scene and the switches between its threads, in a file that ends in `.race`.
`cargo verify --only schedules` runs each on the production code, with a crash at every moment, and nothing may break. Its page was
made on an engine with the bug, which is its mutant; no command makes that again.
";

const TABLE: &str = "| what goes wrong | found by | mutant | the design's model | the production code |
|---|---|---|---|---|
";

/// A trace and its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The trace's path, from the root of the repository; the page's is the same with `.md`.
    pub path: PathBuf,
    /// The trace.
    pub trace: String,
    /// The page.
    pub page: String,
    /// How it ends on the production code, in a few words.
    code: String,
}

/// Why the files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// It has no trace.
    #[error(transparent)]
    Trace(#[from] NoTrace),
    /// A switch of the prefetch has none.
    #[error(transparent)]
    Prefetch(#[from] prefetch::NoTrace),
    /// A trace has no page.
    #[error("{0}: {1}")]
    Page(String, PageError),
    /// A trace does not end as it states.
    #[error("{0}: {1}")]
    Otherwise(String, String),
    /// The races cannot be read.
    #[error("the races: {0}")]
    Races(std::io::Error),
    /// A trace that is kept cannot be read.
    #[error("{0}: {1}")]
    Unreadable(&'static str, String),
    /// A folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes a switch's trace and page.
///
/// # Errors
/// [`CorpusError::Trace`] and [`CorpusError::Page`].
pub fn entry(switch: Switch) -> Result<Entry, CorpusError> {
    let trace = smaller(completed(switch, counterexample(switch)?));
    let facts = Facts::of_switch(switch, &trace);
    with_page(&trace, facts)
}

/// The trace without the steps that its violation does not need: the search begins with a path that is written by hand, and
/// that may hold more.
fn smaller(trace: Trace) -> Trace {
    shrink(&trace).map_or(trace, |shrunk| shrunk.trace)
}

/// Makes the trace and page of a switch of the prefetch.
///
/// # Errors
/// [`CorpusError::Prefetch`] and [`CorpusError::Page`].
pub fn prefetch_entry(switch: prefetch::Switch) -> Result<Entry, CorpusError> {
    let trace = prefetch::counterexample(switch)?;
    let facts = Facts::of_prefetch(switch, &trace);
    with_page(&trace, facts)
}

/// Reads a trace that is kept under `root`, and makes its page.
///
/// # Errors
/// [`CorpusError::Unreadable`] and [`CorpusError::Page`].
pub fn kept(root: &Path, kept: &Kept) -> Result<Entry, CorpusError> {
    let unreadable = |error: &dyn std::fmt::Display| CorpusError::Unreadable(kept.path, error.to_string());
    let text = fs::read_to_string(root.join(kept.path)).map_err(|error| unreadable(&error))?;
    let trace: Trace = text.parse().map_err(|error: truelog_spec::trace::TraceError| unreadable(&error))?;
    let facts = Facts::of_kept(kept, &trace);
    with_page(&trace, facts)
}

/// A trace with its page; one that does not end as it states has none.
fn with_page(trace: &Trace, facts: Facts) -> Result<Entry, CorpusError> {
    check_one(trace).map_err(|wrong| CorpusError::Otherwise(facts.path.clone(), wrong.to_string()))?;
    let page = render(trace, &facts).map_err(|error| CorpusError::Page(facts.path.clone(), error))?;
    let code = match (&trace.code, &trace.head) {
        (None, Head::Refused { guard, .. }) if trace.is_of_prefetch() && !keeps(guard) => {
            "its part up to there, on the slot word".to_owned()
        }
        (Some(code), _) => code.to_string(),
        (None, _) => "at the same step".to_owned(),
    };
    Ok(Entry { path: PathBuf::from(facts.path), trace: trace.to_string(), page, code })
}

/// All entries: those of the switches, and those that are kept under `root`.
///
/// # Errors
/// The first that cannot be made.
pub fn entries(root: &Path) -> Result<Vec<Entry>, CorpusError> {
    let made = Switch::ALL.iter().map(|switch| entry(*switch));
    let slots = prefetch::Switch::ALL.iter().map(|switch| prefetch_entry(*switch));
    made.chain(slots).chain(KEPT.iter().map(|one| kept(root, one))).collect()
}

/// Makes the files of all entries, under the root of the repository. Returns how many traces it wrote.
///
/// # Errors
/// The first entry that cannot be made; nothing is written then. Or the first file that cannot be written.
pub fn write(root: &Path) -> Result<usize, CorpusError> {
    let made = entries(root)?;
    for (path, text) in files(root, &made)? {
        put(&root.join(path), &text)?;
    }
    Ok(made.len())
}

/// The files of all entries, with what must stand in them.
fn files(root: &Path, entries: &[Entry]) -> Result<Vec<(PathBuf, String)>, CorpusError> {
    let of = |one: &Entry| {
        [(one.path.clone(), one.trace.clone()), (one.path.with_extension("md"), one.page.clone())]
    };
    let mut files: Vec<_> = entries.iter().flat_map(of).collect();
    let races = races(&root.join("corpus")).map_err(CorpusError::Races)?;
    files.push((PathBuf::from(INDEX), index(root, entries, &races, &commit())));
    Ok(files)
}

/// The files of the corpus under `root` that are not what makes them, each with what is wrong.
///
/// # Errors
/// The first entry that cannot be made, or a folder that cannot be read.
pub fn stale(root: &Path) -> Result<Vec<String>, CorpusError> {
    let made = files(root, &entries(root)?)?;
    let mut stale = Vec::new();
    for (path, text) in &made {
        match fs::read_to_string(root.join(path)) {
            Ok(kept) if same(&kept, text) => {}
            Ok(_) => stale.push(format!("{} is not what makes it", path.display())),
            Err(error) => stale.push(format!("{}: {error}", path.display())),
        }
    }
    let corpus = root.join("corpus");
    let found = crate::replay::traces(&corpus)
        .map_err(|source| CorpusError::Read { path: corpus.clone(), source })?;
    for path in found {
        let path = path.strip_prefix(root).unwrap_or(&path);
        if !made.iter().any(|(known, _)| known == path) {
            stale.push(format!("{}: nothing makes it, and it is not kept", path.display()));
        }
    }
    for (path, race) in races(&corpus).map_err(CorpusError::Races)? {
        let page = fs::read_to_string(path.with_extension("md")).unwrap_or_default();
        if page.lines().next() != Some(&format!("# {}", race.title)) {
            stale.push(format!("{} has no page of its title", path.display()));
        }
    }
    Ok(stale)
}

/// Whether a file is what makes it, whenever that was.
fn same(kept: &str, made: &str) -> bool {
    let lines = |text: &'_ str| -> Vec<String> {
        // A name, and no other text. (While a change is made the tree differs from its commit; the gate refuses that.)
        let is_one = |name: &str| name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let commit = |line: &str| {
            let name =
                line.strip_prefix(REPRODUCED).and_then(|rest| rest.strip_prefix('`')?.strip_suffix("`."));
            name.is_some_and(|name| is_one(name.trim_end_matches('+')))
        };
        text.split('\n')
            .map(|line| if commit(line) { REPRODUCED.to_owned() } else { line.to_owned() })
            .collect()
    };
    lines(kept) == lines(made)
}

/// The bug with which a path is open: the switch that its trace names, and the patch under `root` that is called as the trace
/// or as that switch.
fn mutant(root: &Path, slug: &str, named: &str) -> String {
    let switches = Switch::ALL.iter().map(ToString::to_string);
    let of_prefetch = prefetch::Switch::ALL.iter().map(ToString::to_string);
    let switch = switches.chain(of_prefetch).find(|switch| switch == named);
    let patches = [slug, named].map(|name| (name, format!("mutants/{name}.patch")));
    let patch = patches.iter().find(|(_, path)| root.join("corpus").join(path).exists());
    let switch = switch.map(|switch| format!("switch `{switch}`"));
    let patch = patch.map(|(name, path)| format!("patch [`{name}`]({path})"));
    let both: Vec<String> = switch.into_iter().chain(patch).collect();
    if both.is_empty() { "none".to_owned() } else { both.join(", ") }
}

/// The corpus's own page: what is there, by invariant, all of it reproduced at `commit`.
fn index(root: &Path, entries: &[Entry], races: &[(PathBuf, Race)], commit: &str) -> String {
    let mut text = format!("{ABOUT}\n{REPRODUCED}`{commit}`.\n");
    let mut rows: Vec<_> = entries
        .iter()
        .map(|entry| (entry, entry.path.strip_prefix("corpus").unwrap_or(&entry.path)))
        .collect();
    rows.sort_by_key(|(entry, _)| &entry.path);
    let field = |entry: &Entry, name: &str| {
        entry.trace.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    for invariant in Invariant::ALL {
        let mut broken =
            rows.iter().filter(|(entry, _)| field(entry, "invariant: ") == invariant.as_str()).peekable();
        let mut raced = races.iter().filter(|(_, race)| race.invariant == *invariant).peekable();
        if broken.peek().is_none() && raced.peek().is_none() {
            continue;
        }
        text.push_str(&format!("\n## {invariant}\n\n> {}\n\n{TABLE}", invariant.says()));
        for (entry, path) in broken {
            let page = path.with_extension("md");
            let title = entry.page.lines().next().unwrap_or_default().trim_start_matches("# ");
            let (found, head) = (field(entry, "found-by: "), field(entry, "head: "));
            let slug = path.file_stem().unwrap_or_default().to_string_lossy();
            let mutant = mutant(root, &slug, &field(entry, "mutant: "));
            text.push_str(&format!(
                "| [{title}]({}) | {found} | {mutant} | {head} | {} |\n",
                page.display(),
                entry.code
            ));
        }
        for (path, race) in raced {
            let page = path.with_extension("md");
            let page = page.strip_prefix(root.join("corpus")).unwrap_or(&page).display();
            let slug = path.file_stem().unwrap_or_default().to_string_lossy();
            let mutant = mutant(root, &slug, &race.mutant);
            let (title, found_by) = (race.title.replace('|', "\\|"), race.found_by.replace('|', "\\|"));
            text.push_str(&format!(
                "| [{title}]({page}) | {found_by} | {mutant} | has one thread | holds |\n"
            ));
        }
    }
    text
}

fn put(path: &Path, text: &str) -> Result<(), CorpusError> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(path, text));
    written.map_err(|source| CorpusError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_corpus_is_what_makes_it_and_nothing_else() {
        let stale = stale(&root()).unwrap_or_else(|error| panic!("{error}"));
        assert!(stale.is_empty(), "make it again: cargo verify corpus\n{}", stale.join("\n"));
    }

    #[test]
    fn a_trace_is_told_with_the_switch_and_the_patch_that_open_its_path() {
        let of = |slug: &str, named: &str| mutant(&root(), slug, named);
        let patch = "patch [`trim-takes-the-stream-table`](mutants/trim-takes-the-stream-table.patch)";
        assert_eq!(of("trim-takes-the-stream-table", ""), patch);
        assert_eq!(of("called-otherwise", "trim-takes-the-stream-table"), patch);
        assert_eq!(of("ack-on-write", "ack-on-write"), "switch `ack-on-write`");
        assert_eq!(
            of("leader-fails-followers-ok", "leader-fails-followers-ok"),
            "switch `leader-fails-followers-ok`, patch \
             [`leader-fails-followers-ok`](mutants/leader-fails-followers-ok.patch)"
        );
        assert_eq!(of("nothing-of-this-name", ""), "none");
    }

    #[test]
    fn what_is_stale_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        for one in KEPT {
            let text = fs::read_to_string(root().join(one.path)).expect("a trace");
            put(&dir.path().join(one.path), &text).expect("a file");
        }
        write(dir.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(stale(dir.path()).unwrap_or_else(|error| panic!("{error}")), Vec::<String>::new());

        let of = |name: &str| dir.path().join("corpus/acked-is-durable").join(name);
        let page = fs::read_to_string(of("ack-on-write.md")).expect("a page");
        fs::write(of("ack-on-write.md"), page.replace("acknowledged", "answered")).expect("a file");
        fs::remove_file(of("two-commits-in-flight.md")).expect("a file");
        fs::copy(of("ack-on-write.trace"), of("copied.trace")).expect("a file");
        fs::write(dir.path().join(INDEX), "").expect("a file");
        let stale = stale(dir.path()).unwrap_or_else(|error| panic!("{error}"));
        for name in [
            "ack-on-write.md is not",
            "two-commits-in-flight.md: ",
            "copied.trace: nothing",
            "README.md is not",
        ] {
            assert!(stale.iter().any(|one| one.contains(name)), "{name}: {stale:?}");
        }
        assert_eq!(stale.len(), 4, "{stale:?}");
    }
}
