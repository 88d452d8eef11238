//! A log, its writer and its watch, as child processes.
#![allow(dead_code, reason = "not each test uses all of it")]

pub(crate) mod given;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn truelog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truelog"));
    command.stdin(Stdio::null());
    command
}

/// A directory on a real disk: where temporary files are kept may be memory, which keeps no promise.
pub(crate) fn place() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub(crate) fn create(log: &Path) {
    let small = ["--segment-size", "131072", "--max-batch-bytes", "4096"];
    assert!(truelog().arg("create").arg(log).args(small).output().unwrap().status.success());
}

/// A writer that lives until its input is closed.
pub(crate) struct Writer {
    child: Child,
    input: Option<ChildStdin>,
    receipts: BufReader<ChildStdout>,
}

impl Writer {
    pub(crate) fn start(log: &Path, metrics: &Path) -> Self {
        let mut command = truelog();
        command.arg("append").arg(log).arg("--metrics").arg(metrics);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take();
        let receipts = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, receipts }
    }

    /// Appends so many lines, and waits for their receipts.
    pub(crate) fn append(&mut self, lines: usize) {
        let input = self.input.as_mut().unwrap();
        (0..lines).for_each(|line| writeln!(input, "line {line}").unwrap());
        let mut receipt = String::new();
        (0..lines).for_each(|_| assert!(self.receipts.read_line(&mut receipt).unwrap() > 0));
    }

    pub(crate) fn end(mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running watch.
pub(crate) struct Watch {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Watch {
    pub(crate) fn start(log: &Path, more: &[&str]) -> Self {
        let mut command = truelog();
        command
            .arg("--json")
            .arg("watch")
            .arg(log)
            .args(["--listen", "127.0.0.1:0", "--every", "1"])
            .args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { child, address: told["listen"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status.json").1).unwrap()
    }

    /// Asks until `is` holds.
    pub(crate) fn until(&self, is: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status();
            if is(&status) {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "{status:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing is wrong with it.
pub(crate) fn is_well(status: &Value) -> bool {
    let mut tiles = status["tiles"].as_array().unwrap().iter();
    !tiles.any(|tile| tile["verdict"] == "violated" || tile["verdict"] == "degraded")
}
