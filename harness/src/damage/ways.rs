//! Every way to damage a log, one at a time.

use std::path::Path;

use crate::fabric::{Damage, Image};
use crate::knobs::Knob;

/// A damaged disk.
#[derive(Debug)]
pub struct Case {
    /// What was done, in words.
    pub says: String,
    /// The disk.
    pub image: Image,
}

/// Every damage that changes anything: each sector of each file in `dir`, and each file as a whole.
#[must_use]
pub fn cases(image: &Image, older: &Image, dir: &Path, sector: u32) -> Vec<Case> {
    let sector = u64::from(sector);
    let mut cases = Vec::new();
    let names = image.names(dir).unwrap_or_default();
    for name in &names {
        let path = dir.join(name);
        let len = image.len_of(&path).unwrap_or(0);
        let mut ways = astray(name, &names, dir, (len, sector));
        ways.push((format!("{name} removed"), Damage::Remove));
        for at in (0..len).step_by(sector as usize) {
            ways.extend(sector_ways(name, at, sector, older));
            // A neighbour's bytes, which are valid somewhere else.
            let to = if at + sector < len { at + sector } else { at.saturating_sub(sector) };
            ways.push((
                format!("{name} {at} written to {to}"),
                Damage::Misplace { from: at, to, len: sector },
            ));
            ways.push((
                format!("{name} {at} and the next sector written two further"),
                Damage::Misplace { from: at, to: at + 2 * sector, len: 2 * sector },
            ));
            ways.push((format!("{name} cut at {at}"), Damage::Truncate { len: at }));
        }
        ways.push((format!("{name} rolled back"), Damage::RollBack { older: older.clone(), from: 0 }));
        for (says, damage) in ways {
            cases.extend(case(image, &path, says, &damage));
        }
    }
    cases
}

/// Two sectors of each other segment, at their own place, in this one: a whole batch that is valid elsewhere.
fn astray(name: &str, names: &[String], dir: &Path, (len, sector): (u64, u64)) -> Vec<(String, Damage)> {
    let is_segment = |name: &str| name.starts_with("segment-");
    let others = names.iter().filter(|other| is_segment(name) && is_segment(other) && *other != name);
    let pairs = others.flat_map(|of| (0..len).step_by(2 * sector as usize).map(move |at| (of, at)));
    let way = |(of, at): (&String, u64)| {
        let damage = Damage::Astray { of: dir.join(of), offset: at, len: 2 * sector };
        (format!("{of} {at} and the next sector written to {name}"), damage)
    };
    pairs.map(way).collect()
}

/// What changes nothing is no damage.
fn case(image: &Image, path: &Path, says: String, damage: &Damage) -> Option<Case> {
    let image = image.damage(path, damage).ok()?;
    Knob::of_damage(damage).is_on().then_some(Case { says, image })
}

/// The directory without any of its files, as where a volume is not mounted.
#[must_use]
pub(super) fn emptied(image: &Image, dir: &Path) -> Option<Case> {
    let mut names = image.names(dir)?.into_iter();
    let image =
        names.try_fold(image.clone(), |left, name| left.damage(&dir.join(name), &Damage::Remove)).ok()?;
    Some(Case { says: "everything removed".to_owned(), image })
}

/// Damage that loses something: each sector of each file zeroed, each file removed; and each sector of a segment
/// together with the manifest.
#[must_use]
pub(super) fn lossy(image: &Image, dir: &Path, sector: u32) -> Vec<Case> {
    let manifest = dir.join("MANIFEST");
    let without = image.damage(&manifest, &Damage::Zero { offset: 0, len: sector.into() });
    let mut cases = zeroed(image, dir, sector);
    for case in without.iter().flat_map(|image| zeroed(image, dir, sector)) {
        if !case.says.starts_with("MANIFEST") {
            cases.push(Case { says: format!("MANIFEST 0 zeroed, {}", case.says), ..case });
        }
    }
    cases
}

fn zeroed(image: &Image, dir: &Path, sector: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in image.names(dir).unwrap_or_default() {
        let path = dir.join(&name);
        let offsets = (0..image.len_of(&path).unwrap_or(0)).step_by(sector as usize);
        let zero = |at| (format!("{name} {at} zeroed"), Damage::Zero { offset: at, len: sector.into() });
        for (says, damage) in offsets.map(zero).chain([(format!("{name} removed"), Damage::Remove)]) {
            cases.extend(case(image, &path, says, &damage));
        }
    }
    cases
}

fn sector_ways(name: &str, at: u64, sector: u64, older: &Image) -> Vec<(String, Damage)> {
    let mut ways = vec![
        (format!("{name} {at} zeroed"), Damage::Zero { offset: at, len: sector }),
        (
            format!("{name} {at} overwritten"),
            Damage::Overwrite { offset: at, bytes: (0..sector).map(|byte| 0xa5 ^ byte as u8).collect() },
        ),
        (format!("{name} {at} stale"), Damage::Stale { older: older.clone(), offset: at, len: sector }),
    ];
    // A bit in each eighth of a sector, each at another place in its byte.
    for eighth in 0..8 {
        let byte = at + eighth * sector / 8 + eighth;
        ways.push((
            format!("{name} bit {eighth} of byte {byte} flipped"),
            Damage::Flip { bit: byte * 8 + eighth },
        ));
    }
    ways
}
