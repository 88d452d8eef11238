//! The directory against what should be in it, what is fresh, and the last good beside the first bad.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use truelog::{Inspection, Name};

use super::evidence::{File, NAMED};
use super::report::Report;
use crate::audit::scan::Found;

/// A row of the table: the name, what the manifest says of it, what the disk has, and what that is.
type Row = [String; 4];

/// The names in the directory, and those that should be there.
pub(super) fn directory(report: &mut Report<'_>) {
    let (evidence, dir) = (report.evidence, report.dir());
    let files = match &evidence.files {
        Ok(files) => files,
        Err(why) => {
            let says = format!("UNSAFE: the directory cannot be listed: {why}");
            report.say(&says, &evidence.dir.display().to_string());
            return;
        }
    };
    report.say(&format!("the directory has {} names", files.len()), &format!("`ls -l {dir}`"));
    let Some(view) = evidence.view() else {
        for file in files.iter().take(NAMED) {
            report.line(&format!("  - `{}`, {} bytes", file.name, file.len));
        }
        if files.len() > NAMED {
            report.line(&format!("  - and {} more", files.len() - NAMED));
        }
        report.say("reconciliation: nothing but the claims says what should be here; those without an artifact are in section 1", &report.audit());
        return;
    };
    let (rows, agree) = against_manifest(view, files);
    let cite = format!("`truelog stat {dir}`, `ls -l {dir}`");
    let says = format!(
        "reconciliation: {agree} segments are as the manifest names them, {} names are not",
        rows.len()
    );
    if rows.is_empty() {
        report.say(&says, &cite);
        return;
    }
    report.table(&says, &cite, &["name", "by the manifest", "on the disk", "state"]);
    for row in rows.iter().take(NAMED) {
        report.row(&row.each_ref().map(String::as_str));
    }
    report.line("");
    if rows.len() > NAMED {
        report.say(&format!("{} more names are left out", rows.len() - NAMED), &cite);
    }
}

/// What differs, by name, and how many segments do not.
fn against_manifest(view: &Inspection, files: &[File]) -> (Vec<Row>, usize) {
    let named = view.segments().iter().map(|entry| (Name::Segment(entry.number).to_string(), entry.capacity));
    let named: BTreeMap<String, u64> = named.collect();
    let found: BTreeMap<&str, u64> = files.iter().map(|file| (file.name.as_str(), file.len)).collect();
    let mut rows = Vec::new();
    for (name, capacity) in &named {
        let (there, state) = match found.get(name.as_str()) {
            None => ("nothing".to_owned(), "UNSAFE: missing"),
            Some(len) if len < capacity => (format!("{len} bytes"), "UNSAFE: cut"),
            Some(_) => continue,
        };
        rows.push([name.clone(), format!("{capacity} bytes"), there, state.to_owned()]);
    }
    let agree = named.len() - rows.len();
    for file in files.iter().filter(|file| !named.contains_key(&file.name)) {
        let state = match Name::parse(OsStr::new(&file.name)) {
            Some(Name::Segment(_)) => "not named: an open removes it, or puts it aside",
            Some(Name::Quarantined(_)) => "put aside by an open",
            Some(Name::IdentityTmp | Name::ManifestTmp | Name::SegmentTmp(_)) => "never finished",
            Some(_) => continue,
            None => "UNKNOWN: no log writes such a name",
        };
        rows.push([file.name.clone(), "-".to_owned(), format!("{} bytes", file.len), state.to_owned()]);
    }
    (rows, agree)
}

/// How old the lines and the files are, and how far what is promised lags behind what is there.
pub(super) fn freshness(report: &mut Report<'_>) {
    let (evidence, audit, dir) = (report.evidence, report.audit(), report.dir());
    let line = evidence.scan.times.counts().map(|(time, ..)| time).last();
    let line = line.unwrap_or_else(|| "UNKNOWN, no line that was counted has a time".to_owned());
    let files = evidence.files.as_deref().unwrap_or_default();
    let newest = files.iter().filter_map(|file| Some((file.changed?, &file.name))).max();
    let newest = match newest {
        Some((changed, name)) => format!("`{name}` at {}", seconds(changed)),
        None => "UNKNOWN, there is none".to_owned(),
    };
    let says = format!("freshness: the last counted line is of {line}; the file changed last is {newest}");
    report.say(&says, &format!("{audit}, `ls -l --time-style=full-iso {dir}`"));
    let Some(view) = evidence.view() else {
        report.say("lag: UNKNOWN: nothing here says what is durable", &audit);
        return;
    };
    let (last, vouched) = (view.next().prev(), view.vouched().min(view.next().prev()));
    let behind = last.get() - vouched.get();
    let says = format!(
        "lag: records up to {last} are there, and something vouches for those up to {vouched}: {behind} behind"
    );
    report.say(&says, &format!("`truelog stat {dir}`"));
}

fn seconds(time: SystemTime) -> String {
    // Before the epoch there is no file that a log has changed.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

/// The last claim that holds beside the first that does not.
pub(super) fn side_by_side(report: &mut Report<'_>) {
    let scan = &report.evidence.scan;
    let (Some(good), Some(bad)) = (&scan.good, &scan.bad) else {
        let says = match (&scan.good, &scan.bad) {
            (None, Some(_)) => "good against missing: UNKNOWN: no claim before the first bad one holds",
            _ => "good against missing: no claim is missing its artifact",
        };
        report.say(says, &report.audit());
        return;
    };
    let cells = ["", "last known good", "first known bad"];
    report.table("good against missing, side by side", &report.audit(), &cells);
    let artifact = |found: &Found| found.claim.artifact().unwrap_or_else(|| "UNKNOWN".to_owned());
    let there = |found: &Found| {
        let (name, files) = (artifact(found), report.evidence.files.as_deref().unwrap_or_default());
        let file = files.iter().find(|file| file.name == name);
        file.map_or("not in the directory under that name".to_owned(), |file| format!("{} bytes", file.len))
    };
    let rows = [
        ("line", report.evidence.at(good.at), report.evidence.at(bad.at)),
        ("claim", good.claim.text(), bad.claim.text()),
        ("artifact", artifact(good), artifact(bad)),
        ("on the disk now", there(good), there(bad)),
    ];
    for (what, good, bad) in rows {
        report.row(&[what, &good, &bad]);
    }
    report.line("");
}
