//! The pinned scopes: what each chooses from, and how deep it goes.

use super::alphabet::{Letter, sequences};
use crate::driver::Duty;
use crate::fabric::Profile;
use crate::subject::{Setup, SyncWay};

/// A bounded space of runs, explored wholly.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Its name, as reports and replays give it.
    pub name: &'static str,
    /// What is done after the create, before anything is chosen.
    pub prefix: &'static [Letter],
    /// What a sequence chooses from.
    pub alphabet: &'static [Letter],
    /// How many letters a sequence has, after the create.
    pub depth: usize,
    /// How many crashes follow each other: each but the last is followed by a recovery and an append.
    pub crashes: usize,
    /// The log's options.
    pub setup: Setup,
    /// The disk.
    pub profile: Profile,
    /// The most choices that a crash point is gone through wholly; of more, so many are drawn.
    pub limit: usize,
    /// The same for crash points in recoveries.
    pub limit_again: usize,
    /// Whether equal images are recovered once, and equal pairs judged once.
    pub collapse: bool,
    /// The sync that the disk silently leaves out, if it is to.
    pub ignored: Option<Duty>,
}

/// What is struck: every letter that writes to a log that is open.
const FAULTED: [Letter; 10] = [
    Letter::Append,
    Letter::AppendLight,
    Letter::AppendLarge,
    Letter::Batch,
    Letter::Submit,
    Letter::Tick,
    Letter::Idle,
    Letter::Close,
    Letter::Die,
    Letter::Inspect,
];

/// The most choices of a crash point that are gone through before it is sampled.
pub const LIMIT: usize = 1024;

const fn scope(name: &'static str, alphabet: &'static [Letter], depth: usize, crashes: usize) -> Scope {
    Scope {
        name,
        prefix: &[],
        alphabet,
        depth,
        crashes,
        setup: Setup::TINY,
        profile: Profile::W.sector(128),
        limit: LIMIT,
        limit_again: LIMIT,
        collapse: true,
        ignored: None,
    }
}

/// Segments are used again, and hold two batches or three.
const REUSED: Setup = Setup { reuse: true, segment: 1280, ..Setup::TINY };

/// A segment that a trim removes, and the one that stays.
const FULL: &[Letter] = &[Letter::AppendLarge, Letter::AppendLarge];

/// Two drives, and a segment that can be archived.
const SEALED: &[Letter] = &[Letter::AddDrives, Letter::Append, Letter::Append];

/// A segment that could be archived, and no drive.
const UNARCHIVED: &[Letter] = &[Letter::Append, Letter::Append];

/// Two drives with a run, and another segment that can be archived.
const ARCHIVED: &[Letter] =
    &[Letter::AddDrives, Letter::Append, Letter::Append, Letter::Compact, Letter::Append];

/// A scope of the archive: a segment holds one batch, and a sector is a block.
const fn archive(
    name: &'static str,
    prefix: &'static [Letter],
    alphabet: &'static [Letter],
    depth: usize,
    crashes: usize,
) -> Scope {
    Scope {
        prefix,
        setup: Setup::SMALLEST,
        profile: Profile::W.sector(256).no_garbage(),
        ..scope(name, alphabet, depth, crashes)
    }
}

impl Scope {
    /// All pinned scopes.
    pub const PINNED: &'static [Self] = &[
        scope("everything", Letter::USUAL, 3, 1),
        scope("rotation", &[Letter::Append, Letter::AppendLarge, Letter::TrimMost, Letter::TrimAll], 4, 1),
        scope(
            "light",
            &[Letter::AppendLight, Letter::SubmitLight, Letter::Submit, Letter::Tick, Letter::Die],
            3,
            1,
        ),
        // Several batches in one segment, none of them synced: only here can a hole stand before a whole batch.
        Self {
            setup: Setup { segment: 1536, ..Setup::TINY },
            profile: Profile::W.sector(256),
            ..scope("roomy", &[Letter::AppendLight, Letter::Append, Letter::Die], 3, 1)
        },
        Self {
            setup: Setup::SMALLEST,
            profile: Profile::W.sector(256),
            ..scope("twice", &[Letter::Append, Letter::Submit, Letter::Tick], 2, 2)
        },
        Self {
            setup: Setup::SMALLEST,
            profile: Profile::W.sector(256).no_garbage(),
            ..scope("thrice", &[Letter::Append], 1, 3)
        },
        // Room behind a torn batch whose predecessor is vouched for, and a life that appends before the next crash.
        Self {
            setup: Setup { segment: 1536, ..Setup::TINY },
            profile: Profile::W.sector(128).no_garbage(),
            ..scope("roomy-twice", &[Letter::Append, Letter::Idle], 3, 2)
        },
        Self {
            setup: Setup { sync: SyncWay::Through, ..Setup::TINY },
            ..scope("write-through", &[Letter::Append, Letter::Idle, Letter::Close], 2, 1)
        },
        // Both ways in one segment, and what is written without a sync between them.
        Self {
            setup: Setup { sync: SyncWay::Auto, segment: 1536, ..Setup::TINY },
            profile: Profile::W.sector(256),
            ..scope("auto", &[Letter::Append, Letter::AppendLight, Letter::Idle, Letter::Die], 4, 1)
        },
        // The file of a trimmed segment comes again, with what it held: batches of one block and of two.
        Self {
            prefix: FULL,
            setup: REUSED,
            profile: Profile::W.sector(256),
            ..scope(
                "reused",
                &[Letter::Append, Letter::AppendLarge, Letter::TrimAll, Letter::Idle, Letter::Die],
                4,
                1,
            )
        },
        Self {
            setup: Setup { allocate: true, ..Setup::TINY },
            ..scope("allocated", &[Letter::Append, Letter::Batch, Letter::Idle], 2, 1)
        },
        Self {
            profile: Profile::EXT4.sector(128),
            ..scope("ext4", &[Letter::Append, Letter::Batch, Letter::Die], 2, 1)
        },
    ];

    /// The scopes of the archive.
    pub const ARCHIVE: &'static [Self] = &[
        archive("archive-drives", &[], &[Letter::AddDrives, Letter::Append, Letter::Die], 3, 1),
        // Drives that an add has left half made: the next life adds them, archives on them, and is crashed at, too.
        Self { limit_again: 16, ..archive("archive-half-made", UNARCHIVED, &[Letter::AddDrives], 1, 2) },
        archive(
            "archive",
            SEALED,
            &[
                Letter::Compact,
                Letter::Append,
                Letter::TrimMost,
                Letter::TrimAll,
                Letter::Scrub,
                Letter::Die,
                Letter::Blackout,
            ],
            3,
            1,
        ),
        archive(
            "archive-steps",
            SEALED,
            &[Letter::Work, Letter::Append, Letter::TrimMost, Letter::TrimAll],
            4,
            1,
        ),
        // Runs of several blocks, segments of several batches, blocks that are torn.
        Self {
            setup: Setup::TINY,
            profile: Profile::W.sector(256),
            ..archive(
                "archive-blocks",
                &[Letter::AddDrives, Letter::AppendLarge, Letter::Batch, Letter::Append],
                &[Letter::Compact, Letter::AppendLarge, Letter::TrimMost],
                3,
                1,
            )
        },
        archive(
            "archive-merge",
            ARCHIVED,
            &[Letter::Compact, Letter::Append, Letter::TrimMost, Letter::TrimAll, Letter::Work],
            3,
            1,
        ),
        // The manifest is lost amid all of that.
        archive(
            "archive-rebuilt",
            SEALED,
            &[Letter::Compact, Letter::Append, Letter::Work, Letter::Rebuild],
            2,
            1,
        ),
        archive("archive-rebuilt-merge", ARCHIVED, &[Letter::Compact, Letter::Work, Letter::Rebuild], 2, 1),
        Self {
            setup: Setup { reuse: true, ..Setup::TINY },
            ..archive("archive-reused", SEALED, &[Letter::Compact, Letter::Append, Letter::TrimAll], 4, 1)
        },
        Self { limit_again: 64, ..archive("archive-twice", SEALED, &[Letter::Compact], 1, 2) },
        Self {
            profile: Profile::EXT4.sector(256).no_garbage(),
            ..archive("archive-ext4", SEALED, &[Letter::Compact, Letter::Append, Letter::TrimAll], 3, 1)
        },
    ];

    /// The scopes whose calls are struck by faults.
    pub const FAULTS: &'static [Self] = &[
        Self { limit: 64, ..scope("struck", &FAULTED, 1, 1) },
        Self {
            limit: 64,
            prefix: &[Letter::Append, Letter::Close],
            ..scope("struck-closed", &[Letter::Open, Letter::Adopt, Letter::AcceptLoss], 1, 1)
        },
        Self {
            limit: 64,
            ..scope("struck-later", &[Letter::Append, Letter::TrimAll, Letter::Submit, Letter::Die], 2, 1)
        },
        Self {
            limit: 64,
            setup: Setup { sync: SyncWay::Through, ..Setup::TINY },
            ..scope("struck-through", &[Letter::Append, Letter::Idle], 2, 1)
        },
        Self {
            limit: 64,
            setup: Setup { sync: SyncWay::Auto, segment: 1536, ..Setup::TINY },
            ..scope("struck-auto", &[Letter::Append, Letter::AppendLight, Letter::Idle], 2, 1)
        },
        Self {
            limit: 64,
            setup: Setup { allocate: true, ..Setup::TINY },
            ..scope("struck-allocated", &[Letter::Append], 2, 1)
        },
        Self {
            limit: 64,
            prefix: FULL,
            setup: REUSED,
            ..scope("struck-reused", &[Letter::AppendLarge, Letter::TrimAll], 2, 1)
        },
        Self { limit: 64, ..scope("struck-restored", &[Letter::Append, Letter::Restore], 2, 1) },
        // Calls on a drive fail too: the drive is out, and the log goes on.
        Self { limit: 64, ..archive("struck-drives", &[], &[Letter::AddDrives], 1, 1) },
        Self {
            limit: 64,
            ..archive("struck-archive", SEALED, &[Letter::Compact, Letter::TrimAll, Letter::Scrub], 2, 1)
        },
    ];

    /// What random runs are judged by: few images of each crash point, but many crash points.
    pub const RANDOM: Self = Self { limit: 8, ..scope("random", Letter::USUAL, 0, 1) };

    /// The same for a log with an archive. A manifest that is rebuilt may have trims undone: it is not among the letters.
    pub const RANDOM_ARCHIVE: Self = Self {
        limit: 8,
        ..archive(
            "random-archive",
            &[Letter::AddDrives],
            &[
                Letter::Append,
                Letter::AppendLarge,
                Letter::Batch,
                Letter::TrimMost,
                Letter::TrimAll,
                Letter::Compact,
                Letter::Work,
                Letter::Scrub,
                Letter::Die,
                Letter::Blackout,
            ],
            0,
            1,
        )
    };

    /// The same with room for every edit, each of which is written behind the last: the order of calls can be held against
    /// the mechanism, which has no edit that comes in a checkpoint.
    pub const RANDOM_ORDER: Self = Self {
        name: "random-order",
        setup: Setup { manifest_blocks: 16, ..Setup::SMALLEST },
        ..Self::RANDOM_ARCHIVE
    };

    /// As [`Self::RANDOM`], and segments are used again.
    pub const RANDOM_REUSED: Self = Self { name: "random-reused", setup: REUSED, ..Self::RANDOM };
    /// As [`Self::RANDOM_ARCHIVE`], and segments are used again.
    pub const RANDOM_ARCHIVE_REUSED: Self = Self {
        name: "random-archive-reused",
        setup: Setup { reuse: true, ..Setup::TINY },
        ..Self::RANDOM_ARCHIVE
    };
    /// As [`Self::RANDOM_ORDER`], and segments are used again.
    pub const RANDOM_ORDER_REUSED: Self = Self {
        name: "random-order-reused",
        setup: Setup { reuse: true, manifest_blocks: 16, ..Setup::TINY },
        ..Self::RANDOM_ORDER
    };

    /// Whether each call of a letter may go wrong, and what comes of it is known to be judged right.
    pub(super) fn struck(letter: Letter) -> bool {
        let archived = [Letter::AddDrives, Letter::Compact, Letter::Scrub, Letter::TrimAll];
        FAULTED.iter().chain(&archived).any(|one| *one == letter)
    }

    /// The scopes in which syncs are left out.
    pub const ROLES: &'static [Self] = &[
        Self {
            limit: 256,
            ..scope(
                "ignored",
                &[Letter::Append, Letter::TrimAll, Letter::Die, Letter::Idle, Letter::Close],
                2,
                1,
            )
        },
        Self {
            limit: 256,
            setup: Setup { sync: SyncWay::Through, ..Setup::TINY },
            ..scope("ignored-through", &[Letter::Append, Letter::Idle, Letter::Close], 2, 1)
        },
        Self {
            limit: 256,
            setup: Setup { sync: SyncWay::Auto, segment: 1536, ..Setup::TINY },
            ..scope("ignored-auto", &[Letter::Append, Letter::AppendLight, Letter::Idle], 2, 1)
        },
        Self {
            limit: 256,
            setup: Setup { sync: SyncWay::Through, ..Setup::SMALLEST },
            ..scope("ignored-through-twice", &[Letter::Append], 1, 2)
        },
        Self { limit: 256, ..scope("ignored-trim", &[Letter::AppendLarge, Letter::TrimAll], 3, 1) },
        Self {
            limit: 256,
            prefix: FULL,
            setup: REUSED,
            ..scope("ignored-reused", &[Letter::AppendLarge, Letter::TrimAll], 3, 1)
        },
        // A trim that finds the manifest full.
        Self {
            limit: 256,
            ..scope("ignored-full", &[Letter::Batch, Letter::TrimMost, Letter::TrimAll], 3, 1)
        },
        Self {
            limit: 256,
            ..scope("ignored-closed", &[Letter::Close, Letter::Adopt, Letter::AcceptLoss, Letter::Open], 3, 1)
        },
        Self {
            limit: 256,
            setup: Setup::SMALLEST,
            ..scope("ignored-twice", &[Letter::Append, Letter::TrimAll, Letter::Die], 2, 2)
        },
        Self {
            limit: 256,
            ..scope("ignored-restored", &[Letter::Append, Letter::Restore, Letter::Open], 4, 1)
        },
        Self {
            limit: 256,
            ..archive(
                "ignored-adding",
                &[Letter::Append],
                &[Letter::AddDrives, Letter::Append, Letter::Die],
                2,
                1,
            )
        },
        Self {
            limit: 256,
            ..archive(
                "ignored-archive",
                SEALED,
                &[Letter::Compact, Letter::Append, Letter::TrimAll, Letter::Die],
                2,
                1,
            )
        },
        Self {
            limit: 256,
            setup: Setup { reuse: true, ..Setup::TINY },
            ..archive("ignored-archive-reused", SEALED, &[Letter::Compact, Letter::Append], 3, 1)
        },
        Self {
            limit: 64,
            limit_again: 16,
            ..archive("ignored-archive-twice", SEALED, &[Letter::Compact], 1, 2)
        },
        Self {
            limit: 256,
            ..archive("ignored-rebuilt", SEALED, &[Letter::Append, Letter::Compact, Letter::Rebuild], 2, 1)
        },
        Self {
            limit: 256,
            ..archive("ignored-merge", ARCHIVED, &[Letter::Die, Letter::Append, Letter::Compact], 2, 1)
        },
    ];

    /// The pinned scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let all = Self::PINNED.iter().chain(Self::FAULTS).chain(Self::ROLES).chain(Self::ARCHIVE).chain(&[
            Self::RANDOM,
            Self::RANDOM_ARCHIVE,
            Self::RANDOM_ORDER,
            Self::RANDOM_REUSED,
            Self::RANDOM_ARCHIVE_REUSED,
            Self::RANDOM_ORDER_REUSED,
        ]);
        all.into_iter().find(|scope| scope.name == name)
    }

    /// All sequences of exactly `depth` letters.
    #[must_use]
    pub fn sequences(&self, depth: usize) -> Vec<Vec<Letter>> {
        sequences(self.prefix, self.alphabet, depth)
    }

    /// Whether a life that follows a crash archives what it finds.
    #[must_use]
    pub fn compacts(&self) -> bool {
        self.prefix.iter().chain(self.alphabet).any(|letter| *letter == Letter::Compact)
    }

    /// Whether a life that follows a crash adds the drives again, and archives what it finds: an add may have been cut off.
    #[must_use]
    pub fn adds(&self) -> bool {
        self.alphabet.contains(&Letter::AddDrives)
    }

    /// Whether a life that follows a crash may find no manifest, and has it rebuilt.
    #[must_use]
    pub fn rebuilds(&self) -> bool {
        self.prefix.iter().chain(self.alphabet).any(|letter| *letter == Letter::Rebuild)
    }

    /// What it is, for reports.
    #[must_use]
    pub fn says(&self) -> String {
        let (letters, depth, crashes) = (self.alphabet.len(), self.depth, self.crashes);
        format!("{}: {letters} letters, depth {depth}, {crashes} crash(es)", self.name)
    }

    /// What its sequences choose from, and what they stand behind.
    #[must_use]
    pub fn lists(&self) -> String {
        let words = |letters: &[Letter]| letters.iter().map(Letter::to_string).collect::<Vec<_>>().join(" ");
        let behind =
            if self.prefix.is_empty() { String::new() } else { format!(", behind {}", words(self.prefix)) };
        format!("{}: {}{behind}", self.name, words(self.alphabet))
    }
}
