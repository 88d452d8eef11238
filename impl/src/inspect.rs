//! The read-only open: no lock, no writes, and it shows what nothing vouches for yet, marked so.

use std::path::Path;

use truelog_env::Env;

use crate::archive::opening::Missing;
use crate::archive::orphans::{self, Orphan, Owned};
use crate::archive::run::RunEntry;
use crate::archive::set::DriveSet;
use crate::archive::shelf::DriveState;
use crate::archive::{Archive, opening};
use crate::audit::Audited;
use crate::catalog::{Catalog, Damage, Lead};
use crate::error::{Error, Result};
use crate::home::{Home, stat_dir};
use crate::identity::read_identity;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::manifest::{ArchiveState, Edition, SegmentEntry, read_manifest};
use crate::options::Options;
use crate::os;
use crate::reader::{Iter, Reader};
use crate::receipt::{Claim, Verdict, Violation};
use crate::recovery::{Row, survey};
use crate::span::Span;
use crate::sync::{Arc, Mutex};
use crate::types::{Entry, LogId};
use crate::verify::verify;

/// A writer beside may make a survey look damaged, since what was read first is older than what was read later.
/// Damage that is real looks the same the next time; after this many looks it is taken as it is.
const LOOKS: usize = 16;

/// What a log held when it was looked at.
#[derive(Debug)]
pub struct Inspection {
    log: LogId,
    home: Home,
    catalog: Arc<Mutex<Catalog>>,
    archive: Arc<Archive>,
    reader: Arc<Reader>,
    named: ArchiveState,
    rows: Vec<Row>,
    options: Options,
    segments: Vec<SegmentEntry>,
    damage: Vec<Damage>,
    losses: Vec<LsnRange>,
    edition: Edition,
    next: Lsn,
    vouched: Lsn,
    torn_bytes: u64,
    quarantined: Vec<SegmentNo>,
    /// No segment above this one was ever made, as far as the manifest and the directory say.
    highest: SegmentNo,
    audited: Audited,
    moved: Option<Error>,
}

/// As [`inspect_in`], in the real surroundings.
///
/// # Errors
/// As [`inspect_in`].
pub fn inspect(dir: impl AsRef<Path>) -> Result<Inspection> {
    inspect_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Looks at the log in `dir`, an absolute path, without a lock and without writing: beside a writer, on a full or
/// read-only disk, and wherever the directory was copied to.
///
/// # Errors
/// [`Error::NotALog`], [`Error::Unfinished`], [`Error::InDoubt`], [`Error::Version`], [`Error::CorruptFile`] for the identity,
/// [`Error::Io`]. Any other damage is not an error, but part of the inspection.
pub fn inspect_in(env: &Env, dir: &Path) -> Result<Inspection> {
    let inode = stat_dir(env, dir)?.inode;
    let identity = read_identity(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, identity.log, identity.block, volume).of_epoch(identity.epoch);
    let look = || survey(&home).map(|found| (opening::look(&home, &found.state), found));
    let (mut shelf, mut found) = look()?;
    for _ in 1..LOOKS {
        // A writer beside may have replaced what was looked for, and have told its drives of it; or have trimmed it, and have used
        // its file again while it was read.
        let now = read_manifest(&home)?.state.map(|state| state.edition());
        let stood_still = now.is_none_or(|now| now == found.state.edition());
        if found.damage.is_empty() && !shelf.is_ahead() && stood_still {
            break;
        }
        let (now, again) = look()?;
        // What was read first was not changed before this look began.
        if found.damage == again.damage && found.state.edition() == again.state.edition() {
            break;
        }
        (shelf, found) = (now, again);
    }
    let catalog = Arc::new(Mutex::new(found.catalog()));
    let options = Options { prefetch_bytes: 0, ..found.state.options.clone() };
    let archive = Arc::new(Archive::new(home.clone(), Arc::clone(&catalog), shelf, &options));
    let keep = options.read_buffer_bytes;
    let reader = Arc::new(Reader::new(home.clone(), Arc::clone(&catalog), Arc::clone(&archive), keep));
    Ok(Inspection {
        log: identity.log,
        edition: found.state.edition(),
        home,
        catalog,
        archive,
        reader,
        named: found.state.archive,
        rows: found.rows,
        options: found.state.options,
        segments: found.state.segments,
        damage: found.damage,
        losses: found.state.losses,
        next: found.next,
        vouched: found.vouched,
        torn_bytes: found.torn_bytes,
        quarantined: found.quarantined,
        highest: found.highest,
        audited: found.state.audited.unwrap_or(Audited::NEVER),
        moved: identity.check_found(dir, inode, volume.id).err(),
    })
}

impl Inspection {
    /// The log's identity.
    #[must_use]
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// The rows of the recovery's decision table that apply.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The options stored with the log.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The segments that the manifest names, ascending.
    #[must_use]
    pub fn segments(&self) -> &[SegmentEntry] {
        &self.segments
    }

    /// The runs of the archive that the manifest names, ascending.
    #[must_use]
    pub fn runs(&self) -> &[RunEntry] {
        &self.named.runs
    }

    /// The drives of the archive, and how they were found.
    #[must_use]
    pub fn drives(&self) -> Vec<DriveState> {
        self.archive.shelf().lock().states()
    }

    /// What is not on the drives. What a writer has replaced since this look was not there to be found.
    pub(crate) fn missing(&self, runs: &[RunEntry]) -> Missing {
        let missing = opening::missing(&self.archive.shelf().lock(), runs);
        let is_clean = missing.copies.is_empty() && missing.away == DriveSet::EMPTY;
        if is_clean || self.is_outdated().is_ok_and(|outdated| !outdated) {
            missing
        } else {
            Missing::default()
        }
    }

    /// The files on drives that are no part of the log. What a writer beside has in the making is among them.
    #[must_use]
    pub fn orphans(&self) -> Vec<Orphan> {
        let (archive, losses) = (&self.named, &self.losses);
        let owned = Owned { archive, losses, first: self.edition.trimmed, next: self.next };
        orphans::list(&self.archive.shelf().lock(), &owned)
    }

    /// What is damaged, as far as an open would see it: the sealed segments were not read.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The records that were given up by accept-loss.
    #[must_use]
    pub fn losses(&self) -> &[LsnRange] {
        &self.losses
    }

    /// The first record that is kept.
    #[must_use]
    pub const fn first(&self) -> Lsn {
        self.edition.trimmed
    }

    /// Whether the log has archived, merged or trimmed records since it was looked at, so that files may be gone that
    /// this inspection would read, or may have become other files (option `reuse`). What it cannot read then says nothing: inspect
    /// again.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Version`].
    pub fn is_outdated(&self) -> Result<bool> {
        // A manifest that cannot be read at the moment tells nothing new.
        let now = read_manifest(&self.home)?.state;
        Ok(now.is_some_and(|state| state.edition() != self.edition))
    }

    /// The LSN behind the last record shown.
    #[must_use]
    pub const fn next(&self) -> Lsn {
        self.next
    }

    /// The last record that something durable, other than its own batch, vouches for. Damage to records behind it
    /// could not be told from a torn tail.
    #[must_use]
    pub const fn vouched(&self) -> Lsn {
        self.vouched
    }

    /// Bytes behind the last valid batch that a recovery would cut.
    #[must_use]
    pub const fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The segments that could not be read and that accept-loss put aside, ascending: the files
    /// [`Name::Quarantined`](crate::Name::Quarantined). They are not part of the log.
    #[must_use]
    pub fn quarantined(&self) -> &[SegmentNo] {
        &self.quarantined
    }

    /// The record at `lsn`. [`Entry::vouched`] says whether it counts as acknowledged.
    ///
    /// # Errors
    /// [`Error::Trimmed`], [`Error::Absent`], [`Error::Lost`], [`Error::Corrupt`], [`Error::Io`].
    pub fn get(&self, lsn: Lsn) -> Result<Entry> {
        self.reader.get(lsn)
    }

    /// The records from `from` on.
    #[must_use]
    pub fn iter(&self, from: Lsn) -> Iter {
        Iter::new(Arc::clone(&self.reader), from)
    }

    /// The first record behind `lsn` that is in another segment, or in another run: where to go on if the file of `lsn`
    /// cannot be read. `None` behind the last.
    #[must_use]
    pub fn behind_file(&self, lsn: Lsn) -> Option<Lsn> {
        let last = match self.find(lsn).ok()? {
            Lead::Segment(lead) => lead.lsns.last,
            Lead::Run(run) => run.lsns.last,
        };
        Some(last.next()).filter(|next| *next < self.next)
    }

    /// Holds a claim against what is there.
    ///
    /// # Errors
    /// [`Error::Io`]: then nothing is known.
    pub fn verify(&self, claim: &Claim) -> Result<Verdict> {
        let verdict = verify(&self.reader, self.log, claim)?;
        if matches!(verdict, Verdict::Violated { why: Violation::Damaged { .. } | Violation::Absent { .. } })
        {
            self.unless_unnamed(claim.lsn)?;
        }
        Ok(verdict)
    }

    /// What the manifest says of the last audit of everything; of a log that never had one, nothing but zeros.
    #[must_use]
    pub const fn audited(&self) -> &Audited {
        &self.audited
    }

    /// Why the log is not where its identity says: it was copied or moved.
    #[must_use]
    pub const fn moved(&self) -> Option<&Error> {
        self.moved.as_ref()
    }

    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Why nobody knows which segments there are: the manifest cannot be read.
    pub(crate) fn unnamed(&self) -> Option<&Error> {
        let unread = self.rows.contains(&Row::ManifestUnreadable);
        let damage = self.damage.iter().map(|damage| &damage.error);
        damage.filter(|error| matches!(error, Error::CorruptFile { .. })).find(|_| unread)
    }

    /// Whether anything can be said of a record that is in no segment.
    ///
    /// # Errors
    /// Without a manifest nobody knows whether it was trimmed or archived, if it is below all that are there.
    pub(crate) fn unless_unnamed(&self, lsn: Lsn) -> Result<()> {
        let below = self.catalog.lock().spans().first().is_some_and(|span| lsn < span.lsns.first);
        self.unnamed()
            .filter(|_| below || self.next() == Lsn::FIRST)
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(crate) const fn highest(&self) -> SegmentNo {
        self.highest
    }

    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    /// Where a record may be looked for, or why it is not anywhere.
    pub(crate) fn find(&self, lsn: Lsn) -> Result<Lead> {
        self.catalog.lock().find(lsn)
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.catalog.lock().spans().iter().map(Span::bare).collect()
    }
}
