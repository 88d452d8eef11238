//! The conditions under which the slot word's design takes an action. Each has a name, so that a refusal says which
//! rule stands against the action, and so that a [switch](super::Switch) can turn it off.

use crate::text::words;

words! {
    /// A condition on an action. [`Guard::says`] states it.
    Guard, "a guard of the prefetch" {
        /// Not one of the design's decisions: the action makes no sense here at all.
        NoSuchStep = "no-such-step",
        /// See [`Guard::says`], as for all of them.
        StateIsOneWord = "state-is-one-word",
        /// Nobody looks for what is not there yet.
        SwitchNeedsAcknowledgement = "switch-needs-acknowledgement",
        /// What serves was compared first.
        PublishNeedsVerification = "publish-needs-verification",
        /// A race is nobody's fault.
        FaultIsNoRace = "fault-is-no-race",
        /// One bad read is no bad drive.
        QuarantineNeedsRetries = "quarantine-needs-retries",
        /// A pin is taken on what is ready.
        PinNeedsReady = "pin-needs-ready",
        /// A pin names its generation.
        PinNeedsGeneration = "pin-needs-generation",
        /// Nothing is freed under a reader.
        FreeNeedsNoPins = "free-needs-no-pins",
        /// A reader compares the block.
        ServeNeedsTheBlock = "serve-needs-the-block",
        /// The buffer begins where the read does, or before.
        ServeNeedsTheStart = "serve-needs-the-start",
        /// The buffer ends where the read does, or behind.
        ServeNeedsTheEnd = "serve-needs-the-end",
        /// Snapshots are waited for.
        ReclaimNeedsNoReader = "reclaim-needs-no-reader",
    }
}

impl Guard {
    /// The condition.
    #[must_use]
    pub const fn says(self) -> &'static str {
        self.texts().0
    }

    /// What is missing where it stands against an action, as it goes on after "but".
    #[must_use]
    pub const fn lacks(self) -> &'static str {
        self.texts().1
    }

    /// Both of them, in this order.
    #[rustfmt::skip]
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::NoSuchStep => ("there is no such action here", ""),
            Self::StateIsOneWord => (
                "phase, generation and pins are one word: no flag is set, or looked at, alone",
                "the flag does not say whose bytes these are",
            ),
            Self::SwitchNeedsAcknowledgement => (
                "the catalog names a generation only when the write of its blocks is acknowledged",
                "the write of its blocks is not acknowledged",
            ),
            Self::PublishNeedsVerification => (
                "a buffer is made ready only when it was compared with its metadata",
                "nobody has compared the buffer with the block's metadata",
            ),
            Self::FaultIsNoRace => (
                "a mismatch is held against a drive only when the generation, read again, is still the buffer's",
                "the catalog has moved on from the buffer's generation: this is a race",
            ),
            Self::QuarantineNeedsRetries => (
                "a drive is quarantined only when all retries have failed",
                "not all of the three retries were made",
            ),
            Self::PinNeedsReady => (
                "a pin is taken only on a slot that is ready, by comparing and exchanging",
                "the slot is not ready",
            ),
            Self::PinNeedsGeneration => (
                "a pin is taken only on the generation that the reader expects",
                "the reader expects another generation, and the pin does not compare it",
            ),
            Self::FreeNeedsNoPins => (
                "a slot is freed only when nobody has it pinned",
                "a reader has it pinned",
            ),
            Self::ServeNeedsTheBlock => (
                "a reader is served only from a slot that holds its block",
                "this is another block than the reader's",
            ),
            Self::ServeNeedsTheStart => (
                "a reader is served only from a buffer that begins at, or before, its request",
                "the buffer begins after the start of the request",
            ),
            Self::ServeNeedsTheEnd => (
                "a reader is served only from a buffer that reaches to its request's end",
                "the buffer ends before the request does",
            ),
            Self::ReclaimNeedsNoReader => (
                "a generation is reclaimed only when no reader has a snapshot that old",
                "a reader still has a snapshot that old",
            ),
        }
    }
}
