//! The disk at one moment, and what a crash of that moment can leave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;

use thiserror::Error;

use super::disk::{Disk, FileNode, Node};
use super::images::image;
use super::space::{FileSpace, Space};
use super::{Choice, Image, Images, Role, Unit, UnitKind};

/// The disk at one moment. Cheap to take and to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What the page cache holds, without the writes in flight.
    cache: Arc<Disk>,
    /// The same with the writes in flight pending.
    disk: Arc<Disk>,
    space: OnceLock<Arc<Space>>,
}

/// Why units cannot be kept together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeepError {
    /// No such unit is pending.
    #[error("`{0}` is not pending")]
    NotPending(Unit),
    /// The profile's rules never leave these units without others.
    #[error("the profile never keeps these units, and only these")]
    Forbidden,
}

impl Snapshot {
    pub(super) const fn new(cache: Arc<Disk>, disk: Arc<Disk>) -> Self {
        Self { cache, disk, space: OnceLock::new() }
    }

    fn space(&self) -> &Arc<Space> {
        self.space.get_or_init(|| Arc::new(Space::of(&self.disk, 0)))
    }

    /// All that is not durable, in a fixed order.
    #[must_use]
    pub fn pending(&self) -> Vec<Unit> {
        let mut units: Vec<_> = name_units(&self.disk).into_iter().map(|(unit, ..)| unit).collect();
        for (inode, ago) in agos(&self.disk) {
            if let Ok(file) = self.disk.file(inode) {
                units.extend(length_units(file, ago));
                units.extend(sector_units(file, ago).into_keys());
            }
        }
        units.sort_unstable();
        units
    }

    /// All distinct images that a loss of power can leave if their choices are at most `limit`, else a sample of
    /// `limit` by `seed`; [`Images::coverage`] says which.
    #[must_use]
    pub fn images(&self, limit: usize, seed: u64) -> Images {
        Images::new(self.space().clone(), limit, seed)
    }

    /// The image that keeps these units and no others; of several versions of one thing the last one counts.
    ///
    /// # Errors
    /// When a unit is not pending, or the profile's rules forbid the choice.
    pub fn image(&self, keep: &[Unit]) -> Result<Image, KeepError> {
        let pending = self.pending();
        if let Some(unit) = keep.iter().find(|unit| !pending.contains(unit)) {
            return Err(KeepError::NotPending(*unit));
        }
        let space = self.space();
        let mut versions = vec![0; space.slots.len()];
        for (unit, slot, version) in name_units(&self.disk) {
            if let (true, Some(at)) = (keep.contains(&unit), space.slots.iter().position(|s| *s == slot)) {
                versions[at] = versions[at].max(version);
            }
        }
        let wanted = space.values(&versions);
        let agos = agos(&self.disk);
        let fitting =
            space.names.iter().enumerate().filter(|(_, names)| space.values(&names.versions) == wanted);
        let mut choices = fitting.filter_map(|(at, names)| {
            let files = names.files.iter().map(|file| {
                let ago = agos.get(&file.inode).copied().unwrap_or(0);
                self.disk.file(file.inode).ok().and_then(|node| choose(node, file, ago, keep))
            });
            Some(Choice { names: at, files: files.collect::<Option<_>>()? })
        });
        choices.next().map(|choice| image(space, &choice)).ok_or(KeepError::Forbidden)
    }

    /// The image that keeps nothing: what is sure to be there.
    ///
    /// # Errors
    /// When the profile's rules always keep something.
    pub fn durable(&self) -> Result<Image, KeepError> {
        let least = |space: &Space| {
            let names = space.names.first()?;
            let files = names.files.iter().map(|file| choose(self.disk.file(file.inode).ok()?, file, 0, &[]));
            Some(image(space, &Choice { names: 0, files: files.collect::<Option<_>>()? }))
        };
        // Most of all choices are not needed for the least one.
        match Space::without_names(&self.disk).as_ref().and_then(least) {
            Some(image) => Ok(image),
            None => self.image(&[]),
        }
    }

    /// The units that a choice keeps: what [`Snapshot::image`] takes to give the same image.
    #[must_use]
    pub fn kept(&self, choice: &Choice) -> Vec<Unit> {
        let space = self.space();
        let Some(names) = space.names.get(choice.names) else { return Vec::new() };
        let mut kept = Vec::new();
        for (unit, slot, version) in name_units(&self.disk) {
            let at = space.slots.iter().position(|s| *s == slot);
            if at.is_some_and(|at| names.versions[at] == version) {
                kept.push(unit);
            }
        }
        let agos = agos(&self.disk);
        for (file, picked) in names.files.iter().zip(&choice.files) {
            if let Ok(node) = self.disk.file(file.inode) {
                kept.extend(kept_of(node, file, picked, agos.get(&file.inode).copied().unwrap_or(0)));
            }
        }
        kept.sort_unstable();
        kept
    }

    /// What the next process finds when this one dies: the page cache, with all that is pending still pending.
    #[must_use]
    pub fn process_crash(&self) -> Image {
        let mut disk = Disk::clone(&self.cache);
        disk.sweep(|_| false);
        Image::of(disk)
    }

    /// As [`Snapshot::process_crash`], with the writes in flight done wholly.
    #[must_use]
    pub fn process_crash_after(&self) -> Image {
        let mut disk = Disk::clone(&self.disk);
        for node in disk.nodes.values_mut() {
            if let Node::File(file) = node
                && file.writes.iter().any(|write| write.garbage)
            {
                Arc::make_mut(file).writes.retain(|write| !write.garbage);
            }
        }
        disk.sweep(|_| false);
        Image::of(disk)
    }
}

/// The role of a slot.
fn slot_role(disk: &Disk, slot: &(u64, Arc<str>)) -> Role {
    let mut path = std::path::PathBuf::from(&*slot.1);
    let mut at = slot.0;
    while let Ok(dir) = disk.dir(at) {
        if dir.home.0 == at {
            break;
        }
        path = std::path::Path::new(&*dir.home.1).join(path);
        at = dir.home.0;
    }
    Role::of(&std::path::Path::new("/").join(path), &disk.log_dir)
}

/// The pending names: unit, slot, and which of the slot's versions it is.
fn name_units(disk: &Disk) -> Vec<(Unit, (u64, Arc<str>), usize)> {
    let mut units = Vec::new();
    let mut foreign: BTreeMap<Role, u32> = BTreeMap::new();
    for (inode, node) in &disk.nodes {
        let Node::Dir(dir) = node else { continue };
        for (name, slot) in dir.slots.iter().filter(|(_, slot)| !slot.pending.is_empty()) {
            let at = (*inode, name.clone());
            let role = slot_role(disk, &at);
            // Only foreign names and ancestors can share a role: they are told apart by their order.
            let ago = foreign.entry(role).and_modify(|ago| *ago += 1).or_insert(0);
            let (mut added, mut gone) = (0, 0);
            for (index, version) in slot.pending.iter().enumerate() {
                let (kind, count) = match version.value {
                    Some(_) => (UnitKind::Name, &mut added),
                    None => (UnitKind::Gone, &mut gone),
                };
                *count += 1;
                units.push((Unit { role, ago: *ago, kind, version: *count }, at.clone(), index + 1));
            }
        }
    }
    units
}

/// For each file how many others had its name after it.
fn agos(disk: &Disk) -> BTreeMap<u64, u32> {
    let mut by_role: BTreeMap<Role, Vec<(u64, &FileNode)>> = BTreeMap::new();
    for (inode, node) in &disk.nodes {
        if let Node::File(file) = node {
            by_role.entry(file.role).or_default().push((*inode, file));
        }
    }
    let mut agos = BTreeMap::new();
    for files in by_role.values_mut() {
        files.sort_by_key(|(inode, file)| {
            (file.lost.is_some(), std::cmp::Reverse(file.lost), std::cmp::Reverse(*inode))
        });
        // A name without a current file: its last one is `~1`, for 0 is the one that has the name now.
        let from = u32::from(files.first().is_some_and(|(_, file)| file.lost.is_some()));
        agos.extend(files.iter().zip(from..).map(|((inode, _), ago)| (*inode, ago)));
    }
    agos
}

fn length_units(file: &FileNode, ago: u32) -> impl Iterator<Item = Unit> {
    let unit = move |version| Unit { role: file.role, ago, kind: UnitKind::Size, version };
    (1..).take(file.lengths.len()).map(unit)
}

/// The pending sectors of a file, and the write that each comes from.
fn sector_units(file: &FileNode, ago: u32) -> BTreeMap<Unit, usize> {
    let mut versions: BTreeMap<(u64, bool), u32> = BTreeMap::new();
    let mut units = BTreeMap::new();
    for (index, write) in file.writes.iter().enumerate() {
        for number in write.sectors.iter().cloned().flatten() {
            let version = versions.entry((number, write.garbage)).or_insert(0);
            *version += 1;
            let kind = if write.garbage { UnitKind::Garbage(number) } else { UnitKind::Sector(number) };
            units.insert(Unit { role: file.role, ago, kind, version: *version }, index);
        }
    }
    units
}

/// The choice within a file that keeps these units, if its space has it.
fn choose(node: &FileNode, file: &FileSpace, ago: u32, keep: &[Unit]) -> Option<(usize, Vec<usize>)> {
    let mine = |unit: &&Unit| unit.role == node.role && unit.ago == ago;
    let lengths = keep.iter().filter(mine).filter(|unit| unit.kind == UnitKind::Size);
    let lengths = lengths.map(|unit| unit.version as usize).max().unwrap_or(0);
    let at = file.choices.iter().position(|choice| choice.lengths == lengths)?;
    let units = sector_units(node, ago);
    let options = file.choices[at].sectors.iter().map(|sector| {
        let of = |unit: &&Unit| {
            matches!(unit.kind, UnitKind::Sector(n) | UnitKind::Garbage(n) if n == sector.number)
        };
        let write = keep.iter().filter(mine).filter(of).filter_map(|unit| units.get(unit).copied()).max();
        sector.options.iter().position(|class| class.contains(&write))
    });
    Some((at, options.collect::<Option<_>>()?))
}

fn kept_of(node: &FileNode, file: &FileSpace, picked: &(usize, Vec<usize>), ago: u32) -> Vec<Unit> {
    let Some(choice) = file.choices.get(picked.0) else { return Vec::new() };
    let mut kept = Vec::new();
    if choice.lengths > 0 {
        let version = choice.lengths as u32;
        kept.push(Unit { role: node.role, ago, kind: UnitKind::Size, version });
    }
    let units = sector_units(node, ago);
    for (sector, option) in choice.sectors.iter().zip(&picked.1) {
        if let Some(Some(write)) = sector.options[*option].first() {
            kept.extend(units.iter().filter_map(|(unit, of)| {
                let here =
                    matches!(unit.kind, UnitKind::Sector(n) | UnitKind::Garbage(n) if n == sector.number);
                (here && of == write).then_some(*unit)
            }));
        }
    }
    kept
}
