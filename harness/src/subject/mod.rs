//! What the driver needs of a log, and the three builds of the engine that provide it.

mod builds;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use truelog_env::Env;
use truelog_spec::Failure;
use truelog_spec::contract::Record;
use truelog_spec::step::Durability;

pub use builds::{Plain, UnderLoom, UnderShuttle};

/// How often everything is to be audited in a log under test: the quiet time of a few letters is too long already.
pub const AUDIT_EVERYTHING: Duration = Duration::from_millis(20);

/// How batches are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncWay {
    /// Written, and synced behind it.
    Data,
    /// Each write is its own sync.
    Through,
    /// In turn the one and, past the page cache, the other: a simulated disk is soon done with either.
    Auto,
}

/// The options that scopes vary. Sizes are small, so that few steps reach every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The block size, in bytes.
    pub block: u32,
    /// The segment size, in bytes.
    pub segment: u64,
    /// The most bytes of frames in a batch.
    pub batch: u32,
    /// The blocks of a manifest.
    pub manifest_blocks: u32,
    /// How batches are made durable.
    pub sync: SyncWay,
    /// Segments are reserved, not filled with zeros.
    pub allocate: bool,
    /// The file of a segment that is removed becomes a later one.
    pub reuse: bool,
    /// On how many drives each block of the archive is kept.
    pub copies: u16,
    /// What blocks that are read ahead may take of memory, in bytes; a slot takes 4096.
    pub prefetch: u32,
}

impl Setup {
    /// As small as a log can be: a segment holds one batch, and a manifest a checkpoint and one edit.
    pub const SMALLEST: Self = Self { segment: 512, batch: 256, manifest_blocks: 2, ..Self::TINY };

    /// Blocks of 256 bytes, segments of a header and two blocks, and a manifest that is full soon.
    pub const TINY: Self = Self {
        block: 256,
        segment: 768,
        batch: 512,
        manifest_blocks: 3,
        sync: SyncWay::Data,
        allocate: false,
        reuse: false,
        copies: 2,
        prefetch: 64 << 10,
    };
}

/// Where a log lives, and how it is set up.
#[derive(Debug, Clone)]
pub struct Place {
    /// The surroundings.
    pub env: Env,
    /// The log's directory.
    pub dir: PathBuf,
    /// The options.
    pub setup: Setup,
}

/// A record to be handed in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Its stream.
    pub stream: u64,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// An acknowledgement: what a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The record's place in the log.
    pub lsn: u64,
    /// Its stream.
    pub stream: u64,
    /// Its place in the stream.
    pub seq: u64,
    /// The segment it is in.
    pub segment: u64,
    /// Where its frame begins there, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u32,
    /// The digest of its bytes.
    pub digest: [u8; 32],
    /// What it survives.
    pub durability: Durability,
}

/// A typed error, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The kind.
    pub kind: Failure,
    /// The records it names, both ends included.
    pub lsns: Option<(u64, u64)>,
    /// The message.
    pub says: String,
}

/// What an open says, without the records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Opened {
    /// The first LSN that is kept.
    pub first: u64,
    /// The LSN of the next record.
    pub next: u64,
    /// The damage that is named, both ends included.
    pub damage: Vec<(u64, u64)>,
    /// Nothing can be written.
    pub read_only: bool,
}

/// What a step of the archive did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stepped {
    /// Something; another step may find more.
    pub worked: bool,
    /// Something waits, for readers or for a drive.
    pub pending: bool,
    /// A block was read ahead.
    pub prefetched: bool,
    /// The records of the run that was published, both ends included.
    pub published: Option<(u64, u64)>,
    /// What was replaced is gone.
    pub reclaimed: bool,
}

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scrubbed {
    /// How many blocks were whole.
    pub blocks: u64,
    /// The damaged copies: drive and run.
    pub bad: Vec<(u64, u64)>,
    /// The records that no copy has, both ends included.
    pub lost: Vec<(u64, u64)>,
    /// The drives that serve again.
    pub readmitted: Vec<u64>,
}

/// How reading ahead went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReadAhead {
    /// Reads of the archive that found their block in a slot.
    pub hits: u64,
    /// Those that did not.
    pub misses: u64,
    /// Slots that were filled.
    pub filled: u64,
}

/// What the engine says of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audit {
    /// The record is there, as the receipt says.
    Holds,
    /// The record was trimmed.
    Trimmed,
    /// There is no such record to be read, and why.
    Absent(String),
    /// There is one, and it is not as the receipt says.
    Broken(String),
}

/// A drive of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drive {
    /// Its number.
    pub number: u64,
    /// It serves.
    pub serves: bool,
    /// It is quarantined, durably.
    pub quarantined: bool,
    /// It failed, and its quarantine is not durable yet.
    pub suspect: bool,
}

/// What a log says of its health.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Nothing is wrong.
    pub good: bool,
    /// Nothing more is acknowledged.
    pub halted: bool,
    /// The names of the rules that apply, the worst first.
    pub rules: Vec<&'static str>,
}

impl Told {
    /// Whether a rule of that name applies.
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.rules.contains(&rule)
    }
}

/// A run of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// Its number.
    pub number: u64,
    /// The generation that it was published with.
    pub generation: u64,
    /// Its records, both ends included.
    pub lsns: (u64, u64),
    /// The drives that have copies.
    pub copies: Vec<u64>,
}

/// A claim of durability that the engine makes outside of receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// The segment that holds them.
    pub segment: u64,
    /// Where their batch begins, in bytes.
    pub offset: u64,
    /// What they survive.
    pub durability: Durability,
}

/// Is told of each claim at the moment it is made.
pub type Watch = Arc<dyn Fn(Claimed) + Send + Sync>;

/// A log under test.
pub trait Subject: Sized + Send + Sync + 'static {
    /// What `submit` returns.
    type Ticket: Send;

    /// Creates a log, and opens it.
    ///
    /// # Errors
    /// As the engine reports them.
    fn create(place: &Place) -> Result<Self, Refusal>;

    /// Opens a log; `watch` is told of each claim from the beginning of the recovery on.
    ///
    /// # Errors
    /// As the engine reports them.
    fn open(place: &Place, watch: Watch) -> Result<(Self, Opened), Refusal>;

    /// Looks at a log without writing: all valid records, vouched or not.
    ///
    /// # Errors
    /// As the engine reports them.
    fn inspect(place: &Place) -> Result<Vec<Result<Record, Refusal>>, Refusal>;

    /// Accepts that the log has moved.
    ///
    /// # Errors
    /// As the engine reports them.
    fn adopt(place: &Place) -> Result<(), Refusal>;

    /// Accepts that what is damaged is lost; says what that is, both ends included.
    ///
    /// # Errors
    /// As the engine reports them.
    fn accept_loss(place: &Place) -> Result<Vec<(u64, u64)>, Refusal>;

    /// Tells `watch` of each claim from now on.
    fn watch(&self, watch: Watch);

    /// Hands records in as one batch; the LSNs of the first and the last.
    ///
    /// # Errors
    /// As the engine reports them.
    fn submit(&self, records: &[Sent], durability: Durability) -> Result<(Self::Ticket, u64, u64), Refusal>;

    /// Waits for a ticket.
    ///
    /// # Errors
    /// As the engine reports them.
    fn wait(&self, ticket: Self::Ticket) -> Result<Vec<Ack>, Refusal>;

    /// Appends records as one batch, and waits.
    ///
    /// # Errors
    /// As the engine reports them.
    fn append(&self, records: &[Sent], durability: Durability) -> Result<Vec<Ack>, Refusal>;

    /// Lets go of the records below; the first LSN that is kept.
    ///
    /// # Errors
    /// As the engine reports them.
    fn trim(&self, before: u64) -> Result<u64, Refusal>;

    /// One step of background work.
    ///
    /// # Errors
    /// As the engine reports them.
    fn step(&self) -> Result<(), Refusal>;

    /// Closes the log.
    ///
    /// # Errors
    /// As the engine reports them.
    fn close(self) -> Result<(), Refusal>;

    /// Reads all records from an LSN on, one result each.
    fn read(&self, from: u64) -> Vec<Result<Record, Refusal>>;

    /// Reads one record.
    ///
    /// # Errors
    /// As the engine reports them.
    fn get(&self, lsn: u64) -> Result<Record, Refusal>;

    /// Holds a receipt against the record.
    ///
    /// # Errors
    /// As the engine reports them.
    fn verify(&self, ack: &Ack) -> Result<Audit, Refusal>;

    /// How it says that it is.
    fn health(&self) -> Told;

    /// The durable watermark: the highest LSN that survives a loss of power; 0 for none.
    fn durable(&self) -> u64;
}

/// A log under test that has an archive.
pub trait Archived: Subject {
    /// Writes a manifest that is lost anew, from these drives and the segments.
    ///
    /// # Errors
    /// As the engine reports them.
    fn rebuild_manifest(place: &Place, drives: &[PathBuf]) -> Result<(), Refusal>;

    /// Makes a directory a drive of the archive; its number.
    ///
    /// # Errors
    /// As the engine reports them.
    fn add_drive(&self, dir: &Path) -> Result<u64, Refusal>;

    /// One step of the archive's work.
    ///
    /// # Errors
    /// As the engine reports them.
    fn archive_step(&self) -> Result<Stepped, Refusal>;

    /// Archives all that is sealed; the records of each run that was published, both ends included.
    ///
    /// # Errors
    /// As the engine reports them.
    fn compact(&self) -> Result<Vec<(u64, u64)>, Refusal>;

    /// Reads every copy and repairs what it can. `readmit`: drives with which nothing is wrong serve again.
    ///
    /// # Errors
    /// As the engine reports them.
    fn scrub(&self, readmit: bool) -> Result<Scrubbed, Refusal>;

    /// The drives of the archive.
    fn drives(&self) -> Vec<Drive>;

    /// How reading ahead went so far.
    fn read_ahead(&self) -> ReadAhead;

    /// The runs of the archive, ascending.
    fn runs(&self) -> Vec<Run>;
}

/// A log under test that can have a thread of its own, as an operator's has.
pub trait Worked: Subject {
    /// As [`Subject::create`], with the log's own thread, which does the background work.
    ///
    /// # Errors
    /// As the engine reports them.
    fn create_worked(place: &Place) -> Result<Self, Refusal>;

    /// As [`Subject::open`], with the log's own thread, which does the background work.
    ///
    /// # Errors
    /// As the engine reports them.
    fn open_worked(place: &Place, watch: Watch) -> Result<(Self, Opened), Refusal>;
}
