//! A volume's properties, and whether it can keep a promise at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FUSE_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};
use truelog_env::{Caution, IoError, Op, Volume, Weakness};

use super::{failed, failed_nix};

/// `ramfs`, which nix has no name for.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);
/// The network file systems that are known by number: NFS, SMB and CIFS, Ceph, AFS, Lustre, and 9p.
const NETWORK: [FsType; 8] = [
    FsType(0x6969),
    FsType(0x517b),
    FsType(0xff53_4d42),
    FsType(0xfe53_4d42),
    FsType(0x00c3_6400),
    FsType(0x5346_414f),
    FsType(0x0bd0_0bd0),
    FsType(0x0102_1997),
];
/// What a device is taken to write as a whole when it does not say.
const USUAL_BLOCK: u64 = 4096;

/// The properties of the volume that `path` is on.
pub(super) fn of(path: &Path) -> Result<Volume, IoError> {
    let stat = statvfs(path).map_err(failed_nix(Op::Statvfs))?;
    let device = fs::metadata(path).map_err(failed(Op::Statvfs))?.dev();
    // A file system that does not count its inodes says that it has none at all.
    let free_inodes = if stat.files() == 0 { u64::MAX } else { stat.files_available() };
    Ok(Volume {
        id: stat.filesystem_id(),
        block_size: block_size(device, &stat),
        free_bytes: stat.blocks_available().saturating_mul(stat.fragment_size()),
        free_inodes,
        read_only: stat.flags().contains(FsFlags::ST_RDONLY),
        weakness: weakness(path)?,
        caution: caution(path)?,
    })
}

/// What the device writes as a whole. Where the device is not to be found (several disks, or none), the file
/// system's own unit, which is at most the usual block.
fn block_size(device: u64, stat: &Statvfs) -> u32 {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let device = format!("/sys/dev/block/{major}:{minor}");
    let told = ["queue", "../queue"].iter().find_map(|queue| {
        let text = fs::read_to_string(format!("{device}/{queue}/physical_block_size")).ok()?;
        text.trim().parse::<u32>().ok().filter(|size| size.is_power_of_two())
    });
    told.unwrap_or_else(|| u32::try_from(stat.fragment_size().clamp(512, USUAL_BLOCK)).unwrap_or(512))
}

fn weakness(path: &Path) -> Result<Option<Weakness>, IoError> {
    let kind = statfs(path).map_err(failed_nix(Op::Statvfs))?.filesystem_type();
    if kind == TMPFS_MAGIC || kind == RAMFS_MAGIC {
        return Ok(Some(Weakness::Memory));
    }
    let real = fs::canonicalize(path).map_err(failed(Op::Statvfs))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed(Op::Statvfs))?;
    Ok(options_of(&mounts, &real).and_then(|options| weakness_of(kind == OVERLAYFS_SUPER_MAGIC, &options)))
}

/// Why nobody can be sure of a file system, by its kind.
fn caution(path: &Path) -> Result<Option<Caution>, IoError> {
    let kind = statfs(path).map_err(failed_nix(Op::Statvfs))?.filesystem_type();
    Ok(match kind {
        OVERLAYFS_SUPER_MAGIC => Some(Caution::Overlay),
        FUSE_SUPER_MAGIC => Some(Caution::UserSpace),
        kind if NETWORK.contains(&kind) => Some(Caution::Network),
        _ => None,
    })
}

/// The mount that a path is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// The file system, such as `ext4`.
    pub kind: String,
    /// The options of the mount and of its file system.
    pub options: Vec<String>,
}

/// The mount that `path`, which exists, is in. `None`: the system does not say.
///
/// # Errors
/// Whatever the operating system reports.
pub fn mount_of(path: &Path) -> Result<Option<Mount>, IoError> {
    let real = fs::canonicalize(path).map_err(failed(Op::Statvfs))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed(Op::Statvfs))?;
    Ok(find(&mounts, &real).map(|(point, kind, options)| Mount {
        point,
        kind: kind.to_owned(),
        options: options.into_iter().filter(|option| !option.is_empty()).map(str::to_owned).collect(),
    }))
}

/// What the mount options say against a volume.
fn weakness_of(overlay: bool, options: &[&str]) -> Option<Weakness> {
    if overlay && options.iter().any(|option| ["volatile", "fsync=volatile"].contains(option)) {
        return Some(Weakness::VolatileOverlay);
    }
    options.iter().any(|option| ["nobarrier", "barrier=0"].contains(option)).then_some(Weakness::NoBarrier)
}

/// The options, of the mount and of its file system, of the mount that `path` is in: the longest mount point
/// that leads to it, and of those the one mounted last.
fn options_of<'a>(mounts: &'a str, path: &Path) -> Option<Vec<&'a str>> {
    find(mounts, path).map(|(_, _, options)| options)
}

/// The mount point, the file system and the options of the mount that `path` is in.
fn find<'a>(mounts: &'a str, path: &Path) -> Option<(PathBuf, &'a str, Vec<&'a str>)> {
    let mut best: Option<(usize, PathBuf, &str, Vec<&str>)> = None;
    for line in mounts.lines() {
        let Some((front, back)) = line.split_once(" - ") else { continue };
        let mut front = front.split(' ').skip(4);
        let (Some(point), Some(options)) = (front.next(), front.next()) else { continue };
        let point = unescape(point);
        if !path.starts_with(&point) {
            continue;
        }
        let depth = point.components().count();
        if best.as_ref().is_none_or(|(deepest, ..)| depth >= *deepest) {
            let mut back = back.split(' ');
            let (kind, own) = (back.next().unwrap_or_default(), back.nth(1).unwrap_or_default());
            best = Some((depth, point, kind, options.split(',').chain(own.split(',')).collect()));
        }
    }
    best.map(|(_, point, kind, options)| (point, kind, options))
}

/// Undoes the kernel's escapes of blanks and backslashes in a mount point: a backslash and three octal
/// digits.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.split_first_chunk::<3>().filter(|_| *first == b'\\').and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, after))
        });
        let (byte, after) = octal.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = r"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
23 22 0:5 / /data rw,relatime - ext4 /dev/vdb rw,nobarrier
24 22 0:6 / /data/my\040log rw,relatime - overlay overlay rw,upperdir=/u,volatile
25 22 0:7 / /old rw,relatime shared:1 - ext4 /dev/vdc rw,barrier=0
26 25 0:8 / /old rw,relatime - ext4 /dev/vdd rw
";

    fn judge(overlay: bool, path: &str) -> Option<Weakness> {
        options_of(MOUNTS, Path::new(path)).and_then(|options| weakness_of(overlay, &options))
    }

    #[test]
    fn the_mount_that_a_path_is_in_decides() {
        assert_eq!(judge(false, "/srv/log"), None);
        assert_eq!(judge(false, "/data/log"), Some(Weakness::NoBarrier));
        assert_eq!(judge(true, "/data/my log/x"), Some(Weakness::VolatileOverlay));
        assert_eq!(judge(false, "/database"), None, "a mount point is a path, not a prefix");
        assert_eq!(judge(false, "/old/log"), None, "the mount on top counts");
    }

    #[test]
    fn a_mount_has_a_point_a_kind_and_options() {
        let found = find(MOUNTS, Path::new("/data/my log/x"));
        let expected = ["rw", "relatime", "overlay", "rw", "upperdir=/u", "volatile"];
        let (point, kind, options) = found.expect("a mount");
        assert_eq!((point, kind), (PathBuf::from("/data/my log"), "overlay"));
        assert!(options.iter().all(|option| expected.contains(option)), "{options:?}");
        let here = mount_of(&std::env::temp_dir()).expect("readable").expect("a mount");
        assert!(std::env::temp_dir().starts_with(here.point) && !here.kind.is_empty());
    }

    #[test]
    fn memory_is_weak() {
        if let Ok(volume) = of(Path::new("/dev/shm")) {
            assert_eq!(volume.weakness, Some(Weakness::Memory));
        }
    }

    #[test]
    fn a_volume_has_sizes() {
        let volume = of(&std::env::temp_dir()).expect("the temporary directory's volume");
        assert!(volume.block_size.is_power_of_two() && volume.block_size >= 512, "{volume:?}");
        assert!(volume.free_inodes > 0);
    }
}
