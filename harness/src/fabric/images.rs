//! Going through all that a loss of power can leave, or through a sample of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Image;
use super::content::{Content, mix};
use super::disk::{Disk, Node};
use super::space::{FileSpace, Names, Space, digits, file_digest};

/// Which versions one image keeps. Means something only to the [`Snapshot`](super::Snapshot) it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Which combination of names.
    pub(super) names: usize,
    /// For each open file of that combination which length, and for each of its sectors which version.
    pub(super) files: Vec<(usize, Vec<usize>)>,
}

/// An image of the disk after a loss of power.
#[derive(Debug, Clone)]
pub struct PowerCrash {
    /// The disk.
    pub image: Image,
    /// What it kept.
    pub choice: Choice,
}

/// How much of what is possible was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// The choices that are possible, those that look the same counted once where that is seen beforehand.
    pub total: u128,
    /// Whether all of them are gone through. If not, a sample is, with none-kept and all-kept in it.
    pub exhausted: bool,
    /// The distinct images given so far.
    pub given: usize,
}

/// Goes through the distinct images of a [`Snapshot`](super::Snapshot).
#[derive(Debug)]
pub struct Images {
    space: Arc<Space>,
    seed: u64,
    limit: usize,
    exhausts: bool,
    next: usize,
    seen: BTreeSet<u64>,
    names: usize,
    within: u128,
}

impl Images {
    pub(super) fn new(space: Arc<Space>, limit: usize, seed: u64) -> Self {
        let exhausts = space.complete && space.total <= limit as u128;
        Self { space, seed, limit, exhausts, next: 0, seen: BTreeSet::new(), names: 0, within: 0 }
    }

    /// How much of what is possible this goes through.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        Coverage { total: self.space.total, exhausted: self.exhausts, given: self.seen.len() }
    }

    fn next_choice(&mut self) -> Option<Choice> {
        if self.exhausts {
            return self.next_in_turn();
        }
        // Besides none-kept and all-kept the sample is drawn; an image that comes up again is not given again.
        if self.seen.len() >= self.limit || self.next > self.limit.saturating_mul(4) {
            return None;
        }
        let draw = self.next;
        self.next += 1;
        Some(self.sample(draw))
    }

    fn next_in_turn(&mut self) -> Option<Choice> {
        loop {
            let names = self.space.names.get(self.names)?;
            if self.within < names.total {
                let choice = nth(names, self.names, self.within);
                self.within += 1;
                return Some(choice);
            }
            self.names += 1;
            self.within = 0;
        }
    }

    /// The first two keep nothing and everything, the next ones all but one unit's worth, the rest are drawn.
    fn sample(&self, draw: usize) -> Choice {
        let random = |at: u64| mix(self.seed ^ mix(draw as u64 ^ mix(at)));
        let last = self.space.names.len() - 1;
        let at = match draw {
            0 => 0,
            1 => last,
            _ => (random(0) % (last as u64 + 1)) as usize,
        };
        // Half-way between extremes few bugs live: some draws keep most, some lose most.
        let bias = if draw < 2 { 0 } else { random(1) % 3 };
        let mut count = 1;
        let mut pick = |options: usize| {
            count += 1;
            let roll = random(count);
            match (draw, bias) {
                (0, _) => 0,
                (1, _) => options - 1,
                (_, 1) if !roll.is_multiple_of(8) => 0,
                (_, 2) if !roll.is_multiple_of(8) => options - 1,
                _ => ((roll >> 8) % options as u64) as usize,
            }
        };
        let files = self.space.names[at].files.iter().map(|file| {
            let length = pick(file.choices.len());
            let sectors = file.choices[length].sectors.iter().map(|sector| pick(sector.options.len()));
            (length, sectors.collect())
        });
        Choice { names: at, files: files.collect() }
    }
}

impl Iterator for Images {
    type Item = PowerCrash;

    fn next(&mut self) -> Option<PowerCrash> {
        loop {
            let choice = self.next_choice()?;
            let image = image(&self.space, &choice);
            if self.seen.insert(image.fingerprint()) {
                return Some(PowerCrash { image, choice });
            }
        }
    }
}

/// The choice of this number among those of one combination of names.
fn nth(names: &Names, at: usize, mut index: u128) -> Choice {
    let mut files = Vec::with_capacity(names.files.len());
    for file in &names.files {
        files.push(nth_of_file(file, index % file.total));
        index /= file.total;
    }
    Choice { names: at, files }
}

fn nth_of_file(file: &FileSpace, mut index: u128) -> (usize, Vec<usize>) {
    for (length, choice) in file.choices.iter().enumerate() {
        let total = choice.total();
        if index < total {
            let radices: Vec<_> = choice.sectors.iter().map(|sector| sector.options.len()).collect();
            return (length, digits(index, &radices));
        }
        index -= total;
    }
    (0, Vec::new())
}

/// Lays out the image of a choice.
pub(super) fn image(space: &Space, choice: &Choice) -> Image {
    let Some(names) = space.names.get(choice.names) else {
        return Image::new(Arc::new(Disk::clone(&space.disk)), 0);
    };
    let mut digest = names.digest;
    if names.files.is_empty() {
        return Image::new(names.template.clone(), digest);
    }
    let mut disk = Disk::clone(&names.template);
    for (file, (length, options)) in names.files.iter().zip(&choice.files) {
        let content = match file.choices.get(*length) {
            Some(with) => space.content(file.inode, with, options),
            None => Content::default(),
        };
        digest = digest.wrapping_add(file_digest(file.inode, &content));
        if let Some(Node::File(node)) = disk.nodes.get_mut(&file.inode) {
            let node = Arc::make_mut(node);
            node.base = content.clone();
            node.cache = content;
        }
    }
    Image::new(Arc::new(disk), digest)
}
