//! The values of ITF, read from the text that a state's `Debug` gives. That text is derived, so that no field is left
//! out, and none has to be listed here, when the state grows.
//!
//! | text | ITF |
//! |---|---|
//! | `Name { field: value }` | a record |
//! | `[a, b]` | a list |
//! | `(a, b)` | a tuple |
//! | `Name`, `Name(a)`, `Name(a, b)` | a variant: its tag, and a tuple of what it holds |
//! | `true`, `12`, `"text"` | themselves; a number that is not exact in every reader as `#bigint` |

use serde_json::{Map, Value, json};

/// The largest number that every reader of JSON keeps.
const EXACT: u64 = 1 << 53;

/// A text that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its text has {found:?} at byte {at}, where {expected} is due")]
pub struct Unread {
    at: usize,
    found: String,
    expected: &'static str,
}

/// Reads a struct: its fields.
pub(super) fn record(text: &str) -> Result<Map<String, Value>, Unread> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value()?;
    reader.blanks();
    match value {
        Value::Object(fields) if reader.at == text.len() => Ok(fields),
        _ => Err(reader.unread("a struct, and nothing behind it")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn unread(&self, expected: &'static str) -> Unread {
        Unread { at: self.at, found: self.rest().chars().take(20).collect(), expected }
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes a mark, with the blanks before it, if it is next.
    fn takes(&mut self, mark: char) -> bool {
        self.blanks();
        let is = self.rest().starts_with(mark);
        self.at += if is { mark.len_utf8() } else { 0 };
        is
    }

    fn due(&mut self, mark: char, expected: &'static str) -> Result<(), Unread> {
        if self.takes(mark) { Ok(()) } else { Err(self.unread(expected)) }
    }

    /// The longest beginning whose characters are all such.
    fn word(&mut self, such: fn(char) -> bool) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest.find(|one| !such(one)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn value(&mut self) -> Result<Value, Unread> {
        self.blanks();
        match self.rest().chars().next() {
            Some('[') => Ok(Value::Array(self.list('[', ']')?)),
            Some('(') => Ok(json!({ "#tup": self.list('(', ')')? })),
            Some('"') => self.string(),
            Some(digit) if digit.is_ascii_digit() || digit == '-' => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.named(),
            _ => Err(self.unread("a value")),
        }
    }

    fn list(&mut self, open: char, close: char) -> Result<Vec<Value>, Unread> {
        self.due(open, "the beginning of a list")?;
        let mut values = Vec::new();
        while !self.takes(close) {
            values.push(self.value()?);
            if !self.takes(',') {
                self.due(close, "a comma, or the end of a list")?;
                break;
            }
        }
        Ok(values)
    }

    fn string(&mut self) -> Result<Value, Unread> {
        // What `Debug` escapes JSON escapes alike, as far as states have text at all.
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<String>();
        match values.next() {
            Some(Ok(text)) => {
                self.at += values.byte_offset();
                Ok(Value::String(text))
            }
            _ => Err(self.unread("a text")),
        }
    }

    fn number(&mut self) -> Result<Value, Unread> {
        let start = self.at;
        let digits = self.word(|one| one.is_ascii_digit() || one == '-');
        match digits.parse::<i128>() {
            Ok(number) if number.unsigned_abs() <= u128::from(EXACT) => {
                // It fits: that was just looked at.
                Ok(i64::try_from(number).map_or(Value::Null, Value::from))
            }
            Ok(number) => Ok(json!({ "#bigint": number.to_string() })),
            Err(_) => {
                self.at = start;
                Err(self.unread("a whole number"))
            }
        }
    }

    /// What begins with a name: a struct, a variant, or a word of the language.
    fn named(&mut self) -> Result<Value, Unread> {
        let name = self.word(|one| one.is_alphanumeric() || one == '_');
        match (name, self.rest().trim_start().chars().next()) {
            ("true" | "false", _) => Ok(Value::Bool(name == "true")),
            (_, Some('{')) => self.fields().map(Value::Object),
            (_, Some('(')) => Ok(json!({ "tag": name, "value": { "#tup": self.list('(', ')')? } })),
            _ => Ok(json!({ "tag": name, "value": { "#tup": [] } })),
        }
    }

    fn fields(&mut self) -> Result<Map<String, Value>, Unread> {
        self.due('{', "the beginning of a struct")?;
        let mut fields = Map::new();
        while !self.takes('}') {
            let name = self.word(|one| one.is_alphanumeric() || one == '_');
            self.due(':', "a field")?;
            fields.insert(name.to_owned(), self.value()?);
            if !self.takes(',') {
                self.due('}', "a comma, or the end of a struct")?;
                break;
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "it is only printed")]
    struct Inner(u64, bool);

    #[derive(Debug)]
    #[allow(dead_code, reason = "it is only printed")]
    struct Outer {
        none: Option<u8>,
        some: Option<Inner>,
        list: Vec<(i8, &'static str)>,
        empty: Vec<u8>,
        large: u64,
        within: Within,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "it is only printed")]
    struct Within {
        unit: (),
    }

    #[test]
    fn each_kind_of_value_is_read() {
        let value = Outer {
            none: None,
            some: Some(Inner(7, true)),
            list: vec![(-1, "a \"b\"")],
            empty: Vec::new(),
            large: u64::MAX,
            within: Within { unit: () },
        };
        let expected = json!({
            "none": { "tag": "None", "value": { "#tup": [] } },
            "some": { "tag": "Some", "value": { "#tup": [{ "tag": "Inner", "value": { "#tup": [7, true] } }] } },
            "list": [{ "#tup": [-1, "a \"b\""] }],
            "empty": [],
            "large": { "#bigint": "18446744073709551615" },
            "within": { "unit": { "#tup": [] } },
        });
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert_eq!(record(&text).map(Value::Object), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_is_no_struct_is_refused_where_it_stops_being_one() {
        for (text, at) in
            [("", 0), ("A { b }", 6), ("A { b: 1", 8), ("A { b: ? }", 7), ("A { } B", 6), ("[1]", 3)]
        {
            assert_eq!(record(text).map_err(|error| error.at), Err(at), "{text}");
        }
    }
}
