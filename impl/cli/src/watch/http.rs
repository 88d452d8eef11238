//! Answers over HTTP: GET and HEAD, one request a connection, each within a deadline.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::judge::{self, Judged};
use super::state::State;
use super::tile::Verdict;
use super::{export, page};
use crate::exposition::CONTENT_TYPE;

/// From the first byte to the last, whatever the other side does.
const DEADLINE: Duration = Duration::from_secs(5);
/// Of that, to the end of the request: one that is sent by halves keeps others waiting no longer.
const ASKING: Duration = Duration::from_secs(1);
/// How many requests are answered at a time. Each has its deadlines, so that none holds its place for long.
const ANSWERING: usize = 64;
/// The longest request that is read.
const LONGEST: usize = 8 << 10;
/// The most header lines.
const HEADERS: usize = 64;

/// An answer.
struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Answers for good, each connection by a thread of its own.
pub(super) fn serve(listener: &TcpListener, state: &Arc<State>) {
    let answering = Arc::new(());
    loop {
        if Arc::strong_count(&answering) > ANSWERING {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        let (state, place) = (Arc::clone(state), Arc::clone(&answering));
        let answered = listener.accept().and_then(|(stream, _)| {
            let answer = move || {
                // Whoever goes away in between is not waiting for an answer.
                drop(converse(stream, &state));
                drop(place);
            };
            thread::Builder::new().name("answer".to_owned()).spawn(answer)
        });
        if answered.is_err() {
            // No descriptor is left, for instance: there may be one soon.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn converse(mut stream: TcpStream, state: &State) -> io::Result<()> {
    let now = Instant::now();
    let until = now + DEADLINE;
    let (answer, head) = match ask(&mut stream, now + ASKING)? {
        Asked::For { target, head } => (answer(&target, state), head),
        Asked::Otherwise => (Answer::text("405 Method Not Allowed", "GET and HEAD are answered\n"), false),
        Asked::Nothing => (Answer::text("400 Bad Request", "not a request that is understood\n"), false),
    };
    let Answer { status, kind, body } = answer;
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Allow: GET, HEAD\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: {}\r\n\r\n",
        body.len(),
        page::POLICY,
    );
    if !head {
        text += &body;
    }
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        let written = stream.write(rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    stream.shutdown(std::net::Shutdown::Write)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What a request is for.
enum Asked {
    For {
        target: String,
        head: bool,
    },
    /// Another method than those that are answered.
    Otherwise,
    /// It is no request, or too long.
    Nothing,
}

/// Reads a request's head.
fn ask(stream: &mut TcpStream, until: Instant) -> io::Result<Asked> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        let read = stream.read(&mut piece)?;
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => {
                let target = request.path.unwrap_or_default();
                // A proxy names the host, too.
                let below =
                    target.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
                let target = below.unwrap_or(target).to_owned();
                return Ok(match request.method {
                    Some(method @ ("GET" | "HEAD")) => Asked::For { target, head: method == "HEAD" },
                    _ => Asked::Otherwise,
                });
            }
            Ok(httparse::Status::Partial) if read > 0 && bytes.len() < LONGEST => {}
            _ => return Ok(Asked::Nothing),
        }
    }
}

fn answer(target: &str, state: &State) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let look = state.look();
    let judged = judge::judge(&look, state.stale(&look));
    match path {
        "/" => Answer {
            status: "200 OK",
            kind: "text/html; charset=utf-8",
            body: page::html(&state.dir, &look, &judged),
        },
        "/status.json" => Answer {
            status: "200 OK",
            kind: "application/json",
            body: page::json(&state.dir, &look, &judged),
        },
        "/metrics" => Answer {
            status: "200 OK",
            kind: CONTENT_TYPE,
            body: export::text(&state.dir, &look, &judged.tiles),
        },
        "/livez" => Answer::text("200 OK", "ok\n"),
        "/readyz" => ready(&judged, query.split('&').any(|word| word.split('=').next() == Some("verbose"))),
        _ => {
            Answer::text("404 Not Found", "/, /status.json, /metrics, /livez and /readyz?verbose are here\n")
        }
    }
}

/// Ready is what nothing speaks against: no violation, and a look that is fresh.
fn ready(judged: &Judged, verbose: bool) -> Answer {
    let ready = judged.is_ready();
    let status = if ready { "200 OK" } else { "503 Service Unavailable" };
    let mut body = String::new();
    for tile in judged.tiles.iter().filter(|tile| verbose || tile.verdict == Verdict::Violated) {
        let sign = match tile.verdict {
            Verdict::Violated => "[-]",
            Verdict::Unseen => "[?]",
            Verdict::Holds | Verdict::Degraded => "[+]",
        };
        body += &format!("{sign}{} {}: {}\n", tile.name, tile.verdict.word(), tile.says);
    }
    body += if ready { "ready\n" } else { "not ready\n" };
    Answer::text(status, body)
}
