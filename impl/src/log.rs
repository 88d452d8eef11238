//! The public handle.

use std::path::Path;
use std::time::Duration;

use truelog_env::{DirLock, Env};

use crate::archive::Archive;
use crate::archive::entry::DriveEntry;
use crate::archive::keeper::{ArchiveProgress, Keeper};
use crate::archive::prefetch::PrefetchStat;
use crate::archive::run::RunEntry;
use crate::archive::scrub::ScrubReport;
use crate::archive::shelf::DriveState;
use crate::audit::{AuditProgress, AuditStat, Audited, Auditor};
use crate::clock::ClockCheck;
use crate::create::{Created, create};
use crate::engine::{Engine, Progress, Trimmed};
use crate::error::{Error, ReadOnlyWhy, Result};
use crate::event::{Event, Observer};
use crate::front::Waits;
use crate::group_commit::{GroupCommit, Marks};
use crate::health::Health;
use crate::home::{self, Home};
use crate::identity::enter;
use crate::lsn::{DriveNo, Lsn, LsnRange, Seq, StreamId};
use crate::options::Options;
use crate::os;
use crate::reader::{Iter, Reader};
use crate::receipt::{Claim, Receipt, Verdict};
use crate::recovery::{self, Opened, Recovered};
use crate::stat::Stat;
use crate::sync::{Arc, Mutex, StdArc};
use crate::tail::Tail;
use crate::ticket::{Few, Spot, Ticket};
use crate::types::{Durability, Entry, LogId, Record};
use crate::verify::verify;
use crate::worker::Worker;

/// An open log. Many threads may use one handle at a time.
///
/// Dropped without [`Log::close`], it leaves the log as a crash of the process would: what was acknowledged is
/// safe, and what was not is in doubt.
#[derive(Debug)]
pub struct Log {
    engine: Arc<Engine>,
    worker: Option<Worker>,
    /// The archive's own thread, once there is a drive.
    archivist: Mutex<Option<Worker>>,
    /// The auditor's own thread, if it has anything to do by itself.
    auditor: Option<Worker>,
}

impl Log {
    /// As [`Log::create_in`], in the real surroundings.
    ///
    /// # Errors
    /// As [`Log::create_in`].
    pub fn create(dir: impl AsRef<Path>, options: &Options) -> Result<Self> {
        Self::create_in(&os::native(), &os::resolve(dir.as_ref())?, options)
    }

    /// Creates a log in `dir`, an absolute path: missing, empty, or left behind by a create that was not finished.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotALog`] naming a foreign name, [`Error::BadOption`], [`Error::Unsafe`],
    /// [`Error::Locked`], [`Error::Full`], [`Error::InDoubt`], [`Error::Io`]. After any of them a create may be tried
    /// again. If one failed, or was killed, while it synced the directories above the log, that is [`Error::InDoubt`]
    /// until the directory is made anew or the machine restarts: no later sync proves that its name is durable.
    pub fn create_in(env: &Env, dir: &Path, options: &Options) -> Result<Self> {
        let Created { home, lock } = create(env, dir, options)?;
        let opened = recovery::open_fresh(&home, options)?;
        Self::start(home, options.clone(), opened, lock).map(|(log, _)| log)
    }

    /// As [`Log::open_in`], in the real surroundings.
    ///
    /// # Errors
    /// As [`Log::open_in`].
    pub fn open(dir: impl AsRef<Path>, options: &Options) -> Result<(Self, Recovered)> {
        Self::open_in(&os::native(), &os::resolve(dir.as_ref())?, options)
    }

    /// Opens the log in `dir`, an absolute path, and recovers it. A damaged log opens for reading only, which
    /// [`Recovered::damage`] says.
    ///
    /// # Errors
    /// [`Error::NotALog`], [`Error::Unfinished`], [`Error::InDoubt`], [`Error::Moved`], [`Error::Locked`], [`Error::Version`],
    /// [`Error::BadOption`], [`Error::Mismatch`], [`Error::Unsafe`], [`Error::CorruptFile`] for the identity,
    /// [`Error::Full`] and [`Error::ReadOnly`] when recovery cannot write ([`inspect`](crate::inspect) still
    /// serves then), [`Error::Io`].
    pub fn open_in(env: &Env, dir: &Path, options: &Options) -> Result<(Self, Recovered)> {
        Self::open_observed_in(env, dir, options, &[])
    }

    /// As [`Log::open_in`]; `observers` are told from the first event of the recovery on.
    ///
    /// # Errors
    /// As [`Log::open_in`].
    pub fn open_observed_in(
        env: &Env,
        dir: &Path,
        options: &Options,
        observers: &[StdArc<dyn Observer>],
    ) -> Result<(Self, Recovered)> {
        options.validate()?;
        let (lock, identity, home) = enter(env, dir)?;
        identity.check_place(env, dir)?;
        for observer in observers {
            home.events.add(StdArc::clone(observer));
        }
        let survey = recovery::survey(&home)?;
        if survey.damage.is_empty() {
            options.check_against(&survey.state.options)?;
            home::check_volume(env, dir, options)?;
        }
        let effective = options.with_stored(&survey.state.options);
        // Before anything is written by the clock that is looked at.
        let clock = ClockCheck::of(env, dir, &survey.state.audited.unwrap_or(Audited::NEVER));
        let opened = recovery::open_surveyed(&home, &effective, survey, Some(&identity))?;
        let opened = Self::start(home, effective, opened, lock)?;
        if clock.is_doubtful() {
            opened.0.engine.home.emit(&Event::ClockDoubtful(clock));
        }
        Ok(opened)
    }

    fn start(
        home: Home,
        options: Options,
        opened: Opened,
        lock: Box<dyn DirLock>,
    ) -> Result<(Self, Recovered)> {
        let Opened { front, commit, marks, catalog, house, shelf, read_only, recovered, audited } = opened;
        let archive = Arc::new(Archive::new(home.clone(), Arc::clone(&catalog), shelf, &options));
        let keep = options.read_buffer_bytes;
        let reader = Arc::new(Reader::new(home.clone(), Arc::clone(&catalog), Arc::clone(&archive), keep));
        let background = options.background && read_only.is_none();
        let audit = Auditor::new(&home, &audited, &options);
        let board = Arc::clone(commit.board());
        let engine = Arc::new(Engine {
            handle: home.random()?,
            kernel: GroupCommit::new(front, commit, marks),
            home,
            keeper: Mutex::new(Keeper::new(options.archive_rate)),
            options,
            catalog,
            reader,
            board,
            archive,
            house: Mutex::new(house),
            read_only,
            lock: Mutex::new(Some(lock)),
            audit,
            lag: Mutex::default(),
            refused: Mutex::default(),
        });
        let worker = background.then(|| Worker::start(&engine)).transpose()?;
        let audits = background && !engine.options.audit_every.is_zero();
        let auditor = audits.then(|| Worker::start_audit(&engine)).transpose()?;
        let log = Self { engine, worker, archivist: Mutex::new(None), auditor };
        log.start_archivist()?;
        log.engine.home.emit(&Event::Opened {
            log: log.id(),
            first: recovered.first,
            next: recovered.next,
            durable: recovered.durable,
            read_only: recovered.read_only,
        });
        if let Some(why) = log.engine.home.volume.caution {
            log.engine.home.emit(&Event::VolumeDoubtful { why });
        }
        Ok((log, recovered))
    }

    /// Starts the archive's own thread, if there is one for commits and there is an archive.
    fn start_archivist(&self) -> Result<()> {
        let mut archivist = self.archivist.lock();
        if archivist.is_none() && self.worker.is_some() && !self.engine.drives().is_empty() {
            *archivist = Some(Worker::start_archive(&self.engine)?);
        }
        Ok(())
    }

    /// The log's identity.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.engine.home.log
    }

    /// The options in effect.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.engine.options
    }

    /// Why nothing can be written, if so.
    #[must_use]
    pub fn read_only(&self) -> Option<&ReadOnlyWhy> {
        self.engine.read_only.as_ref()
    }

    /// Tells `observer` everything that happens from now on.
    pub fn observe(&self, observer: StdArc<dyn Observer>) {
        self.engine.home.events.add(observer);
    }

    /// Appends one record with the log's own durability, and waits until it holds.
    ///
    /// # Errors
    /// As [`Log::submit`] and [`Log::wait`].
    pub fn append(&self, stream: StreamId, payload: &[u8]) -> Result<Receipt> {
        self.append_with(Record { stream, payload }, self.engine.options.durability)
    }

    /// Appends one record, and waits until its durability holds.
    ///
    /// # Errors
    /// As [`Log::submit`] and [`Log::wait`].
    pub fn append_with(&self, record: Record<'_>, durability: Durability) -> Result<Receipt> {
        let mut spot = [Spot::default()];
        self.engine.put(&[record], &mut spot, durability, Waits::Yes)?;
        let [spot] = spot;
        self.engine.acknowledge(LsnRange::of(spot.lsn, 1), durability)?;
        let digest = self.engine.board.digest_of(spot.lsn, record.payload);
        Ok(self.engine.issue(spot.claim(self.id(), &record, digest, durability)))
    }

    /// Appends all of `records`, or none, and waits until their durability holds.
    ///
    /// # Errors
    /// As [`Log::submit`] and [`Log::wait`].
    pub fn append_batch(&self, records: &[Record<'_>], durability: Durability) -> Result<Vec<Receipt>> {
        let spots = self.put(records, durability, Waits::Yes)?;
        self.engine.acknowledge(spots.lsns(), durability)?;
        Ok(self.issue(self.claims(&spots, records, durability)))
    }

    /// Puts all of `records` into one batch, or none, and returns without waiting for it. The batch is committed
    /// by whoever waits, by whoever finds it full, or by [`Log::step`] once it is older than
    /// [`Options::max_delay`] or half full. Waits itself only where memory or space runs out.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TooManyStreams`], [`Error::Full`], [`Error::Unsafe`], [`Error::ReadOnly`],
    /// [`Error::BadOption`] for no records at all: nothing was appended. [`Error::Poisoned`], [`Error::Closed`]:
    /// nor was it here.
    pub fn submit(&self, records: &[Record<'_>], durability: Durability) -> Result<Ticket> {
        let spots = self.put(records, durability, Waits::No)?;
        let claims = self.claims(&spots, records, durability);
        Ok(Ticket::new(self.engine.handle, claims, durability))
    }

    /// Puts all of `records` into one batch, or none, and says where they went.
    fn put(&self, records: &[Record<'_>], durability: Durability, waits: Waits) -> Result<Few<Spot>> {
        let mut spots = Few::of(records)?;
        self.engine.put(records, spots.as_mut_slice(), durability, waits)?;
        Ok(spots)
    }

    fn claims(&self, spots: &Few<Spot>, records: &[Record<'_>], durability: Durability) -> Few<Claim> {
        spots.claims(self.id(), records, durability, &self.engine.board)
    }

    fn issue(&self, claims: Few<Claim>) -> Vec<Receipt> {
        claims.into_vec().into_iter().map(|claim| self.engine.issue(claim)).collect()
    }

    /// Waits until the ticket's records have their durability; commits them itself if nobody else does.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`]: whether the records are in the log is then not known until the next
    /// open. [`Error::BadTicket`] for a ticket of another handle.
    pub fn wait(&self, ticket: Ticket) -> Result<Vec<Receipt>> {
        if ticket.handle() != self.engine.handle {
            return Err(Error::BadTicket);
        }
        self.engine.acknowledge(ticket.lsns(), ticket.durability())?;
        Ok(self.issue(ticket.into_claims()))
    }

    /// The record at `lsn`. Shows what has been committed, whatever durability it was committed with. One call of the file
    /// system reads it, and nothing else, where all records of its batch are as long; else all of its batch is read and
    /// checked. So a record that is whole may come back although others of its batch are damaged, which [`Log::iter`]
    /// refuses as a whole.
    ///
    /// # Errors
    /// [`Error::Trimmed`], [`Error::Absent`], [`Error::Lost`], [`Error::Corrupt`], [`Error::Io`].
    pub fn get(&self, lsn: Lsn) -> Result<Entry> {
        self.engine.reader.get(lsn)
    }

    /// The records from `from` on, as [`Log::get`] shows them.
    #[must_use]
    pub fn iter(&self, from: Lsn) -> Iter {
        Iter::new(Arc::clone(&self.engine.reader), from)
    }

    /// Follows the log from `from` on: only records that survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Unsafe`] on a volume where no record ever does.
    pub fn tail(&self, from: Lsn) -> Result<Tail> {
        self.engine.home.check_promise(Durability::PowerLoss)?;
        Ok(Tail::new(Arc::clone(&self.engine), from))
    }

    /// Gives up the records before `before`, durably, and removes the segments that hold no others. Never goes
    /// beyond what is durable.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Full`], [`Error::Io`].
    pub fn trim(&self, before: Lsn) -> Result<Trimmed> {
        self.engine.trim(before)
    }

    /// Holds a claim against what is there.
    ///
    /// # Errors
    /// [`Error::Io`]: then nothing is known.
    pub fn verify(&self, claim: &Claim) -> Result<Verdict> {
        verify(&self.engine.reader, self.id(), claim)
    }

    /// Does the background work that is due, a bounded piece of it. The log's own thread calls this, if
    /// [`Options::background`] says that it has one.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn step(&self) -> Result<Progress> {
        self.engine.step()
    }

    /// Makes `dir`, an absolute path, a drive of the log's archive: a missing directory, an empty one, or one that is a
    /// drive of this log already, which then has this path. It takes at most `capacity` bytes of runs; 0 for as many
    /// as its volume does. Says what the log calls it.
    ///
    /// # Errors
    /// [`Error::NotALog`] naming what else is there, [`Error::Exists`] for a drive of another log and for the log's own
    /// directory, [`Error::BadOption`] for one drive too many, [`Error::Unsafe`], [`Error::InDoubt`],
    /// [`Error::Locked`], [`Error::ReadOnly`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Full`], [`Error::Io`].
    pub fn add_drive(&self, dir: &Path, capacity: u64) -> Result<DriveEntry> {
        let entry = self.engine.add_drive(dir, capacity)?;
        self.start_archivist()?;
        self.engine.archive.bell().ring();
        Ok(entry)
    }

    /// Forgets a drive. Nothing on it is touched; what it had copies of gets others.
    ///
    /// # Errors
    /// [`Error::NoSuchDrive`]; [`Error::LastCopy`] while no other drive that serves has a copy of something on it;
    /// [`Error::ReadOnly`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`].
    pub fn remove_drive(&self, drive: DriveNo) -> Result<()> {
        self.engine.remove_drive(drive)?;
        self.engine.archive.bell().ring();
        Ok(())
    }

    /// The drives of the archive, and how they are.
    #[must_use]
    pub fn drives(&self) -> Vec<DriveState> {
        self.engine.drives()
    }

    /// The runs of the archive, ascending.
    #[must_use]
    pub fn runs(&self) -> Vec<RunEntry> {
        self.engine.catalog.lock().runs().to_vec()
    }

    /// How prefetching went.
    #[must_use]
    pub fn prefetch_stat(&self) -> PrefetchStat {
        self.engine.archive.prefetch().stat()
    }

    /// Does the archive's work that is due, a bounded piece of it: a block read ahead, a quarantine made durable, a
    /// piece of a copy, of a reclaim, of a scrub or of a compaction. The archive's own thread calls this, if
    /// [`Options::background`] says that the log has threads.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`]. What goes wrong on a drive is not an error, but an event.
    pub fn archive_step(&self) -> Result<ArchiveProgress> {
        self.engine.archive_step(false)
    }

    /// Archives all that is sealed, merges short runs, makes lost copies again and removes what is replaced, as fast as
    /// it can. Returns the runs that were published. What readers still look at is removed later.
    ///
    /// # Errors
    /// [`Error::TooFewDrives`] when fewer drives serve than there are copies, what reading the segments fails with, and
    /// as [`Log::archive_step`]. What was published before the error stays.
    pub fn compact(&self) -> Result<Vec<RunEntry>> {
        self.engine.compact_all()
    }

    /// Reads every block of every copy, or of those on one drive, checks it, and writes damaged copies anew from good
    /// ones, at [`Options::archive_rate`]. With `readmit`, drives that do not serve do so again if nothing at all was
    /// wrong with their copies, not even something that was repaired just now; a drive without copies takes a copy of the
    /// manifest instead.
    ///
    /// # Errors
    /// [`Error::NoSuchDrive`]; [`Error::Locked`] while another scrub is under way; as [`Log::archive_step`].
    pub fn scrub(&self, only: Option<DriveNo>, readmit: bool) -> Result<ScrubReport> {
        self.engine.scrub_all(only, readmit)
    }

    /// How the log is.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat::of(&self.engine)
    }

    /// How the log is, by the health machine's rules. Reads no file, so that it costs a few short locks: what it says of
    /// the volume is what an open, or the auditor, saw last.
    pub fn health(&self) -> Health {
        self.engine.health()
    }

    /// Does the audit's work that is due, a bounded piece of it: one receipt held against the device, one look at
    /// whether all files are in their places, or one piece of a look at everything. The auditor's own thread calls this,
    /// if [`Options::background`] says that the log has threads.
    ///
    /// # Errors
    /// [`Error::Poisoned`] with [`Error::ClaimViolated`], [`Error::Displaced`] or [`Error::Moved`] as its cause when
    /// something is not as it should be: the log has failed for it. [`Error::Closed`]. That something could not be looked
    /// at is not an error, but an event.
    pub fn audit_step(&self) -> Result<AuditProgress> {
        self.engine.audit_step()
    }

    /// Looks at everything now: each batch of each segment past the page cache, and each block of each copy in the
    /// archive, at [`Options::archive_rate`]. That it ended well is durable when this returns.
    ///
    /// # Errors
    /// As [`Log::audit_step`]; [`Error::ReadOnly`]; and why something could not be looked at.
    pub fn audit(&self) -> Result<AuditStat> {
        self.engine.audit_all()
    }

    /// How the auditor got on.
    #[must_use]
    pub fn audit_stat(&self) -> AuditStat {
        let stat = self.stat();
        self.engine.audit.stat(self.engine.home.env.clock.monotonic(), stat.next > stat.first)
    }

    /// The sequence number that the stream's next record gets: how many records the stream has had, trimmed ones
    /// included. A writer that feeds its input again begins there.
    #[must_use]
    pub fn next_seq(&self, stream: StreamId) -> Seq {
        self.engine.kernel.peek(|front, _| front.next_seq(stream))
    }

    /// Commits what was submitted, writes the idle mark, and lets go of the directory.
    ///
    /// # Errors
    /// [`Error::Poisoned`]: what was submitted and not waited for may be lost. The log is let go of all the same.
    pub fn close(mut self) -> Result<()> {
        self.stop_worker();
        let finished = self.engine.finish();
        self.engine.let_go();
        finished
    }

    fn stop_worker(&mut self) {
        let workers = [self.worker.take(), self.archivist.lock().take(), self.auditor.take()];
        for worker in workers.into_iter().flatten() {
            worker.stop(&self.engine);
        }
    }

    /// Waits until record `lsn` survives a loss of power, without ever leading. Says whether it does.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`] when it never will.
    pub fn wait_durable(&self, lsn: Lsn, timeout: Duration) -> Result<bool> {
        self.engine.kernel.watch(Marks::durable(lsn), timeout)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The worker may be writing: the lock is free only once it has ended, or another handle could take the
        // same names.
        self.engine.kernel.fail(Error::Closed);
        self.stop_worker();
        self.engine.let_go();
    }
}
