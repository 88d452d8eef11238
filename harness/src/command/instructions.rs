//! `cargo verify instructions`: the hot paths under callgrind, against the pinned list.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::out;
use crate::instructions::{Judged, PATHS, Path, Pin, Uncounted, count, judge, parse, render};

/// Where the pinned list is.
const PINNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// What to count.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Pin what is counted, instead of holding it against what is pinned.
    #[arg(long)]
    accept: bool,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// One path, to be run in this process; callgrind runs it so.
#[derive(Debug, Args)]
pub(super) struct HotPath {
    /// Its name.
    name: String,
    /// An empty directory.
    dir: PathBuf,
}

#[derive(Debug, Serialize)]
struct Row {
    path: &'static str,
    says: &'static str,
    instructions: u64,
    pinned: Option<u64>,
    verdict: &'static str,
}

/// Counts them. Exit codes: 0 holds, 1 a path has grown or shrunk, 3 valgrind is missing, 4 environment.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let counted = match count_all() {
        Ok(counted) => counted,
        Err(why) => {
            eprintln!("cargo verify instructions: {why}");
            return ExitCode::from(if matches!(why, Uncounted::Missing) { 3 } else { 4 });
        }
    };
    if arguments.accept {
        return match std::fs::write(PINNED, render(&counted)) {
            Ok(()) => out::print(render(&counted).trim_end(), ExitCode::SUCCESS),
            Err(error) => broken(&format!("{PINNED} cannot be written: {error}")),
        };
    }
    let pinned =
        std::fs::read_to_string(PINNED).map_err(|error| error.to_string()).and_then(|text| parse(&text));
    match pinned {
        Ok(pinned) => tell(&counted, &pinned, arguments.json),
        Err(why) => broken(&format!("{PINNED}: {why}; `cargo verify instructions --accept` makes it")),
    }
}

fn broken(says: &str) -> ExitCode {
    eprintln!("cargo verify instructions: {says}");
    ExitCode::from(4)
}

fn count_all() -> Result<Pin, Uncounted> {
    // On the volume of the build, where a loss of power can be survived; the system's temporary directory may be memory.
    let program =
        std::env::current_exe().map_err(|source| Uncounted::Io { what: "this program".into(), source })?;
    let scratch = program.parent().map_or_else(std::env::temp_dir, std::path::Path::to_path_buf);
    PATHS.iter().map(|path| Ok((path.name.to_owned(), count(path, &scratch)?))).collect()
}

fn tell(counted: &Pin, pinned: &Pin, json: bool) -> ExitCode {
    let rows: Vec<Row> = PATHS
        .iter()
        .filter_map(|path| {
            let instructions = *counted.get(path.name)?;
            let verdict = match judge(path.name, instructions, pinned) {
                Judged::Holds => "holds",
                Judged::Grown => "GROWN",
                Judged::Shrunk => "SHRUNK: pin it anew with --accept",
                Judged::NotPinned => "NOT PINNED",
            };
            let pinned = pinned.get(path.name).copied();
            Some(Row { path: path.name, says: path.says, instructions, pinned, verdict })
        })
        .collect();
    let end = ExitCode::from(u8::from(rows.iter().any(|row| row.verdict != "holds")));
    if json {
        return out::json(&rows, end);
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header([
        "path",
        "one operation",
        "instructions",
        "pinned",
        "verdict",
    ]);
    for row in &rows {
        let pinned = row.pinned.map_or_else(|| "-".to_owned(), |n| n.to_string());
        table.add_row([row.path, row.says, &row.instructions.to_string(), &pinned, row.verdict]);
    }
    out::print(table, end)
}

/// Runs one path.
pub(super) fn hot_path(arguments: &HotPath) -> ExitCode {
    let Some(path) = Path::named(&arguments.name) else {
        eprintln!("cargo verify hot-path: no path is called {:?}", arguments.name);
        return ExitCode::from(2);
    };
    match path.run(&arguments.dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo verify hot-path: {error}");
            ExitCode::from(4)
        }
    }
}
