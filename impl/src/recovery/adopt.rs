//! Adopt: a log that was copied or moved is made at home where it is.

use std::path::Path;

use truelog_env::{Env, OpenMode};

use crate::create::{ancestors, sync_dirs};
use crate::doubt::Doubt;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::{self, Home};
use crate::identity::{Identity, enter};
use crate::names::Name;
use crate::os;
use crate::recovery::repair::remove_left_over;
use crate::recovery::survey::survey;

/// As [`adopt_in`], in the real surroundings.
///
/// # Errors
/// As [`adopt_in`].
pub fn adopt(dir: impl AsRef<Path>) -> Result<()> {
    adopt_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Makes a log that was copied or moved at home in `dir`, an absolute path: it gets a new epoch, and opens there.
///
/// A copy is usually in the page cache only, so everything is synced before the new identity says otherwise. If that
/// failed, or was cut off, the copy is of no use: a later adopt is [`Error::InDoubt`] until the machine restarts.
///
/// # Errors
/// [`Error::NotALog`], [`Error::Unfinished`], [`Error::Locked`], [`Error::CorruptFile`], [`Error::InDoubt`],
/// [`Error::Full`], [`Error::Io`].
pub fn adopt_in(env: &Env, dir: &Path) -> Result<()> {
    let metadata = home::stat_dir(env, dir)?;
    let (_lock, old, home) = enter(env, dir)?;
    let found = survey(&home)?;
    let names = names(&home)?;
    let doubt = Doubt::begin(env, dir, &names)?;
    for name in names.into_iter().filter(|name| matches!(name, Name::Manifest | Name::Segment(_))) {
        let file = home.open(name, OpenMode::READ)?;
        file.sync_all().map_err(|source| Error::io(home.path(name), source))?;
    }
    home.sync_dir()?;
    sync_dirs(env, &ancestors(env, dir, metadata.device)?)?;
    let volume = home.volume.id;
    let identity = Identity { epoch: home.random()?, dir_inode: metadata.inode, volume, ..old };
    remove_left_over(&home, &found, Name::IdentityTmp)?;
    identity.publish(&home)?;
    // Only now: an open that finds the name publishes the identity again.
    doubt.settle(env)?;
    home.emit(&Event::Adopted { log: identity.log, epoch: identity.epoch });
    Ok(())
}

/// The names in the directory that logs write.
fn names(home: &Home) -> Result<Vec<Name>> {
    let names = home.env.fs.read_dir(&home.dir).map_err(|source| Error::io(&home.dir, source))?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}
