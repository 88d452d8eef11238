//! `cargo verify kernel`: one loom scenario, in this process. Loom aborts on a failure, so the check `loom`
//! runs each scenario so, as a child.

use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::kernels::{SCENARIOS, Scenario};

/// Which scenario.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its name.
    name: String,
}

/// Explores it; prints how many executions that took.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(scenario) = Scenario::named(&arguments.name) else {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("cargo verify kernel: no scenario is called {:?}: {}", arguments.name, known.join(", "));
        return ExitCode::from(2);
    };
    out::print(scenario.explore(), ExitCode::SUCCESS)
}
