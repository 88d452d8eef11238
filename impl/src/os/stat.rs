//! What a name or a descriptor leads to, without its times.
//!
//! The standard library asks for everything. A time that somebody has looked at gets a finer value at the next write,
//! which makes the inode dirty, so that the next `fdatasync` writes it as well: one more write of the device for each
//! append, for times that nobody compares.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use nix::NixPath;
use nix::libc;
use truelog_env::{IoError, IoKind, Metadata, NodeKind, Op};

use super::{failed, failed_nix};

/// What is asked for; the device comes with everything.
const ASKED: u32 = libc::STATX_TYPE | libc::STATX_INO | libc::STATX_SIZE | libc::STATX_NLINK;

/// What `path` leads to, symbolic links followed.
pub(super) fn of_path(path: &Path) -> Result<Metadata, IoError> {
    path.with_nix_path(|path| ask(libc::AT_FDCWD, path, 0)).map_err(failed_nix(Op::Metadata))?
}

/// What is behind a descriptor.
pub(super) fn of_file(file: &impl AsRawFd) -> Result<Metadata, IoError> {
    ask(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn ask(at: RawFd, path: &CStr, flags: i32) -> Result<Metadata, IoError> {
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path ends with a zero, and the answer is as large as the call expects; both live until it returns.
    #[allow(unsafe_code, reason = "no safe wrapper says what is asked for and goes through libc's symbol")]
    let returned = unsafe { libc::statx(at, path.as_ptr(), flags, ASKED, answer.as_mut_ptr()) };
    if returned != 0 {
        return Err(failed(Op::Metadata)(io::Error::last_os_error()));
    }
    // SAFETY: numbers only, for which zeros are a value, too.
    #[allow(unsafe_code, reason = "as above")]
    let answer = unsafe { answer.assume_init() };
    if answer.stx_mask & ASKED != ASKED {
        return Err(IoError::new(Op::Metadata, IoKind::Unsupported));
    }
    let kind = match u32::from(answer.stx_mode) & libc::S_IFMT {
        libc::S_IFREG => NodeKind::File,
        libc::S_IFDIR => NodeKind::Dir,
        _ => NodeKind::Other,
    };
    Ok(Metadata {
        kind,
        device: libc::makedev(answer.stx_dev_major, answer.stx_dev_minor),
        inode: answer.stx_ino,
        len: answer.stx_size,
        links: u64::from(answer.stx_nlink),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_answer_is_the_standard_librarys() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, b"three").expect("a file");
        fs::hard_link(&file, dir.path().join("again")).expect("a second name");
        std::os::unix::fs::symlink(&file, dir.path().join("link")).expect("a link");
        for (path, kind) in [
            (file.clone(), NodeKind::File),
            (dir.path().join("link"), NodeKind::File),
            (dir.path().into(), NodeKind::Dir),
            ("/dev/null".into(), NodeKind::Other),
        ] {
            let told = fs::metadata(&path).expect("metadata");
            let (device, inode) = (told.dev(), told.ino());
            let expected = Metadata { kind, device, inode, len: told.len(), links: told.nlink() };
            assert_eq!(of_path(&path), Ok(expected), "{}", path.display());
            assert_eq!(of_file(&fs::File::open(&path).expect("open")), Ok(expected), "{}", path.display());
        }
        assert_eq!(of_path(&dir.path().join("none")).expect_err("missing").kind, IoKind::NotFound);
    }
}
