//! The corpus text form: words separated by blanks, some of them `key=value`.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a step, an outcome or a trace. Says where, what was found, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}word {word}: found {found:?}, expected {expected}", Line(*.line))]
pub struct ParseError {
    /// The line of the file, from 1; 0 where a single line was parsed.
    pub line: usize,
    /// The word of the line, from 1.
    pub word: usize,
    /// What stands there; empty at the end of the line.
    pub found: String,
    /// What may stand there.
    pub expected: String,
}

struct Line(usize);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "line {}, ", self.0) }
    }
}

impl ParseError {
    /// An error about a whole text that has no words of its own.
    #[must_use]
    pub fn new(found: &str, expected: impl Into<String>) -> Self {
        Self { line: 0, word: 1, found: found.to_owned(), expected: expected.into() }
    }

    /// The same error, at a line of a file.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        self.line = line;
        self
    }
}

/// Reads a line word by word.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { words: text.split_whitespace().collect(), at: 0 }
    }

    /// An error about the next word.
    pub(crate) fn error(&self, expected: impl Into<String>) -> ParseError {
        let found = self.words.get(self.at).copied().unwrap_or_default().to_owned();
        ParseError { line: 0, word: self.at + 1, found, expected: expected.into() }
    }

    /// The next word, whatever it is.
    pub(crate) fn word(&mut self, expected: &str) -> Result<&'a str, ParseError> {
        let word = self.words.get(self.at).copied().ok_or_else(|| self.error(expected))?;
        self.at += 1;
        Ok(word)
    }

    /// The next word, parsed.
    pub(crate) fn parse<T: FromStr>(&mut self, expected: &str) -> Result<T, ParseError> {
        let value = self.words.get(self.at).and_then(|w| w.parse().ok());
        let value = value.ok_or_else(|| self.error(expected))?;
        self.at += 1;
        Ok(value)
    }

    /// The next word, parsed as something that says itself what it expects.
    pub(crate) fn one<T: FromStr<Err = ParseError>>(&mut self) -> Result<T, ParseError> {
        let word = self.words.get(self.at).copied().unwrap_or_default();
        let value = word.parse().map_err(|error: ParseError| self.error(error.expected))?;
        self.at += 1;
        Ok(value)
    }

    /// The next word is this one, and is taken.
    pub(crate) fn flag(&mut self, flag: &str) -> bool {
        let found = self.words.get(self.at) == Some(&flag);
        self.at += usize::from(found);
        found
    }

    /// The next word is `key=VALUE`: takes the value.
    pub(crate) fn key<T: FromStr>(&mut self, key: &str, expected: &str) -> Result<T, ParseError> {
        self.key_if(key, expected)?.ok_or_else(|| self.error(format!("{key}={expected}")))
    }

    /// If the next word is `key=VALUE`: takes the value.
    pub(crate) fn key_if<T: FromStr>(&mut self, key: &str, expected: &str) -> Result<Option<T>, ParseError> {
        let Some(text) = self.raw(key) else { return Ok(None) };
        let value = text.parse().map_err(|_| self.error(format!("{key}={expected}")))?;
        self.at += 1;
        Ok(Some(value))
    }

    /// If the next word is `key=A,B,...`: takes the values.
    pub(crate) fn list_if<T: FromStr>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<Vec<T>>, ParseError> {
        let Some(text) = self.raw(key) else { return Ok(None) };
        let values: Option<Vec<T>> = text.split(',').map(|part| part.parse().ok()).collect();
        let values = values.ok_or_else(|| self.error(format!("{key}={expected},{expected},...")))?;
        self.at += 1;
        Ok(Some(values))
    }

    /// All words are taken.
    pub(crate) fn end(&self) -> Result<(), ParseError> {
        if self.at == self.words.len() { Ok(()) } else { Err(self.error("the end of the line")) }
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        self.words.get(self.at)?.strip_prefix(key)?.strip_prefix('=')
    }
}

/// Writes values with commas between them.
pub(crate) struct Commas<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{value}")?;
        }
        Ok(())
    }
}

/// A fieldless enum with one word per variant: `ALL`, `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    $crate::text::ParseError::new(text, format!("{} ({})", $what, known.join(", ")))
                })
            }
        }
    };
}
pub(crate) use words;
