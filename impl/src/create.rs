//! Creating a log. Until its identity is published the directory is not a log, and a create resumes.

use std::path::{Path, PathBuf};

use truelog_env::{DirLock, Env, IoKind};

use crate::doubt::Doubt;
use crate::error::{Error, Failure, Result};
use crate::event::Event;
use crate::home::{self, Home};
use crate::identity::{Identity, not_resumable};
use crate::lsn::Lsn;
use crate::manifest::{ManifestFile, ManifestState};
use crate::names::Name;
use crate::options::Options;
use crate::types::LogId;

/// A log that was just created: durable, empty, and locked.
#[derive(Debug)]
pub(crate) struct Created {
    /// Where it lives.
    pub(crate) home: Home,
    /// Its lock.
    pub(crate) lock: Box<dyn DirLock>,
}

/// Creates a log in `dir`, an absolute path: a missing directory, an empty one, or one that an unfinished
/// create left behind. The identity is published last: it makes the directory a log.
///
/// # Errors
/// [`Error::Exists`], [`Error::NotALog`] naming a foreign name, [`Error::BadOption`], [`Error::Unsafe`],
/// [`Error::Locked`], [`Error::Full`], [`Error::InDoubt`], [`Error::Io`]. After any of them a create may be tried
/// again; if one failed, or was killed, while it synced the directories above the log, it is [`Error::InDoubt`] until
/// the directory is made anew or the machine restarts.
pub(crate) fn create(env: &Env, dir: &Path, options: &Options) -> Result<Created> {
    options.validate()?;
    home::judge_new(env, dir, |volume| home::fits(dir, volume, options))?;
    match env.fs.create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind == IoKind::AlreadyExists => {}
        Err(error) => return Err(Error::io(dir, error)),
    }
    let metadata = home::stat_dir(env, dir)?;
    let lock = home::lock(env, dir)?;
    let names = home::list(env, dir)?;
    if names.contains(&Name::Identity) {
        return Err(Error::Exists { dir: dir.into() });
    }
    if let Some(error) = not_resumable(dir, &names) {
        return Err(error);
    }
    let volume = home::check_volume(env, dir, options)?;
    let above = ancestors(env, dir, metadata.device)?;
    if !above.is_empty() {
        let doubt = Doubt::begin(env, dir, &names)?;
        sync_dirs(env, &above)?;
        // The checkpoint syncs the directory, so that the name is gone for good before there is an identity.
        doubt.settle(env)?;
    }
    let mut log = [0; 16];
    env.entropy.fill(&mut log).map_err(|source| Error::io(dir, source))?;
    let epoch = home::random(env, dir)?;
    let home = Home::new(env, dir, LogId(log), options.block_size, volume).of_epoch(epoch);
    ManifestFile::checkpoint(&home, ManifestState::new(options), Lsn::NONE)
        .map_err(|failure| failure.error)?;
    let identity =
        Identity { log: home.log, epoch, dir_inode: metadata.inode, volume: volume.id, block: home.block };
    identity.publish(&home).map_err(|error| Failure::harmless(error).error)?;
    home.emit(&Event::Created { log: home.log });
    Ok(Created { home, lock })
}

/// The directories above `dir`, up to the mount point: syncing them makes the names durable that lead to it. Every
/// create does, resumed or not, since an earlier one may have crashed between making a name and this.
pub(crate) fn ancestors(env: &Env, dir: &Path, device: u64) -> Result<Vec<PathBuf>> {
    let mut above = Vec::new();
    for path in dir.ancestors().skip(1) {
        let metadata = env.fs.metadata(path).map_err(|source| Error::io(path, source))?;
        if metadata.device != device {
            break;
        }
        above.push(path.into());
    }
    Ok(above)
}

/// Makes the entries of directories durable. If one fails, no later sync of it proves anything.
pub(crate) fn sync_dirs(env: &Env, dirs: &[PathBuf]) -> Result<()> {
    dirs.iter().try_for_each(|dir| env.fs.sync_dir(dir).map_err(|source| Error::io(dir, source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NotALog;
    use crate::identity::read_identity;
    use crate::manifest::read_manifest;
    use crate::os::native;
    use crate::types::Durability;

    fn options() -> Options {
        Options { durability: Durability::ProcessCrash, segment_size: 1 << 20, ..Options::default() }
    }

    fn touch(dir: &Path, name: &str) {
        let env = native();
        env.fs.open(&dir.join(name), truelog_env::OpenMode::CREATE).expect("a file");
    }

    #[test]
    fn a_created_log_has_an_identity_and_a_manifest() {
        let (env, parent) = (native(), tempfile::tempdir().expect("a directory"));
        let dir = parent.path().join("log");
        let created = create(&env, &dir, &options()).expect("a log");
        let identity = read_identity(&env, &dir).expect("its identity");
        assert_eq!(identity.log, created.home.log);
        identity.check_place(&env, &dir).expect("it is where it says");
        let state = read_manifest(&created.home).expect("readable").state.expect("a state");
        assert_eq!(state, ManifestState::new(&options()));
        assert_eq!(home::list(&env, &dir), Ok(vec![Name::Identity, Name::Manifest]));
        assert!(matches!(create(&env, &dir, &options()), Err(Error::Locked { .. })));
        drop(created);
        assert!(matches!(create(&env, &dir, &options()), Err(Error::Exists { .. })));
    }

    #[test]
    fn a_create_resumes_over_its_own_remains_only() {
        let (env, parent) = (native(), tempfile::tempdir().expect("a directory"));
        let dir = parent.path();
        assert!(matches!(read_identity(&env, dir), Err(Error::Unfinished { .. })));
        for name in ["MANIFEST", "MANIFEST.tmp", "IDENTITY.tmp", "lost+found"] {
            touch(dir, name);
        }
        assert!(matches!(read_identity(&env, dir), Err(Error::Unfinished { .. })));
        drop(create(&env, dir, &options()).expect("it resumes"));
        assert!(read_identity(&env, dir).is_ok());
    }

    #[test]
    fn what_is_not_a_log_is_refused_by_name_and_left_alone() {
        let env = native();
        for (name, segments) in [("notes.txt", false), ("segment-0000000001", true)] {
            let parent = tempfile::tempdir().expect("a directory");
            touch(parent.path(), name);
            for result in [
                create(&env, parent.path(), &options()).map(|_| ()),
                read_identity(&env, parent.path()).map(|_| ()),
            ] {
                match result {
                    Err(Error::NotALog { why: NotALog::ForeignName(found), .. }) if !segments => {
                        assert_eq!(found, name)
                    }
                    Err(Error::NotALog { why: NotALog::NoIdentity(found), .. }) if segments => {
                        assert_eq!(found, name)
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(env.fs.read_dir(parent.path()), Ok(vec![name.into()]));
        }
    }

    #[test]
    fn a_log_that_was_copied_is_not_where_its_identity_says() {
        let (env, parent) = (native(), tempfile::tempdir().expect("a directory"));
        let (dir, copy) = (parent.path().join("log"), parent.path().join("copy"));
        drop(create(&env, &dir, &options()).expect("a log"));
        env.fs.create_dir(&copy).expect("a directory");
        let moved = read_identity(&env, &dir).expect("its identity").check_place(&env, &copy);
        assert!(matches!(moved, Err(Error::Moved { what: "inode", .. })), "{moved:?}");
    }

    #[test]
    fn a_promise_that_the_volume_cannot_keep_is_refused() {
        let env = native();
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return };
        let promise = Options { durability: Durability::PowerLoss, ..options() };
        assert!(matches!(create(&env, dir.path(), &promise), Err(Error::Unsafe { .. })));
        assert!(create(&env, dir.path(), &options()).is_ok());
        let missing = dir.path().join("log");
        assert!(matches!(create(&env, &missing, &promise), Err(Error::Unsafe { dir, .. }) if dir == missing));
        assert_eq!(env.fs.read_dir(dir.path()).map(|names| names.contains(&"log".into())), Ok(false));
    }
}
