//! One input of one target, as a text that shows it again.

use std::fmt::Write as _;

use super::{TARGETS, Target};

/// An input.
#[derive(Debug, Clone)]
pub struct Input {
    /// What takes it.
    pub target: &'static Target,
    /// It.
    pub bytes: Vec<u8>,
}

/// Why a text is no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnInput {
    /// No target has this name.
    #[error("no fuzz target is called `{0}`")]
    Target(String),
    /// These are no bytes.
    #[error("`{0}` is not bytes, two hexadecimal digits each")]
    Bytes(String),
}

impl Input {
    /// The input of a target, from its bytes in hexadecimal digits.
    ///
    /// # Errors
    /// When there is no such target, or these are no bytes.
    pub fn new(target: &str, hex: &str) -> Result<Self, NotAnInput> {
        let known = TARGETS.iter().find(|known| known.name == target);
        let target = known.ok_or_else(|| NotAnInput::Target(target.to_owned()))?;
        let bytes = bytes(hex).ok_or_else(|| NotAnInput::Bytes(hex.to_owned()))?;
        Ok(Self { target, bytes })
    }

    /// Its bytes in hexadecimal digits; something, even if there are none.
    #[must_use]
    pub fn hex(&self) -> String {
        if self.bytes.is_empty() {
            return "-".to_owned();
        }
        self.bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The command that runs it again.
    #[must_use]
    pub fn replay(&self) -> String {
        format!("cargo verify input {} {}", self.target.name, self.hex())
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex == "-" {
        return Some(Vec::new());
    }
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_its_text() {
        for bytes in [&[][..], &[7], &[0, 255, 16]] {
            let input = Input { target: &TARGETS[0], bytes: bytes.to_vec() };
            assert_eq!(
                Input::new(TARGETS[0].name, &input.hex()).map(|input| input.bytes),
                Ok(bytes.to_vec())
            );
        }
        assert!(Input::new("nowhere", "07").is_err());
        for hex in ["7", "0g", "+7"] {
            assert!(Input::new("batch", hex).is_err(), "{hex}");
        }
    }
}
