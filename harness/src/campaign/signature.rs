//! What makes two findings the same.

/// How much of what is wrong counts.
const WORDS: usize = 160;
/// From so many digits on a word of hexadecimal digits is a number.
const HEX: usize = 8;

/// The invariant, what was wrong without its numbers, and the kinds of the steps that led there.
pub(crate) fn signature(invariant: &str, violation: &str, kinds: &str) -> String {
    let plain = plain(violation.lines().next().unwrap_or_default());
    let words: String = plain.chars().take(WORDS).collect();
    if kinds.is_empty() { format!("{invariant}: {words}") } else { format!("{invariant}: {words} ({kinds})") }
}

/// A text with a sign in the place of each number, and of each list of numbers.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut word = String::new();
    for char in text.chars().chain([' ']) {
        if char.is_ascii_alphanumeric() {
            word.push(char);
        } else {
            plain.push_str(&numberless(&word));
            word.clear();
            plain.push(char);
        }
    }
    plain.pop();
    while plain.contains("#, #") {
        plain = plain.replace("#, #", "#");
    }
    plain
}

/// A word with a sign for each run of digits in it.
fn numberless(word: &str) -> String {
    if word.len() >= HEX && word.chars().all(|char| char.is_ascii_hexdigit()) {
        return "#".to_owned();
    }
    let mut plain = String::new();
    for char in word.chars() {
        match char {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lists_of_them_and_digests_do_not_part_findings() {
        let of = |violation| signature("acked-is-durable", violation, "append, power");
        assert_eq!(of("LSN 12 is gone"), "acked-is-durable: LSN # is gone (append, power)");
        assert_eq!(of("LSN 12 is gone"), of("LSN 7 is gone"));
        assert_eq!(of("records [1, 2, 3] of deadbeef01"), of("records [44] of 0123456789abcdef"));
        assert_eq!(of("segment-0000000001 ended"), of("segment-0000000077 ended"));
        assert_ne!(of("LSN 12 is gone"), of("LSN 12 came back"));
        assert_ne!(of("LSN 1 is gone"), signature("acked-is-durable", "LSN 1 is gone", "trim-all, power"));
        assert_ne!(of("LSN 1 is gone"), signature("nothing-invented", "LSN 1 is gone", "append, power"));
    }
}
