//! `truelog drives`: the directories that hold the archive.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use truelog::{DriveNo, DriveState, DriveStatus, RunEntry};

use crate::args::{AddDrive, Drives, DrivesWhat};
use crate::failure::Failure;
use crate::open;
use crate::output;

/// A drive, as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drive {
    pub(crate) drive: u64,
    pub(crate) id: String,
    pub(crate) path: String,
    /// `serves`, `out`, `suspect`, or `quarantined`.
    pub(crate) state: &'static str,
    /// Why it does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) read_only: bool,
    /// The most bytes of runs that it takes; 0 for as many as its volume does.
    pub(crate) capacity: u64,
    /// Runs that it has a copy of.
    pub(crate) runs: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
}

impl Drive {
    /// A drive as the log knows it.
    pub(crate) fn new(state: &DriveState, runs: &[RunEntry]) -> Self {
        let DriveState { entry, out, suspect, read_only } = state;
        let held = || runs.iter().filter(|run| run.copies.contains(entry.number));
        let (word, why) = match (out, suspect, &entry.status) {
            (Some(out), _, _) => ("out", Some(out.to_string())),
            (None, Some(evidence), _) => ("suspect", Some(evidence.to_string())),
            (None, None, DriveStatus::Quarantined(evidence)) => ("quarantined", Some(evidence.to_string())),
            (None, None, DriveStatus::Healthy) => ("serves", None),
        };
        Self {
            drive: entry.number.get(),
            id: entry.id.to_string(),
            path: entry.path.display().to_string(),
            state: word,
            why,
            read_only: *read_only,
            capacity: entry.capacity,
            runs: held().count() as u64,
            bytes: held().map(|run| run.len).sum(),
        }
    }

    /// Whether it serves.
    pub(crate) fn serves(&self) -> bool {
        self.why.is_none()
    }

    /// As one line of text.
    pub(crate) fn text(&self) -> String {
        let Self { drive, path, state, runs, bytes, .. } = self;
        let mut text =
            format!("drive {drive}  {state}  {path}: {}, {bytes} bytes", output::count(*runs, "run"));
        if self.capacity > 0 {
            text += &format!(" of at most {}", self.capacity);
        }
        if self.read_only {
            text += ", read-only";
        }
        match &self.why {
            Some(why) => text + ": " + why,
            None => text,
        }
    }
}

/// A file on a drive that is no part of the log, as `--json` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Orphan {
    drive: u64,
    orphan: String,
    bytes: u64,
    /// Why the next open leaves it where it is; not there where the next open removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

impl Orphan {
    /// An orphan as the log lists it.
    pub(crate) fn new(orphan: &truelog::Orphan) -> Self {
        let truelog::Orphan { drive, name, bytes, kept } = orphan;
        let kept = kept.map(|kept| kept.to_string());
        Self { drive: drive.get(), orphan: name.to_string(), bytes: *bytes, kept }
    }

    /// As one line of text.
    pub(crate) fn text(&self) -> String {
        let Self { drive, orphan, bytes, kept } = self;
        let end =
            kept.as_ref().map_or("the next open removes it".to_owned(), |why| format!("kept, since {why}"));
        format!("ORPHAN  {orphan} on drive {drive}, {bytes} bytes: {end}")
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output fails.
    pub(crate) fn tell(&self, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
        if json { output::json(out, self) } else { output::line(out, &self.text()) }
    }
}

/// What `add` and `remove` did.
#[derive(Serialize)]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn run(args: &Drives, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.what {
        None | Some(DrivesWhat::Status) => status(&args.dir, json, out)?,
        Some(DrivesWhat::Add(add_args)) => add(&args.dir, add_args, json, out)?,
        Some(DrivesWhat::Remove(remove_args)) => remove(&args.dir, remove_args.drive, json, out)?,
    }
    output::flush(out)
}

fn status(dir: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let view = open::readable(dir)?;
    let drives = view.drives();
    for state in &drives {
        let shown = Drive::new(state, view.runs());
        if json {
            output::json(out, &shown)?;
        } else {
            output::line(out, &shown.text())?;
        }
    }
    for orphan in view.orphans() {
        Orphan::new(&orphan).tell(json, out)?;
    }
    if drives.is_empty() && !json {
        output::line(out, "the log has no drives: nothing is archived")?;
    }
    Ok(())
}

fn add(dir: &Path, args: &AddDrive, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    // The drive's path is stored: it must not depend on where this command is run.
    let place = truelog::os::resolve(&args.drive_dir).map_err(Failure::log(&args.drive_dir))?;
    let (log, _) = open::alone(dir)?;
    let entry = log.add_drive(&place, args.capacity).map_err(Failure::log(&args.drive_dir))?;
    let out_of_service = log.drives().into_iter().find(|state| state.entry.number == entry.number);
    let out_of_service = out_of_service.and_then(|state| state.out);
    log.close().map_err(Failure::log(dir))?;
    let path = entry.path.display().to_string();
    let drive = entry.number.get();
    if json {
        return output::json(out, &Changed { added: Some(drive), removed: None, path: Some(path) });
    }
    output::line(out, &format!("drive {drive} is {path}"))?;
    if !entry.is_healthy() {
        let text = format!("it is quarantined still: `truelog scrub {} --readmit`", dir.display());
        output::line(out, &text)?;
    }
    if let Some(why) = out_of_service {
        output::line(out, &format!("it does not serve: {why}: `truelog scrub {} --readmit`", dir.display()))?;
    }
    Ok(())
}

fn remove(dir: &Path, drive: u64, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let (log, _) = open::alone(dir)?;
    log.remove_drive(DriveNo(drive)).map_err(Failure::log(dir))?;
    log.close().map_err(Failure::log(dir))?;
    if json {
        return output::json(out, &Changed { added: None, removed: Some(drive), path: None });
    }
    output::line(out, &format!("forgot drive {drive}; nothing on it was touched"))
}
