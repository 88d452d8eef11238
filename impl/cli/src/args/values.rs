//! The words that options take.

use clap::ValueEnum;

/// The format of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text an event.
    Text,
    /// No events.
    Off,
}

/// The severity of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what needs attention.
    Warn,
    /// And what became durable.
    Info,
    /// And what was accepted.
    Debug,
    /// And everything else.
    Trace,
}

/// How a commit becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// Write, then sync the file's data.
    DataSync,
    /// Write through.
    WriteThrough,
    /// Whichever of the two the first batches of an open find faster, past the page cache if through: the default.
    Auto,
}

/// How a segment's space is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fill {
    /// Written with zeros: later commits change no metadata.
    Zeros,
    /// Allocated: faster to make, slower to write.
    Allocate,
}

/// How standard input is cut into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// One record a line, without the newline.
    Lines,
    /// A length (u32, little-endian), and as many bytes.
    Frames,
}

/// How a record is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// The payload and a newline.
    Raw,
    /// One JSON object a line.
    Json,
}

/// What a receipt's record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// A loss of power.
    PowerLoss,
    /// A crash of the process, not of the machine.
    ProcessCrash,
}

impl DurabilityArg {
    /// As the log has it.
    pub(crate) const fn durability(self) -> truelog::Durability {
        match self {
            Self::PowerLoss => truelog::Durability::PowerLoss,
            Self::ProcessCrash => truelog::Durability::ProcessCrash,
        }
    }
}
