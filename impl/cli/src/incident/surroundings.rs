//! What the machine says: the volume's space, and what the kernel's log has of failing devices and file systems.

use std::path::Path;
use std::process::Command;

use truelog::os;

/// How many lines of the kernel's log are shown.
const SHOWN: usize = 5;
/// What a line of the kernel's log has in it that speaks of a volume, a device, or of a process that was ended.
const TELLING: [&str; 12] = [
    "i/o error",
    "ext4-fs error",
    "ext4-fs warning",
    "btrfs error",
    "xfs metadata",
    "corruption detected",
    "corrupt leaf",
    "remounting filesystem read-only",
    "forced readonly",
    "critical medium",
    "out of memory",
    "hung_task",
];

/// What was found out, or why it was not.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The space that the directory's volume has.
    pub(super) space: Result<String, String>,
    /// What the kernel's log has.
    pub(super) kernel: Result<Kernel, String>,
}

/// The kernel's log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    /// How many lines it has.
    pub(super) lines: usize,
    /// How many of them speak of a failure.
    pub(super) telling: usize,
    /// The last of these.
    pub(super) last: Vec<String>,
}

impl Surroundings {
    /// Looks.
    pub(super) fn of(dir: &Path) -> Self {
        Self { space: space(dir), kernel: kernel() }
    }

    /// What the kernel's log has of failures, in words.
    pub(super) fn of_failures(&self) -> String {
        match &self.kernel {
            Ok(kernel) => {
                format!("{} lines of the kernel's log speak of a failure [`dmesg`]", kernel.telling)
            }
            Err(why) => format!("the kernel's log: UNKNOWN: {why} [`dmesg`]"),
        }
    }
}

fn space(dir: &Path) -> Result<String, String> {
    // What is gone has no volume.
    let volume = os::native().fs.volume(dir).map_err(|error| error.to_string())?;
    let inodes = match volume.free_inodes {
        u64::MAX => "inodes are not counted".to_owned(),
        free => format!("{free} inodes free"),
    };
    let mounted = if volume.read_only { ", mounted read-only" } else { "" };
    Ok(format!("{} bytes free, {inodes}{mounted}", volume.free_bytes))
}

fn kernel() -> Result<Kernel, String> {
    let output = Command::new("dmesg").output().map_err(|error| format!("dmesg cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    match Kernel::of(&String::from_utf8_lossy(&output.stdout)) {
        Kernel { lines: 0, .. } => Err("dmesg shows not a single line".to_owned()),
        kernel => Ok(kernel),
    }
}

impl Kernel {
    fn of(text: &str) -> Self {
        let tells = |line: &&str| {
            let line = line.to_ascii_lowercase();
            TELLING.iter().any(|word| line.contains(word))
        };
        let telling: Vec<_> = text.lines().filter(tells).collect();
        let last = telling.iter().skip(telling.len().saturating_sub(SHOWN));
        Self {
            lines: text.lines().count(),
            telling: telling.len(),
            last: last.map(|line| (*line).to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_speak_of_a_failure_are_counted_and_the_last_are_kept() {
        let mut text = "[0.1] Linux version 6\n[0.2] EXT4-fs (vda): mounted filesystem\n".to_owned();
        for number in 0..7 {
            text += &format!("[{number}.5] Buffer I/O error on dev vda, logical block {number}\n");
        }
        let kernel = Kernel::of(&text);
        assert_eq!((kernel.lines, kernel.telling, kernel.last.len()), (9, 7, SHOWN));
        assert!(kernel.last.last().is_some_and(|line| line.ends_with("block 6")));
        let healthy = "[0.1] Linux version 6\n[0.2] Write protecting the kernel read-only data: 24576k\n\
            [0.3] Scanning 1 areas for low memory corruption\n";
        assert_eq!(Kernel::of(healthy).telling, 0);
        let failing = "[9.1] EXT4-fs (vda): Remounting filesystem read-only\n[9.2] XFS (sda): Corruption detected. Unmount\n";
        assert_eq!(Kernel::of(failing).telling, 2);
    }

    #[test]
    fn what_cannot_be_looked_at_is_an_error_and_not_nothing() {
        assert!(space(Path::new("/there/is/no/such/directory")).is_err());
        assert!(space(Path::new("/")).is_ok_and(|says| says.contains("bytes free")));
    }
}
