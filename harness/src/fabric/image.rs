//! A disk at rest: what a new life begins with.

use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::Profile;
use super::content::mix;
use super::disk::{Disk, FileNode, Node, Slot};
use super::space::node_digest;

/// A disk at rest, with the state of clock and entropy: equal images have equal futures.
///
/// Cheap to clone. After a process crash it also holds what is not durable yet; after a loss of power nothing is.
#[derive(Debug, Clone)]
pub struct Image {
    disk: Arc<Disk>,
    digest: u64,
}

impl Image {
    pub(super) const fn new(disk: Arc<Disk>, digest: u64) -> Self {
        Self { disk, digest }
    }

    /// The image of a disk that may have pending units.
    pub(super) fn of(disk: Disk) -> Self {
        let mut digest = disk.surroundings_digest();
        for (inode, node) in &disk.nodes {
            digest = digest.wrapping_add(node_digest(*inode, node));
            if let Node::File(file) = node {
                // Lengths and counts tell most pending states apart; equality looks at the rest.
                let pending = (file.writes.len() as u64) << 32 | file.lengths.len() as u64;
                digest = digest.wrapping_add(mix(file.cache.digest() ^ mix(pending)));
            }
        }
        Self { disk: Arc::new(disk), digest }
    }

    pub(super) const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// The profile of the disk.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.disk.profile
    }

    /// A digest of the whole: equal images have equal ones. Different images have different ones but for chance.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.digest
    }

    /// The names in a directory, sorted; `None` if it is not there.
    #[must_use]
    pub fn names(&self, dir: &Path) -> Option<Vec<String>> {
        let dir = self.disk.dir(self.disk.find(dir).ok()?).ok()?;
        let there = dir.slots.iter().filter(|(_, slot)| slot.now().is_some());
        Some(there.map(|(name, _)| name.to_string()).collect())
    }

    /// The bytes of a file; `None` if it is not there.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let cache = &self.file(path)?.cache;
        Some(cache.padded(0, cache.len() as usize))
    }

    /// The length of a file in bytes; `None` if it is not there.
    #[must_use]
    pub fn len_of(&self, path: &Path) -> Option<u64> {
        self.file(path).map(|file| file.cache.len())
    }

    /// The inode that a path leads to.
    #[must_use]
    pub fn inode(&self, path: &Path) -> Option<u64> {
        self.disk.find(path).ok()
    }

    /// Whether a path leads anywhere.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.inode(path).is_some()
    }

    pub(super) fn file(&self, path: &Path) -> Option<&FileNode> {
        self.disk.file(self.disk.find(path).ok()?).ok()
    }

    /// The same image with the disk changed, at rest again.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Disk)) -> Self {
        let mut disk = Disk::clone(&self.disk);
        change(&mut disk);
        Self::of(disk)
    }

    /// The log's directory is a copy from now on: it and its files are new, and nothing of that is durable. What it is a
    /// copy of is gone. `None` if there is no log's directory.
    #[must_use]
    pub fn copied(&self) -> Option<Self> {
        let dir = &*self.disk.log_dir;
        let names = self.names(dir)?;
        let files: Vec<_> =
            names.iter().map(|name| Some((dir.join(name), self.read(&dir.join(name))?))).collect();
        let files = files.into_iter().collect::<Option<Vec<_>>>()?;
        let (parent, name) = self.disk.split(dir).ok()?;
        let mut copied = Ok(());
        let image = self.changed(|disk| {
            copied = disk.dir_mut(parent).map(|dir| drop::<Option<Slot>>(dir.slots.remove(&name)));
            copied = copied.and_then(|()| disk.create_dir(dir));
            for (path, bytes) in &files {
                copied =
                    copied.and_then(|()| disk.create(path)).and_then(|inode| disk.write(inode, 0, bytes));
            }
            disk.sweep(|_| false);
            // The files of the directory that is gone go with the second look.
            disk.sweep(|_| false);
        });
        copied.ok().map(|()| image)
    }

    /// Removes a name and, for good, what it leads to.
    pub(super) fn removed(&self, path: &Path) -> Option<Self> {
        let (dir, name) = self.disk.split(path).ok()?;
        self.file(path)?;
        Some(self.changed(|disk| {
            if let Ok(dir) = disk.dir_mut(dir) {
                drop::<Option<Slot>>(dir.slots.remove(&name));
            }
            disk.sweep(|_| false);
        }))
    }
}

impl PartialEq for FileNode {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
            && self.base == other.base
            && self.cache == other.cache
            && self.writes == other.writes
            && self.lengths == other.lengths
            && self.reserved == other.reserved
    }
}

impl Eq for FileNode {}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.disk, &*other.disk);
        if Arc::ptr_eq(&self.disk, &other.disk) {
            return true;
        }
        let same = |(one, two): ((&u64, &Node), (&u64, &Node))| {
            one.0 == two.0
                && match (one.1, two.1) {
                    (Node::Dir(one), Node::Dir(two)) => Arc::ptr_eq(one, two) || one == two,
                    (Node::File(one), Node::File(two)) => Arc::ptr_eq(one, two) || one == two,
                    _ => false,
                }
        };
        self.digest == other.digest
            && a.profile == b.profile
            && a.entropy == b.entropy
            && a.clock == b.clock
            && a.boot == b.boot
            && a.nodes.len() == b.nodes.len()
            && a.nodes.iter().zip(&b.nodes).all(same)
    }
}

impl Eq for Image {}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}
