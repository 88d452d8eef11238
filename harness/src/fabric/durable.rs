//! What a sync makes durable.

use std::ops::Range;
use std::sync::Arc;

use super::content::{Content, mix};
use super::disk::{Disk, FileNode, NameVersion, Node, Order, ROOT, Refused, Write};
use super::{Fault, Reads, Rule};

/// One thing that changes a file's bytes, in the order in which it was done.
pub(super) enum Change<'a> {
    /// The sector of this number holds what it held in `after`.
    Sector(u64, &'a Content),
    /// What is behind this length is gone.
    Cut(u64),
}

/// A file made of `base`, the changes in their order, and a length.
pub(super) fn build(
    base: &Content,
    changes: &mut Vec<(Order, Change<'_>)>,
    len: u64,
    sector: u64,
) -> Content {
    changes.sort_by_key(|(order, _)| *order);
    let mut content = base.clone();
    let mut buf = [0; 4096];
    for (_, change) in changes.iter() {
        match change {
            Change::Sector(number, after) => {
                let got = after.read(&mut buf[..sector as usize], number * sector);
                content.write(&buf[..got], number * sector);
            }
            Change::Cut(at) if *at < content.len() => content.set_len(*at),
            Change::Cut(_) => {}
        }
    }
    content.set_len(len);
    content
}

/// `ranges` without `gone`.
fn without(ranges: &[Range<u64>], gone: &Range<u64>) -> Vec<Range<u64>> {
    let parts =
        |range: &Range<u64>| [range.start..range.end.min(gone.start), range.start.max(gone.end)..range.end];
    ranges.iter().flat_map(parts).filter(|range| !range.is_empty()).collect()
}

impl FileNode {
    /// Makes the bytes written up to `upto` durable and, if `lengths`, the lengths too.
    fn settle(&mut self, upto: Order, lengths: bool, sector: u64) {
        let due = |order: Order, stuck: bool| order <= upto && !stuck;
        let data_end =
            self.writes.iter().filter(|write| due(write.order, write.stuck)).fold(0, |end, write| {
                let last = write.sectors.last().map_or(0, |range| range.end * sector);
                end.max(last.min(write.after.len()))
            });
        let grown =
            self.lengths.iter().any(|length| due(length.order, length.stuck) && length.grown.is_some());
        let with_length = lengths || grown || data_end > self.base.len();
        let all = self.writes.iter().all(|write| due(write.order, write.stuck))
            && self.lengths.iter().all(|length| due(length.order, length.stuck));
        if all && !self.diverged && (with_length || self.lengths.is_empty()) {
            self.base = self.cache.clone();
            self.writes.clear();
            self.lengths.clear();
            return;
        }
        // Data behind the durable length needs a length, even one whose own sync failed.
        let forced = data_end > self.base.len();
        let kept = self
            .lengths
            .iter()
            .rposition(|length| with_length && length.order <= upto && (forced || !length.stuck));
        let settled: Vec<_> = kept.map_or_else(Vec::new, |last| self.lengths.drain(..=last).collect());
        let len = settled.last().map_or(self.base.len(), |length| length.len);
        let (done, rest): (Vec<_>, Vec<_>) =
            self.writes.drain(..).partition(|write| due(write.order, write.stuck));
        self.writes = rest;
        let mut changes = Vec::new();
        for write in &done {
            for range in &write.sectors {
                changes
                    .extend(range.clone().map(|number| (write.order, Change::Sector(number, &write.after))));
                for older in self.writes.iter_mut().filter(|older| older.order < write.order) {
                    older.sectors = without(&older.sectors, range);
                }
            }
        }
        changes.extend(settled.iter().filter(|l| l.cut).map(|l| (l.order, Change::Cut(l.len))));
        self.base = build(&self.base, &mut changes, len, sector);
        self.writes.retain(|write| !write.sectors.is_empty());
    }

    /// Makes the lengths set up to `upto` durable, and nothing else.
    fn settle_lengths(&mut self, upto: Order, sector: u64) {
        let Some(last) = self.lengths.iter().rposition(|l| l.order <= upto && !l.stuck && l.grown.is_none())
        else {
            return;
        };
        let settled: Vec<_> = self.lengths.drain(..=last).collect();
        let len = settled.last().map_or(0, |length| length.len);
        let mut cuts = settled.iter().filter(|l| l.cut).map(|l| (l.order, Change::Cut(l.len))).collect();
        self.base = build(&self.base, &mut cuts, len, sector);
    }

    /// After a failed sync: the pages are clean, so no later sync writes them.
    fn fail(&mut self, upto: Order, reads: Reads, sector: u64) {
        for length in self.lengths.iter_mut().filter(|length| length.order <= upto) {
            length.stuck = true;
        }
        if reads == Reads::New {
            for write in self.writes.iter_mut().filter(|write| write.order <= upto) {
                write.stuck = true;
            }
            return;
        }
        let (done, rest): (Vec<_>, Vec<_>) = self.writes.drain(..).partition(|write| write.order <= upto);
        self.writes = rest;
        let inside = self.base.len() / sector;
        let numbers: std::collections::BTreeSet<u64> =
            done.iter().flat_map(|write| write.sectors.iter().cloned().flatten()).collect();
        for &number in numbers.range(..inside) {
            let at = number * sector;
            let covers = |w: &Write| w.sectors.iter().any(|range| range.contains(&number));
            let reached = matches!(reads, Reads::Mixed(seed) if mix(seed ^ mix(number)) & 1 == 1);
            if let Some(last) = done.iter().rfind(|write| covers(write)).filter(|_| reached) {
                self.base.write_within(&last.after.padded(at, sector as usize), at);
            }
            if !self.writes.iter().any(covers) {
                self.cache.write_within(&self.base.padded(at, sector as usize), at);
            }
        }
        // Behind the durable length nothing can be read back from the device: these stay in the cache, clean.
        for mut write in done {
            write.sectors = without(&write.sectors, &(0..inside));
            write.stuck = true;
            if !write.sectors.is_empty() {
                self.writes.push(write);
            }
        }
        self.writes.sort_by_key(|write| write.order);
    }
}

impl Disk {
    fn sector(&self) -> u64 {
        u64::from(self.profile.sector)
    }

    /// A successful sync of a file: all that was done up to `upto`.
    pub(super) fn sync_file(&mut self, inode: u64, upto: Order, data_only: bool) -> Result<(), Refused> {
        let sector = self.sector();
        let file = self.file_mut(inode)?;
        let grew = file.lengths.iter().any(|length| length.order <= upto && length.grown.is_some());
        let explicit = file
            .lengths
            .iter()
            .rev()
            .find(|l| l.order <= upto && l.grown.is_none())
            .map(|length| length.order);
        file.settle(upto, !data_only, sector);
        if let Some(order) = explicit
            && self.keeps(Rule::OneJournal)
            && !self.file(inode)?.lengths.iter().any(|length| length.order == order)
        {
            self.sync_journal(order);
        }
        self.sync_names_of(inode, upto, data_only, grew)
    }

    /// Rules N4 to N7: the names that a sync of a file makes durable.
    fn sync_names_of(&mut self, inode: u64, upto: Order, data_only: bool, grew: bool) -> Result<(), Refused> {
        let file = self.file(inode)?;
        if file.lost.is_some() {
            return Ok(());
        }
        let home = file.home.clone();
        let Some(slot) = self.dir(home.0)?.slots.get(&home.1) else { return Ok(()) };
        let Some(version) = slot.pending.iter().rfind(|v| v.value == Some(inode) && v.order <= upto) else {
            return Ok(());
        };
        let order = version.order;
        let renamed = self.is_rename(&home, order);
        let covered = if renamed {
            (self.keeps(Rule::SyncNamesRenamedFile) && (!data_only || grew))
                || (self.keeps(Rule::DatasyncNamesRenamedFile) && data_only)
        } else {
            self.keeps(Rule::SyncNamesNewFile)
        };
        if !covered {
            return Ok(());
        }
        self.settle_name(&home, order, true)?;
        if self.keeps(Rule::AtomicRename) {
            self.settle_sources(&home, order)?;
        }
        let mut at = home.0;
        while self.keeps(Rule::SyncNamesParents) && at != ROOT {
            let above = self.dir(at)?.home.clone();
            self.settle_name(&above, upto, true)?;
            at = above.0;
        }
        Ok(())
    }

    fn is_rename(&self, target: &(u64, Arc<str>), order: Order) -> bool {
        self.sources(target, order).next().is_some()
    }

    /// The slots that the rename at `order` removed, if they are not durable.
    fn sources<'a>(
        &'a self,
        target: &'a (u64, Arc<str>),
        order: Order,
    ) -> impl Iterator<Item = (u64, Arc<str>)> + 'a {
        let dirs = self.nodes.iter().filter_map(|(inode, node)| match node {
            Node::Dir(dir) => Some((*inode, dir)),
            Node::File(_) => None,
        });
        dirs.flat_map(move |(inode, dir)| {
            let slots = dir.slots.iter();
            slots.filter_map(move |(name, slot)| {
                let hit =
                    slot.pending.iter().any(|v| v.order == order + 1 && v.target.as_ref() == Some(target));
                hit.then(|| (inode, name.clone()))
            })
        })
    }

    fn settle_sources(&mut self, target: &(u64, Arc<str>), order: Order) -> Result<(), Refused> {
        let sources: Vec<_> = self.sources(target, order).collect();
        for source in sources {
            self.settle_name(&source, order + 1, true)?;
        }
        Ok(())
    }

    /// Makes the versions of one slot up to `upto` durable, and what they need. `forced` ones even if a sync failed.
    fn settle_name(&mut self, at: &(u64, Arc<str>), upto: Order, forced: bool) -> Result<(), Refused> {
        let due = |version: &NameVersion| version.order <= upto && (forced || !version.stuck);
        let Some(slot) = self.dir(at.0)?.slots.get(&at.1) else { return Ok(()) };
        let Some(last) = slot.pending.iter().rposition(due) else { return Ok(()) };
        let slot = self.dir_mut(at.0)?.slots.entry(at.1.clone()).or_default();
        let settled: Vec<_> = slot.pending.drain(..=last).collect();
        slot.base = settled.last().and_then(|version| version.value);
        if slot.base.is_none() && slot.pending.is_empty() {
            self.dir_mut(at.0)?.slots.remove(&at.1);
        }
        for version in &settled {
            // A rename's target is never missing: the removal of the source takes it along.
            if let Some(target) = &version.target {
                self.settle_name(target, version.order - 1, true)?;
            }
            if let (Some(inode), true) = (version.length_of, self.keeps(Rule::RenameOverKeepsLength)) {
                self.settle_grown(inode, version.order);
            }
        }
        if self.keeps(Rule::OneJournal)
            && let Some(order) = settled.last().map(|version| version.order)
        {
            self.sync_journal(order);
        }
        Ok(())
    }

    /// Rule N9: the length that the source of a rename had becomes durable with the rename.
    fn settle_grown(&mut self, inode: u64, upto: Order) {
        let sector = self.sector();
        if let Ok(file) = self.file_mut(inode)
            && let Some(last) = file.lengths.iter().rposition(|length| length.order <= upto)
        {
            let settled: Vec<_> = file.lengths.drain(..=last).collect();
            let len = settled.last().map_or(0, |length| length.len);
            let mut cuts = settled.iter().filter(|l| l.cut).map(|l| (l.order, Change::Cut(l.len))).collect();
            file.base = build(&file.base, &mut cuts, len, sector);
        }
    }

    /// Rule N2: all metadata up to `upto` becomes durable. Both halves of a rename go together.
    fn sync_journal(&mut self, upto: Order) {
        let upto = upto | 1;
        let sector = self.sector();
        let mut due = Vec::new();
        for (inode, node) in &mut self.nodes {
            match node {
                Node::Dir(dir) => {
                    let slots = dir.slots.iter().filter(|(_, s)| s.pending.iter().any(|v| v.order <= upto));
                    due.extend(slots.map(|(name, _)| (*inode, name.clone())));
                }
                Node::File(file) => {
                    if file.lengths.iter().any(|length| length.order <= upto && length.grown.is_none()) {
                        Arc::make_mut(file).settle_lengths(upto, sector);
                    }
                }
            }
        }
        for slot in due {
            // The slots come from the directories just walked: they are there.
            let _ = self.settle_name(&slot, upto, false);
        }
    }

    /// A successful sync of a directory: its entries as they were at `upto`.
    pub(super) fn sync_dir(&mut self, inode: u64, upto: Order) -> Result<(), Refused> {
        let names: Vec<_> = self.dir(inode)?.slots.keys().cloned().collect();
        let atomic = self.keeps(Rule::AtomicRename);
        for name in names {
            let slot = (inode, name);
            let added: Vec<Order> = match self.dir(inode)?.slots.get(&slot.1) {
                Some(s) => {
                    s.pending.iter().filter(|v| v.order <= upto && !v.stuck).map(|v| v.order).collect()
                }
                None => continue,
            };
            self.settle_name(&slot, upto | 1, false)?;
            for order in added.into_iter().filter(|_| atomic) {
                self.settle_sources(&slot, order)?;
            }
        }
        Ok(())
    }

    /// A failed sync of a file.
    pub(super) fn fail_sync_file(&mut self, inode: u64, upto: Order, reads: Reads) -> Result<(), Refused> {
        let sector = self.sector();
        self.file_mut(inode)?.fail(upto, reads, sector);
        Ok(())
    }

    /// A failed sync of a directory: its entries are as before, and no later sync covers them.
    pub(super) fn fail_sync_dir(&mut self, inode: u64, upto: Order) -> Result<(), Refused> {
        for slot in self.dir_mut(inode)?.slots.values_mut() {
            for version in slot.pending.iter_mut().filter(|version| version.order <= upto | 1) {
                version.stuck = true;
            }
        }
        Ok(())
    }

    /// A write through: the bytes just written are durable when it returns, and the length needed to read them.
    pub(super) fn write_through(&mut self, inode: u64) -> Result<(), Refused> {
        let (sector, upto) = (self.sector(), self.order);
        let file = self.file_mut(inode)?;
        let Some(last) = file.writes.pop() else { return Ok(()) };
        let others = std::mem::take(&mut file.writes);
        file.writes.push(last.clone());
        let diverged = std::mem::replace(&mut file.diverged, true);
        file.settle(upto, false, sector);
        file.diverged = diverged;
        for mut older in others {
            for range in &last.sectors {
                older.sectors = without(&older.sectors, range);
            }
            if !older.sectors.is_empty() {
                file.writes.push(older);
            }
        }
        file.writes.sort_by_key(|write| write.order);
        Ok(())
    }

    /// A lie: of the last write to the file, which began at `offset`, the device gets something else, or nothing.
    pub(super) fn lie(&mut self, inode: u64, offset: u64, fault: Fault) -> Result<(), Refused> {
        let sector = self.sector();
        let file = self.file_mut(inode)?;
        let Some(mut last) = file.writes.pop() else { return Ok(()) };
        file.diverged = true;
        match fault {
            Fault::FlippedWrite { byte } => {
                let at = offset + byte;
                let bit = last.after.padded(at, 1)[0] ^ 1;
                last.after.write_within(&[bit], at);
                file.writes.push(last);
            }
            Fault::MisdirectedWrite { by } => {
                for number in last.sectors.iter().cloned().flatten() {
                    if let Some(target) = number.checked_add_signed(by) {
                        let bytes = last.after.padded(number * sector, sector as usize);
                        file.base.write_within(&bytes, target * sector);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a read past the page cache gives: what is dirty is written back first, and then the device answers.
    pub(super) fn past_cache(&self, inode: u64) -> Result<Content, Refused> {
        let file = self.file(inode)?;
        if !file.diverged {
            return Ok(file.cache.clone());
        }
        let mut changes = Vec::new();
        for write in &file.writes {
            let sectors = write.sectors.iter().cloned().flatten();
            changes.extend(sectors.map(|number| (write.order, Change::Sector(number, &write.after))));
        }
        let cuts = file.lengths.iter().filter(|length| length.cut);
        changes.extend(cuts.map(|length| (length.order, Change::Cut(length.len))));
        Ok(build(&file.base, &mut changes, file.cache.len(), self.sector()))
    }
}
