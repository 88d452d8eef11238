//! All that a loss of power can leave: the choices, and which of them go together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Rule;
use super::content::{Content, mix};
use super::disk::{Disk, FileNode, Node, Order, ROOT, Slot};
use super::durable::{Change, build};

/// More combinations of names than this are drawn, not listed.
const NAMES_LISTED: u128 = 4096;

/// The versions that one sector can have, without those that look the same.
#[derive(Debug, Clone)]
pub(super) struct Sector {
    pub(super) number: u64,
    /// For each distinct content the writes that leave it; `None` is the durable one.
    pub(super) options: Vec<Vec<Option<usize>>>,
}

/// What a file can hold with one length.
#[derive(Debug, Clone)]
pub(super) struct WithLength {
    /// How many of the pending lengths persist.
    pub(super) lengths: usize,
    pub(super) sectors: Vec<Sector>,
}

impl WithLength {
    pub(super) fn total(&self) -> u128 {
        self.sectors.iter().fold(1, |total, sector| total.saturating_mul(sector.options.len() as u128))
    }
}

/// What one file can hold.
#[derive(Debug)]
pub(super) struct FileSpace {
    pub(super) inode: u64,
    pub(super) choices: Vec<WithLength>,
    pub(super) total: u128,
}

/// One choice of names, and what the files that it leaves reachable can hold.
#[derive(Debug)]
pub(super) struct Names {
    /// For each slot how many of its pending versions persist.
    pub(super) versions: Vec<usize>,
    pub(super) files: Vec<Arc<FileSpace>>,
    /// The disk with these names; the files in `files` are still to be filled in.
    pub(super) template: Arc<Disk>,
    /// The digest of all nodes of `template` but those in `files`.
    pub(super) digest: u64,
    pub(super) total: u128,
}

/// All choices.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) disk: Arc<Disk>,
    /// The slots with pending versions.
    pub(super) slots: Vec<(u64, Arc<str>)>,
    pub(super) names: Vec<Names>,
    pub(super) total: u128,
    /// Whether `names` holds every combination.
    pub(super) complete: bool,
}

type Cache = BTreeMap<(u64, usize, usize), Arc<FileSpace>>;

impl Space {
    /// Without any choice yet.
    fn new(disk: &Arc<Disk>) -> Self {
        let mut slots = Vec::new();
        for (inode, node) in &disk.nodes {
            if let Node::Dir(dir) = node {
                let pending = dir.slots.iter().filter(|(_, slot)| !slot.pending.is_empty());
                slots.extend(pending.map(|(name, _)| (*inode, name.clone())));
            }
        }
        Self { disk: disk.clone(), slots, names: Vec::new(), total: 0, complete: true }
    }

    /// Only the choices that keep no pending name. None if the profile always keeps one.
    pub(super) fn without_names(disk: &Arc<Disk>) -> Option<Self> {
        let mut space = Self::new(disk);
        space.complete = false;
        let versions = vec![0; space.slots.len()];
        let ordered = disk.keeps(Rule::OrderedMetadata);
        if !ordered && !space.allowed(&versions) {
            return None;
        }
        let names = space.names(versions, ordered.then_some(0), &mut Cache::new());
        space.total = names.total;
        space.names.push(names);
        Some(space)
    }

    pub(super) fn of(disk: &Arc<Disk>, seed: u64) -> Self {
        let mut space = Self::new(disk);
        let (mut seen, mut cache) = (BTreeSet::new(), Cache::new());
        for (versions, horizon) in space.combinations(seed) {
            let names = space.names(versions, horizon, &mut cache);
            let windows = names.files.iter().map(|file| {
                let of = |choice: Option<&WithLength>| choice.map(|choice| choice.lengths);
                (file.inode, of(file.choices.first()), of(file.choices.last()))
            });
            if seen.insert((space.values(&names.versions), windows.collect::<Vec<_>>())) {
                space.total = space.total.saturating_add(names.total);
                space.names.push(names);
            }
        }
        space
    }

    pub(super) fn slot(&self, at: &(u64, Arc<str>)) -> Option<&Slot> {
        match self.disk.nodes.get(&at.0) {
            Some(Node::Dir(dir)) => dir.slots.get(&at.1),
            _ => None,
        }
    }

    fn pending_slots(&self) -> Vec<&Slot> {
        self.slots.iter().filter_map(|at| self.slot(at)).collect()
    }

    /// Where each slot leads with so many versions kept.
    pub(super) fn values(&self, versions: &[usize]) -> Vec<Option<u64>> {
        let slots = self.pending_slots();
        let value = |(slot, kept): (&&Slot, &usize)| match kept {
            0 => slot.base,
            kept => slot.pending[kept - 1].value,
        };
        slots.iter().zip(versions).map(value).collect()
    }

    /// The combinations of names that the profile allows, each with the order up to which all metadata is durable.
    fn combinations(&mut self, seed: u64) -> Vec<(Vec<usize>, Option<Order>)> {
        if self.disk.keeps(Rule::OrderedMetadata) {
            return self.prefixes();
        }
        let radices: Vec<usize> = self.pending_slots().iter().map(|slot| slot.pending.len() + 1).collect();
        let product = radices.iter().fold(1_u128, |product, radix| product.saturating_mul(*radix as u128));
        let candidates: Vec<Vec<usize>> = if product <= NAMES_LISTED {
            (0..product).map(|index| digits(index, &radices)).collect()
        } else {
            self.complete = false;
            let mut drawn = vec![vec![0; radices.len()], radices.iter().map(|radix| radix - 1).collect()];
            for draw in 0..NAMES_LISTED as u64 {
                let digit = |(at, radix): (usize, &usize)| {
                    (mix(seed ^ mix(draw ^ mix(at as u64))) % *radix as u64) as usize
                };
                drawn.push(radices.iter().enumerate().map(digit).collect());
            }
            drawn
        };
        candidates.into_iter().filter(|versions| self.allowed(versions)).map(|v| (v, None)).collect()
    }

    /// Rule N1: only prefixes of the order in which metadata was changed.
    fn prefixes(&self) -> Vec<(Vec<usize>, Option<Order>)> {
        let slots = self.pending_slots();
        let atomic = Order::from(self.disk.keeps(Rule::AtomicRename));
        let mut points = BTreeSet::from([0]);
        points
            .extend(slots.iter().flat_map(|slot| slot.pending.iter().map(|version| version.order | atomic)));
        for node in self.disk.nodes.values() {
            if let Node::File(file) = node {
                let explicit = file.lengths.iter().filter(|length| length.grown.is_none());
                points.extend(explicit.map(|length| length.order | atomic));
            }
        }
        let upto = |point: Order| {
            let kept =
                |slot: &&Slot| slot.pending.iter().take_while(|version| version.order <= point).count();
            slots.iter().map(kept).collect()
        };
        points.into_iter().map(|point| (upto(point), Some(point))).collect()
    }

    /// Whether no rename loses its file: the removal of the source never comes before the target.
    fn allowed(&self, versions: &[usize]) -> bool {
        let atomic = self.disk.keeps(Rule::AtomicRename);
        self.slots.iter().zip(versions).all(|(at, kept)| {
            let Some(slot) = self.slot(at) else { return true };
            slot.pending.iter().enumerate().all(|(index, version)| {
                let Some(target) = &version.target else { return true };
                let removed = index < *kept;
                let Some(there) = self.slots.iter().position(|slot| slot == target) else { return true };
                let targets = self.slot(target).map_or(&[][..], |slot| &slot.pending);
                let Some(added) = targets.iter().position(|v| v.order + 1 == version.order) else {
                    return removed || !atomic;
                };
                let added = added < versions[there];
                if atomic { added == removed } else { added || !removed }
            })
        })
    }

    /// Lays out one combination of names.
    fn names(&self, versions: Vec<usize>, horizon: Option<Order>, cache: &mut Cache) -> Names {
        let mut disk = Disk::clone(&self.disk);
        for (at, value) in self.slots.iter().zip(self.values(&versions)) {
            if let Ok(dir) = disk.dir_mut(at.0) {
                match value {
                    None => drop(dir.slots.remove(&at.1)),
                    Some(_) => {
                        drop(dir.slots.insert(at.1.clone(), Slot { base: value, pending: Vec::new() }))
                    }
                }
            }
        }
        let reached = reachable(&disk);
        disk.nodes.retain(|inode, _| reached.contains_key(inode));
        let floors = self.floors(&versions);
        let (mut files, mut digest) = (Vec::new(), 0_u64);
        for (inode, node) in &mut disk.nodes {
            if let Node::File(file) = node {
                let home = reached.get(inode).cloned().flatten();
                let open = !file.writes.is_empty() || !file.lengths.is_empty();
                let window = window(file, horizon, floors.get(inode).copied());
                let source = file.clone();
                if open {
                    let key = (*inode, *window.start(), *window.end());
                    let space = cache
                        .entry(key)
                        .or_insert_with(|| Arc::new(file_space(*inode, &source, window, &self.disk)));
                    files.push(space.clone());
                }
                rest(file, home, &self.disk);
            }
            if files.last().is_none_or(|file| file.inode != *inode) {
                digest = digest.wrapping_add(node_digest(*inode, node));
            }
        }
        disk.next_inode = disk.nodes.keys().next_back().map_or(ROOT, |last| *last) + 1;
        disk.order = 0;
        disk.boot += 1;
        let digest = digest.wrapping_add(disk.surroundings_digest());
        let total = files.iter().fold(1_u128, |total, file| total.saturating_mul(file.total));
        Names { versions, files, template: Arc::new(disk), digest, total }
    }

    /// Rule N9: the files whose rename over a name persists, and the order of that rename.
    fn floors(&self, versions: &[usize]) -> BTreeMap<u64, Order> {
        let mut floors = BTreeMap::new();
        if self.disk.keeps(Rule::RenameOverKeepsLength) {
            for (slot, kept) in self.pending_slots().iter().zip(versions) {
                for version in &slot.pending[..*kept] {
                    floors.extend(version.length_of.map(|inode| (inode, version.order)));
                }
            }
        }
        floors
    }

    /// The file with one choice made: its bytes and length.
    pub(super) fn content(&self, inode: u64, choice: &WithLength, options: &[usize]) -> Content {
        let Ok(file) = self.disk.file(inode) else { return Content::default() };
        let kept = &file.lengths[..choice.lengths];
        let len = kept.last().map_or(file.base.len(), |length| length.len);
        let mut changes: Vec<_> =
            kept.iter().filter(|l| l.cut).map(|l| (l.order, Change::Cut(l.len))).collect();
        for (sector, option) in choice.sectors.iter().zip(options) {
            if let Some(Some(write)) = sector.options[*option].first() {
                let write = &file.writes[*write];
                changes.push((write.order, Change::Sector(sector.number, &write.after)));
            }
        }
        build(&file.base, &mut changes, len, u64::from(self.disk.profile.sector))
    }
}

/// The digits of `index`, the first one least.
pub(super) fn digits(mut index: u128, radices: &[usize]) -> Vec<usize> {
    let digit = |radix: &usize| {
        let digit = (index % *radix as u128) as usize;
        index /= *radix as u128;
        digit
    };
    radices.iter().map(digit).collect()
}

/// The nodes that names lead to, with the name of each.
fn reachable(disk: &Disk) -> BTreeMap<u64, Option<(u64, Arc<str>)>> {
    let mut reached = BTreeMap::from([(ROOT, None)]);
    let mut todo = vec![ROOT];
    while let Some(inode) = todo.pop() {
        let Ok(dir) = disk.dir(inode) else { continue };
        for (name, slot) in &dir.slots {
            if let Some(child) = slot.base
                && disk.nodes.contains_key(&child)
            {
                reached.insert(child, Some((inode, name.clone())));
                todo.push(child);
            }
        }
    }
    reached
}

/// Makes a file what it is after a restart: nothing pending, the name that was found.
fn rest(file: &mut Arc<FileNode>, home: Option<(u64, Arc<str>)>, disk: &Disk) {
    let moved = home.as_ref().is_some_and(|home| *home != file.home);
    if !moved && file.lost.is_none() && file.writes.is_empty() && file.lengths.is_empty() && !file.diverged {
        return;
    }
    let file = Arc::make_mut(file);
    if let Some(home) = home {
        let path = file.path.parent().map(|parent| parent.join(&*home.1));
        if let Some(path) = path.filter(|_| moved) {
            file.role = super::Role::of(&path, &disk.log_dir);
            file.path = Arc::from(path);
        }
        file.home = home;
    }
    file.lost = None;
    file.diverged = false;
    file.cache = file.base.clone();
    file.reserved = 0;
    file.writes.clear();
    file.lengths.clear();
}

/// How many of a file's lengths may persist.
fn window(file: &FileNode, horizon: Option<Order>, floor: Option<Order>) -> RangeInclusive<usize> {
    let explicit = |length: &super::disk::Length| length.grown.is_none();
    let (mut low, mut high) = (0, file.lengths.len());
    if let Some(horizon) = horizon {
        low = file.lengths.iter().rposition(|l| explicit(l) && l.order <= horizon).map_or(0, |at| at + 1);
        high = file.lengths.iter().position(|l| explicit(l) && l.order > horizon).unwrap_or(high);
    }
    if let Some(floor) = floor {
        low = low.max(file.lengths.iter().filter(|length| length.order <= floor).count());
    }
    low..=high.max(low)
}

/// What a file can hold with the lengths in `window`.
fn file_space(inode: u64, file: &FileNode, window: RangeInclusive<usize>, disk: &Disk) -> FileSpace {
    let sector = u64::from(disk.profile.sector);
    let mut versions: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, write) in file.writes.iter().enumerate() {
        for number in write.sectors.iter().cloned().flatten() {
            versions.entry(number).or_default().push(index);
        }
    }
    let any_cut = file.lengths.iter().any(|length| length.cut);
    let classes = |kept: usize| -> Vec<Sector> {
        let cuts: Vec<_> = file.lengths[..kept].iter().filter(|l| l.cut).map(|l| (l.order, l.len)).collect();
        let sectors = versions.iter().map(|(number, writes)| Sector {
            number: *number,
            options: distinct(file, *number, writes, &cuts, sector),
        });
        sectors.collect()
    };
    let uncut = (!any_cut).then(|| classes(0));
    let choices: Vec<_> = window
        .map(|kept| {
            let len = kept.checked_sub(1).map_or(file.base.len(), |last| file.lengths[last].len);
            let mut sectors = uncut.clone().unwrap_or_else(|| classes(kept));
            sectors.retain(|sector_of| sector_of.number * sector < len);
            if let Some(last) = kept.checked_sub(1).filter(|_| disk.keeps(Rule::GrowthWithData)) {
                with_data(file, &file.lengths[last], &mut sectors);
            }
            sectors.retain(|sector| sector.options.len() > 1 || sector.options[0].first() != Some(&None));
            WithLength { lengths: kept, sectors }
        })
        .collect();
    let total = choices.iter().fold(0_u128, |total, choice| total.saturating_add(choice.total()));
    FileSpace { inode, choices, total }
}

/// Rule N8: the sectors of the page that brought the length hold what that write, or a later one, left.
fn with_data(file: &FileNode, length: &super::disk::Length, sectors: &mut [Sector]) {
    let Some(grown) = &length.grown else { return };
    for sector in sectors.iter_mut().filter(|sector| grown.contains(&sector.number)) {
        let new = |write: &Option<usize>| write.is_some_and(|at| file.writes[at].order >= length.order);
        if sector.options.iter().any(|class| class.iter().any(new)) {
            sector.options.retain(|class| class.iter().any(new));
        }
    }
}

/// The distinct contents of a sector: the durable one and those that each write left, as the cuts leave them.
fn distinct(
    file: &FileNode,
    number: u64,
    writes: &[usize],
    cuts: &[(Order, u64)],
    sector: u64,
) -> Vec<Vec<Option<usize>>> {
    let at = number * sector;
    let look = |content: &Content, order: Order| {
        let mut bytes = content.padded(at, sector as usize);
        for (_, len) in cuts.iter().filter(|(cut, _)| *cut > order) {
            bytes[len.saturating_sub(at).min(sector) as usize..].fill(0);
        }
        bytes
    };
    let mut classes = vec![(look(&file.base, 0), vec![None])];
    for index in writes {
        let write = &file.writes[*index];
        let bytes = look(&write.after, write.order);
        match classes.iter_mut().find(|(seen, _)| *seen == bytes) {
            Some((_, class)) => class.push(Some(*index)),
            None => classes.push((bytes, vec![Some(*index)])),
        }
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

/// A digest of a node at rest.
pub(super) fn node_digest(inode: u64, node: &Node) -> u64 {
    match node {
        Node::Dir(dir) => dir.slots.iter().fold(mix(inode), |sum, (name, slot)| {
            let child = mix(slot.now().map_or(0, |child| child));
            sum.wrapping_add(mix(super::content::hash_bytes(name.as_bytes()) ^ child ^ mix(inode)))
        }),
        Node::File(file) => file_digest(inode, &file.base),
    }
}

/// A digest of a file at rest.
pub(super) fn file_digest(inode: u64, content: &Content) -> u64 {
    mix(content.digest() ^ mix(inode))
}
