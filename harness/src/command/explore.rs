//! `cargo verify explore`: stateright's Explorer, a scope in a browser.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Args;
use truelog_spec::model::explorer::World;

use super::out;

/// Which scope, and where.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The scope; without one all are listed.
    model: Option<String>,
    /// The port of this machine, which nobody else can reach; 0 takes a free one.
    #[arg(long, default_value_t = 3000, value_name = "N")]
    port: u16,
}

/// Serves it until the process ends.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let worlds = World::all();
    let list = || {
        let lines = worlds.iter().map(|world| format!("{:<22} {}", world.name(), world.says()));
        lines.collect::<Vec<_>>().join("\n")
    };
    let Some(name) = &arguments.model else { return out::print(list(), ExitCode::SUCCESS) };
    let Some(world) = worlds.iter().find(|world| world.name() == *name) else {
        eprintln!("cargo verify explore: no scope is called {name:?}:\n{}", list());
        return ExitCode::from(2);
    };
    let address = match free(arguments.port) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("cargo verify explore: port {}: {error}", arguments.port);
            return ExitCode::from(4);
        }
    };
    let told = out::print(format!("{name}: http://{address}/"), ExitCode::SUCCESS);
    if told == ExitCode::SUCCESS {
        world.serve(address);
    }
    told
}

/// The address, if it can be had: the Explorer itself would panic.
fn free(port: u16) -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()
}
