//! One life of a disk: the disk itself, who watches it, and what goes wrong on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truelog_env::{IoError, IoKind, Op, OpenMode, Weakness};

use super::disk::{Disk, Order, Refused};
use super::fault::{Schedule, Unwound};
use super::{Call, Edge, Fault, Hook, LogRecord, Role, Snapshot};

/// A write between its edges.
#[derive(Debug, Clone)]
struct InFlight {
    call: u64,
    inode: u64,
    offset: u64,
    bytes: Arc<[u8]>,
}

/// The state of one life.
pub(super) struct World {
    pub(super) disk: Arc<Disk>,
    pub(super) hook: Option<Hook>,
    pub(super) log: Vec<LogRecord>,
    pub(super) logging: bool,
    pub(super) schedule: Schedule,
    pub(super) locks: BTreeSet<u64>,
    /// Open descriptors by inode.
    pub(super) open: BTreeMap<u64, usize>,
    pub(super) handle_limit: Option<usize>,
    pub(super) calls: u64,
    pub(super) off: bool,
    pub(super) read_only: bool,
    /// Bytes that still fit, if the disk can fill up.
    pub(super) room: Option<u64>,
    pub(super) weakness: Option<Weakness>,
    in_flight: Vec<InFlight>,
}

/// One life, shared by all handles.
pub(super) struct Inner {
    world: Mutex<World>,
}

/// What a call asks for, before it has a number.
pub(super) struct Ask<'a> {
    pub(super) op: Op,
    pub(super) path: Arc<Path>,
    pub(super) role: Role,
    pub(super) to: Option<(Arc<Path>, Role)>,
    pub(super) mode: OpenMode,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// For a write: the file and the bytes.
    pub(super) write: Option<(u64, &'a [u8])>,
}

/// A call under way, as the part that does it sees it.
pub(super) struct Now<'a> {
    pub(super) call: &'a Call,
    pub(super) fault: Option<Fault>,
    /// The last change before the call began: a sync covers nothing later.
    pub(super) begun: Order,
}

impl Now<'_> {
    /// The failure that stands in for the call, and what of it happens all the same.
    pub(super) fn failure(&self) -> Option<(IoError, u64)> {
        match self.fault {
            Some(Fault::Fail { kind, done }) => Some((IoError::new(self.call.op, kind), done)),
            _ => None,
        }
    }
}

impl World {
    pub(super) fn new(disk: Arc<Disk>) -> Self {
        Self {
            disk,
            hook: None,
            log: Vec::new(),
            logging: true,
            schedule: Schedule::default(),
            locks: BTreeSet::new(),
            open: BTreeMap::new(),
            handle_limit: None,
            calls: 0,
            off: false,
            read_only: false,
            room: None,
            weakness: None,
            in_flight: Vec::new(),
        }
    }

    pub(super) fn disk_mut(&mut self) -> &mut Disk {
        Arc::make_mut(&mut self.disk)
    }

    /// The disk as it is now; the writes in flight are pending in it.
    pub(super) fn snapshot(&self) -> Snapshot {
        if self.in_flight.is_empty() {
            return Snapshot::new(self.disk.clone(), self.disk.clone());
        }
        let mut disk = Disk::clone(&self.disk);
        for write in &self.in_flight {
            // A file that is gone meanwhile has nothing in flight.
            if disk.write(write.inode, write.offset, &write.bytes).is_ok() && disk.profile.garbage {
                let _ = disk.add_garbage(write.inode);
            }
        }
        Snapshot::new(self.disk.clone(), Arc::new(disk))
    }

    fn record(&mut self, call: &Arc<Call>, edge: Edge) {
        if self.logging {
            self.log.push(LogRecord { call: call.clone(), edge });
        }
    }

    /// Forgets the files that nothing leads to any more.
    pub(super) fn sweep(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.disk_mut().sweep(|inode| open.contains_key(&inode));
        self.open = open;
    }

    /// Forgets a descriptor.
    pub(super) fn close(&mut self, inode: u64) {
        if let Some(count) = self.open.get_mut(&inode) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&inode);
                if self.disk.file(inode).is_ok_and(|file| file.lost.is_some()) {
                    self.sweep();
                }
            }
        }
    }
}

impl Inner {
    pub(super) const fn new(world: World) -> Self {
        Self { world: Mutex::new(world) }
    }

    /// The state. Held briefly, and never while a hook runs; a panic of another thread leaves it usable.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one call: the hook at both edges without the lock, the deed between them with it.
    pub(super) fn call<'a, T>(
        &self,
        ask: impl FnOnce(&World) -> Result<Ask<'a>, Refused>,
        op: Op,
        act: impl FnOnce(&mut World, &Now<'_>) -> Result<T, IoError>,
        amount: impl FnOnce(&T) -> u64,
    ) -> Result<T, IoError> {
        let mut world = self.world();
        if world.off {
            return Err(IoError::new(op, IoKind::Device));
        }
        let ask = ask(&world).map_err(|refused| refused.of(op))?;
        let write = ask.write;
        world.calls += 1;
        let Ask { op, path, role, to, mode, offset, len, .. } = ask;
        let call = Arc::new(Call { id: world.calls, op, path, role, to, mode, offset, len });
        world.record(&call, Edge::Begin);
        let fault = world.schedule.strike(&call);
        let begun = world.disk.order;
        let hook = world.hook.clone();
        if let Some(hook) = &hook {
            if let Some((inode, bytes)) = write {
                let flight = InFlight { call: call.id, inode, offset, bytes: Arc::from(bytes) };
                world.in_flight.push(flight);
            }
            drop(world);
            hook(&call, Edge::Begin);
            world = self.world();
            world.in_flight.retain(|flight| flight.call != call.id);
        }
        let result = if world.off {
            Err(IoError::new(op, IoKind::Device))
        } else {
            act(&mut world, &Now { call: &call, fault, begun })
        };
        let edge = Edge::End(result.as_ref().map(amount).map_err(|error| *error));
        world.record(&call, edge);
        drop(world);
        if let Some(hook) = hook {
            hook(&call, edge);
        }
        if fault == Some(Fault::Unwind) {
            // Not by `panic!`: it is asked for, and nothing to print.
            std::panic::resume_unwind(Box::new(Unwound));
        }
        result
    }
}

impl Refused {
    /// As the failure of an operation.
    pub(super) const fn of(self, op: Op) -> IoError {
        IoError { op, kind: self.0, errno: self.1 }
    }
}
