//! `truelog cat`: the records, in order.

use std::io::{self, Write};

use serde::Serialize;
use truelog::{Entry, Error, Lsn, LsnRange};

use crate::args::{Cat, OutputFormat};
use crate::failure::Failure;
use crate::open;
use crate::output;

/// A record as JSON. Exactly one of the payloads is there.
#[derive(Serialize)]
struct Shown<'a> {
    lsn: u64,
    stream: u64,
    seq: u64,
    vouched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

/// Runs it. What can be read is printed; each run of records that cannot is named on standard error.
///
/// # Errors
/// The last damage met, or whatever else the log or standard output reports.
pub(crate) fn run(args: &Cat, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut view = open::readable(&args.dir)?;
    let mut iter = view.iter(args.from.map_or(view.first(), Lsn));
    let as_json = json || args.format == OutputFormat::Json;
    let mut last = None;
    loop {
        let at = iter.position();
        let Some(entry) = iter.next() else { break };
        match entry {
            Ok(entry) => print(&entry, as_json, out)?,
            // A writer beside has archived the records, or merged their run, since the log was looked at.
            Err(_) if view.is_outdated().map_err(Failure::log(&args.dir))? => {
                view = open::readable(&args.dir)?;
                iter = view.iter(at);
            }
            Err(source) => {
                let path = args.dir.clone();
                let failure = if matches!(source, Error::Io { .. }) {
                    // The iterator ends here. What is in another file may be readable.
                    let next = view.behind_file(at).unwrap_or(view.next());
                    iter = view.iter(next);
                    Failure::Unread { path, lsns: LsnRange::new(at, next.prev()), source }
                } else {
                    Failure::Log { path, source }
                };
                if let Some(before) = last.replace(failure) {
                    // The last one is told by whoever called.
                    before.show(&mut io::stderr().lock(), json);
                }
            }
        }
    }
    output::flush(out)?;
    // Damage that no record hides behind is told too: without a manifest nobody knows what else there was.
    let known = view.damage().first().map(|damage| damage.error.clone());
    let failure = last.or(known.map(|source| Failure::Log { path: args.dir.clone(), source }));
    failure.map_or(Ok(()), Err)
}

fn print(entry: &Entry, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if !json {
        return out.write_all(&entry.payload).and_then(|()| out.write_all(b"\n")).map_err(Failure::output);
    }
    let text = std::str::from_utf8(&entry.payload).ok();
    output::json(
        out,
        &Shown {
            lsn: entry.lsn.get(),
            stream: entry.stream.get(),
            seq: entry.seq.get(),
            vouched: entry.vouched,
            payload: text,
            payload_hex: text.is_none().then(|| hex(&entry.payload)),
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use truelog::{Seq, StreamId};

    use super::*;

    fn shown(payload: &[u8], json: bool) -> Vec<u8> {
        let entry = Entry {
            lsn: Lsn(1),
            stream: StreamId(2),
            seq: Seq(3),
            payload: payload.to_vec().into(),
            vouched: true,
        };
        let mut out = Vec::new();
        print(&entry, json, &mut out).unwrap();
        out
    }

    #[test]
    fn text_is_text_and_the_rest_is_hexadecimal() {
        assert_eq!(shown(b"a\0b", false), b"a\0b\n");
        let text = String::from_utf8(shown("\"\u{e9}".as_bytes(), true)).unwrap();
        assert_eq!(text, "{\"lsn\":1,\"stream\":2,\"seq\":3,\"vouched\":true,\"payload\":\"\\\"\u{e9}\"}\n");
        let text = String::from_utf8(shown(&[0xff, 0x00, 0x7a], true)).unwrap();
        assert!(text.ends_with("\"payload_hex\":\"ff007a\"}\n"), "{text}");
    }
}
