//! The operator's command, built beside the harness so that tests run the very same program as a child.

fn main() -> std::process::ExitCode {
    truelog_cli::main()
}
