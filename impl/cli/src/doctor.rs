//! `truelog doctor`: what a log stands on, check by check.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess, geteuid};
use serde::Serialize;
use truelog::os::{self, Mount};
use truelog::{
    ClockCheck, Condition, Error, HealthRule, Inspection, Name, Options, Row, Severity, caution_text,
    weakness_text,
};
use truelog_env::Volume;

use crate::args::Doctor;
use crate::create::options_over;
use crate::failure::Failure;
use crate::output;

/// The bytes of the first segment of an open, at most.
const FIRST_SEGMENT: u64 = 64 << 10;
/// The files that an open makes before it takes a record: a manifest and a segment.
const FIRST_FILES: u64 = 2;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// It could not be looked at.
    Skipped,
    /// It is wrong.
    Fail,
}

/// A check, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    evidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Check {
    fn ok(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, evidence: evidence.into(), next: None }
    }

    fn not(check: &'static str, verdict: Verdict, evidence: impl Into<String>, next: &str) -> Self {
        Self { check, verdict, evidence: evidence.into(), next: Some(next.to_owned()) }
    }

    fn error(check: &'static str, error: &Error) -> Self {
        Self::not(check, Verdict::Fail, format!("{}: {error}", error.code()), error.next_step())
    }
}

/// Runs it.
///
/// # Errors
/// [`Failure::Unfit`] if a check fails, [`Failure::Incomplete`] if one was skipped; what is no log at all;
/// standard output fails.
pub(crate) fn run(args: &Doctor, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let checks = match truelog::inspect(&args.dir) {
        Ok(view) => all(args, &view),
        // Of what is no log at all nothing else is to be said.
        Err(
            error @ (Error::NotALog { .. }
            | Error::Unfinished { .. }
            | Error::InDoubt { .. }
            | Error::Version { .. }),
        ) => return Err(Failure::log(&args.dir)(error)),
        Err(error) => unread(args, &error),
    };
    for check in &checks {
        tell(check, json, out)?;
    }
    output::flush(out)?;
    conclude(&args.dir, &checks)
}

/// Every check of a log that can be looked at.
fn all(args: &Doctor, view: &Inspection) -> Vec<Check> {
    let mut checks = vec![identity(view), options(args, view), permissions(&args.dir), names(&args.dir)];
    checks.extend(volume(&args.dir, view.options()));
    checks.push(clock(&args.dir, view));
    checks.push(left_overs(&args.dir));
    checks.extend(health(view));
    checks
}

/// Those that need no look at the log, beside why there was none. The others are named: nobody made them.
fn unread(args: &Doctor, error: &Error) -> Vec<Check> {
    let skipped = |check| {
        Check::not(check, Verdict::Skipped, "the log could not be looked at", "Mend what `log` says first.")
    };
    let mut checks = vec![Check::error("log", error), skipped("identity"), skipped("options")];
    checks.extend([permissions(&args.dir), names(&args.dir)]);
    checks.extend(volume(&args.dir, &Options::default()));
    checks.extend([skipped("clock"), left_overs(&args.dir), skipped("health")]);
    checks
}

fn tell(check: &Check, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return output::json(out, check);
    }
    let word = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "WARN",
        Verdict::Skipped => "SKIPPED",
        Verdict::Fail => "FAIL",
    };
    output::line(out, &format!("{word:<8}{:<14}{}", check.check, check.evidence))?;
    match &check.next {
        Some(next) => output::line(out, &format!("{:<22}next: {next}", "")),
        None => Ok(()),
    }
}

fn conclude(dir: &Path, checks: &[Check]) -> Result<(), Failure> {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count() as u64;
    let of =
        |number, verb: &str| format!("{} of {} {verb}", number, output::count(checks.len() as u64, "check"));
    match (count(Verdict::Fail), count(Verdict::Skipped)) {
        (0, 0) => Ok(()),
        (0, skipped) => {
            Err(Failure::Incomplete { path: dir.to_owned(), what: of(skipped, "could not be made") })
        }
        (failed, _) => Err(Failure::Unfit { dir: dir.to_owned(), what: of(failed, "failed") }),
    }
}

/// Whether the directory is the log that it says it is. Beside a moved log that is a finding of its health, too; here it
/// has a line of its own.
fn identity(view: &Inspection) -> Check {
    match view.moved() {
        None => Check::ok("identity", format!("log {}, where its identity says", view.log())),
        Some(error) => Check::error("identity", error),
    }
}

/// Whether an open with these options would be refused.
fn options(args: &Doctor, view: &Inspection) -> Check {
    if view.rows().contains(&Row::ManifestUnreadable) {
        let says = "the manifest cannot be read: nothing says with which options the log was created";
        return Check::not("options", Verdict::Skipped, says, "See what `health` says of the manifest.");
    }
    let stored = view.options();
    match options_over(&args.stored, stored.clone()).check_against(stored) {
        Ok(()) => Check::ok(
            "options",
            format!(
                "block {}, segment {}, {}, {}, {}, {} copies",
                stored.block_size,
                stored.segment_size,
                stored.sync,
                stored.fill,
                stored.durability,
                stored.copies
            ),
        ),
        Err(error) => Check::error("options", &error),
    }
}

/// Whether the directory and what is in it can be read and written by this user.
fn permissions(dir: &Path) -> Check {
    let mut refused = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            return Check::not(
                "permissions",
                Verdict::Skipped,
                error.to_string(),
                "Run it as the log's user.",
            );
        }
    };
    // Each open makes files in it, and renames and removes some.
    let usable = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
    if let Err(error) = eaccess(dir, usable) {
        refused.push(("the directory itself".to_owned(), io::Error::from(error).kind()));
    }
    let mut owners = BTreeSet::new();
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        owners.extend(entry.metadata().map(|found| found.uid()));
        // Opened and let go: nothing is written.
        if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(entry.path()) {
            refused.push((entry.file_name().to_string_lossy().into_owned(), error.kind()));
        }
    }
    owners.extend(fs::metadata(dir).map(|found| found.uid()));
    permitted(refused, geteuid().as_raw(), &owners)
}

/// What it comes to that `user` could not read and write these, of what belongs to `owners`.
fn permitted(mut refused: Vec<(String, ErrorKind)>, user: u32, owners: &BTreeSet<u32>) -> Check {
    if refused.is_empty() {
        let evidence = format!("user {user} can read and write the directory and every file");
        if user != 0 || owners.iter().all(|owner| *owner == user) {
            return Check::ok("permissions", evidence);
        }
        let owners: Vec<_> = owners.iter().map(ToString::to_string).collect();
        let evidence = format!("{evidence}, as root can anywhere; they belong to user {}", owners.join(", "));
        return Check::not("permissions", Verdict::Warn, evidence, "Run it as the log's user.");
    }
    refused.sort_unstable();
    let named = |refused: Vec<(String, ErrorKind)>| {
        let names: Vec<_> = refused.into_iter().map(|(name, _)| name).collect();
        names.join(", ")
    };
    let (fixed, locked): (Vec<_>, Vec<_>) =
        refused.into_iter().partition(|(_, kind)| *kind == ErrorKind::ReadOnlyFilesystem);
    if locked.is_empty() {
        let evidence = format!("the file system is read-only, whatever the permissions: {}", named(fixed));
        let next = HealthRule::CannotWrite.next_step();
        return Check::not("permissions", Verdict::Fail, evidence, next);
    }
    let evidence = format!("cannot be read and written: {}", named(locked));
    let next = "Give the log's user the directory and all that is in it.";
    Check::not("permissions", Verdict::Fail, evidence, next)
}

/// Whether each file of the log has one name only: by another one, another program may change it.
fn names(dir: &Path) -> Check {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let next = "Run it as the log's user.";
            return Check::not("names", Verdict::Skipped, error.to_string(), next);
        }
    };
    // What cannot be looked at is told by `permissions`.
    let files = entries.flatten().filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?)));
    let mut linked: Vec<_> = files
        .filter(|(name, found)| Name::parse(name).is_some() && !found.is_dir())
        .filter(|(_, found)| !found.is_file() || found.nlink() != 1)
        .map(|(name, found)| {
            let name = name.to_string_lossy();
            if found.is_file() {
                format!("{name} has {} names", found.nlink())
            } else {
                format!("{name} is no file")
            }
        })
        .collect();
    if linked.is_empty() {
        return Check::ok("names", "each file of the log has one name");
    }
    linked.sort();
    let next = HealthRule::FileLinked.next_step();
    Check::not("names", Verdict::Warn, linked.join(", "), next)
}

/// What the volume promises, and whether it has room for an append. That its space is low is a matter of the log's health.
fn volume(dir: &Path, stored: &Options) -> Vec<Check> {
    let skipped = |error: &dyn std::fmt::Display| {
        vec![Check::not(
            "volume",
            Verdict::Skipped,
            error.to_string(),
            "See whether /proc and /sys are mounted.",
        )]
    };
    let volume = match os::native().fs.volume(dir) {
        Ok(volume) => volume,
        Err(error) => return skipped(&error),
    };
    let mount = match os::mount_of(dir) {
        Ok(mount) => mount,
        Err(error) => return skipped(&error),
    };
    let Mount { point, kind, options } = mount.unwrap_or_else(|| Mount {
        point: dir.to_owned(),
        kind: "an unknown file system".to_owned(),
        options: Vec::new(),
    });
    let at = format!("{kind} at {} ({}), file system {:016x}", point.display(), options.join(","), volume.id);
    let honours = match (volume.weakness, volume.caution) {
        (Some(why), _) => Check::not(
            "volume",
            Verdict::Warn,
            format!("{at}: {}", weakness_text(why)),
            "Appends that are to survive a loss of power are refused here: move the log.",
        ),
        (None, Some(why)) => Check::not(
            "volume",
            Verdict::Warn,
            format!("{at}: {}", caution_text(why)),
            "Put the log on a volume of its own, such as ext4, XFS or Btrfs on a disk.",
        ),
        (None, None) => Check::ok("volume", at),
    };
    // A manifest is written anew at the length that it has.
    let manifest = fs::metadata(dir.join(Name::Manifest.to_string())).map_or(0, |found| found.len());
    vec![honours, space(&volume, stored, manifest)]
}

/// Whether an open finds room for a manifest and a segment, and leaves enough for the next: without, an append is refused.
fn space(volume: &Volume, stored: &Options, manifest: u64) -> Check {
    let inodes = match volume.free_inodes {
        u64::MAX => "inodes are not counted".to_owned(),
        free => format!("{free} inodes free"),
    };
    let first = FIRST_SEGMENT.min(stored.segment_size);
    let need = first.saturating_add(manifest).saturating_add(u64::from(stored.max_batch_bytes));
    let evidence = format!(
        "{} bytes free, {inodes}, an append needs {need}, the device writes {} bytes",
        volume.free_bytes, volume.block_size
    );
    if volume.free_bytes >= need && volume.free_inodes >= FIRST_FILES {
        return Check::ok("space", evidence);
    }
    let next = "Make room on the volume: an append is refused (TL-006), and below the length of a manifest so is a trim.";
    Check::not("space", Verdict::Fail, evidence, next)
}

/// Whether the clock can be right: the same that an open looks at.
fn clock(dir: &Path, view: &Inspection) -> Check {
    let place = os::resolve(dir).unwrap_or_else(|_| dir.to_owned());
    let check = ClockCheck::of(&os::native(), &place, view.audited());
    if check.is_doubtful() {
        let next = "Set the clock. No record depends on it; when audits are due and what reports say does.";
        return Check::not("clock", Verdict::Warn, check.to_string(), next);
    }
    Check::ok("clock", check.to_string())
}

/// What is in the directory and is no part of the log.
fn left_overs(dir: &Path) -> Check {
    let names = match fs::read_dir(dir) {
        Ok(names) => names.flatten().map(|entry| entry.file_name()),
        Err(error) => {
            let next = "Run it as whoever may read the directory.";
            return Check::not("left-overs", Verdict::Skipped, error.to_string(), next);
        }
    };
    let (mut foreign, mut left) = (Vec::new(), Vec::new());
    for name in names {
        match Name::parse(&name) {
            None => foreign.push(name.to_string_lossy().into_owned()),
            Some(known @ (Name::Drive | Name::Run(_) | Name::RunTmp(_) | Name::QuarantinedRun(_))) => {
                foreign.push(format!("{known} (a drive's)"));
            }
            Some(known) if known.is_tmp() || matches!(known, Name::Quarantined(_)) => {
                left.push(known.to_string())
            }
            Some(_) => {}
        }
    }
    foreign.sort();
    left.sort();
    if foreign.is_empty() && left.is_empty() {
        return Check::ok("left-overs", "none");
    }
    let named = |what: &str, names: &[String]| {
        if names.is_empty() { None } else { Some(format!("{what}{}", names.join(", "))) }
    };
    let evidence: Vec<String> =
        [named("no log writes here ", &foreign), named("unfinished or put aside: ", &left)]
            .into_iter()
            .flatten()
            .collect();
    Check::not(
        "left-overs",
        Verdict::Warn,
        evidence.join("; "),
        "What ends in .tmp a writer is making, or the next open removes; move away what is put aside or foreign.",
    )
}

/// What the rules of health say, one line a finding.
fn health(view: &Inspection) -> Vec<Check> {
    let health = view.health();
    if health.verdict == Condition::Good {
        return vec![Check::ok("health", "no rule applies")];
    }
    // The identity has a line of its own.
    let told = health.findings.iter().filter(|finding| finding.rule != HealthRule::IdentityMismatch);
    told.map(|finding| {
        let verdict =
            if finding.rule.severity() == Severity::Degrade { Verdict::Warn } else { Verdict::Fail };
        Check::not("health", verdict, finding.to_string(), finding.rule.next_step())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_append_needs_is_free_or_it_fails() {
        let stored = Options { segment_size: 1 << 20, max_batch_bytes: 4096, ..Options::default() };
        let of = |free_bytes, free_inodes| {
            let (weakness, caution) = (None, None);
            let volume = Volume {
                id: 1,
                block_size: 4096,
                free_bytes,
                free_inodes,
                read_only: false,
                weakness,
                caution,
            };
            space(&volume, &stored, 8192).verdict
        };
        let need = 65_536 + 8192 + 4096;
        assert_eq!((of(need, 2), of(need, u64::MAX)), (Verdict::Ok, Verdict::Ok));
        assert_eq!((of(need - 1, 2), of(0, 100), of(need, 1)), (Verdict::Fail, Verdict::Fail, Verdict::Fail));
    }

    #[test]
    fn a_file_system_that_is_read_only_is_no_matter_of_permissions() {
        let of = |kinds: &[ErrorKind]| {
            let refused = kinds.iter().map(|kind| ("MANIFEST".to_owned(), *kind)).collect();
            permitted(refused, 7, &BTreeSet::from([7, 8]))
        };
        assert_eq!(of(&[]).verdict, Verdict::Ok);
        let root = |owners: &[u32]| permitted(Vec::new(), 0, &owners.iter().copied().collect());
        assert_eq!((root(&[0]).verdict, root(&[0, 7]).verdict), (Verdict::Ok, Verdict::Warn));
        assert!(root(&[7]).evidence.ends_with("they belong to user 7"));
        let fixed = of(&[ErrorKind::ReadOnlyFilesystem]);
        assert_eq!(fixed.evidence, "the file system is read-only, whatever the permissions: MANIFEST");
        assert!(fixed.verdict == Verdict::Fail && fixed.next.unwrap().contains("remount the volume"));
        let locked = of(&[ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied]);
        assert_eq!(locked.evidence, "cannot be read and written: MANIFEST");
    }
}
