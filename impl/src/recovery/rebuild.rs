//! Rebuilding a manifest that is lost: from its copies on the drives, from the runs that stand there, and from the
//! segments. Everything that is named afterwards was found; a record that nothing has is a gap, and a gap is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use truelog_env::Env;

use crate::archive::entry::{DriveEntry, DriveStatus};
use crate::archive::run::RunEntry;
use crate::archive::set::{DriveSet, MAX_DRIVES};
use crate::catalog::Damage;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::identity::enter;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::manifest::{ManifestRead, ManifestState, ManifestVerdict, Publication, read_manifest};
use crate::names::Name;
use crate::options::Options;
use crate::os;
use crate::recovery::probe;
use crate::recovery::repair::checkpoint;
use crate::recovery::runs::{Copy, Shelved, look};
use crate::recovery::survey::{Survey, survey_of};

/// What a rebuild may be told, besides where to look.
#[derive(Debug, Clone, Default)]
pub struct RebuildOptions {
    /// Stored with the log if no copy of the manifest can be read; the block size is the identity's in any case.
    pub stored: Options,
    /// Records before this one were trimmed, an operator says. Needed only where they are missing, and the copies of
    /// the manifest are older than the trim. It never gives up a record that was found.
    pub trimmed_before: Option<Lsn>,
    /// Finds and checks everything, and writes nothing.
    pub dry_run: bool,
}

/// What was found for a manifest, and what it says now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Rebuilt {
    /// The copy of the manifest that was begun with, and its generation; `None` where none could be read.
    pub from: Option<(PathBuf, u64)>,
    /// The drives that it names.
    pub drives: Vec<DriveEntry>,
    /// The runs that it names, ascending.
    pub runs: Vec<RunEntry>,
    /// Those of them that the copy of the manifest did not name.
    pub added: Vec<RunNo>,
    /// The runs that were found and are not needed, because others have their records. The next open removes them.
    pub unused: Vec<RunNo>,
    /// The copies of runs that are damaged, each at its first bad place: the drive, the run, the offset.
    pub bad_copies: Vec<(DriveNo, RunNo, u64)>,
    /// The segments that it names, ascending.
    pub segments: Vec<SegmentNo>,
    /// The first record that is kept.
    pub first: Lsn,
    /// The LSN behind the last record.
    pub next: Lsn,
    /// Bytes behind the last record that are not valid. Only the lost manifest could have vouched for them.
    pub torn_bytes: u64,
    /// What is damaged in the segments. The log opens for reading only then.
    pub damage: Vec<Damage>,
    /// Whether the manifest was written.
    pub written: bool,
}

/// As [`rebuild_manifest_in`], in the real surroundings.
///
/// # Errors
/// As [`rebuild_manifest_in`].
pub fn rebuild_manifest(
    dir: impl AsRef<Path>,
    drives: &[PathBuf],
    options: &RebuildOptions,
) -> Result<Rebuilt> {
    let drives: Result<Vec<_>> = drives.iter().map(|drive| os::resolve(drive)).collect();
    rebuild_manifest_in(&os::native(), &os::resolve(dir.as_ref())?, &drives?, options)
}

/// Writes the manifest of the log in `dir` anew, from the drives in `drives`; all paths are absolute.
///
/// Begins with the newest copy of the manifest that a drive has. Every block of every run on the drives is read; of
/// runs that have the same records, a whole one and then the newest is taken. The segments say themselves what they
/// are. Drives that are not given stay named if the copy names them, and nothing on any drive is written.
///
/// # Errors
/// [`Error::ManifestReadable`] where there is nothing to rebuild; [`Error::BadDrive`] for a directory that is no drive
/// of this very log; [`Error::Gap`] naming records that neither a run nor a segment has; [`Error::BadOption`] for a trim
/// point above records that were found; and as [`Log::open_in`](crate::Log::open_in).
pub fn rebuild_manifest_in(
    env: &Env,
    dir: &Path,
    drives: &[PathBuf],
    options: &RebuildOptions,
) -> Result<Rebuilt> {
    let (_lock, identity, home) = enter(env, dir)?;
    identity.check_place(env, dir)?;
    let own = read_manifest(&home)?;
    if !matches!(own.verdict, ManifestVerdict::Damaged { .. }) {
        return Err(Error::ManifestReadable { path: home.path(Name::Manifest) });
    }
    let mut shelves: Vec<Shelved> = Vec::new();
    for drive in drives {
        let shelved = look(&home, drive)?;
        if !shelves.iter().any(|known| known.path == shelved.path) {
            shelves.push(shelved);
        }
    }
    let mut base = Base::choose(&home, own, &shelves, &options.stored)?;
    let mut found = Runs::gather(&mut base.state, &shelves)?;
    settle_trim(&home, &mut base.state, &found, options.trimmed_before)?;
    found.take(&mut base.state)?;
    let survey = name_segments(&home, &mut base)?;
    let mut rebuilt = Rebuilt {
        from: base.from,
        drives: base.state.archive.drives.clone(),
        runs: base.state.archive.runs.clone(),
        added: found.added,
        unused: found.unused,
        bad_copies: found.bad_copies,
        segments: base.state.segments.iter().map(|entry| entry.number).collect(),
        first: base.state.trimmed,
        next: survey.next,
        torn_bytes: survey.torn_bytes,
        damage: survey.damage.clone(),
        written: false,
    };
    if !options.dry_run {
        let state = base.state;
        checkpoint(&home, &survey, state)?;
        rebuilt.written = true;
    }
    Ok(rebuilt)
}

/// What a rebuild begins with.
struct Base {
    from: Option<(PathBuf, u64)>,
    state: ManifestState,
    watermark: Lsn,
}

impl Base {
    /// The newest of the copies on the drives and of what is left of the log's own manifest.
    fn choose(home: &Home, own: ManifestRead, shelves: &[Shelved], stored: &Options) -> Result<Self> {
        let own = own.state.map(|state| (home.dir.clone(), state, own.watermark));
        let copies = shelves.iter().filter_map(|shelved| {
            let (state, watermark) = shelved.manifest.clone()?;
            Some((shelved.path.clone(), state, watermark))
        });
        let newest =
            own.into_iter().chain(copies).max_by_key(|(_, state, watermark)| (state.edition(), *watermark));
        if let Some((path, state, watermark)) = newest {
            return Ok(Self { from: Some((path, state.archive.generation)), state, watermark });
        }
        let options = Options { block_size: home.block, ..stored.clone() };
        options.validate()?;
        Ok(Self { from: None, state: ManifestState::new(&options), watermark: Lsn::NONE })
    }
}

/// The runs that were found.
#[derive(Default)]
struct Runs {
    /// Each with whether a copy of it is whole.
    all: Vec<(RunEntry, bool)>,
    named: Vec<RunNo>,
    added: Vec<RunNo>,
    unused: Vec<RunNo>,
    bad_copies: Vec<(DriveNo, RunNo, u64)>,
}

impl Runs {
    /// Numbers the drives, and finds which runs they have. No number or generation that was seen is used again; the
    /// drives that are given are this log's, whatever happened to it.
    fn gather(state: &mut ManifestState, shelves: &[Shelved]) -> Result<Self> {
        let mut found = Self::default();
        let mut entries: BTreeMap<(RunNo, u64), (RunEntry, bool)> = BTreeMap::new();
        let given = number(state, shelves)?;
        let here: DriveSet = given.iter().map(|(number, _)| *number).collect();
        let archive = &mut state.archive;
        for (drive, shelved) in &given {
            let told = shelved.manifest.iter().flat_map(|(state, _)| state.archive.history.iter().copied());
            archive.published(told);
            for (run, copy) in &shelved.runs {
                archive.next_run = archive.next_run.max(run.next());
                let Copy { entry, bad_at } = copy;
                found.bad_copies.extend(bad_at.map(|offset| (*drive, *run, offset)));
                let known = archive.run(*run).copied();
                let same = |known: &RunEntry| {
                    entry.is_none_or(|entry| RunEntry { copies: known.copies, ..entry } == *known)
                };
                let known = known.filter(same);
                // A run that no manifest names is what its index says, or nothing.
                let Some(entry) = known.or(*entry) else { continue };
                archive.published([Publication { generation: entry.generation, salt: entry.salt }]);
                // What the copy of the manifest says of drives that are not given cannot be looked at.
                let elsewhere = known.map_or(DriveSet::EMPTY, |known| {
                    known.copies.iter().filter(|other| !here.contains(*other)).collect()
                });
                let slot = entries
                    .entry((entry.number, entry.salt))
                    .or_insert((RunEntry { copies: elsewhere, ..entry }, false));
                slot.0.copies = slot.0.copies.with(*drive);
                slot.1 |= bad_at.is_none();
            }
        }
        found.named = archive.runs.iter().map(|run| run.number).collect();
        found.all = entries.into_values().filter(|(run, _)| run.lsns.last >= state.trimmed).collect();
        Ok(found)
    }

    /// Takes what is needed of them into `state`: of runs with the same records a whole one, then the newest.
    fn take(&mut self, state: &mut ManifestState) -> Result<()> {
        self.all.sort_by_key(|(run, whole)| std::cmp::Reverse((*whole, run.generation)));
        let mut runs: Vec<RunEntry> = Vec::new();
        for (run, _) in &self.all {
            let meets =
                |other: &RunEntry| run.lsns.first <= other.lsns.last && other.lsns.first <= run.lsns.last;
            if run.lsns.last < state.trimmed || runs.iter().any(meets) {
                self.unused.push(run.number);
            } else {
                runs.push(*run);
            }
        }
        runs.sort_by_key(|run| run.lsns.first);
        let mut due = state.kept(state.trimmed);
        for run in &runs {
            if run.lsns.first > due {
                return Err(Error::Gap { lsns: LsnRange::new(due, run.lsns.first.prev()) });
            }
            due = state.kept(run.lsns.last.next());
        }
        self.added = runs.iter().map(|run| run.number).filter(|run| !self.named.contains(run)).collect();
        state.archive.runs = runs;
        Ok(())
    }
}

/// The number of each drive: what the copy of the manifest calls it, or else one that is free.
fn number<'a>(state: &mut ManifestState, shelves: &'a [Shelved]) -> Result<Vec<(DriveNo, &'a Shelved)>> {
    let mut given = Vec::new();
    for shelved in shelves {
        let drives = &mut state.archive.drives;
        let seen = shelved.generation();
        let known = drives.iter_mut().find(|drive| drive.id == shelved.id);
        let number = if let Some(known) = known {
            (known.path, known.seen) = (shelved.path.clone(), seen);
            known.number
        } else {
            let taken = |number: &DriveNo| drives.iter().any(|drive| drive.number == *number);
            let free = (0..MAX_DRIVES).map(DriveNo).find(|number| !taken(number));
            let number = free.ok_or(Error::BadOption {
                option: "drives",
                value: (MAX_DRIVES + 1).to_string(),
                why: "a log has at most 64 drives",
            })?;
            let (id, path, status) = (shelved.id, shelved.path.clone(), DriveStatus::Healthy);
            drives.push(DriveEntry { number, id, path, capacity: 0, seen, status });
            drives.sort_by_key(|drive| drive.number);
            number
        };
        given.push((number, shelved));
    }
    Ok(given)
}

/// The trim point, if an operator says it. It may explain what is missing, and takes nothing away that is there.
fn settle_trim(home: &Home, state: &mut ManifestState, found: &Runs, said: Option<Lsn>) -> Result<()> {
    let Some(before) = said.filter(|before| *before > state.trimmed) else { return Ok(()) };
    let run = found.all.iter().map(|(run, _)| run.lsns.first).min();
    let probes =
        probe::segments(home, &ManifestState { segments: Vec::new(), ..state.clone() }, &names(home)?)?;
    let batch = probes.iter().filter_map(|probe| probe.first).map(|first| first.base).min();
    let first = run.into_iter().chain(batch).min();
    if first.is_none_or(|first| before > first) {
        return Err(Error::BadOption {
            option: "trimmed_before",
            value: before.to_string(),
            why: "records before it were found, or no record at all",
        });
    }
    state.trimmed = before;
    Ok(())
}

/// Names the segments that have what no run has, and surveys the log as if the manifest said so.
fn name_segments(home: &Home, base: &mut Base) -> Result<Survey> {
    let state = &mut base.state;
    state.segments.clear();
    let probes = probe::segments(home, state, &names(home)?)?;
    let from = state.segments_from();
    let begins = |probe: &&probe::Probe| probe.first.is_some_and(|first| first.base <= from);
    // Segments below the one that holds the first record behind the archive are wholly archived.
    let floor = probes.iter().rfind(begins).map_or(state.floor, probe::Probe::number);
    state.floor = floor.max(state.floor);
    let holds = probes.iter().filter(|probe| probe.has_batches() && !probe.opaque);
    state.segments = holds.map(|probe| probe.entry).filter(|entry| entry.number >= state.floor).collect();
    let due = state.kept(from);
    let above = probes.iter().filter_map(|probe| probe.first).map(|first| first.base);
    let missing = match above.filter(|base| *base > from).min() {
        _ if probes.iter().any(|probe| begins(&probe)) => None,
        Some(first) => Some(LsnRange::new(due, first.prev())),
        None => Some(LsnRange::new(due, base.watermark)),
    };
    if let Some(lsns) = missing.filter(|lsns| !lsns.is_empty()) {
        return Err(Error::Gap { lsns });
    }
    let archived = state.archive.next().map_or(Lsn::NONE, Lsn::prev);
    let watermark = base.watermark.max(archived);
    let read = ManifestRead { state: Some(state.clone()), watermark, verdict: ManifestVerdict::Whole };
    let survey = survey_of(home, read)?;
    // Of the segments that are gone, each that the archive has replaced held a record at least: above as many numbers as it
    // has records none of theirs is used again. Only one that never held a record may have had a higher one.
    let archived = SegmentNo(archived.get());
    state.next_segment = survey.highest.max(archived).next().max(state.floor);
    Ok(survey)
}

/// The names in the directory that logs write.
fn names(home: &Home) -> Result<Vec<Name>> {
    let names = home.env.fs.read_dir(&home.dir).map_err(|source| Error::io(&home.dir, source))?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}
