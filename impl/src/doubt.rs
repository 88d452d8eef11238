//! Whether syncs that ran outside of any handle are known to have succeeded.
//!
//! After a failed sync the next one succeeds although nothing more was written, so its word is worth nothing. A
//! create and an adopt sync what no handle watches over: names above the log, a copy's files. Each says first, by
//! a name in the log's directory, that it has begun, and takes the name back when all is done. Whoever finds it
//! again in the same boot refuses.
//!
//! The name need not be durable: the page cache shows it as long as the page cache is what is in doubt. It carries
//! the boot, so that a loss of power, after which only what the disk holds can be seen, ends the doubt. There are no
//! bytes in the file: a name is there or not, and is never half written.

use std::path::{Path, PathBuf};

use truelog_env::{Env, OpenMode};

use crate::error::{Error, Failure, Result};
use crate::names::Name;

/// Syncs that have begun. Dropping it leaves them in doubt.
#[derive(Debug)]
#[must_use = "syncs that have begun stay in doubt until they are settled"]
pub(crate) struct Doubt {
    /// The name of this boot, and those that earlier boots left behind.
    marks: Vec<PathBuf>,
}

impl Doubt {
    /// The syncs of the log in `dir`, which has these names, begin.
    ///
    /// # Errors
    /// [`Error::InDoubt`] when they began before in this boot and were not settled; [`Error::Full`],
    /// [`Error::Io`].
    pub(crate) fn begin(env: &Env, dir: &Path, names: &[Name]) -> Result<Self> {
        let boot = Self::refuse(env, dir, names)?;
        let mark = Name::InDoubt(boot);
        let old = names.iter().filter(|name| matches!(name, Name::InDoubt(other) if *other != boot));
        let marks: Vec<_> =
            std::iter::once(&mark).chain(old).map(|name| dir.join(name.to_string())).collect();
        let path = &marks[0];
        match env.fs.open(path, OpenMode::CREATE) {
            Ok(_) => Ok(Self { marks }),
            Err(source) => Err(Failure::harmless(Error::io(path, source)).error),
        }
    }

    /// Refuses the log in `dir`, which has these names, when syncs began in this boot and were not settled. Returns the
    /// boot.
    ///
    /// # Errors
    /// [`Error::InDoubt`], [`Error::Io`].
    pub(crate) fn refuse(env: &Env, dir: &Path, names: &[Name]) -> Result<u128> {
        let boot = env.fs.boot().map_err(|source| Error::io(dir, source))?;
        if names.contains(&Name::InDoubt(boot)) {
            return Err(Error::InDoubt { dir: dir.into() });
        }
        Ok(boot)
    }

    /// All of the syncs succeeded.
    ///
    /// # Errors
    /// [`Error::Io`]: then they stay in doubt.
    pub(crate) fn settle(self, env: &Env) -> Result<()> {
        // The own name goes last: as long as an old one is there nothing is known to have ended.
        for path in self.marks.iter().rev() {
            env.fs.unlink(path).map_err(|source| Error::io(path, source))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home;
    use crate::os::native;

    #[test]
    fn what_began_in_this_boot_and_was_not_settled_is_refused() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let dir = dir.path();
        let names = || home::list(&env, dir).expect("names");
        let doubt = Doubt::begin(&env, dir, &names()).expect("a beginning");
        assert_eq!(names().len(), 1);
        assert_eq!(Doubt::begin(&env, dir, &names()).err(), Some(Error::InDoubt { dir: dir.into() }));
        doubt.settle(&env).expect("an end");
        assert_eq!(names(), []);
        assert!(Doubt::begin(&env, dir, &names()).is_ok());
    }

    #[test]
    fn what_another_boot_left_behind_is_no_doubt_and_goes() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let dir = dir.path();
        let other = Name::InDoubt(env.fs.boot().expect("the boot") ^ 1);
        env.fs.open(&dir.join(other.to_string()), OpenMode::CREATE).expect("a file");
        let doubt = Doubt::begin(&env, dir, &[other]).expect("a beginning");
        assert_eq!(home::list(&env, dir).expect("names").len(), 2);
        doubt.settle(&env).expect("an end");
        assert_eq!(home::list(&env, dir), Ok(vec![]));
    }
}
