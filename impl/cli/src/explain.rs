//! `truelog explain`: what a code means.

use std::io::Write;

use serde::Serialize;

use crate::args::Explain;
use crate::codes;
use crate::failure::Failure;
use crate::output;

/// A code as `--json` shows it.
#[derive(Serialize)]
struct Shown {
    code: &'static str,
    text: String,
}

impl Shown {
    /// What `code` means, whether it is the log's or the command's.
    fn find(code: &str) -> Option<Self> {
        if let Some(own) = codes::own(code) {
            let text = format!("{} {}\n\nNext: {}", own.what, own.more, own.next);
            return Some(Self { code: own.code, text });
        }
        let code = truelog::codes().find(|known| known.eq_ignore_ascii_case(code))?;
        truelog::explain(code).map(|text| Self { code, text: text.to_owned() })
    }
}

/// Runs it.
///
/// # Errors
/// [`Failure::UnknownCode`], or standard output fails.
pub(crate) fn run(args: &Explain, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let show = |out: &mut dyn Write, shown: &Shown, text: &str| {
        if json { output::json(out, shown) } else { output::line(out, &format!("{}  {text}", shown.code)) }
    };
    match &args.code {
        Some(code) => {
            let shown = Shown::find(code).ok_or_else(|| Failure::UnknownCode(code.clone()))?;
            show(out, &shown, &shown.text)?;
        }
        None => {
            let all = truelog::codes().chain(codes::all_own().map(|own| own.code));
            for shown in all.filter_map(Shown::find) {
                let first = shown.text.split_inclusive(". ").next().unwrap_or_default().trim_end();
                show(out, &shown, first)?;
            }
        }
    }
    output::flush(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once() {
        let mut seen = std::collections::BTreeSet::new();
        for code in truelog::codes().chain(codes::all_own().map(|own| own.code)) {
            assert!(seen.insert(code), "{code} is used twice");
            let shown = Shown::find(&code.to_lowercase()).unwrap();
            assert_eq!(shown.code, code);
            assert!(shown.text.len() > 20, "{code}");
        }
        assert!(Shown::find("TL-000").is_none());
    }
}
