//! The operator's command, `truelog`: a thin main over the library of the same package.

fn main() -> std::process::ExitCode {
    truelog_cli::main()
}
