//! The simulated disk: nodes, names, bytes, and what of them is not durable yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use truelog_env::IoKind;

use super::content::{Content, mix};
use super::{Profile, Role, Rule};

/// The inode of the root directory.
pub(super) const ROOT: u64 = 1;
/// What the page cache and the file systems handle as a whole, in bytes.
const PAGE: u64 = 4096;

/// Position in the order of all changes of one life. A rename takes two: its target's, then its source's.
pub(super) type Order = u64;

/// Why an operation on names or bytes cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) IoKind, pub(super) Option<i32>);

impl From<IoKind> for Refused {
    fn from(kind: IoKind) -> Self {
        Self(kind, None)
    }
}

const NOT_A_DIRECTORY: Refused = Refused(IoKind::Unknown, Some(20));
const IS_A_DIRECTORY: Refused = Refused(IoKind::NotAFile, Some(21));
const NOT_EMPTY: Refused = Refused(IoKind::Unknown, Some(39));

/// A value of a name slot that is not durable yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct NameVersion {
    pub(super) value: Option<u64>,
    pub(super) order: Order,
    /// A sync of it failed: no later sync makes it durable.
    pub(super) stuck: bool,
    /// For the source of a rename: the slot of the target, which changed just before.
    pub(super) target: Option<(u64, Arc<str>)>,
    /// For a rename over an existing name: the file, whose length of that moment comes along (rule N9).
    pub(super) length_of: Option<u64>,
}

/// A name in a directory: where it leads durably, and since then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) base: Option<u64>,
    pub(super) pending: Vec<NameVersion>,
}

impl Slot {
    pub(super) fn now(&self) -> Option<u64> {
        self.pending.last().map_or(self.base, |version| version.value)
    }
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dir {
    pub(super) slots: BTreeMap<Arc<str>, Slot>,
    /// The slot that leads here: the parent's inode and the name. The root's is its own, and empty.
    pub(super) home: (u64, Arc<str>),
}

/// A write that is not durable yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) order: Order,
    /// The sectors that it alone may still change, by number.
    pub(super) sectors: Vec<Range<u64>>,
    /// The file after it.
    pub(super) after: Content,
    pub(super) stuck: bool,
    /// Stands for what a sector in flight may hold: neither old nor new.
    pub(super) garbage: bool,
}

/// A length that is not durable yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Length {
    pub(super) len: u64,
    pub(super) order: Order,
    pub(super) stuck: bool,
    /// A truncation: what is behind is gone.
    pub(super) cut: bool,
    /// Set by a write: the sectors of its last page up to here. `None` for a truncation or allocation.
    pub(super) grown: Option<Range<u64>>,
}

/// A file.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    /// The name that it has now, or had last.
    pub(super) path: Arc<Path>,
    /// What that name is to the log.
    pub(super) role: Role,
    /// The slot of that name.
    pub(super) home: (u64, Arc<str>),
    /// When it lost its name, if it did.
    pub(super) lost: Option<Order>,
    /// How many names it has elsewhere, where nobody looks.
    pub(super) elsewhere: u64,
    pub(super) cache: Content,
    pub(super) base: Content,
    /// Bytes from the start for which there is room already.
    pub(super) reserved: u64,
    /// The device holds other bytes than the cache, with no write pending: the disk lied.
    pub(super) diverged: bool,
    pub(super) writes: Vec<Write>,
    pub(super) lengths: Vec<Length>,
}

/// A node: shared between images until it changes.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Dir(Arc<Dir>),
    File(Arc<FileNode>),
}

/// The disk, with the state of clock and entropy: all that a life begins with.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) profile: Profile,
    pub(super) log_dir: Arc<Path>,
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) next_inode: u64,
    pub(super) order: Order,
    pub(super) entropy: u64,
    pub(super) clock: Duration,
    /// Which boot of the machine: another after each loss of power.
    pub(super) boot: u64,
}

impl Disk {
    /// An empty disk: only the root.
    pub(super) fn new(profile: Profile, log_dir: Arc<Path>, seed: u64) -> Self {
        let root = Dir { slots: BTreeMap::new(), home: (ROOT, Arc::from("")) };
        Self {
            profile,
            log_dir,
            nodes: BTreeMap::from([(ROOT, Node::Dir(Arc::new(root)))]),
            next_inode: ROOT + 1,
            order: 0,
            entropy: seed,
            clock: Duration::ZERO,
            boot: 0,
        }
    }

    pub(super) fn dir(&self, inode: u64) -> Result<&Dir, Refused> {
        match self.nodes.get(&inode) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(NOT_A_DIRECTORY),
            None => Err(IoKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, inode: u64) -> Result<&FileNode, Refused> {
        match self.nodes.get(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(IS_A_DIRECTORY),
            None => Err(IoKind::NotFound.into()),
        }
    }

    pub(super) fn dir_mut(&mut self, inode: u64) -> Result<&mut Dir, Refused> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Dir(dir)) => Ok(Arc::make_mut(dir)),
            Some(Node::File(_)) => Err(NOT_A_DIRECTORY),
            None => Err(IoKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, inode: u64) -> Result<&mut FileNode, Refused> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(Arc::make_mut(file)),
            Some(Node::Dir(_)) => Err(IS_A_DIRECTORY),
            None => Err(IoKind::NotFound.into()),
        }
    }

    /// Where `path` leads now.
    pub(super) fn find(&self, path: &Path) -> Result<u64, Refused> {
        let mut at = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let name = name.to_str().ok_or(IoKind::NotFound)?;
                at = self.dir(at)?.slots.get(name).and_then(Slot::now).ok_or(IoKind::NotFound)?;
            }
        }
        Ok(at)
    }

    /// The directory that `path` lies in, and its last name.
    pub(super) fn split(&self, path: &Path) -> Result<(u64, Arc<str>), Refused> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(IoKind::Unknown)?;
        let parent = self.find(path.parent().unwrap_or(path))?;
        self.dir(parent)?;
        Ok((parent, Arc::from(name)))
    }

    pub(super) fn next_order(&mut self) -> Order {
        // Two at once: a rename needs a second place right behind its first.
        self.order += 2;
        self.order
    }

    fn role(&self, path: &Path) -> Role {
        Role::of(path, &self.log_dir)
    }

    fn name(&mut self, slot: &(u64, Arc<str>), version: NameVersion) -> Result<(), Refused> {
        self.dir_mut(slot.0)?.slots.entry(slot.1.clone()).or_default().pending.push(version);
        Ok(())
    }

    /// The new version of a slot, at `order`.
    const fn version(value: Option<u64>, order: Order) -> NameVersion {
        NameVersion { value, order, stuck: false, target: None, length_of: None }
    }

    /// Creates an empty file or, if the name exists, empties that file.
    pub(super) fn create(&mut self, path: &Path) -> Result<u64, Refused> {
        let home = self.split(path)?;
        if let Some(inode) = self.dir(home.0)?.slots.get(&home.1).and_then(Slot::now) {
            self.file(inode)?;
            self.truncate(inode, 0)?;
            return Ok(inode);
        }
        let (inode, order, role) = (self.next_inode, self.next_order(), self.role(path));
        self.next_inode += 1;
        let file = FileNode {
            path: Arc::from(path),
            role,
            home: home.clone(),
            lost: None,
            elsewhere: 0,
            cache: Content::default(),
            base: Content::default(),
            reserved: 0,
            diverged: false,
            writes: Vec::new(),
            lengths: Vec::new(),
        };
        self.nodes.insert(inode, Node::File(Arc::new(file)));
        self.name(&home, Self::version(Some(inode), order))?;
        Ok(inode)
    }

    /// Creates a directory.
    pub(super) fn create_dir(&mut self, path: &Path) -> Result<(), Refused> {
        let home = self.split(path)?;
        if self.dir(home.0)?.slots.get(&home.1).and_then(Slot::now).is_some() {
            return Err(IoKind::AlreadyExists.into());
        }
        let (inode, order) = (self.next_inode, self.next_order());
        self.next_inode += 1;
        let dir = Dir { slots: BTreeMap::new(), home: home.clone() };
        self.nodes.insert(inode, Node::Dir(Arc::new(dir)));
        self.name(&home, Self::version(Some(inode), order))
    }

    /// Renames a file over whatever file has the new name.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Refused> {
        let (source, target) = (self.split(from)?, self.split(to)?);
        let inode = self.find(from)?;
        self.file(inode)?;
        if from != to && from.starts_with(to) {
            // What would be replaced is a directory that holds the file.
            return Err(NOT_EMPTY);
        }
        let replaced = self.dir(target.0)?.slots.get(&target.1).and_then(Slot::now);
        if replaced == Some(inode) {
            return Ok(());
        }
        let (order, role) = (self.next_order(), self.role(to));
        if let Some(old) = replaced {
            self.file_mut(old)?.lost = Some(order);
        }
        let file = self.file_mut(inode)?;
        file.path = Arc::from(to);
        file.role = role;
        file.home = target.clone();
        let mut added = Self::version(Some(inode), order);
        added.length_of = replaced.map(|_| inode);
        self.name(&target, added)?;
        let mut removed = Self::version(None, order + 1);
        removed.target = Some(target);
        self.name(&source, removed)
    }

    /// Removes a file's name.
    pub(super) fn unlink(&mut self, path: &Path) -> Result<(), Refused> {
        let home = self.split(path)?;
        let inode = self.find(path)?;
        self.file(inode)?;
        let order = self.next_order();
        self.file_mut(inode)?.lost = Some(order);
        self.name(&home, Self::version(None, order))
    }

    /// Removes a directory with its files.
    pub(super) fn remove_dir_all(&mut self, path: &Path) -> Result<(), Refused> {
        let (home, inode) = (self.split(path)?, self.find(path)?);
        let slots = self.dir(inode)?.slots.iter();
        let names: Vec<_> =
            slots.filter(|(_, slot)| slot.now().is_some()).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.unlink(&path.join(&*name))?;
        }
        let order = self.next_order();
        self.name(&home, Self::version(None, order))
    }

    /// The bytes that a write would have to find room for.
    pub(super) fn room_needed(&self, inode: u64, offset: u64, len: u64) -> Result<u64, Refused> {
        let file = self.file(inode)?;
        let from = offset.max(file.reserved).min(offset + len);
        Ok(file.cache.holes(from, (offset + len - from) as usize))
    }

    /// Writes into the page cache.
    pub(super) fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Refused> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (order, sector) = (self.next_order(), u64::from(self.profile.sector));
        let file = self.file_mut(inode)?;
        let (old, end) = (file.cache.len(), offset + bytes.len() as u64);
        file.cache.write(bytes, offset);
        // The length grows page by page while the write runs, and each step may be what persists.
        let mut step = old.max(offset);
        while step < end {
            step = end.min((step / PAGE + 1) * PAGE);
            let page = offset.max((step - 1) / PAGE * PAGE);
            let grown = Some(page / sector..step.div_ceil(sector));
            file.lengths.push(Length { len: step, order, stuck: false, cut: false, grown });
        }
        let touched = offset / sector..end.div_ceil(sector);
        let after = file.cache.clone();
        file.writes.push(Write { order, sectors: vec![touched], after, stuck: false, garbage: false });
        Ok(())
    }

    /// Adds what the sectors of the last write may hold when a crash comes while it is in flight.
    pub(super) fn add_garbage(&mut self, inode: u64) -> Result<(), Refused> {
        let (order, sector) = (self.next_order(), u64::from(self.profile.sector));
        let file = self.file_mut(inode)?;
        let Some(last) = file.writes.last() else { return Ok(()) };
        let sectors = last.sectors.clone();
        let mut after = last.after.clone();
        for number in sectors.iter().cloned().flatten() {
            let mut bytes = after.padded(number * sector, sector as usize);
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte ^= (super::content::mix(number ^ at as u64) as u8) | 1;
            }
            after.write_within(&bytes, number * sector);
        }
        file.writes.push(Write { order, sectors, after, stuck: false, garbage: true });
        Ok(())
    }

    /// Sets a file's length; a shorter one forgets what is behind.
    pub(super) fn truncate(&mut self, inode: u64, len: u64) -> Result<(), Refused> {
        if self.file(inode)?.cache.len() == len {
            return Ok(());
        }
        let order = self.next_order();
        let file = self.file_mut(inode)?;
        let cut = len < file.cache.len();
        file.cache.set_len(len);
        file.reserved = file.reserved.min(len);
        file.lengths.push(Length { len, order, stuck: false, cut, grown: None });
        Ok(())
    }

    /// Reserves room for the first `len` bytes.
    pub(super) fn allocate(&mut self, inode: u64, len: u64) -> Result<(), Refused> {
        let file = self.file_mut(inode)?;
        file.reserved = file.reserved.max(len);
        if len > self.file(inode)?.cache.len() {
            self.truncate(inode, len)?;
        }
        Ok(())
    }

    /// Forgets the files that no name leads to, neither now nor after any crash, and that `open` does not keep.
    pub(super) fn sweep(&mut self, open: impl Fn(u64) -> bool) {
        let mut named = std::collections::BTreeSet::from([ROOT]);
        for node in self.nodes.values() {
            if let Node::Dir(dir) = node {
                for slot in dir.slots.values() {
                    named.extend(slot.base);
                    named.extend(slot.pending.iter().filter_map(|version| version.value));
                }
            }
        }
        self.nodes.retain(|inode, _| named.contains(inode) || open(*inode));
    }

    /// A digest of what is no node: entropy, clock and boot.
    pub(super) fn surroundings_digest(&self) -> u64 {
        let clock = self.clock.as_nanos() as u64;
        [self.entropy, clock ^ 1, self.boot ^ (1 << 63)]
            .into_iter()
            .fold(0, |sum, one| sum.wrapping_add(mix(one)))
    }

    /// Whether a rule of the profile holds.
    pub(super) const fn keeps(&self, rule: Rule) -> bool {
        self.profile.keeps(rule)
    }
}
