//! Running the program, and understanding what it prints.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use super::lines::Lines;
use super::{CHILD, Trouble};

/// The program under test: `truelog`, by whatever name it was built.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    env: Vec<(String, String)>,
}

/// Where a run of the program has its things, in a directory of its own.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The log.
    pub log: PathBuf,
    /// What is fed to it.
    pub input: PathBuf,
    /// Where receipts are added.
    pub receipts: PathBuf,
}

impl Desk {
    /// The places in `dir`; nothing is there yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { log: dir.join("log"), input: dir.join("input"), receipts: dir.join("receipts") }
    }

    /// An append from here to here, by so many writers, whose receipts survive a loss of power.
    #[must_use]
    pub fn append(&self, writers: u64) -> Append<'_> {
        let Self { log, input, receipts } = self;
        Append { dir: log, input, receipts, writers, durability: "power-loss" }
    }
}

/// Small segments and batches: few lines fill several.
pub const SMALL: [&str; 4] = ["--segment-size", "262144", "--max-batch-bytes", "16384"];

/// How `append` is called.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// The log.
    pub dir: &'a Path,
    /// What is fed to it: a file of lines.
    pub input: &'a Path,
    /// Where receipts are added.
    pub receipts: &'a Path,
    /// How many writers.
    pub writers: u64,
    /// What receipts promise: `power-loss` or `process-crash`.
    pub durability: &'static str,
}

/// What `verify --receipts --json` says at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Verified {
    /// Records in the log.
    pub records: u64,
    /// What became of the receipts.
    #[serde(default)]
    pub receipts: Receipts,
}

/// What became of the receipts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Receipts {
    /// Receipts that hold.
    pub verified: u64,
    /// Receipts that hold, by records that nothing durable vouches for yet.
    pub unvouched: u64,
    /// Receipts that do not hold.
    pub violated: u64,
    /// Beginnings of receipts that were never printed whole.
    pub torn: u64,
}

/// A record as `cat --format json` prints it.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) lsn: u64,
    pub(super) stream: u64,
    pub(super) seq: u64,
    pub(super) payload: Option<String>,
    payload_hex: Option<String>,
}

impl Program {
    /// The operator's command, for a check that works in `dir`: the verifier itself by the other name; for a test,
    /// whose program is another, what cargo built beside it.
    ///
    /// # Errors
    /// When there is neither, or no link can be made in `dir`.
    pub fn own(dir: &Path) -> std::io::Result<Self> {
        let own = std::env::current_exe()?;
        let built = own.ancestors().skip(1).take(2).map(|place| place.join(CHILD)).find(|path| path.exists());
        if let Some(built) = built.filter(|_| own.file_name().is_none_or(|name| name != "verify")) {
            return Ok(Self::new(&built));
        }
        let program = dir.join(CHILD);
        std::os::unix::fs::symlink(own, &program)?;
        Ok(Self::new(&program))
    }

    /// The program at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), env: Vec::new() }
    }

    /// The same, with a variable in its environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs it, with nothing on standard input.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.envs(self.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    /// `truelog create DIR OPTIONS`.
    ///
    /// # Errors
    /// When it does not exit with 0.
    pub fn create(&self, dir: &Path, options: &[&str]) -> Result<(), Trouble> {
        let output = self.output(self.command().arg("create").arg(dir).args(options))?;
        self.expect_success("create", &output)
    }

    /// Gives `command`, which runs this program or a tracer of it, the arguments and streams of an append. Standard
    /// error goes to a file beside the receipts, whose path is returned.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn append<'c>(
        &self,
        command: &'c mut Command,
        append: &Append<'_>,
    ) -> Result<&'c mut Command, Trouble> {
        let input = File::open(append.input).map_err(Trouble::io(append.input))?;
        let receipts = OpenOptions::new()
            .create(true)
            .append(true)
            .open(append.receipts)
            .map_err(Trouble::io(append.receipts))?;
        let complaints = append.complaints();
        let errors = File::create(&complaints).map_err(Trouble::io(&complaints))?;
        command
            .args([
                "append",
                "--resume",
                "--writers",
                &append.writers.to_string(),
                "--durability",
                append.durability,
            ])
            .arg(append.dir);
        Ok(command.stdin(input).stdout(receipts).stderr(errors))
    }

    /// `truelog verify DIR --receipts FILE`: everything must hold.
    ///
    /// # Errors
    /// [`Trouble::Violated`] when anything does not.
    pub fn verify(&self, dir: &Path, receipts: &Path) -> Result<Verified, Trouble> {
        let mut command = self.command();
        command.args(["verify", "--json"]).arg(dir);
        // A program whose first call failed has printed none, or not a whole one: then the log alone is verified, for
        // a file without any receipt is refused.
        if has_receipt(receipts)? {
            command.arg("--receipts").arg(receipts);
        }
        let output = self.output(&mut command)?;
        self.expect_success("verify", &output)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| {
            Trouble::violated("health-tells-truth", format!("verify printed {last:?}: {error}"))
        })
    }

    /// What it breaks that an append ended by itself. Of all that is broken the first row names it: receipts that do not
    /// hold come before that.
    pub(super) fn ended(&self, append: &Append<'_>, says: &str) -> Trouble {
        match self.verify(append.dir, append.receipts) {
            Err(Trouble::Violated { invariant, says: receipts }) => {
                Trouble::violated(invariant, format!("{receipts}; and {says}"))
            }
            _ => Trouble::violated("append-resolves", says),
        }
    }

    /// `truelog cat DIR`: holds each record against `lines`. Record k of them must be there exactly once, as record
    /// k div `writers` of stream k mod `writers`, and streams must be in order. Returns how many there are; unless
    /// `whole`, the end of each stream may be missing.
    ///
    /// # Errors
    /// [`Trouble::Violated`] naming the first record that is not as it should be.
    pub fn compare(&self, dir: &Path, lines: &Lines, writers: u64, whole: bool) -> Result<u64, Trouble> {
        let mut command = self.command();
        command.args(["cat", "--format", "json"]).arg(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Trouble::io(&self.path))?;
        let mut next = vec![0_u64; usize::try_from(writers).unwrap_or(0)];
        let mut lsn = 0;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::with_capacity(1 << 20, stdout).lines() {
                let line = line.map_err(Trouble::io(&self.path))?;
                lsn += 1;
                compare_record(&line, lsn, lines, &mut next)?;
            }
        }
        let output = child.wait_with_output().map_err(Trouble::io(&self.path))?;
        self.expect_success("cat", &output)?;
        if whole && lsn != lines.len() as u64 {
            let says =
                format!("{} lines were fed until the end, but the log holds {lsn} records", lines.len());
            return Err(Trouble::violated("acked-is-durable", says));
        }
        Ok(lsn)
    }

    fn output(&self, command: &mut Command) -> Result<Output, Trouble> {
        command.output().map_err(Trouble::io(&self.path))
    }

    fn expect_success(&self, what: &str, output: &Output) -> Result<(), Trouble> {
        if output.status.success() {
            return Ok(());
        }
        let says = format!(
            "`truelog {what}` ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout).lines().take(5).collect::<Vec<_>>().join("\n")
        );
        Err(Trouble::violated("acked-is-durable", says))
    }
}

impl Append<'_> {
    /// Where standard error goes.
    #[must_use]
    pub fn complaints(&self) -> PathBuf {
        self.receipts.with_extension("stderr")
    }

    /// What the last run said on standard error.
    #[must_use]
    pub fn complaint(&self) -> String {
        std::fs::read_to_string(self.complaints()).unwrap_or_default()
    }
}

/// Holds one record, which must have `lsn`, against the line that it should be.
fn compare_record(text: &str, lsn: u64, lines: &Lines, next: &mut [u64]) -> Result<(), Trouble> {
    let bad = |invariant, why: String| Err(Trouble::violated(invariant, format!("{why}: {text}")));
    let Ok(shown) = serde_json::from_str::<Shown>(text) else {
        return bad("nothing-invented", "cat printed something that is no record".into());
    };
    if shown.lsn != lsn {
        return bad("recovered-is-prefix", format!("LSN {lsn} should be next"));
    }
    let writers = next.len() as u64;
    let Some(due) = usize::try_from(shown.stream).ok().and_then(|stream| next.get_mut(stream)) else {
        return bad("nothing-invented", format!("there are only {writers} streams"));
    };
    if shown.seq != *due {
        return bad("nothing-invented", format!("sequence number {due} should be next in its stream"));
    }
    *due += 1;
    let index = usize::try_from(shown.seq * writers + shown.stream).unwrap_or(usize::MAX);
    let payload = match (shown.payload, shown.payload_hex) {
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(hex)) => unhex(&hex),
        _ => None,
    };
    match lines.line(index) {
        Some(line) if payload.as_deref() == Some(line) => Ok(()),
        Some(line) => bad("nothing-invented", format!("line {index} is {:?}", String::from_utf8_lossy(line))),
        None => bad("nothing-invented", format!("there is no line {index}")),
    }
}

/// Whether a file holds more than the torn beginning of its first line.
fn has_receipt(path: &Path) -> Result<bool, Trouble> {
    let mut line = Vec::new();
    let file = File::open(path).map_err(Trouble::io(path))?;
    BufReader::new(file).read_until(b'\n', &mut line).map_err(Trouble::io(path))?;
    Ok(line.ends_with(b"\n") || serde_json::from_slice::<serde_json::Value>(&line).is_ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.bytes().map(|digit| (digit as char).to_digit(16)?.try_into().ok()).collect();
    let digits = digits?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
