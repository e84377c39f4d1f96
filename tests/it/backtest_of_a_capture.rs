//! `tickwheel backtest` over captures: books as an independent program rebuilds them, the same answer every
//! time, and bad input put aside by line.

use std::path::{Path, PathBuf};

use engine::instrument::Venue;
use serde_json::Value;
use simulator::binary::{Ended, Running, command};
use simulator::bookkeeper::Bookkeeper;
use simulator::capture::{self, Capture};
use simulator::scratch;

fn backtest(venue: Venue, capture: &Path, out: &Path) -> Ended {
    let mut command = command(&["backtest", "--json", "--venue", venue.name()]);
    command.arg("--capture").arg(capture).arg("--out").arg(out);
    Running::start(&mut command).end()
}

fn about(words: &[&str], dir: &Path) -> Ended {
    let mut command = command(words);
    command.arg(dir);
    Running::start(&mut command).end()
}

fn rows(dir: &Path) -> Vec<String> {
    let ended =
        about(&["journal", "book", "--instrument", "BTCUSDT", "--every", "100"], dir).expect(0);
    ended.stdout.lines().map(ToString::to_string).collect()
}

/// A made-up capture of either venue.
fn made_up(venue: Venue) -> Capture {
    println!("seed 151");
    let capture = capture::generate(venue, 151, 6_000);
    assert!(20 < capture.rows.len() && 50 < capture.trade_count);
    capture
}

#[test]
fn books_are_those_of_the_naive_twin_and_the_same_capture_gives_the_same_state() {
    for venue in [Venue::BinanceSpot, Venue::BinanceUsdm] {
        let capture = made_up(venue);
        let directory = scratch::directory();
        let file = directory.path().join("market.gz");
        capture::write_gzip(&file, &capture.lines);
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let first = backtest(venue, &file, &one).expect(0).json();
        for key in ["events", "orders", "fills", "state_hash", "journal"] {
            assert!(first.get(key).is_some(), "no key {key} in {first}");
        }
        assert_eq!(first["quarantined"], 0);
        assert_eq!(first["frames"], capture.lines.len());
        assert!(0 < first["orders"].as_u64().unwrap(), "nobody traded");
        assert_eq!(rows(&one), capture.rows);

        let second = backtest(venue, &file, &two).expect(0).json();
        for key in ["events", "orders", "fills", "state_hash", "records"] {
            assert_eq!(first[key], second[key], "{key}");
        }
        let mut diff = command(&["journal", "diff", "--json"]);
        diff.arg(&one).arg(&two);
        assert_eq!(Running::start(&mut diff).end().expect(0).json()["same"], true);

        let replay = about(&["replay", "--json"], &one).expect(0).json();
        assert_eq!(replay["first_divergence"], Value::Null);
        assert_eq!(replay["state_hash"], first["state_hash"]);
        let verify = about(&["journal", "verify", "--json"], &one).expect(0).json();
        assert_eq!((&verify["ok"], &verify["case"]), (&true.into(), &"clean-end".into()));
        Bookkeeper::of(&scratch::events_of(&one.join("journal")));

        // A directory that holds a journal is not written over.
        assert!(backtest(venue, &file, &one).expect(2).stderr.contains("--out"));
    }
}

/// Bad lines and why they are refused.
const BAD: [(&str, &str); 8] = [
    ("{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"s\":\"BTC", "broken-json"),
    ("[1,2,3]", "not-an-object"),
    (
        "{\"stream\":\"btcusdt@moon\",\"data\":{\"e\":\"moonPhase\",\"E\":1,\"s\":\"BTCUSDT\"}}",
        "unknown-kind",
    ),
    (
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"T\":1,\"s\":\"BTCUSDT\",\"t\":1,\
         \"p\":\"61800.001\",\"q\":\"1\",\"m\":true}}",
        "off-scale",
    ),
    (
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"T\":1,\"s\":\"BTCUSDT\",\"t\":1,\
         \"p\":\"ten\",\"q\":\"1\",\"m\":true}}",
        "not-a-number",
    ),
    (
        "{\"stream\":\"dogeusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"T\":1,\"s\":\"DOGEUSDT\",\"t\":1,\
         \"p\":\"1\",\"q\":\"1\",\"m\":true}}",
        "unknown-symbol",
    ),
    (
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"T\":1,\"s\":\"BTCUSDT\",\"t\":1,\
         \"p\":\"61800.01\",\"m\":true}}",
        "field-missing",
    ),
    ("", "no-frame"),
];

#[test]
fn bad_lines_are_counted_by_reason_and_line_and_change_no_book() {
    let capture = made_up(Venue::BinanceSpot);
    let directory = scratch::directory();
    let mut lines = capture.lines.clone();
    let mut wanted = Vec::new();
    for (index, (bad, reason)) in BAD.iter().enumerate() {
        let place = 1_000 + index * 500;
        let time = lines[place].split(' ').next().unwrap().to_string();
        // Twice each, so that the first line and the count are two things.
        for _ in 0..2 {
            lines.insert(place, format!("{time} {bad}"));
        }
        wanted.push(((*reason).to_string(), 2, place + 1));
    }
    lines.insert(5_900, "yesterday {}".to_string());
    wanted.push(("no-time".to_string(), 1, 5_901));
    let file = directory.path().join("bad.gz");
    capture::write_gzip(&file, &lines);
    let out = directory.path().join("out");
    let report = backtest(Venue::BinanceSpot, &file, &out).expect(0).json();
    assert_eq!(report["quarantined"], 2 * BAD.len() + 1);
    assert_eq!(report["frames"], capture.lines.len());
    for (reason, count, first_line) in &wanted {
        let found = report["quarantine"].as_array().unwrap().iter();
        let found = found.filter(|one| one["reason"] == **reason).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{reason} in {report}");
        let told = (&found[0]["count"], &found[0]["first_line"]);
        assert_eq!(told, (&(*count).into(), &(*first_line).into()), "{reason}");
    }
    assert_eq!(rows(&out), capture.rows, "what is put aside changes no book");
    about(&["replay", "--json"], &out).expect(0);
    let kept = std::fs::read_to_string(out.join("quarantine.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 2 * BAD.len() + 1);
    for line in kept.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_cut_gzip_counts_as_one_bad_line_and_what_was_before_it_counts() {
    let capture = made_up(Venue::BinanceSpot);
    let directory = scratch::directory();
    let bytes = capture::gzip(&capture.lines);
    for share in [30, 60, 99] {
        let file = directory.path().join(format!("cut-{share}.gz"));
        std::fs::write(&file, &bytes[..bytes.len() * share / 100]).unwrap();
        let out = directory.path().join(format!("out-{share}"));
        let report = backtest(Venue::BinanceSpot, &file, &out).expect(0).json();
        assert_eq!(report["quarantined"], 1, "{report}");
        assert_eq!(report["quarantine"][0]["reason"], "cut-off");
        assert_eq!(report["quarantine"][0]["first_line"], report["frames"].as_u64().unwrap() + 1);
        let found = rows(&out);
        assert_eq!(found, capture.rows[..found.len()]);
        about(&["replay", "--json"], &out).expect(0);
    }
    // Nothing at all in it is damage, and says so.
    let file = directory.path().join("noise");
    std::fs::write(&file, b"\x1f\x8b\x08 this is no gzip").unwrap();
    let ended = backtest(Venue::BinanceSpot, &file, &directory.path().join("out")).expect(3);
    assert!(ended.stderr.contains("noise"), "{ended:#?}");
}

/// The reference data beside the checkout or beside a folder above it.
fn reference(name: &str) -> Option<PathBuf> {
    let ways = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    ways.map(|folder| folder.join("shared/data/binance").join(name)).find(|path| path.exists())
}

fn check_reference(venue: Venue, name: &str) {
    let (Some(capture), Some(wanted)) =
        (reference(&format!("{name}.gz")), reference(&format!("{name}.book.csv")))
    else {
        simulator::skipped(name, "the reference data is not here");
        return;
    };
    let directory = scratch::directory();
    let out = directory.path().join("out");
    let report = backtest(venue, &capture, &out).expect(0).json();
    assert_eq!(report["quarantined"], 0, "{report}");
    let wanted = std::fs::read_to_string(wanted).unwrap();
    assert_eq!(rows(&out), wanted.lines().collect::<Vec<_>>());
    let replay = about(&["replay", "--json"], &out).expect(0).json();
    assert_eq!(replay["state_hash"], report["state_hash"]);
    println!("{name}: {} events, {} orders", report["events"], report["orders"]);
}

#[test]
fn the_real_spot_capture_gives_the_books_of_the_oracle() {
    check_reference(Venue::BinanceSpot, "spot_btcusdt_20240808");
}

#[test]
fn the_real_futures_capture_gives_the_books_of_the_oracle() {
    check_reference(Venue::BinanceUsdm, "usdm_btcusdt_20240808");
}
