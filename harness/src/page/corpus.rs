//! The part of the corpus that follows from the specification: each switch's trace, with its page.
//!
//! These files are made, not written. A test holds them against what makes them.

use std::fs;
use std::path::{Path, PathBuf};

use truelog_spec::switches::{NoTrace, Switch, counterexample};

use super::{Facts, PageError, render};

/// The corpus's own page, from the root of the repository.
pub const INDEX: &str = "corpus/README.md";

const ABOUT: &str = "# The corpus

Every counterexample that must never come back. Each is a trace, which `cargo test` and `cargo verify --only corpus`
replay on the mechanism and on the production code with the ending that it states, and a page for its reader.
`mutants/` holds real bugs as patches of the engine: `cargo verify mutants` builds and kills them. Bugs of the engine
itself that the simulator found are in `harness/tests/regressions.rs`.

The traces, their pages and this page are made by `cargo verify corpus`; a test holds them equal to what makes them.

| breaks | what goes wrong | found by | the design as it is |
|---|---|---|---|
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
}

/// Why a switch's files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// It has no trace.
    #[error(transparent)]
    Trace(#[from] NoTrace),
    /// Its trace has no page.
    #[error("switch {0}: {1}")]
    Page(Switch, PageError),
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
    let trace = counterexample(switch)?;
    let facts = Facts::of_switch(switch, &trace);
    let page = render(&trace, &facts).map_err(|error| CorpusError::Page(switch, error))?;
    Ok(Entry { path: PathBuf::from(facts.path), trace: trace.to_string(), page })
}

/// Makes the files of all switches, under the root of the repository. Returns how many traces it wrote.
///
/// # Errors
/// The first switch whose files cannot be made; those of the switches before it are written.
pub fn write(root: &Path) -> Result<usize, CorpusError> {
    let mut made = Vec::new();
    for switch in Switch::ALL {
        let one = entry(*switch)?;
        let path = root.join(&one.path);
        put(&path, &one.trace)?;
        put(&path.with_extension("md"), &one.page)?;
        made.push(one);
    }
    put(&root.join(INDEX), &index(&made))?;
    Ok(made.len())
}

/// The corpus's own page: what is there, by invariant.
#[must_use]
pub fn index(entries: &[Entry]) -> String {
    let mut text = String::from(ABOUT);
    let mut rows: Vec<_> = entries.iter().map(|entry| (entry, entry.path.strip_prefix("corpus"))).collect();
    rows.sort_by_key(|(entry, _)| &entry.path);
    for (entry, path) in rows {
        let page = path.unwrap_or(&entry.path).with_extension("md");
        let field =
            |name: &str| entry.trace.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let title = entry.page.lines().next().unwrap_or_default().trim_start_matches("# ");
        text.push_str(&format!(
            "| {} | [{title}]({}) | {} | {} |\n",
            field("invariant: "),
            page.display(),
            field("found-by: "),
            field("head: ").replace('`', "")
        ));
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

    const AGAIN: &str = "make it again: cargo verify corpus";

    #[test]
    fn the_corpus_is_what_the_switches_give() {
        let mut all = Vec::new();
        for switch in Switch::ALL {
            let made = entry(*switch).unwrap_or_else(|error| panic!("{error}"));
            let path = root().join(&made.path);
            for (path, text) in [(path.clone(), &made.trace), (path.with_extension("md"), &made.page)] {
                let kept = fs::read_to_string(&path).unwrap_or_default();
                assert!(kept == *text, "{} is not what its switch gives; {AGAIN}", path.display());
            }
            all.push(made);
        }
        let kept = fs::read_to_string(root().join(INDEX)).unwrap_or_default();
        assert!(kept == index(&all), "{INDEX} is stale; {AGAIN}");
    }
}
