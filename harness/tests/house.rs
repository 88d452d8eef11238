//! What the layout promises, held by tests: the arrows, the three builds, the mutants' headers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use truelog_harness::command::CHECKS;
use truelog_spec::Invariant;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a manifest's `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_three_builds_of_the_engine_depend_on_the_same() {
    let plain = dependencies("impl/Cargo.toml");
    assert!(plain.contains("truelog-env"), "{plain:?}");
    for runtime in ["loom", "shuttle"] {
        let mut mount = dependencies(&format!("harness/under-{runtime}/Cargo.toml"));
        assert!(mount.remove(runtime), "under-{runtime} depends on {runtime}");
        assert_eq!(mount, plain, "under-{runtime}");
    }
}

#[test]
fn no_arrow_leads_from_the_engine_to_what_checks_it() {
    let forbidden = [
        "truelog-spec",
        "truelog-harness",
        "stateright",
        "proptest",
        "quickcheck",
        "loom",
        "shuttle",
        "insta",
    ];
    for manifest in ["impl/Cargo.toml", "impl/env/Cargo.toml", "impl/cli/Cargo.toml"] {
        let text = read(manifest);
        for name in forbidden {
            assert!(!text.contains(name), "{manifest} names {name}");
        }
    }
    let spec = dependencies("spec/Cargo.toml");
    assert!(
        spec.iter().all(|name| !name.starts_with("truelog")),
        "spec depends on nothing of ours: {spec:?}"
    );
}

#[test]
fn every_mutant_declares_what_must_kill_it() {
    let dir = root().join("corpus/mutants");
    let mut seen = 0;
    for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a patch");
        let header = text.split("diff --git").next().unwrap_or_default();
        let field = |name: &str| {
            let line = header.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{}: no `{name}`", path.display()))
        };
        assert_eq!(Some(field("mutant")), path.file_stem().and_then(|stem| stem.to_str()));
        // A check that does not run the engine is held against a mutant of what it does run.
        let (part, of_harness) = match field("check") {
            "conformance" => ("harness/src/fabric", true),
            "mechanism" => ("spec/src", false),
            _ => ("impl", false),
        };
        let named = field("invariant");
        assert_eq!(named == "harness", of_harness, "{}: {named}", path.display());
        assert!(of_harness || named.parse::<Invariant>().is_ok(), "{}: {named}", path.display());
        let check = field("check");
        assert!(
            CHECKS.iter().any(|known| known.name == check),
            "{}: no check is called {check}",
            path.display()
        );
        assert!(!field("origin").is_empty());
        assert!(text.contains(&format!("\ndiff --git a/{part}/")), "{}: it changes {part}", path.display());
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} mutants");
}

/// Every relative link of the pages that people read leads to a file.
#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    let docs = fs::read_dir(root().join("docs")).expect("docs");
    let pages = docs.map(|entry| entry.expect("a directory entry").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    for page in pages.chain([root().join("README.md"), root().join("corpus/README.md")]) {
        let text = fs::read_to_string(&page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", page.display());
            links += 1;
        }
    }
    assert!(links > 30, "only {links} links");
}
