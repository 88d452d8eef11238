//! `truelog watch` beside a writer, asked over HTTP.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use common::{Watch, Writer, create, is_well, place, truelog};
use serde_json::Value;

fn verdict<'a>(status: &'a Value, name: &str) -> &'a str {
    let tiles = status["tiles"].as_array().unwrap();
    let tile = tiles.iter().find(|tile| tile["name"] == name);
    tile.unwrap_or_else(|| panic!("no tile {name}"))["verdict"].as_str().unwrap()
}

fn next_lsn(status: &Value) -> u64 {
    status["found"]["next_lsn"].as_u64().unwrap_or(0)
}

/// All files below, with their bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_log_that_is_well_is_green_and_nothing_is_touched() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(500);
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap()]);
    // The writer goes on beside it.
    writer.append(500);
    let status = watch.until(|status| {
        next_lsn(status) == 1001 && status["claims"]["values"]["truelog_durable_lsn"] == 1000
    });
    assert!(is_well(&status), "{status:#}");
    for name in
        ["look", "acked-is-durable", "claim-has-artifact", "health-tells-truth", "books-balance", "poisoned"]
    {
        assert_eq!(verdict(&status, name), "holds", "{name}: {status:#}");
    }
    assert_eq!(watch.get("/readyz").0, 200);
    assert!(watch.get("/readyz?verbose").1.contains("[+]acked-is-durable holds"));
    assert_eq!(watch.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(watch.get("/nothing").0, 404);
    assert_eq!(watch.ask("POST / HTTP/1.1\r\nHost: x\r\n\r\n").0, 405);
    assert_eq!(watch.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), (200, String::new()));
    let (_, page) = watch.get("/");
    assert!(
        !page.contains("data-verdict=\"violated\"")
            && !page.contains("http://")
            && !page.contains("https://")
    );
    writer.end();
    let before = files(&log);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(files(&log), before, "it wrote");
}

#[test]
fn every_metric_it_shows_is_in_its_list_and_each_in_the_list_is_shown() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(10);
    let app = place.path().join("app.log");
    fs::write(&app, "nothing\n").unwrap();
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap(), "--log", app.to_str().unwrap()]);
    let (_, text) = watch.get("/metrics");
    let shown = |line: &str| {
        let name = line.split([' ', '{']).next()?;
        // A histogram has three kinds of lines.
        let parts = ["_bucket", "_sum", "_count"].into_iter();
        let base = parts.filter_map(|part| name.strip_suffix(part)).find(|base| base.ends_with("_seconds"));
        Some(base.unwrap_or(name).to_owned())
    };
    let shown: BTreeSet<_> = text.lines().filter(|line| !line.starts_with('#')).filter_map(shown).collect();
    let listed: BTreeSet<_> = truelog_cli::watch::names().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(shown, listed);
}

#[test]
fn the_active_segment_removed_under_a_writer_is_red() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(500);
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap()]);
    // Once the idle mark is written the writer touches nothing, and so notices nothing.
    watch.until(|status| is_well(status) && status["found"]["vouched_lsn"] == 500);
    fs::remove_file(log.join("segment-0000000001")).unwrap();
    let status = watch.until(|status| status["verdict"] == "violated");
    for name in [
        "damaged",
        "file-displaced",
        "acked-is-durable",
        "claim-has-artifact",
        "reclaim-after-publish",
        "health-tells-truth",
    ] {
        assert_eq!(verdict(&status, name), "violated", "{name}: {status:#}");
    }
    assert_eq!(watch.get("/readyz").0, 503);
    assert!(watch.get("/").1.contains("data-verdict=\"violated\""));
    assert!(
        watch
            .get("/metrics")
            .1
            .contains("truelog_tile_verdict{tile=\"acked-is-durable\",kind=\"invariant\"} 3")
    );
}

#[test]
fn what_a_writer_said_of_its_end_stays_red_until_the_log_is_opened_again() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    Writer::start(&log, &metrics).end();
    let told = fs::read_to_string(&metrics).unwrap();
    let old = |path: &Path, seconds| {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap()]);
    watch.until(is_well);
    for (metric, tile, well) in
        [("truelog_poisoned", "poisoned", "unseen"), ("truelog_read_only", "claims-file", "holds")]
    {
        let said = told.replace(&format!("\n{metric} 0\n"), &format!("\n{metric} 1\n"));
        assert_ne!(said, told);
        fs::write(&metrics, said).unwrap();
        old(&metrics, 60);
        old(&log.join("MANIFEST"), 120);
        let status = watch.until(|status| verdict(status, tile) == "violated");
        assert!(status["claims"]["age_seconds"].as_u64().unwrap() >= 60, "{status:#}");
        assert_eq!(watch.get("/readyz").0, 503);
        // A writer that tells no numbers opens it.
        assert!(truelog().arg("append").arg(&log).output().unwrap().status.success());
        let status = watch.until(|status| verdict(status, tile) != "violated");
        assert_eq!((verdict(&status, tile), watch.get("/readyz").0), (well, 200), "{status:#}");
    }
}

#[test]
fn a_claim_of_records_that_are_not_there_is_red() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(20);
    writer.end();
    let told = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, told.replace("\ntruelog_durable_lsn 20\n", "\ntruelog_durable_lsn 21\n")).unwrap();
    let watch = Watch::start(&log, &["--metrics", metrics.to_str().unwrap()]);
    assert_eq!(verdict(&watch.status(), "claim-has-artifact"), "violated");
    fs::write(&metrics, told).unwrap();
    watch.until(|status| verdict(status, "claim-has-artifact") == "holds");
    fs::write(&metrics, "nonsense").unwrap();
    let status = watch.until(|status| verdict(status, "claim-has-artifact") == "unseen");
    assert_eq!(verdict(&status, "claims-file"), "degraded");
}

#[test]
fn a_log_that_goes_away_or_goes_back_is_red_and_comes_back_green() {
    let place = place();
    let (log, metrics) = (place.path().join("log"), place.path().join("metrics"));
    create(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(20);
    writer.end();
    let older = files(&log);
    let mut writer = Writer::start(&log, &metrics);
    writer.append(20);
    writer.end();
    let watch = Watch::start(&log, &[]);
    watch.until(is_well);
    fs::rename(&log, place.path().join("away")).unwrap();
    let status = watch.until(|status| status["verdict"] == "violated");
    assert_eq!(status["error"]["code"], "TL-018", "{status:#}");
    assert_eq!((verdict(&status, "look"), verdict(&status, "acked-is-durable")), ("violated", "violated"));
    assert_eq!(verdict(&status, "recovered-is-prefix"), "unseen");
    assert!(!watch.get("/metrics").1.contains("truelog_found_next_lsn"));
    fs::rename(place.path().join("away"), &log).unwrap();
    watch.until(is_well);
    for (path, bytes) in older {
        fs::write(path, bytes).unwrap();
    }
    let status = watch.until(|status| status["verdict"] == "violated");
    assert_eq!(verdict(&status, "acked-is-durable"), "violated", "{status:#}");
}

fn fails(output: &Output, exit: i32, code: &str) {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    assert!(error["error"]["next"].as_str().is_some_and(|next| next.len() > 10), "{error}");
}

#[test]
fn what_it_cannot_begin_with_is_an_error_with_a_code() {
    let place = place();
    let log = place.path().join("log");
    let watch = |dir: &Path, address: &str| {
        truelog().arg("--json").arg("watch").arg(dir).args(["--listen", address]).output().unwrap()
    };
    let more = |more: &[&str]| {
        let mut command = truelog();
        command.arg("--json").arg("watch").arg(&log).args(["--listen", "127.0.0.1:0"]).args(more);
        command.output().unwrap()
    };
    fails(&more(&["--log", "-"]), 2, "TL-913");
    fails(&more(&["--log", "app.log", "--patterns", "none"]), 4, "TL-907");
    create(&log);
    fails(&watch(&log, "here"), 2, "TL-930");
    fails(&watch(&log, "127.0.0.1:99999"), 2, "TL-930");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    fails(&watch(&log, &taken.local_addr().unwrap().to_string()), 4, "TL-931");
}

#[test]
fn it_ends_by_a_signal_with_exit_code_0_and_nobody_can_hold_it_up() {
    let place = place();
    let log = place.path().join("log");
    create(&log);
    for signal in ["-TERM", "-INT"] {
        let mut watch = Watch::start(&log, &[]);
        // Those who never ask are let go of, and the next is answered.
        let idle: Vec<_> = (0..4).map(|_| TcpStream::connect(&watch.address).unwrap()).collect();
        assert_eq!(watch.get("/livez").0, 200);
        drop(idle);
        watch.signal(signal);
        assert_eq!(watch.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}
