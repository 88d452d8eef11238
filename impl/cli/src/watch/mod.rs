//! `truelog watch`: looks at a log again and again, beside its writer, and tells over HTTP what it finds.
//!
//! It takes no lock and writes nothing. One thread looks; others answer, from the last look alone, so that a look that
//! hangs in the file system is told as stale instead of hanging the answer.

mod export;
mod facts;
mod http;
mod judge;
mod page;
mod rules;
mod said;
mod state;
mod tile;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::Watch;
use crate::failure::Failure;
use crate::output;

pub use export::names;
pub use judge::INVARIANTS;
use state::{Looker, State};

/// How long the first look is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is told once it listens.
#[derive(Serialize)]
struct Watching {
    dir: String,
    /// The log that is there, if there is one.
    log: Option<String>,
    listen: String,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The address is none, or cannot be listened on; the pattern file cannot be read; standard output. That there is no log is
/// none: it is on the page, which is red until there is.
pub(crate) fn run(args: &Watch, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let address = address(&args.listen)?;
    let looker = Looker::new(args)?;
    let refused = |source| Failure::Listen { address: args.listen.clone(), source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    // Before anybody is told that it listens: what is told to end, ends by it.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|_| Failure::Thread("signal"))?;
    let state = Arc::new(State::new(args, looker.unlooked()));
    spawn("listen", {
        let state = Arc::clone(&state);
        move || http::serve(&listener, &state)
    })?;
    let (first, looked) = mpsc::sync_channel(1);
    spawn("look", {
        let state = Arc::clone(&state);
        move || looker.run(&state, &first)
    })?;
    // A look that hangs keeps nobody from being told where it listens.
    let _ = looked.recv_timeout(PATIENCE);
    let log = match &state.look().facts {
        Ok(facts) => Ok(facts.log.clone()),
        Err(shown) => Err(format!("; {}: {}", shown.code, shown.what)),
    };
    let (dir, listen) = (args.dir.display().to_string(), bound.to_string());
    if json {
        output::json(out, &Watching { dir, log: log.ok(), listen })?;
    } else {
        let not_yet = log.err().unwrap_or_default();
        output::line(out, &format!("watching {dir} at http://{listen}/{not_yet}"))?;
    }
    output::flush(out)?;
    // Nothing is held that would have to be let go of.
    signals.forever().next();
    Ok(())
}

fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|_| Failure::Thread(name)).map(drop)
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let none = || Failure::Address(text.to_owned());
    text.to_socket_addrs().map_err(|_| none())?.next().ok_or_else(none)
}

/// How long a look is worth something, at most, when they come every so often.
fn lasts(every: Duration) -> Duration {
    every.saturating_mul(3).saturating_add(Duration::from_secs(1))
}
