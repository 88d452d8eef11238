//! Reading back what was just written: past the page cache, so that it is the device that answers.
//!
//! A drive that loses a write, or stores other bytes, tells nobody. The page cache still has the right ones, so that a
//! read through it would find nothing wrong until it is too late.

use truelog_env::{File, IoError, IoKind, OpenMode};

use crate::archive::BACK_OFF;
use crate::codec::as_u64;
use crate::error::{Error, Reason, Result};
use crate::home::Home;
use crate::names::Name;

/// What reads past the page cache must be aligned to, buffer, offset and length: no block of a device is larger.
const ALIGN: usize = 4096;

/// Reads `len` bytes of a file at `offset`, fewer where it ends, past the page cache; through it only where the file
/// system knows no other way.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn read_back(home: &Home, name: Name, offset: u64, len: u64) -> Result<Vec<u8>> {
    let read = |direct| {
        let file = home.env.fs.open(&home.path(name), OpenMode { direct, ..OpenMode::READ })?;
        read_aligned(&*file, offset, len)
    };
    let past = || match read(true) {
        Err(error) if error.kind == IoKind::Unsupported => read(false),
        past => past,
    };
    // A passing trouble is no failure of the drive.
    let mut found = past();
    for wait in BACK_OFF {
        if found.is_ok() {
            break;
        }
        home.env.clock.sleep(wait);
        found = past();
    }
    found.map_err(|source| Error::io(home.path(name), source))
}

/// Checks that a file holds what was written to it.
///
/// # Errors
/// [`Error::CorruptFile`] naming the first byte that is another one, and [`Error::Io`].
pub(crate) fn check_written(home: &Home, name: Name, bytes: &[u8]) -> Result<()> {
    let found = read_back(home, name, 0, as_u64(bytes.len()))?;
    if found == bytes {
        return Ok(());
    }
    let same = found.iter().zip(bytes).take_while(|(found, written)| found == written).count();
    Err(Error::CorruptFile { path: home.path(name), offset: as_u64(same), reason: Reason::NotAsWritten })
}

/// Reads `len` bytes at `offset`, fewer where the file ends, by aligned reads.
fn read_aligned(file: &dyn File, offset: u64, len: u64) -> std::result::Result<Vec<u8>, IoError> {
    let align = as_u64(ALIGN);
    let from = offset / align * align;
    let Ok(room) = usize::try_from(offset.saturating_add(len).saturating_sub(from)) else {
        return Err(IoError::new(truelog_env::Op::Read, IoKind::Unsupported));
    };
    let whole = room.next_multiple_of(ALIGN);
    let mut space = vec![0; whole + ALIGN];
    let start = space.as_ptr().align_offset(ALIGN).min(ALIGN);
    let buf = &mut space[start..start + whole];
    let mut got = 0;
    while got < room {
        // A short read goes on from the last boundary. Where that brings nothing new the file ends.
        let at = got / ALIGN * ALIGN;
        match file.read_at(&mut buf[at..], from + as_u64(at)) {
            Ok(count) if at + count > got => got = at + count,
            Ok(_) => break,
            Err(error) if error.kind == IoKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let skip = usize::try_from(offset - from).unwrap_or(ALIGN);
    Ok(buf.get(skip..got.min(room)).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::write_all_at;
    use crate::lsn::RunNo;
    use crate::os::native;
    use crate::types::LogId;

    #[test]
    fn what_is_read_back_is_what_is_there_wherever_it_begins_and_ends() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let volume = env.fs.volume(dir.path()).expect("a volume");
        let home = Home::new(&env, dir.path(), LogId([1; 16]), 256, volume);
        let name = Name::Run(RunNo(1));
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at / 7) as u8).collect();
        let file = home.open(name, OpenMode::CREATE).expect("a file");
        write_all_at(&*file, &bytes, 0).expect("written");
        for (offset, len) in
            [(0, 10_000), (0, 1), (256, 512), (4095, 2), (4096, 5904), (8192, 4096), (9999, 9)]
        {
            let end = bytes.len().min(offset + len);
            let found = read_back(&home, name, offset as u64, len as u64);
            assert_eq!(found.as_deref(), Ok(&bytes[offset..end]), "{offset} {len}");
        }
        assert_eq!(read_back(&home, name, 20_000, 5), Ok(vec![]));
        assert_eq!(check_written(&home, name, &bytes), Ok(()));
        let mut other = bytes;
        other[5000] ^= 1;
        let checked = check_written(&home, name, &other);
        let Err(Error::CorruptFile { offset: 5000, reason: Reason::NotAsWritten, .. }) = checked else {
            panic!("{checked:?}")
        };
    }

    /// A file whose reads end at the latest so many bytes behind where they began.
    #[derive(Debug)]
    struct Short(Vec<u8>, usize);

    impl File for Short {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::result::Result<usize, IoError> {
            let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
            let count = rest.len().min(buf.len()).min(self.1);
            buf[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn write_at(&self, _: &[u8], _: u64) -> std::result::Result<usize, IoError> {
            Ok(0)
        }

        fn sync_data(&self) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn sync_all(&self) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn allocate(&self, _: u64) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn metadata(&self) -> std::result::Result<truelog_env::Metadata, IoError> {
            Err(IoError::new(truelog_env::Op::Metadata, IoKind::Unsupported))
        }
    }

    #[test]
    fn short_reads_go_on_where_they_ended() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|at| (at / 7) as u8).collect();
        for most in [ALIGN, ALIGN + 100, 2 * ALIGN + 1, 20_000] {
            let file = Short(bytes.clone(), most);
            for (offset, len) in [(0, 20_000), (5000, 9000), (0, 30_000), (19_999, 1)] {
                let end = bytes.len().min(offset + len);
                let found = read_aligned(&file, offset as u64, len as u64);
                assert_eq!(found.as_deref(), Ok(&bytes[offset..end]), "{most}: {offset} {len}");
            }
        }
    }
}
