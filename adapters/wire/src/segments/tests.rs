//! Segments on a real directory.

use super::*;
use crate::testing::TestDirectory;

fn read(directory: &TestDirectory, name: &str) -> String {
    fs::read_to_string(directory.0.join(name)).unwrap()
}

fn names(directory: &TestDirectory) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&directory.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What `binance::Capture` demands of every line: digits, one space, something that is not blank,
/// and at most 1 MiB and 32 bytes.
fn assert_capture(text: &str) {
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        let (time, frame) = line.split_once(' ').unwrap();
        assert!(!time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
        assert!(time.parse::<u64>().is_ok(), "{line}");
        assert!(!frame.trim().is_empty(), "{line}");
        assert!(line.len() <= (1 << 20) + 32);
    }
}

#[test]
fn frames_are_kept_by_track_and_direction() {
    let directory = TestDirectory::new("tracks");
    let mut recorder = SegmentRecorder::create(&directory.0, SegmentConfig::default()).unwrap();
    let feed = recorder.track("feed").unwrap();
    let orders = recorder.track("orders-ws").unwrap();
    recorder.record(feed, Direction::In, 10, b"{\"a\":1}");
    recorder.record(orders, Direction::Out, 11, b"{\n  \"b\": 2\r\n}");
    recorder.record(feed, Direction::In, 12, b"{\"a\":2}");
    recorder.record(orders, Direction::In, u64::MAX, b"{\"c\":3}");
    recorder.record(feed, Direction::In, 13, b" ");
    recorder.record(feed, Direction::In, 13, b"\xff\xfe");
    recorder.record(feed, Direction::In, 13, &vec![b'x'; FRAME_SIZE_BYTES_MAX + 1]);
    assert_eq!(names(&directory).len(), 0, "nothing is written by recording");
    recorder.on_time(1_000_000_000);
    assert_eq!(read(&directory, "feed-in-000001.capture.part"), "10 {\"a\":1}\n12 {\"a\":2}\n");
    let counts = recorder.finish().unwrap();
    let expected = SegmentCounts {
        frame_count: 4,
        size_bytes: 68,
        dropped_count: 0,
        unfit_count: 3,
        altered_count: 1,
        segment_count: 3,
    };
    assert_eq!(counts, expected);
    let expected =
        ["feed-in-000001.capture", "orders-ws-in-000001.capture", "orders-ws-out-000001.capture"];
    assert_eq!(names(&directory), expected);
    assert_eq!(read(&directory, "feed-in-000001.capture"), "10 {\"a\":1}\n12 {\"a\":2}\n");
    assert_eq!(read(&directory, expected[2]), "11 {   \"b\": 2  }\n");
    for name in expected {
        assert_capture(&read(&directory, name));
        assert!(fs::metadata(directory.0.join(name)).unwrap().permissions().readonly());
    }
}

#[test]
fn segments_are_closed_at_their_size_and_hold_every_frame_in_order() {
    let directory = TestDirectory::new("rotation");
    let config = SegmentConfig { segment_size_bytes_max: 1_000, ..SegmentConfig::default() };
    let mut recorder = SegmentRecorder::create(&directory.0, config).unwrap();
    let track = recorder.track("feed").unwrap();
    for number in 0..500_u64 {
        recorder.record(track, Direction::In, number, format!("{{\"n\":{number}}}").as_bytes());
        recorder.on_time(number);
    }
    let counts = recorder.finish().unwrap();
    assert_eq!((counts.frame_count, counts.dropped_count), (500, 0));
    let names = names(&directory);
    assert!(5 < names.len(), "{names:?}");
    assert_eq!(counts.segment_count, u64::try_from(names.len()).unwrap());
    let mut whole = String::new();
    for name in &names {
        let text = read(&directory, name);
        assert!(text.len() <= 1_000);
        assert_capture(&text);
        whole.push_str(&text);
    }
    let expected: Vec<String> = (0..500).map(|n| format!("{n} {{\"n\":{n}}}")).collect();
    assert_eq!(whole.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_new_recorder_begins_behind_what_is_there() {
    let directory = TestDirectory::new("numbers");
    fs::write(directory.0.join("feed-in-000007.capture.part"), "1 cut o").unwrap();
    fs::write(directory.0.join("feed-in-000003.capture"), "1 a\n").unwrap();
    fs::write(directory.0.join("feed-in-none.capture"), "1 a\n").unwrap();
    let mut recorder = SegmentRecorder::create(&directory.0, SegmentConfig::default()).unwrap();
    let track = recorder.track("feed").unwrap();
    recorder.record(track, Direction::In, 2, b"b");
    recorder.finish().unwrap();
    assert_eq!(read(&directory, "feed-in-000008.capture"), "2 b\n");
    assert_eq!(read(&directory, "feed-in-000007.capture.part"), "1 cut o");
}

#[test]
fn a_file_in_the_way_ends_the_recording_and_stays_as_it_is() {
    for (name, word) in
        [("feed-in-000001.capture.part", "create"), ("feed-in-000001.capture", "close")]
    {
        let directory = TestDirectory::new("way");
        let config = SegmentConfig { segment_size_bytes_max: 60, ..SegmentConfig::default() };
        let mut recorder = SegmentRecorder::create(&directory.0, config).unwrap();
        let track = recorder.track("feed").unwrap();
        fs::write(directory.0.join(name), "mine").unwrap();
        for number in 0..10 {
            recorder.record(track, Direction::In, number, b"{\"n\":\"0123456789\"}");
        }
        let failure = recorder.failure().unwrap().to_string();
        assert!(failure.starts_with(&format!("cannot {word} segment ")), "{failure}");
        let counts = recorder.counts();
        assert_eq!(counts.frame_count + counts.dropped_count, 10);
        assert!(0 < counts.dropped_count);
        assert_eq!(read(&directory, name), "mine");
        assert_eq!(recorder.finish().unwrap_err().to_string(), failure);
    }
}

#[test]
fn an_error_of_the_disk_ends_the_recording_and_nothing_else() {
    let directory = TestDirectory::new("gone");
    let mut recorder = SegmentRecorder::create(&directory.0, SegmentConfig::default()).unwrap();
    let track = recorder.track("feed").unwrap();
    fs::remove_dir_all(&directory.0).unwrap();
    recorder.record(track, Direction::In, 1, b"a");
    assert!(recorder.failure().is_none());
    recorder.on_time(5_000_000_000);
    assert!(recorder.failure().is_some());
    recorder.record(track, Direction::In, 2, b"b");
    assert_eq!(recorder.counts().dropped_count, 1);
}

#[test]
fn what_does_not_fit_the_buffer_is_dropped_and_counted() {
    let directory = TestDirectory::new("buffer");
    let config = SegmentConfig {
        buffer_size_bytes_max: 200,
        write_size_bytes_max: 10,
        ..SegmentConfig::default()
    };
    let mut recorder = SegmentRecorder::create(&directory.0, config).unwrap();
    let track = recorder.track("feed").unwrap();
    for number in 0..100 {
        recorder.record(track, Direction::In, number, &[b'y'; 50]);
    }
    let counts = recorder.counts();
    assert_eq!(counts.frame_count + counts.dropped_count, 100);
    assert!(10 < counts.dropped_count, "{counts:?}");
    recorder.finish().unwrap();
    let text = read(&directory, "feed-in-000001.capture");
    assert_eq!(u64::try_from(text.lines().count()).unwrap(), counts.frame_count);
    assert_capture(&text);
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    let directory = TestDirectory::new("names");
    let mut recorder = SegmentRecorder::create(&directory.0, SegmentConfig::default()).unwrap();
    recorder.track("feed").unwrap();
    for name in ["", "../x", "a/b", "Feed", "feed", "a b"] {
        assert!(recorder.track(name).is_err(), "{name}");
    }
    for number in 1..TRACK_COUNT_MAX {
        recorder.track(&format!("t{number}")).unwrap();
    }
    assert_eq!(recorder.track("more").unwrap_err().to_string(), "more than 64 tracks");
}
