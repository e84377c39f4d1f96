//! Captures whole, cut, damaged and odd.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// `line receive_ns+raised frame`, or the error's number and line.
fn read_all(mut capture: Capture) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(next) = capture.next() {
        told.push(match next {
            Ok(line) => {
                let frame = String::from_utf8_lossy(line.frame);
                format!("{} {}+{} {frame}", line.number, line.receive_ns, line.raised_ns)
            }
            Err(error) => format!("error {} in line {}", error.code(), error.line()),
        });
    }
    told
}

fn read_text(text: &str) -> Vec<String> {
    read_all(Capture::from_reader(std::io::Cursor::new(text.as_bytes().to_vec())))
}

/// Lines that do not compress to nothing.
fn numbered_lines(line_count: u64) -> String {
    let lines: Vec<String> =
        (1..line_count).map(|n| format!("{n} {{\"n\":{}}}\n", n * 7_919 % 1_000)).collect();
    lines.concat()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A file that is gone when the test is over.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Scratch {
        let name = format!("binance-capture-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn lines_come_with_number_time_and_frame() {
    let text = "5 {\"a\":1}\n\n6 {\"b\":2}\r\n7 {} \n";
    assert_eq!(read_text(text), ["1 5+0 {\"a\":1}", "3 6+0 {\"b\":2}", "4 7+0 {}"]);
    assert_eq!(read_text(""), [""; 0]);
    assert_eq!(read_text("5 {}"), ["1 5+0 {}"]);
}

#[test]
fn a_bad_line_is_told_and_passed_over() {
    let text = "{\"a\":1}\n5 {}\n6\n7 \n99999999999999999999 {}\n-8 {}\n 9 {}\n10\t{}\n11 {}\n";
    let want = [
        "error 32 in line 1",
        "2 5+0 {}",
        "error 32 in line 3",
        "error 33 in line 4",
        "error 32 in line 5",
        "error 32 in line 6",
        "error 32 in line 7",
        "error 32 in line 8",
        "9 11+0 {}",
    ];
    assert_eq!(read_text(text), want);
}

#[test]
fn time_never_runs_backwards() {
    assert_eq!(read_text("9 a\n7 b\n9 c\n10 d\n"), ["1 9+0 a", "2 9+2 b", "3 9+0 c", "4 10+0 d"]);
}

#[test]
fn a_line_that_is_too_long_is_told_and_passed_over() {
    let fits = LINE_SIZE_BYTES_MAX - "2 ".len();
    let text = format!(
        "1 {}\n2 {}\n3 x\n4 {}",
        "y".repeat(fits + 1),
        "z".repeat(fits),
        "y".repeat(fits + 1)
    );
    let told = read_text(&text);
    assert_eq!(told[0], "error 34 in line 1");
    assert_eq!(told[1].len(), "2 2+0 ".len() + fits);
    assert_eq!(told[2..], ["3 3+0 x", "error 34 in line 4"]);
}

#[test]
fn gzip_is_recognised_and_progress_ends_at_the_whole() {
    let text = numbered_lines(2_000);
    let plain = Scratch::new("plain", text.as_bytes());
    // Two members in one file, as when captures are concatenated.
    let (head, tail) = text.split_at(text.len() / 2);
    let packed = Scratch::new("packed", &[gzip(head), gzip(tail)].concat());
    let want = read_text(&text);
    for scratch in [&plain, &packed] {
        let mut capture = Capture::open(&scratch.0).unwrap();
        while capture.next().is_some() {}
        let progress = capture.progress();
        assert_eq!(progress.consumed_bytes, progress.total_bytes);
        assert_eq!(progress.total_bytes, std::fs::metadata(&scratch.0).unwrap().len());
        assert_eq!(read_all(Capture::open(&scratch.0).unwrap()), want);
    }
}

#[test]
fn a_cut_gzip_gives_what_is_readable_and_then_one_error() {
    let text = numbered_lines(400);
    let whole = read_text(&text);
    let bytes = gzip(&text);
    for length in (GZIP_MAGIC.len()..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        let scratch = Scratch::new("cut", &bytes[..length]);
        let told = read_all(Capture::open(&scratch.0).unwrap());
        let (last, lines) = told.split_last().unwrap();
        assert_eq!(lines, &whole[..lines.len()]);
        assert_eq!(*last, format!("error 35 in line {}", lines.len() + 1), "cut at {length}");
    }
}

#[test]
fn a_damaged_gzip_never_ends_in_silence() {
    let text = numbered_lines(400);
    let whole = read_text(&text);
    let bytes = gzip(&text);
    // Behind the header, whose time and system bytes mean nothing.
    for place in (10..bytes.len()).step_by(29) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        let scratch = Scratch::new("damaged", &damaged);
        let told = read_all(Capture::open(&scratch.0).unwrap());
        let is_told = told.last().unwrap().starts_with("error 35");
        assert!(is_told || told == whole, "damage at {place} went unseen");
    }
}

#[test]
fn a_capture_that_is_not_there_is_named() {
    let error = Capture::open("no/such/capture.gz").unwrap_err();
    assert!(error.to_string().contains("no/such/capture.gz"));
}
