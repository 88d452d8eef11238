//! A log, what its writer has logged, and the commands that look at both.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use super::{place, truelog};

pub(crate) struct Given {
    pub(crate) place: tempfile::TempDir,
}

impl Given {
    /// An empty place.
    pub(crate) fn new() -> Self {
        Self { place: place() }
    }

    /// A log with records, and what its writer logged about them in `app.log`.
    pub(crate) fn with_log(format: &str) -> Self {
        let given = Self::new();
        given.good(&["create", "log", "--segment-size", "131072", "--max-batch-bytes", "4096"]);
        given.append(0..3_000, format, &[]);
        given
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.at(name), bytes).unwrap();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        truelog().args(args).current_dir(self.place.path()).output().unwrap()
    }

    pub(crate) fn good(&self, args: &[&str]) {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    pub(crate) fn append(&self, lines: std::ops::Range<u32>, format: &str, more: &[&str]) {
        let logged = OpenOptions::new().create(true).append(true).open(self.at("app.log")).unwrap();
        let mut child = truelog()
            .args(["append", "log", "--log-format", format, "--log-level", "debug"])
            .args(more)
            .current_dir(self.place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(logged)
            .spawn()
            .unwrap();
        let input: String = lines.map(|line| format!("line {line}\n")).collect();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// The claims in `app.log`.
    pub(crate) fn claims(&self) -> u64 {
        let text = fs::read_to_string(self.at("app.log")).unwrap();
        let claims =
            text.lines().filter(|line| line.contains("\"durable\"") || line.contains(": durable ")).count();
        assert!(claims > 20, "{claims}");
        claims as u64
    }

    /// Audits `app.log`; it must end with `exit` and `code`. Returns what was told, and the summary.
    #[track_caller]
    pub(crate) fn audit(&self, more: &[&str], dir: &str, exit: i32, code: &str) -> (Vec<Value>, Value) {
        let output = self.run(&[&["audit", "logs", "--json", "--log", "app.log"], more, &[dir]].concat());
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(code), "{output:?}");
        let mut told: Vec<Value> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let summary = told.pop().unwrap();
        assert_eq!(summary["violated"], told.iter().filter(|it| it["verdict"] == "violated").count());
        (told, summary)
    }

    pub(crate) fn whys(&self, exit: i32) -> Vec<String> {
        let (told, _) = self.audit(&[], "log", exit, "TL-");
        told.iter().map(|it| it["why"].as_str().unwrap().to_owned()).collect()
    }
}

/// Another program changes a bit.
pub(crate) fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}
