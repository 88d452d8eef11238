//! Holding receipts against the log: many, in bounded memory, without a search for each.
//!
//! Receipts are taken in windows. A window is sorted by LSN and walked beside the log, so that the log is read
//! once for receipts that are roughly in order. Whatever does not match at first sight is left to the log's own
//! verdict.

use std::io::BufRead;
use std::path::Path;

use serde::Serialize;
use truelog::{Claim, Digest, Entry, Inspection, Iter, Lsn, Verdict};

use crate::failure::Failure;
use crate::lines::{self, Ended};
use crate::open;
use crate::receipt_line::{self, Parsed};

/// Receipts of one window.
const WINDOW: usize = 65_536;
/// Bytes of the longest line that may be a receipt.
const LONGEST: usize = 4096;
/// A gap between two receipts that is read over rather than jumped.
const GAP: u64 = 1024;

/// What became of the receipts.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// Those that hold.
    pub(crate) verified: u64,
    /// Those that hold by records that nothing durable vouches for yet.
    pub(crate) unvouched: u64,
    /// Those whose records were trimmed.
    pub(crate) trimmed: u64,
    /// Those that do not hold.
    pub(crate) violated: u64,
    /// Those of another log.
    pub(crate) other_log: u64,
    /// Lines that a killed append left unfinished: never receipts.
    pub(crate) torn: u64,
    /// Lines that are no receipts.
    pub(crate) foreign: u64,
}

impl Tally {
    /// How many receipts were read whole.
    pub(crate) const fn receipts(&self) -> u64 {
        self.verified + self.unvouched + self.trimmed + self.violated + self.other_log
    }

    /// Counts a verdict. Returns what is to be said of it, if it does not hold.
    fn count(&mut self, line: u64, claim: &Claim, verdict: Verdict) -> Option<Complaint> {
        let (verdict, why) = match verdict {
            Verdict::Verified => {
                self.verified += 1;
                return None;
            }
            Verdict::Unvouched => {
                self.unvouched += 1;
                return None;
            }
            Verdict::Trimmed => {
                self.trimmed += 1;
                return None;
            }
            Verdict::Violated { why } => {
                self.violated += 1;
                ("violated", why.to_string())
            }
            Verdict::Unverifiable { why } => {
                self.other_log += 1;
                ("unverifiable", why.to_string())
            }
        };
        Some(Complaint { line, lsn: Some(claim.lsn.get()), verdict, why })
    }
}

/// A receipt, or a line that should have been one, that does not simply hold.
#[derive(Serialize)]
pub(crate) struct Complaint {
    /// Its line in the file, from 1.
    pub(crate) line: u64,
    /// The LSN, if it is a receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lsn: Option<u64>,
    /// `violated`, `unverifiable`, or `no-receipt`.
    pub(crate) verdict: &'static str,
    /// Why.
    pub(crate) why: String,
}

/// Holds every receipt that `input` gives against the log in `dir`. Complaints go to `tell` as they are found.
///
/// # Errors
/// The input or the log cannot be read; whatever `tell` reports.
pub(crate) fn check(
    dir: &Path,
    path: &Path,
    input: &mut dyn BufRead,
    tell: &mut dyn FnMut(&Complaint) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut window: Vec<(u64, Claim)> = Vec::new();
    let mut view = open::readable(dir)?;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        let read = lines::read(input, &mut line, LONGEST)
            .map_err(|source| Failure::File { path: path.to_owned(), source })?;
        let more = read.is_some();
        if more {
            number += 1;
            if read.is_some_and(|read| read.ended == Ended::TooLong) {
                // No receipt is that long, nor the beginning of one.
                line.push(b'}');
            }
            match receipt_line::parse(&line) {
                Parsed::Whole(claim) => window.push((number, claim)),
                Parsed::TornThenWhole(claim) => {
                    tally.torn += 1;
                    window.push((number, claim));
                }
                Parsed::Torn => tally.torn += 1,
                Parsed::Blank => {}
                Parsed::Foreign => {
                    tally.foreign += 1;
                    let why = "this line is no receipt".to_owned();
                    tell(&Complaint { line: number, lsn: None, verdict: "no-receipt", why })?;
                }
            }
        }
        if window.len() == WINDOW || !more {
            window.sort_by_key(|(_, claim)| claim.lsn);
            if window.last().is_some_and(|(_, claim)| claim.lsn >= view.next()) {
                // A writer may have gone on since the log was looked at: these receipts are newer than that look.
                view = open::readable(dir)?;
            }
            for (line, claim) in judge(&view, &window, &mut tally) {
                let verdict = last_word(dir, &mut view, &claim)?;
                if let Some(complaint) = tally.count(line, &claim, verdict) {
                    tell(&complaint)?;
                }
            }
            window.clear();
        }
        if !more {
            return Ok(tally);
        }
    }
}

/// Walks a sorted window beside the log. Returns those that are not there at first sight.
fn judge(view: &Inspection, window: &[(u64, Claim)], tally: &mut Tally) -> Vec<(u64, Claim)> {
    let mut walk = Walk { view, iter: None, here: None };
    let mut left = Vec::new();
    for (line, claim) in window {
        match walk.glance(claim) {
            Some(true) => tally.verified += 1,
            Some(false) => tally.unvouched += 1,
            None => left.push((*line, *claim)),
        }
    }
    left
}

/// The log's own verdict, from a look that is not older than what was replaced.
fn last_word(dir: &Path, view: &mut Inspection, claim: &Claim) -> Result<Verdict, Failure> {
    let failed = Failure::log(dir);
    loop {
        let verdict = view.verify(claim);
        let settled =
            matches!(verdict, Ok(Verdict::Verified | Verdict::Unvouched | Verdict::Unverifiable { .. }));
        if settled || !view.is_outdated().map_err(&failed)? {
            return verdict.map_err(&failed);
        }
        *view = open::readable(dir)?;
    }
}

/// A place in the log that moves forward.
struct Walk<'a> {
    view: &'a Inspection,
    iter: Option<Iter>,
    /// The record that was read last, and its digest.
    here: Option<(Entry, Digest)>,
}

impl Walk<'_> {
    /// If the record is there and is exactly what the claim says: whether something durable vouches for it.
    fn glance(&mut self, claim: &Claim) -> Option<bool> {
        if claim.log != self.view.log() {
            return None;
        }
        let (entry, digest) = self.seek(claim.lsn)?;
        let same = entry.stream == claim.stream
            && entry.seq == claim.seq
            && entry.payload.len() as u64 == u64::from(claim.len)
            && *digest == claim.digest;
        same.then_some(entry.vouched)
    }

    /// The record at `lsn`, if it can be read.
    fn seek(&mut self, lsn: Lsn) -> Option<&(Entry, Digest)> {
        if self.here.as_ref().is_some_and(|(entry, _)| entry.lsn == lsn) {
            return self.here.as_ref();
        }
        let near = self.iter.take().filter(|iter| iter.position() <= lsn && iter.position().plus(GAP) > lsn);
        let mut iter = near.unwrap_or_else(|| self.view.iter(lsn));
        self.here = None;
        while iter.position() <= lsn {
            match iter.next()? {
                Ok(entry) if entry.lsn == lsn => {
                    let digest = Digest::of(&entry.payload);
                    self.here = Some((entry, digest));
                }
                Ok(_) => {}
                // The log's own verdict names it.
                Err(_) => return None,
            }
        }
        self.iter = Some(iter);
        self.here.as_ref()
    }
}
