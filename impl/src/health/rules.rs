//! The one written table of what is wrong with a log, the worst first.

use std::fmt;

/// What a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It is shown. Nobody is woken.
    Degrade,
    /// A human is wanted at once, although appends go on.
    Page,
    /// Nothing more is acknowledged, and a human is wanted at once.
    Halt,
}

impl Severity {
    /// Whether a human is to be told at once.
    #[must_use]
    pub const fn pages(self) -> bool {
        matches!(self, Self::Page | Self::Halt)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Degrade => "degrade",
            Self::Page => "page",
            Self::Halt => "halt",
        })
    }
}

/// A rule of the health machine. The order is the table's: the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// A write or a sync failed, or a commit was abandoned: the handle is done.
    Poisoned = 1,
    /// An acknowledged record is not there as its receipt says.
    ClaimViolated = 2,
    /// Records, or a file of the log, are damaged, and no healthy copy is left.
    Damaged = 3,
    /// A file of the log is gone, or another one stands in its place.
    FileDisplaced = 4,
    /// The directory or its volume is not the one that the log's identity names.
    IdentityMismatch = 5,
    /// The volume does not take writes.
    CannotWrite = 6,
    /// No drive that has a copy of some records can be reached.
    RecordsUnavailable = 7,
    /// No space could be prepared for records: appends are refused.
    SpaceRefused = 8,
    /// The auditor could not look at what it was to look at.
    AuditFailed = 9,
    /// A drive failed, and serves nothing.
    DriveQuarantined = 10,
    /// A drive is not there, or is not the one that is meant.
    DriveMissing = 11,
    /// Some records have fewer copies on drives that serve than the log keeps.
    CopiesShort = 12,
    /// Nobody has looked at everything for too long.
    AuditLate = 13,
    /// The volume has little space or few inodes left.
    SpaceLow = 14,
    /// Records wait, and the durable watermark does not move.
    DurableLags = 15,
    /// Sealed segments wait to be archived.
    ArchiveLags = 16,
    /// The volume cannot keep a promise that is meant to survive a loss of power.
    VolumeWeak = 17,
    /// A segment has another name besides its own.
    FileLinked = 18,
}

/// What is written of a rule.
struct Row {
    name: &'static str,
    severity: Severity,
    when: &'static str,
    next: &'static str,
}

const fn row(name: &'static str, severity: Severity, when: &'static str, next: &'static str) -> Row {
    Row { name, severity, when, next }
}

/// By number, from 1.
static TABLE: [Row; 18] = [
    row(
        "poisoned",
        Severity::Halt,
        "a write or a sync of a segment, the manifest or the directory failed, or a commit was abandoned",
        "See what the device reports, mend it, then open the log again.",
    ),
    row(
        "claim-violated",
        Severity::Halt,
        "an audit found an acknowledged record that is not there as its receipt says",
        "Keep the directory as it is and copy it; see `truelog verify DIR`.",
    ),
    row(
        "damaged",
        Severity::Halt,
        "records, or a file of the log, are damaged, and no healthy copy is left",
        "See `truelog verify DIR`; restore what is damaged from a copy, or `truelog accept-loss DIR`.",
    ),
    row(
        "file-displaced",
        Severity::Halt,
        "a file of the log is gone, is shorter than it was, or another one stands in its place",
        "Find out who moved it; put it back, then open the log again.",
    ),
    row(
        "identity-mismatch",
        Severity::Halt,
        "the directory or its volume is not the one that the log's identity names",
        "See whether the right volume is mounted; `truelog adopt DIR` only if the log was moved on purpose.",
    ),
    row(
        "cannot-write",
        Severity::Halt,
        "the volume is read-only, or recovery could not write",
        "Make room or remount the volume, then open the log again.",
    ),
    row(
        "records-unavailable",
        Severity::Page,
        "no drive that has a copy of some archived records can be reached",
        "Bring back one of the drives: `truelog drives DIR`.",
    ),
    row(
        "space-refused",
        Severity::Page,
        "no space could be prepared for records, so that appends are refused",
        "Make room on the volume, or `truelog trim`.",
    ),
    row(
        "audit-failed",
        Severity::Page,
        "the auditor could not read what it was to hold against its receipts",
        "See what the device reports; run `truelog verify DIR`.",
    ),
    row(
        "drive-quarantined",
        Severity::Degrade,
        "a drive failed, and serves nothing",
        "Replace the drive, or `truelog scrub DIR --readmit` once it is mended.",
    ),
    row(
        "drive-missing",
        Severity::Degrade,
        "a drive is not there, is read-only, or is not the one that is meant",
        "Mount the drive again, or add it under its new path.",
    ),
    row(
        "copies-short",
        Severity::Degrade,
        "some records have fewer copies on drives that serve than the log keeps",
        "Add a drive, or bring one back; `truelog compact DIR` makes the copies.",
    ),
    row(
        "audit-late",
        Severity::Degrade,
        "no audit of everything has succeeded within twice its interval",
        "Leave a writer with its auditor running; `truelog verify DIR` reads everything at once, but records nothing.",
    ),
    row(
        "space-low",
        Severity::Degrade,
        "the volume has room for fewer than two segments, or for fewer than 64 files",
        "Make room on the volume, or `truelog trim`.",
    ),
    row(
        "durable-lags",
        Severity::Degrade,
        "records wait, and the durable watermark has not moved for a second",
        "See whether the device hangs.",
    ),
    row(
        "archive-lags",
        Severity::Degrade,
        "there are drives, and more than eight sealed segments wait to be archived",
        "See `truelog drives DIR`; run `truelog compact DIR`.",
    ),
    row(
        "volume-weak",
        Severity::Degrade,
        "the volume cannot keep a promise that is meant to survive a loss of power",
        "Move the log to a volume that honours syncs.",
    ),
    row(
        "file-linked",
        Severity::Degrade,
        "a segment has another name besides its own, by which another program may change it",
        "Find the name with `find -inum`; copy the file instead of linking it, and remove the name.",
    ),
];

impl Rule {
    /// All rules, the worst first.
    pub const ALL: [Self; 18] = [
        Self::Poisoned,
        Self::ClaimViolated,
        Self::Damaged,
        Self::FileDisplaced,
        Self::IdentityMismatch,
        Self::CannotWrite,
        Self::RecordsUnavailable,
        Self::SpaceRefused,
        Self::AuditFailed,
        Self::DriveQuarantined,
        Self::DriveMissing,
        Self::CopiesShort,
        Self::AuditLate,
        Self::SpaceLow,
        Self::DurableLags,
        Self::ArchiveLags,
        Self::VolumeWeak,
        Self::FileLinked,
    ];

    fn row(self) -> &'static Row {
        &TABLE[usize::from(self.number() - 1)]
    }

    /// The rule's number, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The rule's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it asks for.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// When it applies, in words.
    #[must_use]
    pub fn when(self) -> &'static str {
        self.row().when
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        self.row().next
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_rule_once_the_worst_first() {
        for (number, rule) in (1..).zip(Rule::ALL) {
            assert_eq!(rule.number(), number);
            assert!(rule.next_step().ends_with('.') && !rule.when().ends_with('.'), "{rule}");
        }
        assert!(Rule::ALL.is_sorted_by_key(|rule| std::cmp::Reverse(rule.severity())));
        let mut names = Rule::ALL.map(Rule::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
    }

    /// The document says which line, if any, tells of a rule; and the module that writes the lines has them at that level.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test that reads the documents")]
    fn the_document_says_at_which_level_the_lines_of_each_rule_are() {
        let read = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            std::fs::read_to_string(path).expect("the text")
        };
        let (text, source) = (read("../docs/OPERATING.md"), read("src/event.rs"));
        let mut told: Vec<(String, String)> = Vec::new();
        for part in source.split(concat!("tracing", "::")).skip(1) {
            let (level, rest) = part.split_once("!(").unwrap_or_default();
            if !["error", "warn"].contains(&level) {
                continue;
            }
            let message = rest.split_once("\")").or_else(|| rest.split_once("\"\n")).expect("a message").0;
            let message = message.rsplit('"').next().expect("its end");
            told.push((level.to_uppercase(), message.to_owned()));
        }
        assert!(told.len() > 12, "{told:?}");
        let table = text.split_once("| rules | lines |\n|---|---|\n").expect("the table").1;
        let table = table.split_once("\n\n").expect("its end").0;
        let rows: Vec<_> = table.lines().filter_map(|row| row.trim_matches('|').split_once('|')).collect();
        let mut rules: Vec<_> =
            rows.iter().flat_map(|row| row.0.split(',')).map(|rule| rule.trim().to_owned()).collect();
        rules.retain(|rule| rule != "no rule");
        rules.sort_unstable();
        let mut all: Vec<_> = Rule::ALL.iter().map(ToString::to_string).collect();
        all.sort_unstable();
        assert_eq!(rules, all);
        let lines = rows.iter().flat_map(|row| row.1.split(',')).map(str::trim);
        let mut lines: Vec<_> = lines
            .filter_map(|line| line.split_once(" `"))
            .filter(|(level, _)| ["ERROR", "WARN"].contains(level))
            .map(|(level, rest)| (level.to_owned(), rest.split('`').next().unwrap_or_default().to_owned()))
            .collect();
        for list in [&mut lines, &mut told] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(lines, told, "the document's, and the program's");
    }

    /// The document's table is this one.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test that reads the documents")]
    fn the_document_has_the_same_table() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATING.md");
        let text = std::fs::read_to_string(path).expect("the document");
        let rows: Vec<String> = Rule::ALL
            .iter()
            .map(|rule| {
                format!(
                    "| {} | {rule} | {} | {} | {} |",
                    rule.number(),
                    rule.severity(),
                    rule.when(),
                    rule.next_step()
                )
            })
            .collect();
        assert!(text.contains(&rows.join("\n")), "docs/OPERATING.md is to have:\n{}", rows.join("\n"));
    }
}
