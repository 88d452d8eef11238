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

/// The width of a small phone, in pixels.
const PHONE: u32 = 360;

/// Shows the page in a frame as wide as a phone, opens all tiles, and says what does not fit. A window of a browser without
/// a head may be no narrower than 500 pixels; a frame may.
const FRAME: &str = r#"<!DOCTYPE html><html><body><iframe id="phone" src="/page" style="width:WIDTHpx;height:740px;border:0">
</iframe><pre id="measured"></pre><script>
document.getElementById('phone').onload = () => {
  const page = document.getElementById('phone').contentDocument, wrong = [];
  const tiles = [...page.querySelectorAll('details')];
  tiles.forEach(tile => { tile.open = true; });
  if (page.documentElement.scrollWidth > WIDTH) wrong.push('the page is ' + page.documentElement.scrollWidth + ' wide');
  for (const tile of tiles) {
    const box = tile.getBoundingClientRect();
    const seen = tile.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && box.width > 0 && box.height > 0;
    if (!seen) wrong.push(tile.id + ' is not visible');
    if (box.left < 0 || box.right > WIDTH) wrong.push(tile.id + ' is cut');
    if (tile.scrollWidth > tile.clientWidth) wrong.push(tile.id + ' has text that is cut');
  }
  document.getElementById('measured').textContent = tiles.length + ' tiles: ' + (wrong.join('; ') || 'all fit');
};
</script></body></html>"#;

/// A server of the frame at `/`, and of this page at `/page`.
fn framed(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let count = stream.read(&mut asked).unwrap_or(0);
            let frame = FRAME.replace("WIDTH", &PHONE.to_string());
            let (status, body) = if asked[..count].starts_with(b"GET / ") {
                ("200 OK", frame.as_str())
            } else if asked[..count].starts_with(b"GET /page ") {
                ("200 OK", page.as_str())
            } else {
                ("404 Not Found", "")
            };
            let head = "Content-Type: text/html; charset=utf-8\r\nConnection: close";
            // The browser may have gone.
            let _ =
                write!(stream, "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

/// What the frame has measured: how many tiles there are, and what does not fit.
fn on_a_phone(browser: &str, place: &Path, page: String) -> String {
    let shown = document(browser, place, &framed(page), 500);
    let (_, measured) = shown.split_once("<pre id=\"measured\">").expect("the frame");
    measured.split_once("</pre>").expect("its end").0.to_owned()
}

#[test]
fn on_a_phone_the_page_is_no_wider_than_the_screen_and_every_tile_is_seen() {
    let Some(browser) = browser() else { return };
    let place = place();
    let log = place.path().join("log");
    create(&log);
    let watch = Watch::start(&log, &[]);
    watch.until(|status| status["verdict"].is_string());
    let (_, green) = watch.get("/");
    assert!(green.contains("<meta name=\"viewport\" content=\"width=device-width"), "{green}");
    std::fs::remove_file(log.join("MANIFEST")).unwrap();
    watch.until(|status| status["verdict"] == "violated");
    let (_, red) = watch.get("/");
    for page in [green, red] {
        let tiles = page.matches("<details").count();
        assert!(tiles > 20, "{page}");
        assert_eq!(on_a_phone(browser, place.path(), page.clone()), format!("{tiles} tiles: all fit"));
        // It measures: a tile that is wider than the screen, and one that is hidden, are told.
        for (rule, told) in [("min-width: 400px", "is cut"), ("display: none", "is not visible")] {
            let style = format!("<style>#acked-is-durable {{ {rule} }}</style></head>");
            let measured = on_a_phone(browser, place.path(), page.replace("</head>", &style));
            assert!(measured.contains(&format!("acked-is-durable {told}")), "{measured}");
        }
    }
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
