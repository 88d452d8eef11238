//! The status page in a real browser, headless.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use common::{Watch, Writer, create, is_well, place};

/// Where a Chromium may be called.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// It must find nothing and leave nothing.
const QUIET: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser. Where there is none the test says so, as loudly as a test can: it cannot show anything.
fn browser() -> Option<&'static str> {
    let runs = |name: &&&str| {
        let version =
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let found = BROWSERS.iter().find(runs).copied();
    if found.is_none() {
        // Not `eprintln!`, which the test harness swallows.
        let _ = writeln!(std::io::stderr(), "INCOMPLETE: there is no Chromium here; nothing was shown");
    }
    found
}

/// What the page is, once the browser's clock has gone on for so many milliseconds.
fn document(browser: &str, place: &Path, url: &str, time: u64) -> String {
    let output = Command::new(browser)
        .args(QUIET)
        .arg(format!("--user-data-dir={}", place.join("profile").display()))
        .arg(format!("--virtual-time-budget={time}"))
        .args(["--dump-dom", url])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("</html>"), "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A server that gives this answer once, and then no more to anybody.
fn once(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[test]
fn the_page_is_what_the_log_is_and_never_stays_green_when_nothing_answers() {
    let Some(browser) = browser() else { return };
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(500);
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap()]);
    let url = format!("http://{}/", watch.address);
    let (_, green) = watch.get("/");
    assert!(is_well(&watch.status()));
    let well = "id=\"acked-is-durable\" class=\"holds\"";
    assert!(document(browser, place.path(), &url, 1000).contains(well));

    // A page that was green when it was loaded, and that nobody answers any more.
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{green}", green.len());
    let lost = document(browser, place.path(), &once(answer), 40_000);
    assert!(lost.contains("<h1>no answer</h1>") && lost.contains("class=\"lost\""), "{lost}");

    std::fs::remove_file(log.join("segment-0000000001")).unwrap();
    watch.until(|status| status["verdict"] == "violated");
    let red = document(browser, place.path(), &url, 1000);
    assert!(red.contains("<h1>violated</h1>") && red.contains("id=\"acked-is-durable\" class=\"violated\""));
}
