//! The engine's traits on a simulated disk.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use truelog_env::{DirLock, File, Fs, IoError, IoKind, Metadata, NodeKind, Op, OpenMode, Volume};

use super::disk::{Disk, Node, Refused};
use super::fault::SyncOp;
use super::world::{Ask, Inner, Now, World};
use super::{Fault, Reads, Role, SimFs};

/// `st_dev` of the only volume.
const DEVICE: u64 = 7;
/// `f_fsid` of the only volume.
const VOLUME: u64 = 0x7472_7565_6c6f_6721;
/// What a disk that never fills up says is free.
const PLENTY: u64 = 1 << 40;
/// Where the boot is asked for: a path outside of the disk.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Writing through a descriptor that was opened for reading.
const NOT_WRITABLE: Refused = Refused(IoKind::Unknown, Some(9));

fn ask(world: &World, op: Op, path: &Path) -> Ask<'static> {
    let role = Role::of(path, &world.disk.log_dir);
    Ask { op, path: Arc::from(path), role, to: None, mode: OpenMode::READ, offset: 0, len: 0, write: None }
}

impl SimFs {
    /// A call on a path, with the faults that fit every call.
    fn on_path<T: Default>(
        &self,
        op: Op,
        path: &Path,
        change: bool,
        detail: impl FnOnce(&World, &mut Ask<'_>),
        act: impl FnOnce(&mut World, &Now<'_>) -> Result<T, Refused>,
    ) -> Result<T, IoError> {
        let ask = |world: &World| {
            let mut ask = ask(world, op, path);
            detail(world, &mut ask);
            Ok(ask)
        };
        let act = |world: &mut World, now: &Now<'_>| {
            if change && world.read_only {
                return Err(IoError::new(op, IoKind::ReadOnly));
            }
            match now.failure() {
                Some((error, 0)) => Err(error),
                Some((error, _)) => act(world, now).map_err(|refused| refused.of(op)).and(Err(error)),
                None => act(world, now).map_err(|refused| refused.of(op)),
            }
        };
        self.inner.call(ask, op, act, |_| 0)
    }
}

/// Nothing more to say about a call.
const fn plain(_: &World, _: &mut Ask<'_>) {}

impl Fs for SimFs {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn File>, IoError> {
        let op = if mode.create { Op::Create } else { Op::Open };
        let change = mode.write || mode.create;
        let detail = |_: &World, ask: &mut Ask<'_>| ask.mode = mode;
        let inode = self.on_path(op, path, change, detail, |world, _| {
            if world.handle_limit.is_some_and(|most| world.open.values().sum::<usize>() >= most) {
                return Err(IoKind::TooManyFiles.into());
            }
            let inode = if mode.create { create(world, path)? } else { world.disk.find(path)? };
            world.disk.file(inode)?;
            *world.open.entry(inode).or_insert(0) += 1;
            Ok(inode)
        })?;
        Ok(Box::new(SimFile { inner: self.inner.clone(), inode, mode }))
    }

    fn create_dir(&self, path: &Path) -> Result<(), IoError> {
        self.on_path(Op::CreateDir, path, true, plain, |world, _| world.disk_mut().create_dir(path))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        self.on_path(Op::ReadDir, path, false, plain, |world, _| {
            let dir = world.disk.dir(world.disk.find(path)?)?;
            let there = dir.slots.iter().filter(|(_, slot)| slot.now().is_some());
            Ok(there.map(|(name, _)| OsString::from(&**name)).collect())
        })
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, IoError> {
        let found = self.on_path(Op::Metadata, path, false, plain, |world, _| {
            let inode = world.disk.find(path)?;
            metadata(&world.disk, inode).map(Some)
        });
        found?.ok_or_else(|| IoError::new(Op::Metadata, IoKind::NotFound))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        let detail = |world: &World, ask: &mut Ask<'_>| {
            ask.to = Some((Arc::from(to), Role::of(to, &world.disk.log_dir)));
        };
        self.on_path(Op::Rename, from, true, detail, |world, _| {
            let replaced = world.disk.find(to).ok();
            world.disk_mut().rename(from, to)?;
            give_back(world, replaced);
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> Result<(), IoError> {
        self.on_path(Op::Unlink, path, true, plain, |world, _| {
            let gone = world.disk.find(path).ok();
            world.disk_mut().unlink(path)?;
            give_back(world, gone);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        self.on_path(Op::SyncDir, path, false, plain, |world, now| {
            let inode = world.disk.find(path)?;
            world.disk.dir(inode)?;
            match now.fault {
                Some(Fault::LyingSync) => Ok(()),
                Some(Fault::FailSync { kind, .. }) => {
                    world.disk_mut().fail_sync_dir(inode, now.begun)?;
                    Err(kind.into())
                }
                _ if world.schedule.swallows(now.call.role, SyncOp::Dir) => Ok(()),
                _ => {
                    world.disk_mut().sync_dir(inode, now.begun)?;
                    world.sweep();
                    Ok(())
                }
            }
        })
    }

    fn lock_dir(&self, path: &Path) -> Result<Box<dyn DirLock>, IoError> {
        let inode = self.on_path(Op::Lock, path, false, plain, |world, _| {
            let inode = world.disk.find(path)?;
            world.disk.dir(inode)?;
            if world.locks.insert(inode) { Ok(inode) } else { Err(IoKind::Locked.into()) }
        })?;
        Ok(Box::new(SimLock { inner: self.inner.clone(), inode }))
    }

    fn volume(&self, path: &Path) -> Result<Volume, IoError> {
        let volume = self.on_path(Op::Statvfs, path, false, plain, |world, _| {
            world.disk.find(path)?;
            Ok(Some(Volume {
                id: VOLUME,
                block_size: world.disk.profile.sector,
                free_bytes: world.room.unwrap_or(PLENTY),
                free_inodes: u64::MAX,
                read_only: world.read_only,
                weakness: world.weakness,
                caution: None,
            }))
        });
        volume?.ok_or_else(|| IoError::new(Op::Statvfs, IoKind::NotFound))
    }

    fn boot(&self) -> Result<u128, IoError> {
        self.on_path(Op::Boot, Path::new(BOOT), false, plain, |world, _| {
            Ok(u128::from(super::content::mix(world.disk.boot)) << 64 | u128::from(world.disk.boot))
        })
    }
}

/// Creates or empties a file, and gives back the room that its old bytes took.
fn create(world: &mut World, path: &Path) -> Result<u64, Refused> {
    let freed = world.disk.find(path).ok().and_then(|old| world.disk.file(old).ok()).map_or(0, taken);
    if world.room == Some(0) && freed == 0 && world.disk.find(path).is_err() {
        return Err(IoKind::NoSpace.into());
    }
    let inode = world.disk_mut().create(path)?;
    world.room = world.room.map(|room| room + freed);
    Ok(inode)
}

/// What a file takes of the disk, in bytes.
fn taken(file: &super::disk::FileNode) -> u64 {
    file.cache.taken().max(file.reserved)
}

/// Gives back the room of a file that lost its name.
fn give_back(world: &mut World, inode: Option<u64>) {
    let gone = inode.and_then(|inode| world.disk.file(inode).ok()).filter(|file| file.lost.is_some());
    if let (Some(room), Some(file)) = (world.room, gone) {
        world.room = Some(room + taken(file));
    }
}

fn metadata(disk: &Disk, inode: u64) -> Result<Metadata, Refused> {
    let (kind, len, links) = match disk.nodes.get(&inode) {
        Some(Node::File(file)) => {
            (NodeKind::File, file.cache.len(), u64::from(file.lost.is_none()) + file.elsewhere)
        }
        Some(Node::Dir(dir)) => (NodeKind::Dir, dir.slots.len() as u64, 2),
        None => return Err(IoKind::NotFound.into()),
    };
    Ok(Metadata { kind, device: DEVICE, inode, len, links })
}

/// An open file of a simulated disk.
struct SimFile {
    inner: Arc<Inner>,
    inode: u64,
    mode: OpenMode,
}

impl SimFile {
    fn call<'a, T>(
        &'a self,
        op: Op,
        (offset, len): (u64, u64),
        bytes: Option<&'a [u8]>,
        act: impl FnOnce(&mut World, &Now<'_>) -> Result<T, IoError>,
        amount: impl FnOnce(&T) -> u64,
    ) -> Result<T, IoError> {
        let ask = |world: &World| {
            let file = world.disk.file(self.inode)?;
            Ok(Ask {
                op,
                path: file.path.clone(),
                role: file.role,
                to: None,
                mode: self.mode,
                offset,
                len,
                write: bytes.map(|bytes| (self.inode, bytes)),
            })
        };
        self.inner.call(ask, op, act, amount)
    }

    /// Whether the length and place of a transfer suit `O_DIRECT`.
    fn aligned(&self, world: &World, offset: u64, len: usize) -> Result<(), Refused> {
        let sector = u64::from(world.disk.profile.sector);
        let fits = offset.is_multiple_of(sector) && (len as u64).is_multiple_of(sector);
        if self.mode.direct && !fits { Err(IoKind::Unsupported.into()) } else { Ok(()) }
    }

    fn write(&self, world: &mut World, now: &Now<'_>, buf: &[u8], offset: u64) -> Result<usize, Refused> {
        if !(self.mode.write || self.mode.create) {
            return Err(NOT_WRITABLE);
        }
        if world.read_only {
            return Err(IoKind::ReadOnly.into());
        }
        self.aligned(world, offset, buf.len())?;
        let mut most = buf.len();
        match now.fault {
            Some(Fault::Short(at_most)) => most = most.min(at_most.max(1) as usize),
            Some(Fault::Fail { done, .. }) => most = most.min(done as usize),
            _ => {}
        }
        let part = &buf[..fitting(world, self.inode, offset, most)?];
        if part.is_empty() && !buf.is_empty() && now.failure().is_none() {
            return Err(IoKind::NoSpace.into());
        }
        world.disk_mut().write(self.inode, offset, part)?;
        match now.fault {
            Some(fault) if fault.lies_about_a_write() => world.disk_mut().lie(self.inode, offset, fault)?,
            // A failed write promises nothing; its pages are clean if it was to be durable at once.
            Some(Fault::Fail { .. }) if self.mode.write_through => {
                let order = world.disk.order;
                world.disk_mut().fail_sync_file(self.inode, order, Reads::New)?;
            }
            Some(Fault::Fail { .. }) => {}
            _ if self.mode.write_through
                && !part.is_empty()
                && !world.schedule.swallows(now.call.role, SyncOp::WriteThrough) =>
            {
                world.disk_mut().write_through(self.inode)?;
            }
            _ => {}
        }
        Ok(part.len())
    }

    fn sync(&self, op: Op, sync: SyncOp) -> Result<(), IoError> {
        let act = |world: &mut World, now: &Now<'_>| {
            let of = |refused: Refused| refused.of(op);
            match now.fault {
                Some(Fault::LyingSync) => Ok(()),
                Some(Fault::FailSync { kind, reads }) => {
                    world.disk_mut().fail_sync_file(self.inode, now.begun, reads).map_err(of)?;
                    Err(IoError::new(op, kind))
                }
                Some(Fault::Fail { kind, done: 0 }) => Err(IoError::new(op, kind)),
                _ if world.schedule.swallows(now.call.role, sync) => Ok(()),
                _ => {
                    world.disk_mut().sync_file(self.inode, now.begun, sync == SyncOp::Data).map_err(of)?;
                    now.failure().map_or(Ok(()), |(error, _)| Err(error))
                }
            }
        };
        self.call(op, (0, 0), None, act, |()| 0)
    }
}

/// How many of the first `len` bytes still find room, which is then taken.
fn fitting(world: &mut World, inode: u64, offset: u64, len: usize) -> Result<usize, Refused> {
    let Some(room) = world.room else { return Ok(len) };
    let mut fits = len;
    let mut needed = world.disk.room_needed(inode, offset, fits as u64)?;
    if needed > room {
        fits = len.saturating_sub((needed - room) as usize);
        needed = world.disk.room_needed(inode, offset, fits as u64)?;
    }
    world.room = Some(room.saturating_sub(needed));
    Ok(fits)
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let len = buf.len();
        let act = |world: &mut World, now: &Now<'_>| {
            if let Some((error, _)) = now.failure() {
                return Err(error);
            }
            self.aligned(world, offset, len).map_err(|refused| refused.of(Op::Read))?;
            let most = match now.fault {
                Some(Fault::Short(at_most)) => len.min(at_most.max(1) as usize),
                _ => len,
            };
            let of = |refused: Refused| refused.of(Op::Read);
            let buf = &mut buf[..most];
            if self.mode.direct {
                return Ok(world.disk.past_cache(self.inode).map_err(of)?.read(buf, offset));
            }
            Ok(world.disk.file(self.inode).map_err(of)?.cache.read(buf, offset))
        };
        self.call(Op::Read, (offset, len as u64), None, act, |got| *got as u64)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, IoError> {
        let act = |world: &mut World, now: &Now<'_>| {
            let wrote = self.write(world, now, buf, offset).map_err(|refused| refused.of(Op::Write))?;
            now.failure().map_or(Ok(wrote), |(error, _)| Err(error))
        };
        self.call(Op::Write, (offset, buf.len() as u64), Some(buf), act, |wrote| *wrote as u64)
    }

    fn sync_data(&self) -> Result<(), IoError> {
        self.sync(Op::SyncData, SyncOp::Data)
    }

    fn sync_all(&self) -> Result<(), IoError> {
        self.sync(Op::SyncAll, SyncOp::All)
    }

    fn allocate(&self, len: u64) -> Result<(), IoError> {
        let act = |world: &mut World, now: &Now<'_>| {
            let of = |refused: Refused| refused.of(Op::Allocate);
            if len == 0 {
                return Err(of(IoKind::Unsupported.into()));
            }
            if !(self.mode.write || self.mode.create) {
                return Err(of(NOT_WRITABLE));
            }
            if world.read_only {
                return Err(of(IoKind::ReadOnly.into()));
            }
            if let Some((error, 0)) = now.failure() {
                return Err(error);
            }
            let needed = world.disk.room_needed(self.inode, 0, len).map_err(of)?;
            if world.room.is_some_and(|room| room < needed) {
                return Err(of(IoKind::NoSpace.into()));
            }
            world.room = world.room.map(|room| room - needed);
            world.disk_mut().allocate(self.inode, len).map_err(of)?;
            now.failure().map_or(Ok(()), |(error, _)| Err(error))
        };
        self.call(Op::Allocate, (0, len), None, act, |()| 0)
    }

    fn metadata(&self) -> Result<Metadata, IoError> {
        let act = |world: &mut World, now: &Now<'_>| match now.failure() {
            Some((error, _)) => Err(error),
            None => metadata(&world.disk, self.inode).map_err(|refused| refused.of(Op::Metadata)),
        };
        self.call(Op::Metadata, (0, 0), None, act, |_| 0)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.inner.world().close(self.inode);
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("inode", &self.inode).finish_non_exhaustive()
    }
}

/// The lock of a directory, by inode.
struct SimLock {
    inner: Arc<Inner>,
    inode: u64,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.inner.world().locks.remove(&self.inode);
    }
}

impl fmt::Debug for SimLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLock").field("inode", &self.inode).finish_non_exhaustive()
    }
}
