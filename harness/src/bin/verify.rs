//! The verifier's command: `cargo verify`. Called by the name of the operator's command, it is that command, so
//! that the checks on real processes need no second program to be built.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args_os().next();
    let name = name.as_deref().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == truelog_harness::process::CHILD) {
        return truelog_cli::main();
    }
    truelog_harness::command::main()
}
