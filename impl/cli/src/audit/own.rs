//! The events of this log, in the lines of an application: JSON as tracing's subscriber writes it, or text.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde::Deserialize;
use truelog::{Lsn, LsnRange, Place, SegmentNo};

/// Whose events are claims: the one module that says "durable".
const TARGET: &str = "truelog::event";
/// What the codes of errors begin with.
const CODE: &str = "TL-";
/// What the event of a durable batch is called.
const DURABLE: &str = "durable";

/// What a line has in it that may be an event of ours: the target, or a claim or a code without one.
static OURS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let json = r#"\\?"(?i:message|msg)\\?":\s*\\?"durable|\\?"code\\?":\s*\\?"TL-"#;
    Regex::new(&format!(r#"truelog::event|\bdurable"?,? first[=:]|\bcode=.?TL-|{json}"#)).ok()
});

/// What a line says of a log of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Own<'a> {
    /// Before it, on the same line, is a line that was never finished.
    pub(crate) behind_torn: bool,
    pub(crate) says: Says<'a>,
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Says<'a> {
    /// A batch is durable.
    Durable(Place),
    /// Another event.
    Other(Told<'a>),
    /// It is cut or mixed up, and may have been a claim.
    Garbled,
    /// Nothing.
    Nothing,
}

/// An event that is no claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    /// Its message.
    pub(crate) event: Cow<'a, str>,
    /// The code of the error that it tells of.
    pub(crate) code: Option<Cow<'a, str>>,
    /// What it gives as the reason.
    pub(crate) why: Option<Cow<'a, str>>,
}

/// A line of JSON, with or without its fields in an object of their own.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    fields: Option<Fields<'a>>,
}

/// How a line begins that tracing's subscriber has written as JSON.
const START: &[u8] = b"{\"timestamp\"";
/// Where a container's runtime, the journal and forwarders have the line that they wrap.
const WRAPPED: [&str; 4] = ["log", "MESSAGE", "message", "msg"];

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, alias = "msg")]
    message: Option<Cow<'a, str>>,
    first: Option<u64>,
    last: Option<u64>,
    segment: Option<u64>,
    offset: Option<u64>,
    end: Option<u64>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cause: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    why: Option<Cow<'a, str>>,
    #[serde(borrow)]
    evidence: Option<Cow<'a, str>>,
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Own<'_> {
    let ours = OURS.as_ref().is_some_and(|ours| ours.is_match(line));
    let trimmed = line.trim_ascii();
    if !trimmed.starts_with(b"{") {
        let says = if ours { behind_prefix(trimmed) } else { Some(Says::Nothing) };
        return says.map_or_else(|| text(line), |says| Own { behind_torn: false, says });
    }
    if !ours {
        // What begins as a line of ours does may have been cut before it named itself.
        let cut = trimmed.starts_with(START) && !trimmed.ends_with(b"}");
        let says = if cut { Says::Garbled } else { Says::Nothing };
        return Own { behind_torn: false, says };
    }
    if let Some(says) = json(trimmed) {
        return Own { behind_torn: false, says };
    }
    let last = trimmed.windows(START.len()).rposition(|window| window == START).filter(|at| *at > 0);
    // Two whole claims on a line are two: only what was never finished may be passed over.
    let two = last.and_then(|at| json(trimmed.get(..at)?.trim_ascii_end()));
    match last.filter(|_| two.is_none()).and_then(|at| json(trimmed.get(at..)?)) {
        Some(says) => Own { behind_torn: true, says },
        None => Own { behind_torn: false, says: Says::Garbled },
    }
}

/// What a whole object says; `None` if it is none, or lacks something.
fn json(text: &[u8]) -> Option<Says<'_>> {
    let line: Line<'_> = serde_json::from_slice(text).ok()?;
    match line.target.as_deref() {
        Some(TARGET) => {}
        Some(_) => return Some(Says::Nothing),
        None => return Some(untargeted(text)),
    }
    let fields = match line.fields {
        Some(fields) => fields,
        None => serde_json::from_slice(text).ok()?,
    };
    said(fields)
}

/// What an object says behind the prefix that a syslog or a container's runtime has put before it.
fn behind_prefix(line: &[u8]) -> Option<Says<'_>> {
    let (prefix, object) = line.split_at(line.windows(2).position(|two| two == b"{\"")?);
    let torn = prefix.windows(TARGET.len()).any(|window| window == TARGET.as_bytes());
    json(object).filter(|says| !torn && *says != Says::Nothing)
}

/// What an object says that was written without its target: whatever has all that a claim of ours has is one, and so is
/// the line that it wraps.
fn untargeted(text: &[u8]) -> Says<'_> {
    let line = serde_json::from_slice::<Line<'_>>(text).ok();
    let fields = line.and_then(|line| line.fields).or_else(|| serde_json::from_slice(text).ok());
    let ours = |fields: &Fields<'_>| {
        fields.message.as_deref() == Some(DURABLE)
            || fields.code.as_deref().is_some_and(|code| code.starts_with(CODE))
    };
    if let Some(says) = fields.filter(ours).and_then(said) {
        return says;
    }
    let object: Object = serde_json::from_slice(text).unwrap_or_default();
    if object.get("TARGET").is_some_and(|target| target == TARGET) {
        return journaled(&object);
    }
    let lines = || WRAPPED.iter().filter_map(|name| object.get(*name)?.as_str());
    // It calls itself a claim, and cannot be read as one.
    let garbled = lines().any(|line| line == DURABLE) && object.contains_key("segment");
    let otherwise = if garbled { Says::Garbled } else { Says::Nothing };
    lines().map(unwrapped).find(|says| *says != Says::Nothing).unwrap_or(otherwise)
}

type Object = serde_json::Map<String, serde_json::Value>;

/// What an event says that a subscriber has handed to the journal: each field an entry of its own, in text.
fn journaled(object: &Object) -> Says<'static> {
    let field = |name: &str| object.get(name)?.as_str();
    let owned = |text: &str| Cow::Owned(text.to_owned());
    match field("MESSAGE") {
        None => Says::Garbled,
        Some(DURABLE) => {
            let number = |name: &str| field(name)?.parse().ok();
            let place = || {
                let lsns = LsnRange::new(Lsn(number("F_FIRST")?), Lsn(number("F_LAST")?));
                let segment = SegmentNo(number("F_SEGMENT")?);
                Some(Place { lsns, segment, offset: number("F_OFFSET")?, end: number("F_END")? })
            };
            place().map_or(Says::Garbled, Says::Durable)
        }
        Some(event) => Says::Other(Told {
            event: owned(event),
            code: field("F_CODE").map(owned),
            why: ["F_CAUSE", "F_ERROR", "F_WHY", "F_EVIDENCE"].into_iter().find_map(field).map(owned),
        }),
    }
}

/// What the line says that stands in another.
fn unwrapped(line: &str) -> Says<'static> {
    match read(line.trim_end().as_bytes()).says {
        Says::Durable(place) => Says::Durable(place),
        Says::Other(Told { event, code, why }) => {
            let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
            Says::Other(Told { event: owned(event), code: code.map(owned), why: why.map(owned) })
        }
        Says::Garbled => Says::Garbled,
        Says::Nothing => Says::Nothing,
    }
}

/// What the fields of an event of ours say; `None` if something lacks.
fn said(fields: Fields<'_>) -> Option<Says<'_>> {
    let message = fields.message?;
    if message != DURABLE {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let why = fields.cause.or(fields.error).or(fields.why).or(fields.evidence);
        let (code, why) = (fields.code.map(owned), why.map(owned));
        return Some(Says::Other(Told { event: Cow::Owned(message.into_owned()), code, why }));
    }
    let lsns = LsnRange::new(Lsn(fields.first?), Lsn(fields.last?));
    Some(Says::Durable(Place {
        lsns,
        segment: SegmentNo(fields.segment?),
        offset: fields.offset?,
        end: fields.end?,
    }))
}

/// What a line of text says, if it names an event of ours. Terminals' colours are no part of it.
fn text(line: &[u8]) -> Own<'_> {
    let marker = format!("{TARGET}: ");
    let plain = without_colours(line);
    let plain = String::from_utf8_lossy(&plain);
    let behind_torn = plain.matches(&marker).nth(1).is_some();
    let Some((before, event)) = plain.rsplit_once(&marker) else {
        return Own { behind_torn: false, says: unmarked(&plain) };
    };
    if before
        .rsplit_once(&marker)
        .is_some_and(|(_, event)| event.starts_with(DURABLE) && place(event).is_some())
    {
        return Own { behind_torn: false, says: Says::Garbled };
    }
    Own { behind_torn, says: said_in(event) }
}

/// What a line of text says that was written without its target: as [`untargeted`]. The event is behind the level.
fn unmarked(plain: &str) -> Says<'static> {
    if plain.contains(TARGET) {
        return Says::Garbled;
    }
    if let Some((at, _)) = plain.rmatch_indices(DURABLE).find(|(at, _)| plain[*at..].contains(" first")) {
        let claims = said_in(&plain[at..]);
        // One of ours names a segment, too.
        return if plain[at..].contains("segment") || matches!(claims, Says::Durable(_)) {
            claims
        } else {
            Says::Nothing
        };
    }
    let behind = |level: &str| plain.split_once(level).map(|(_, event)| event.trim_start());
    let event = ["ERROR ", "WARN ", "INFO "].into_iter().find_map(behind).unwrap_or(plain);
    match said_in(event) {
        Says::Other(told) if told.code.as_deref().is_some_and(|code| code.starts_with(CODE)) => {
            Says::Other(told)
        }
        _ => Says::Nothing,
    }
}

/// What the text of an event says: `durable first=1 …`.
fn said_in(event: &str) -> Says<'static> {
    // `message, name: value, …`, as a subscriber writes it that writes for people.
    let listed =
        event.split_once(", ").filter(|(message, rest)| !message.contains('=') && rest.contains(": "));
    let flat =
        listed.map(|(message, rest)| format!("{message} {}", rest.replace(": ", "=").replace(", ", " ")));
    let event = flat.as_deref().unwrap_or(event);
    let message = event
        .split_once('=')
        .map_or(event, |(before, _)| before.rsplit_once(' ').map_or("", |(message, _)| message));
    let message = message.trim_end();
    if message.starts_with(DURABLE) {
        place(event).map_or(Says::Garbled, Says::Durable)
    } else if message.is_empty() {
        Says::Garbled
    } else {
        Says::Other(told(message, event))
    }
}

/// What an event in a line of text tells: `poisoned code="TL-001" cause=…`. A reason is the last that is written.
fn told(message: &str, event: &str) -> Told<'static> {
    let behind = |name: &str| event.split_once(&format!(" {name}=")).map(|(_, value)| value);
    let code = behind("code").and_then(|value| value.split_ascii_whitespace().next());
    let why = ["cause", "error", "why", "evidence"].into_iter().find_map(behind);
    let owned = |text: &str| Cow::Owned(text.trim_matches('"').to_owned());
    Told { event: Cow::Owned(message.to_owned()), code: code.map(owned), why: why.map(owned) }
}

/// The place in `durable first=1 last=2 segment=1 offset=4096 end=8192`.
fn place(event: &str) -> Option<Place> {
    let field = |name: &str| {
        // Behind the event's own there may be those of the spans around it.
        let mut values =
            event.split_ascii_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        values.next()?.parse().ok()
    };
    let lsns = LsnRange::new(Lsn(field("first")?), Lsn(field("last")?));
    Some(Place { lsns, segment: SegmentNo(field("segment")?), offset: field("offset")?, end: field("end")? })
}

/// A line without the control sequences that colour it on a terminal.
fn without_colours(line: &[u8]) -> Cow<'_, [u8]> {
    const ESC: u8 = 0x1b;
    if !line.contains(&ESC) {
        return Cow::Borrowed(line);
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == ESC {
            bytes.by_ref().find(u8::is_ascii_alphabetic);
        } else {
            plain.push(byte);
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"timestamp":"2026-11-26T03:14:00.000001Z","level":"INFO","fields":{"message":"durable","first":5,"last":9,"segment":1,"offset":4096,"end":8192},"target":"truelog::event"}"#;
    const FLAT: &str = r#"{"timestamp":"2026-11-26T03:14:00.000001Z","level":"INFO","message":"durable","first":5,"last":9,"segment":1,"offset":4096,"end":8192,"target":"truelog::event"}"#;
    const TEXT: &str = "2026-11-26T03:14:00.000001Z  INFO truelog::event: durable first=5 last=9 segment=1 offset=4096 end=8192";

    fn claim() -> Says<'static> {
        let lsns = LsnRange::new(Lsn(5), Lsn(9));
        Says::Durable(Place { lsns, segment: SegmentNo(1), offset: 4096, end: 8192 })
    }

    #[test]
    fn a_claim_is_read_from_json_and_from_text() {
        let coloured = TEXT.replace("truelog::event:", "\x1b[2mtruelog::event\x1b[0m\x1b[2m:\x1b[0m");
        let coloured = coloured.replace("first=", "\x1b[3mfirst\x1b[0m\x1b[2m=\x1b[0m");
        let people = TEXT.replace(
            "durable first=5 last=9 segment=1 offset=4096 end=8192",
            "durable, first: 5, last: 9, segment: 1, offset: 4096, end: 8192",
        );
        let nameless = JSON.replace(",\"target\":\"truelog::event\"", "");
        let nameless_flat = FLAT.replace(",\"target\":\"truelog::event\"", "");
        let wrap = |line: &str| {
            format!(
                "{{\"log\":{},\"stream\":\"stderr\"}}",
                serde_json::to_string(&format!("{line}\n")).unwrap()
            )
        };
        let journal = |line: &str| wrap(line).replace("\"log\"", "\"PRIORITY\":\"6\",\"MESSAGE\"");
        let wrapped = [
            wrap(JSON),
            wrap(TEXT),
            journal(JSON),
            journal(TEXT),
            wrap(TEXT).replace("\"log\"", "\"msg\""),
            wrap(&nameless_flat),
            nameless_flat.replace("\"message\"", "\"msg\""),
            TEXT.replace("truelog::event: ", ""),
            format!("{TEXT} offset=77"),
            TEXT.replace("truelog::event: ", "request{id=7}: "),
            TEXT.replace("INFO truelog::event: ", "level=info msg=\"").replace("durable", "durable\""),
            r#"{"MESSAGE":"durable","TARGET":"truelog::event","F_FIRST":"5","F_LAST":"9","F_SEGMENT":"1","F_OFFSET":"4096","F_END":"8192"}"#.to_owned(),
            format!("2026-11-26T03:14:00.1Z stderr F {JSON}"),
            format!("Nov 26 03:14:00 host app[7]: {TEXT}"),
        ];
        let plain = [JSON, FLAT, TEXT, &coloured, &people, &nameless, &nameless_flat];
        for line in plain.into_iter().chain(wrapped.iter().map(String::as_str)) {
            assert_eq!(read(line.as_bytes()), Own { behind_torn: false, says: claim() }, "{line}");
        }
    }

    #[test]
    fn a_line_behind_one_that_was_never_finished_counts() {
        for (half, whole) in [(&JSON[..60], JSON), (&TEXT[..70], TEXT), (&JSON[..150], JSON)] {
            let joined = format!("{half}{whole}");
            assert_eq!(read(joined.as_bytes()), Own { behind_torn: true, says: claim() }, "{joined}");
        }
    }

    #[test]
    fn two_whole_claims_on_a_line_are_not_one_behind_a_torn_one() {
        for line in [format!("{JSON}{JSON}"), format!("{JSON} {JSON}"), format!("{TEXT} {TEXT}")] {
            assert_eq!(read(line.as_bytes()).says, Says::Garbled, "{line}");
        }
    }

    #[test]
    fn a_claim_that_lacks_something_is_garbled_and_no_other_claim() {
        for line in [
            &JSON[..JSON.len() - 1],
            &JSON.replace("\"end\":8192", "\"end\":\"x\""),
            &JSON.replace(",\"end\":8192", ""),
            &TEXT.replace("end=8192", "en"),
            &TEXT[..TEXT.len() - 20],
            &TEXT.replace("segment=1", "segment=-1"),
            &TEXT.replace("durable first=5", "durable; first is 5"),
            &TEXT.replace("truelog::event: ", "").replace("end=8192", "en"),
            r#"{"MESSAGE":"durable","TARGET":"truelog::event","F_FIRST":"5"}"#,
            r#"{"msg":"durable","first":"5","segment":"1"}"#,
        ] {
            assert_eq!(read(line.as_bytes()).says, Says::Garbled, "{line}");
        }
    }

    #[test]
    fn other_lines_claim_nothing() {
        let event = |event: &'static str| Says::Other(Told { event: event.into(), code: None, why: None });
        let other = JSON.replace("durable", "drive is suspect");
        assert_eq!(read(other.as_bytes()).says, event("drive is suspect"));
        let foreign = JSON
            .replace("truelog::event", "app")
            .replace("\"target\"", "\"saw\":\"truelog::event\",\"target\"");
        for line in [
            "",
            "hello",
            "{}",
            r#"{"message":"durable","first":1}"#,
            "durable first=1",
            "INFO app: durable first=1 last=1",
            &foreign,
        ] {
            assert_eq!(read(line.as_bytes()).says, Says::Nothing, "{line}");
        }
        let text = "INFO truelog::event: drive is suspect drive=1 reason=a block was durable=1";
        assert_eq!(read(text.as_bytes()).says, event("drive is suspect"));
    }

    #[test]
    fn an_event_keeps_its_code_and_its_reason() {
        let json = r#"{"timestamp":"2026-11-26T03:14:00.000001Z","level":"ERROR","fields":{"message":"poisoned","code":"TL-001","cause":"fdatasync of \"seg\" failed"},"target":"truelog::event"}"#;
        let text = "2026-11-26T03:14:00.000001Z ERROR truelog::event: poisoned code=\"TL-001\" cause=fdatasync of \"seg\" failed";
        let unnamed = json.replace(",\"target\":\"truelog::event\"", "").replace("message", "msg");
        for line in [json, text, &unnamed, &text.replace("truelog::event: ", "")] {
            let Says::Other(told) = read(line.as_bytes()).says else { panic!("{line}") };
            assert_eq!((&*told.event, told.code.as_deref()), ("poisoned", Some("TL-001")), "{line}");
            assert_eq!(told.why.as_deref(), Some("fdatasync of \"seg\" failed"), "{line}");
        }
    }
}
