//! One drive: two places for each block, one head that reads, and what can be wrong with it.

use super::content::Bytes;
use super::random::Nanos;

/// What is wrong with a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything takes so many times as long.
    Slow(u64),
    /// It answers nothing.
    Stuck,
    /// It answers every read and write with an error.
    Errors,
    /// One bit of this block is flipped, whatever is written there.
    Rot(usize),
    /// It is gone.
    Vanished,
}

/// What a drive, or the host in its stead, answers instead of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveError {
    /// It failed.
    Failed,
    /// It did not answer in time.
    TimedOut,
    /// It is not there.
    Gone,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Drive {
    stored: Vec<[Option<Bytes>; 2]>,
    free: Nanos,
    fault: Option<Fault>,
}

impl Drive {
    /// An empty drive with room for so many blocks.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Self { stored: vec![[None; 2]; blocks], free: 0, fault: None }
    }

    /// Breaks it.
    pub const fn breaks(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Whether nothing is wrong with it: who quarantines it was deceived.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.fault.is_none()
    }

    /// When its head has read, if the head needs so long for it and is asked now.
    pub fn heads(&mut self, now: Nanos, takes: Nanos, timeout: Nanos) -> Nanos {
        let at = self.free.max(now) + self.slowed(takes);
        match self.fault {
            Some(Fault::Stuck) => now + timeout,
            Some(Fault::Vanished) => now,
            _ => {
                self.free = at;
                at
            }
        }
    }

    /// When its cache holds what is written now, if that needs so long.
    #[must_use]
    pub const fn caches(&self, now: Nanos, takes: Nanos, timeout: Nanos) -> Nanos {
        match self.fault {
            Some(Fault::Stuck) => now + timeout,
            Some(Fault::Vanished) => now,
            _ => now + self.slowed(takes),
        }
    }

    const fn slowed(&self, takes: Nanos) -> Nanos {
        match self.fault {
            Some(Fault::Slow(times)) => takes * times,
            _ => takes,
        }
    }

    const fn answers(&self) -> Result<(), DriveError> {
        match self.fault {
            Some(Fault::Errors) => Err(DriveError::Failed),
            Some(Fault::Stuck) => Err(DriveError::TimedOut),
            Some(Fault::Vanished) => Err(DriveError::Gone),
            _ => Ok(()),
        }
    }

    /// What it holds at this moment. A place that was never written, or destroyed, holds zeros.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, block: usize, place: usize) -> Result<Bytes, DriveError> {
        self.answers()?;
        let mut bytes = self.stored[block][place].unwrap_or_default();
        if self.fault == Some(Fault::Rot(block)) {
            bytes[block % 32] ^= 1;
        }
        Ok(bytes)
    }

    /// From now on it holds these bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn write(&mut self, block: usize, place: usize, bytes: Bytes) -> Result<(), DriveError> {
        self.answers()?;
        self.stored[block][place] = Some(bytes);
        Ok(())
    }

    /// What a place held is gone.
    pub fn destroy(&mut self, block: usize, place: usize) {
        self.stored[block][place] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wait_for_the_head_and_writes_do_not() {
        let mut drive = Drive::new(1);
        assert_eq!([drive.heads(10, 5, 99), drive.heads(10, 5, 99), drive.heads(40, 5, 99)], [15, 20, 45]);
        assert_eq!(drive.caches(10, 3, 99), 13);
        drive.breaks(Fault::Slow(4));
        assert_eq!((drive.heads(50, 5, 99), drive.caches(50, 3, 99)), (70, 62));
    }

    #[test]
    fn each_fault_shows() {
        let bytes = [7; 32];
        let mut drive = Drive::new(2);
        assert_eq!(drive.write(1, 0, bytes), Ok(()));
        assert_eq!((drive.read(1, 0), drive.is_healthy()), (Ok(bytes), true));
        for (fault, error) in [
            (Fault::Errors, DriveError::Failed),
            (Fault::Stuck, DriveError::TimedOut),
            (Fault::Vanished, DriveError::Gone),
        ] {
            drive.breaks(fault);
            assert_eq!((drive.read(1, 0), drive.write(1, 0, bytes)), (Err(error), Err(error)));
        }
        assert_eq!(drive.heads(5, 1, 50), 5, "who is gone answers at once");
        drive.breaks(Fault::Rot(1));
        assert_ne!(drive.read(1, 0), Ok(bytes));
        assert_eq!(drive.read(0, 0), Ok([0; 32]));
        assert!(!drive.is_healthy());
    }
}
