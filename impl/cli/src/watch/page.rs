//! The status page: one document, which asks for nothing but itself.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::facts::{Claims, Facts};
use super::judge::Judged;
use super::said::Said;
use super::state::Look;
use super::tile::{Tile, Verdict};
use crate::failure::Shown;

/// What the page may do: style and run what it brings along, and ask its own server.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                                 connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                                 frame-ancestors 'none'";

/// How the page looks.
const STYLE: &str = include_str!("page.css");
/// It loads itself again, and says so when it cannot: a page that nobody renews must not stay green.
const SCRIPT: &str = include_str!("page.js");

/// The status, for programs.
#[derive(Serialize)]
struct Status<'a> {
    dir: &'a str,
    verdict: Verdict,
    ready: bool,
    /// When the last look ended, in seconds since 1970.
    looked_at: f64,
    tiles: &'a [Tile],
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a Claims>,
    /// What logs of the application claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<&'a Said>,
}

fn ended(look: &Look) -> Duration {
    look.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + look.took
}

/// The status as one object.
pub(super) fn json(dir: &str, look: &Look, judged: &Judged) -> String {
    let status = Status {
        dir,
        verdict: judged.verdict,
        ready: judged.is_ready(),
        looked_at: ended(look).as_secs_f64(),
        tiles: &judged.tiles,
        found: look.facts.as_ref().ok(),
        error: look.facts.as_ref().err(),
        claims: look.claims.as_ref().and_then(|claims| claims.as_ref().ok()),
        logs: look.said.as_ref(),
    };
    // Strings and numbers only: they all have a form.
    serde_json::to_string(&status).map(|text| text + "\n").unwrap_or_default()
}

/// The status as a page.
pub(super) fn html(dir: &str, look: &Look, judged: &Judged) -> String {
    let verdict = judged.verdict;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\" data-verdict=\"{word}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{word}: {dir}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        word = verdict.word(),
        dir = text(dir),
    );
    page += &header(dir, look, judged);
    let mut unseen = judged.tiles.iter().filter(|tile| tile.verdict == Verdict::Unseen).peekable();
    page += "<main>\n";
    judged.tiles.iter().filter(|tile| tile.verdict != Verdict::Unseen).for_each(|tile| page += &show(tile));
    page += "</main>\n";
    if unseen.peek().is_some() {
        page += "<h2>Not seen from here</h2>\n<main>\n";
        unseen.for_each(|tile| page += &show(tile));
        page += "</main>\n";
    }
    page += &format!(
        "<footer><a href=\"/status.json\">status.json</a> <a href=\"/metrics\">metrics</a> \
         <a href=\"/readyz?verbose\">readyz</a></footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    );
    page
}

/// The verdict, in one line and a few numbers.
fn header(dir: &str, look: &Look, judged: &Judged) -> String {
    let count = |verdict| judged.tiles.iter().filter(|tile| tile.verdict == verdict).count();
    let counted = |verdict: Verdict| match count(verdict) {
        0 => None,
        number => Some(format!("{number} {}", verdict.word())),
    };
    let counts = [Verdict::Violated, Verdict::Degraded, Verdict::Holds, Verdict::Unseen];
    let counts: Vec<_> = counts.into_iter().filter_map(counted).collect();
    let mut header = format!(
        "<header class=\"{word}\">\n<h1>{word}</h1>\n<p class=\"dir\">{}</p>\n<p>{}</p>\n",
        text(dir),
        counts.join(", "),
        word = judged.verdict.word(),
    );
    if let Ok(facts) = &look.facts {
        let _ = writeln!(
            header,
            "<p>LSNs {} to {}, vouched for up to {}; {} segments, {} runs</p>",
            facts.first_lsn,
            facts.next_lsn.saturating_sub(1),
            facts.vouched_lsn,
            facts.segments,
            facts.runs
        );
    }
    let _ = writeln!(
        header,
        "<p id=\"age\" data-age=\"{:.1}\">looked {} s ago</p>\n</header>",
        look.began.elapsed().as_secs_f64(),
        look.began.elapsed().as_secs()
    );
    header
}

/// A tile, which opens its evidence. What is violated is open.
fn show(tile: &Tile) -> String {
    let Tile { name, kind, verdict, says, evidence, next } = tile;
    let open = if *verdict == Verdict::Violated { " open" } else { "" };
    let mut shown = format!(
        "<details id=\"{name}\" class=\"{word}\"{open}>\n<summary><b>{name}</b><em>{word}</em>\
         <span><i>{kind}</i> {}</span></summary>\n",
        text(says),
        word = verdict.word(),
        kind = kind.word(),
    );
    if !evidence.is_empty() {
        shown += "<ul>";
        evidence.iter().for_each(|line| shown += &format!("<li>{}</li>", text(line)));
        shown += "</ul>\n";
    }
    if let Some(next) = next {
        let _ = writeln!(shown, "<p>{}</p>", text(next));
    }
    shown + "</details>\n"
}

/// Text that is only text, wherever in a page it stands.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            char => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(text("/a<script>'\"&"), "/a&lt;script&gt;&#39;&quot;&amp;");
    }
}
