//! What an operator does to a log that does not open as it is: adopt it at a new place, or accept a loss.

use std::path::Path;

use truelog_env::{Env, OpenMode};

use crate::catalog::Damage;
use crate::create::sync_ancestors;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::{self, Home};
use crate::identity::{Identity, read_identity};
use crate::manifest::SegmentEntry;
use crate::names::Name;
use crate::os;
use crate::recovery::repair::{checkpoint, remove_left_over};
use crate::recovery::survey::{Survey, survey};
use crate::verify::verify_dir_in;

/// As [`adopt_in`], in the real surroundings.
///
/// # Errors
/// As [`adopt_in`].
pub fn adopt(dir: impl AsRef<Path>) -> Result<()> {
    adopt_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Makes a log that was copied or moved at home in `dir`, an absolute path: it gets a new epoch, and opens there.
///
/// A copy is usually in the page cache only, so everything is synced before the new identity says otherwise.
///
/// # Errors
/// [`Error::NotALog`], [`Error::Unfinished`], [`Error::Locked`], [`Error::CorruptFile`], [`Error::Full`],
/// [`Error::Io`].
pub fn adopt_in(env: &Env, dir: &Path) -> Result<()> {
    let metadata = home::stat_dir(env, dir)?;
    let _lock = home::lock(env, dir)?;
    let old = read_identity(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, old.log, old.block, volume);
    let found = survey(&home)?;
    for name in names(&home)? {
        let file = home.open(name, OpenMode::READ)?;
        file.sync_all().map_err(|source| Error::io(home.path(name), source))?;
    }
    home.sync_dir()?;
    sync_ancestors(env, dir, metadata.device)?;
    let identity = Identity { epoch: home.random()?, dir_inode: metadata.inode, volume: volume.id, ..old };
    remove_left_over(&home, &found, Name::IdentityTmp)?;
    identity.publish(&home)?;
    home.emit(&Event::Adopted { log: identity.log, epoch: identity.epoch });
    Ok(())
}

/// The names of the files that a copy consists of.
fn names(home: &Home) -> Result<Vec<Name>> {
    let names = home.env.fs.read_dir(&home.dir).map_err(|source| Error::io(&home.dir, source))?;
    let known = names.iter().filter_map(|name| Name::parse(name));
    Ok(known.filter(|name| matches!(name, Name::Manifest | Name::Segment(_))).collect())
}

/// As [`accept_loss_in`], in the real surroundings.
///
/// # Errors
/// As [`accept_loss_in`].
pub fn accept_loss(dir: impl AsRef<Path>) -> Result<Vec<Damage>> {
    accept_loss_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Gives up what is damaged in the log in `dir`, an absolute path, durably and by name, so that it opens for writing
/// again. Sealed segments are read for it, all of them. Says what was given up; nothing is written if nothing is
/// damaged.
///
/// # Errors
/// As [`Log::open_in`](crate::Log::open_in), but for the options.
pub fn accept_loss_in(env: &Env, dir: &Path) -> Result<Vec<Damage>> {
    home::stat_dir(env, dir)?;
    let _lock = home::lock(env, dir)?;
    let identity = read_identity(env, dir)?;
    identity.check_place(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, identity.log, identity.block, volume);
    let mut found = survey(&home)?;
    // An open does not read sealed segments, so their damage is found only by reading all of them.
    for damage in verify_dir_in(env, dir)?.damage {
        let known =
            |known: &Damage| known.lsns.first <= damage.lsns.first && damage.lsns.last <= known.lsns.last;
        if !damage.lsns.is_empty() && !found.damage.iter().any(known) {
            found.damage.push(damage);
        }
    }
    if found.damage.is_empty() {
        return Ok(Vec::new());
    }
    give_up(&home, &found)?;
    for damage in found.damage.iter().filter(|damage| !damage.lsns.is_empty()) {
        home.emit(&Event::LossAccepted { lsns: damage.lsns });
    }
    Ok(found.damage)
}

/// Writes the manifest that names the losses, and what is left of the segments.
fn give_up(home: &Home, found: &Survey) -> Result<()> {
    let mut state = found.state.clone();
    let lost = found.damage.iter().map(|damage| damage.lsns).filter(|lsns| !lsns.is_empty());
    state.losses.extend(lost);
    state.losses.sort();
    state.losses.dedup();
    let left = found.probes.iter().filter(|probe| probe.file.is_some() && !probe.opaque);
    let entries: Vec<SegmentEntry> = left.map(|probe| probe.entry).collect();
    state.segments = entries;
    state.segments.sort_by_key(|entry| entry.number);
    state.next_segment = found.highest.next();
    checkpoint(home, found, state)?;
    // What has no readable header holds nothing that could ever be read, and would be taken for damage again.
    let opaque = found.probes.iter().filter(|probe| probe.opaque);
    let mut removed = false;
    for probe in opaque {
        home.unlink(Name::Segment(probe.number()))?;
        removed = true;
    }
    if removed { home.sync_dir() } else { Ok(()) }
}
