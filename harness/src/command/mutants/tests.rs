//! What the command makes of reports that are written here.

use super::*;

fn kill() -> Kill {
    let invariants = vec!["acked-is-durable".into()];
    Kill { check: "crash".into(), invariants, without: None, undeclared: false }
}

fn judge(kill: &Kill, code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> End {
    super::judge(kill, code, stdout, stderr).0
}

#[test]
fn the_count_that_says_most_is_told() {
    let told = |explored: &str| {
        let report = format!(r#"[{{"findings":[],"explored":{explored}}}]"#);
        super::judge(&kill(), Some(0), report.as_bytes(), b"").1
    };
    assert_eq!(told(r#"[{"what":"crash points","n":7},{"what":"images","n":40}]"#), "40 images");
    assert_eq!(told(r#"[{"what":"receipts kept","n":3}]"#), "3 receipts kept");
    assert_eq!(told(r#"[{"what":"calls","n":3},{"what":"images","n":0}]"#), "3 calls");
    assert_eq!(told("[]"), "");
}

#[test]
fn every_mutant_applies_to_this_tree() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mutants = super::declared::declared(&root.join("corpus/mutants")).expect("the mutants");
    assert!(mutants.len() > 100, "{} mutants", mutants.len());
    let refused: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| {
            let mut check = std::process::Command::new("git");
            let check = check.current_dir(&root).args(["apply", "--check"]).arg(&mutant.patch);
            let output = check.output().expect("git");
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            (!output.status.success()).then(|| format!("{}: {says}", mutant.slug))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn each_knob_that_a_mutant_needs_is_turned_off_behind_a_run_with_all_of_them() {
    let offs = |needs: &[Knob]| -> Vec<Option<Knob>> {
        let (slug, origin, patch) = ("m".to_owned(), "a test".to_owned(), "m.patch".into());
        let (kills, needs) = (vec![kill()], needs.to_vec());
        let mutant = Declared { slug, origin, kills, canaries: Vec::new(), needs, patch };
        without(&mutant).iter().map(|kill| kill.without).collect()
    };
    assert_eq!(offs(&[Knob::Names, Knob::Power]), [None, Some(Knob::Names), Some(Knob::Power)]);
    assert!(offs(&[]).is_empty(), "it needs no knob, and need not run");
}

#[test]
fn a_sample_and_the_canaries_are_built_once_each() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
    let all = declared(&root).expect("the headers");
    let of = |line: &[&str]| trials(declared(&root).expect("the headers"), &arguments(line));
    let kills = |trials: &[Trial]| trials.iter().map(|(_, kills)| kills.len()).sum::<usize>();
    let (canaries, sample) = (of(&["--canaries"]), of(&["--sample", "8"]));
    assert_eq!((sample.len(), of(&[]).len()), (8, all.len()));
    let both = of(&["--canaries", "--sample", "8"]);
    assert_eq!(kills(&both), kills(&canaries) + kills(&sample));
    assert!(both.len() <= canaries.len() + sample.len() && both.len() >= canaries.len(), "{}", both.len());
    let other = of(&["--sample", "8", "--seed", "2"]);
    let slugs = |trials: &[Trial]| trials.iter().map(|(mutant, _)| mutant.slug.clone()).collect::<Vec<_>>();
    assert_ne!(slugs(&sample), slugs(&other));
}

#[test]
fn who_falls_to_a_cheaper_check_is_told_and_nothing_is_wrong_with_that() {
    let row = |mutant: &str, check: &str, undeclared: bool, end: End| Row {
        mutant: mutant.to_owned(),
        origin: String::new(),
        check: check.to_owned(),
        invariant: "acked-is-durable".to_owned(),
        without: None,
        undeclared,
        end,
        explored: String::new(),
        seconds: 0.0,
    };
    let other = End::Misnamed { named: vec!["mechanism".to_owned()] };
    let rows = [
        row("one", "damage", true, End::Survived),
        row("one", "order", true, other.clone()),
        row("one", "crash", false, End::Killed),
        row("two", "damage", true, End::Survived),
        row("two", "crash", false, other),
    ];
    let (says, wrong) = conclude(&rows, &arguments(&["--cheaper", "--only", "one,two"]));
    assert!(says.ends_with("1 of 2 fall to a cheaper check than they declare\none: order names mechanism"));
    assert!(says.contains("killed as declared: 1 of 2"), "{says}");
    assert_eq!(wrong, ["two: crash: KILLED FOR ANOTHER INVARIANT: mechanism"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
    let trials = trials(declared(&root).expect("the headers"), &arguments(&["--cheaper"]));
    let costs = |kills: &[Kill]| kills.iter().map(Kill::cost).collect::<Vec<_>>();
    assert!(trials.iter().all(|(_, kills)| costs(kills).is_sorted()), "cheapest first");
    assert!(trials.iter().any(|(_, kills)| kills.iter().filter(|kill| kill.undeclared).count() > 5));
}

#[test]
fn a_knob_that_is_not_needed_is_told() {
    let told = |end: End, without: Option<Knob>| {
        let (mutant, origin, check) = ("m".to_owned(), String::new(), "crash".to_owned());
        let (invariant, explored) = (String::new(), String::new());
        let undeclared = false;
        unneeded(&Row { mutant, origin, check, invariant, without, undeclared, end, explored, seconds: 0.0 })
    };
    assert_eq!(told(End::Killed, None), None);
    assert_eq!(told(End::Survived, None).as_deref(), Some("m: crash: SURVIVED"));
    let needless = "m: crash: killed as declared without `names`";
    assert_eq!(told(End::Killed, Some(Knob::Names)).as_deref(), Some(needless));
    assert_eq!(told(End::Survived, Some(Knob::Names)), None);
    let blind = || End::Incomplete { says: "incomplete: no fault struck".into() };
    assert_eq!(told(blind(), Some(Knob::Names)), None);
    assert_eq!(told(blind(), None).as_deref(), Some("m: crash: NOT SEEN: incomplete: no fault struck"));
    assert_eq!(told(End::Misnamed { named: vec!["mechanism".into()] }, Some(Knob::Names)), None);
    assert!(told(End::Broke { says: "a panic".into() }, Some(Knob::Names)).is_some());
}

/// What a line of arguments says.
pub(super) fn arguments(line: &[&str]) -> Arguments {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    let line = ["mutants"].iter().chain(line);
    <Line as clap::Parser>::try_parse_from(line).expect("a line").arguments
}

#[test]
fn a_slug_that_no_mutant_has_is_told_beside_others_that_some_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let strangers = |only: &str| super::strangers(&root, &arguments(&["--only", only])).expect("the headers");
    assert!(strangers("ack-now-sync-later").is_empty());
    assert_eq!(strangers("ack-now-sync-latter,ack-now-sync-later,"), ["ack-now-sync-latter", ""]);
}

#[test]
fn a_mutant_is_killed_only_for_the_invariant_it_declares() {
    let killed = br#"[{"findings":[{"invariant":"acked-is-durable"}]}]"#;
    assert_eq!(judge(&kill(), Some(1), killed, b""), End::Killed);
    let other = br#"[{"findings":[{"invariant":"nothing-invented"}]}]"#;
    assert_eq!(judge(&kill(), Some(1), other, b""), End::Misnamed { named: vec!["nothing-invented".into()] });
    let both = br#"[{"findings":[{"invariant":"acked-is-durable"},{"invariant":"mechanism"}]}]"#;
    assert_eq!(judge(&kill(), Some(1), both, b""), End::Killed);
    let off = br#"[{"findings":[{"invariant":"mechanism"}]}]"#;
    assert_eq!(judge(&kill(), Some(1), off, b""), End::Misnamed { named: vec!["mechanism".into()] });
    assert_eq!(judge(&kill(), Some(0), br#"[{"findings":[]}]"#, b""), End::Survived);
    let blind = br#"[{"findings":[],"notes":["in a second: 3 runs","incomplete: no strace"]}]"#;
    let said = End::Incomplete { says: "incomplete: no strace".into() };
    assert_eq!(judge(&kill(), Some(3), blind, b""), said);
    assert!(matches!(judge(&kill(), Some(101), b"", b"boom"), End::Broke { .. }));
    assert!(matches!(judge(&kill(), Some(4), br#"[{"findings":[]}]"#, b"no strace"), End::Broke { .. }));
}
