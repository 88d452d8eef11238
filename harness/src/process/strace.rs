//! Reads what `strace -f -y -o FILE` wrote, into calls with a beginning and an end.
//!
//! Lines are in the order in which strace saw things happen. A call that another thread interrupted takes two
//! lines, `… <unfinished ...>` and `<... NAME resumed>…`; so each call has the line where it began and the line
//! where it ended, and one call is before another when it ended before the other began.

use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One call of a traced program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syscall {
    /// The thread.
    pub thread: u32,
    /// The line, from 1, at which it began.
    pub begin: usize,
    /// The line at which it ended; `None` when the program ended before.
    pub end: Option<usize>,
    /// The call's name, such as `pwrite64`.
    pub name: String,
    /// What it was given.
    pub args: Vec<Arg>,
    /// What it returned.
    pub outcome: Outcome,
    /// Whether strace made it fail (`--inject`).
    pub injected: bool,
}

/// One argument of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// An open file, with the path that its descriptor leads to.
    File {
        /// The descriptor; `None` for `AT_FDCWD`.
        number: Option<i32>,
        /// The path now.
        path: PathBuf,
        /// Whether the file has no name any more.
        deleted: bool,
    },
    /// Bytes.
    Bytes {
        /// The bytes, as far as they were shown.
        bytes: Vec<u8>,
        /// Whether there were more.
        cut: bool,
    },
    /// A number.
    Number(i64),
    /// Anything else, as it was written: flags, structures.
    Text(String),
}

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A value; never negative.
    Value(i64),
    /// An error's name, such as `EIO`.
    Error(String),
    /// Nothing is known: the program ended first, or strace did not say.
    Unknown,
}

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the strace output is not understood: {text}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

impl Syscall {
    /// Whether it ended and did not fail.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.end.is_some() && matches!(self.outcome, Outcome::Value(_))
    }

    /// The value it returned, if it succeeded.
    #[must_use]
    pub fn value(&self) -> Option<i64> {
        match self.outcome {
            Outcome::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The path behind the descriptor that argument `index` is.
    #[must_use]
    pub fn file(&self, index: usize) -> Option<&Path> {
        match self.args.get(index) {
            Some(Arg::File { path, .. }) => Some(path),
            _ => None,
        }
    }

    /// The descriptor that argument `index` is.
    #[must_use]
    pub fn descriptor(&self, index: usize) -> Option<i32> {
        match self.args.get(index) {
            Some(Arg::File { number, .. }) => *number,
            Some(Arg::Number(number)) => i32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The bytes that argument `index` is.
    #[must_use]
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        match self.args.get(index) {
            Some(Arg::Bytes { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// The number that argument `index` is.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<i64> {
        match self.args.get(index) {
            Some(Arg::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The path that argument `index` names: bytes, read as a path, beside the directory before it if it is relative.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        let named = PathBuf::from(std::ffi::OsString::from_vec(self.bytes(index)?.to_vec()));
        match index.checked_sub(1).and_then(|before| self.file(before)) {
            Some(dir) => Some(dir.join(named)),
            None => Some(named),
        }
    }

    /// Whether argument `index` has `flag` among its flags.
    #[must_use]
    pub fn has_flag(&self, index: usize, flag: &str) -> bool {
        matches!(self.args.get(index), Some(Arg::Text(text)) if text.split('|').any(|word| word == flag))
    }
}

/// Reads a whole trace. Signals and ends of threads are left out.
///
/// # Errors
/// When a line is neither a call, nor a signal, nor an end. A last line without its newline is left out: the
/// tracer was killed while writing it.
pub fn parse(trace: &str) -> Result<Vec<Syscall>, ParseError> {
    let mut calls: Vec<Syscall> = Vec::new();
    let mut unfinished: HashMap<u32, (usize, String)> = HashMap::new();
    for (index, line) in trace.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let Some(line) = line.strip_suffix('\n') else { break };
        let bad = || ParseError { line: number, text: line.chars().take(300).collect() };
        let (thread, rest) = split_thread(line).ok_or_else(bad)?;
        if rest.starts_with("+++") || rest.starts_with("---") || rest.is_empty() {
            continue;
        }
        if let Some(head) = rest.strip_suffix("<unfinished ...>") {
            let call = parse_call(thread, number, None, head.trim_end(), "").ok_or_else(bad)?;
            unfinished.insert(thread, (calls.len(), head.trim_end().to_owned()));
            calls.push(call);
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, tail) = resumed.split_once(" resumed>").ok_or_else(bad)?;
            let (at, head) = unfinished.remove(&thread).ok_or_else(bad)?;
            let begin = calls[at].begin;
            calls[at] = parse_call(thread, begin, Some(number), &head, tail).ok_or_else(bad)?;
        } else {
            calls.push(parse_call(thread, number, Some(number), rest, "").ok_or_else(bad)?);
        }
    }
    Ok(calls)
}

/// Takes the thread, and the time if there is one, off a line.
fn split_thread(line: &str) -> Option<(u32, &str)> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let thread = thread.parse().ok()?;
    let rest = rest.trim_start();
    let clock = |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b':');
    match rest.split_once(' ') {
        Some((first, behind)) if first.starts_with(|c: char| c.is_ascii_digit()) && clock(first) => {
            Some((thread, behind.trim_start()))
        }
        _ => Some((thread, rest)),
    }
}

/// A call whose text is `head` and `tail` together.
fn parse_call(thread: u32, begin: usize, end: Option<usize>, head: &str, tail: &str) -> Option<Syscall> {
    let text = format!("{head}{tail}");
    let (name, rest) = text.split_once('(')?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let (args, rest) = split_args(rest, end.is_none())?;
    let (outcome, injected) = match end {
        None => (Outcome::Unknown, false),
        Some(_) => {
            (parse_outcome(rest.trim_start().strip_prefix('=')?.trim_start()), rest.contains("(INJECTED)"))
        }
    };
    Some(Syscall {
        thread,
        begin,
        end,
        name: name.to_owned(),
        args: args.iter().map(|arg| parse_arg(arg)).collect(),
        outcome,
        injected,
    })
}

fn parse_outcome(text: &str) -> Outcome {
    let word = text.split([' ', '<']).next().unwrap_or_default();
    match word.parse::<i64>() {
        Ok(value) if value >= 0 => Outcome::Value(value),
        Ok(_) => Outcome::Error(text.split(' ').nth(1).unwrap_or_default().to_owned()),
        Err(_) => match word.strip_prefix("0x").map(|hex| i64::from_str_radix(hex, 16)) {
            Some(Ok(value)) => Outcome::Value(value),
            _ => Outcome::Unknown,
        },
    }
}

/// Cuts the arguments at the commas that are outside of any string or bracket; returns them and what is behind
/// the closing parenthesis. An `open` list may lack that parenthesis.
fn split_args(text: &str, open: bool) -> Option<(Vec<&str>, &str)> {
    let mut args = Vec::new();
    let (mut depth, mut start, mut in_string, mut escaped) = (0_u32, 0, false, false);
    // The path behind a descriptor (`3</a,b>`) is written with its own `<` and `>` escaped.
    let mut in_path = false;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'>' if in_path => in_path = false,
            _ if in_path => {}
            b'<' => in_path = true,
            b'"' => in_string = true,
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => {
                push_arg(&mut args, &text[start..at]);
                return Some((args, &text[at + 1..]));
            }
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                push_arg(&mut args, &text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    push_arg(&mut args, &text[start..]);
    open.then_some((args, ""))
}

fn push_arg<'a>(args: &mut Vec<&'a str>, text: &'a str) {
    let text = text.trim();
    if !text.is_empty() {
        args.push(text);
    }
}

fn parse_arg(text: &str) -> Arg {
    if let Some(string) = text.strip_prefix('"') {
        let cut = string.ends_with("\"...");
        let string = string.strip_suffix("...").unwrap_or(string);
        let string = string.strip_suffix('"').unwrap_or(string);
        return Arg::Bytes { bytes: unescape(string), cut };
    }
    if let Ok(number) = text.parse() {
        return Arg::Number(number);
    }
    parse_file(text).unwrap_or_else(|| Arg::Text(text.to_owned()))
}

/// `3</path>`, `AT_FDCWD</path>` or `3</path>(deleted)`.
fn parse_file(text: &str) -> Option<Arg> {
    let (number, rest) = text.split_once('<')?;
    let number = match number {
        "AT_FDCWD" => None,
        number => Some(number.parse().ok()?),
    };
    let (path, behind) = rest.rsplit_once('>')?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(unescape(path)));
    Some(Arg::File { number, path, deleted: behind == "(deleted)" })
}

/// Undoes strace's escapes: as in C, with octal or hexadecimal numbers.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some((&kind, behind)) = rest.split_first() else { break };
        let (digits, radix) = match kind {
            b'x' => (digits(behind, 2, 16), 16),
            _ => (digits(rest, 3, 8), 8),
        };
        rest = if kind == b'x' { &behind[digits.len()..] } else { &rest[digits.len().max(1)..] };
        let number = std::str::from_utf8(digits).ok().and_then(|d| u8::from_str_radix(d, radix).ok());
        bytes.push(number.unwrap_or(match kind {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            other => other,
        }));
    }
    bytes
}

/// The leading digits of `bytes`, at most `most`.
fn digits(bytes: &[u8], most: usize, radix: u32) -> &[u8] {
    let count = bytes.iter().take(most).take_while(|&&b| char::from(b).is_digit(radix)).count();
    &bytes[..count]
}
