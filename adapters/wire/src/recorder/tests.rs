//! What is in the file, after an orderly end and without one.

use std::io::Read as _;

use engine::clock::Clock;
use flate2::read::MultiGzDecoder;
use tungstenite::Message;

use super::*;
use crate::poller::Poller;
use crate::session::{Handler, SessionEvent, SessionId};
use crate::testing::{Log, Peer, TestFile, accept, drain, eager, run_until};

fn text(receive_ns: u64, payload: &[u8]) -> Frame<'_> {
    Frame { receive_ns, kind: FrameKind::Text, payload }
}

fn unzip(bytes: &[u8]) -> (String, bool) {
    let mut content = Vec::new();
    let is_whole = MultiGzDecoder::new(bytes).read_to_end(&mut content).is_ok();
    (String::from_utf8(content).unwrap(), is_whole)
}

#[test]
fn lines_are_time_and_frame() {
    let file = TestFile::new("lines.capture");
    let mut recorder = Recorder::create(&file.0, 1_000).unwrap();
    assert_eq!(recorder.record(&text(7, b"{\"a\":1}")).unwrap(), Recorded::Written);
    assert_eq!(
        recorder.record(&text(1_700_000_000_000_000_000, b"[]")).unwrap(),
        Recorded::Written
    );
    let counts = recorder.finish().unwrap();
    let expected = RecorderCounts { frame_count: 2, frame_size_bytes: 9, quarantined_count: 0 };
    assert_eq!(counts, expected);
    let content = std::fs::read_to_string(&file.0).unwrap();
    assert_eq!(content, "7 {\"a\":1}\n1700000000000000000 []\n");
}

#[test]
fn gzip_is_chosen_by_the_name_and_holds_the_same() {
    let file = TestFile::new("lines.capture.gz");
    let mut recorder = Recorder::create(&file.0, 1_000).unwrap();
    recorder.record(&text(7, b"{\"a\":1}")).unwrap();
    recorder.finish().unwrap();
    let bytes = std::fs::read(&file.0).unwrap();
    assert_eq!(unzip(&bytes), ("7 {\"a\":1}\n".to_string(), true));
}

#[test]
fn frames_that_are_no_line_are_quarantined() {
    let file = TestFile::new("unfit.capture");
    let mut recorder = Recorder::create(&file.0, 1_000).unwrap();
    let longest = vec![b'x'; FRAME_SIZE_BYTES_MAX];
    let too_long = vec![b'x'; FRAME_SIZE_BYTES_MAX + 1];
    let quarantined = [
        (text(1, b"{\"a\":\n1}"), Unfit::Newline),
        (text(1, b"\n"), Unfit::Newline),
        (text(1, b""), Unfit::Blank),
        (text(1, b" \t\r"), Unfit::Blank),
        (text(1, &too_long), Unfit::TooLong),
        (Frame { receive_ns: 1, kind: FrameKind::Binary, payload: b"{}" }, Unfit::Binary),
    ];
    for (frame, unfit) in &quarantined {
        assert_eq!(recorder.record(frame).unwrap(), Recorded::Quarantined(*unfit));
    }
    assert_eq!(recorder.record(&text(2, &longest)).unwrap(), Recorded::Written);
    let counts = recorder.finish().unwrap();
    assert_eq!((counts.frame_count, counts.quarantined_count), (1, 6));
    assert_eq!(std::fs::read(&file.0).unwrap().len(), longest.len() + 3);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let file = TestFile::new("existing.capture");
    std::fs::write(&file.0, "1 {}\n").unwrap();
    let error = Recorder::create(&file.0, 1_000).unwrap_err().to_string();
    assert!(error.starts_with("cannot create "), "{error}");
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "1 {}\n");
}

#[test]
fn the_file_holds_everything_up_to_the_last_flush() {
    for name in ["flushed.capture", "flushed.capture.gz"] {
        let file = TestFile::new(name);
        let mut recorder = Recorder::create(&file.0, 1_000).unwrap();
        recorder.on_time(5_000).unwrap();
        recorder.record(&text(5_001, b"one")).unwrap();
        recorder.on_time(5_999).unwrap();
        assert!(!read_unfinished(&file.0).contains("one"), "flushed before its time");
        recorder.on_time(6_000).unwrap();
        recorder.record(&text(6_001, b"two")).unwrap();
        // As the file is when the process dies here.
        assert_eq!(read_unfinished(&file.0), "5001 one\n", "{name}");
        recorder.finish().unwrap();
        assert_eq!(read_unfinished(&file.0), "5001 one\n6001 two\n", "{name}");
    }
}

fn read_unfinished(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    if is_gzip { unzip(&bytes).0 } else { String::from_utf8(bytes).unwrap() }
}

/// Records what it hears and remembers it.
#[derive(Debug)]
struct Recording {
    recorder: Recorder,
    log: Log,
}

impl Handler for Recording {
    fn frame(&mut self, session: SessionId, frame: Frame<'_>) {
        assert_eq!(self.recorder.record(&frame).unwrap(), Recorded::Written);
        self.log.frame(session, frame);
    }

    fn changed(&mut self, session: SessionId, event: &SessionEvent) {
        self.log.changed(session, event);
    }
}

#[test]
fn a_session_is_recorded_as_it_was_heard() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        for number in 0..200 {
            socket.send(Message::text(format!("{{\"u\":{number}}}"))).unwrap();
        }
        drain(socket.get_ref());
    });
    let file = TestFile::new("session.capture");
    let recorder = Recorder::create(&file.0, 1_000_000).unwrap();
    let mut recording = Recording { recorder, log: Log::default() };
    let clock = Clock::new();
    let mut poller = Poller::new().unwrap();
    poller.add(peer.endpoint(), eager()).unwrap();
    run_until(&mut poller, &clock, &mut recording, |recording| recording.log.frames.len() == 200);
    drop(poller);
    peer.join();
    let counts = recording.recorder.finish().unwrap();
    assert_eq!(counts.frame_count, 200);
    let heard = recording.log.frames.iter().map(|(receive_ns, _, bytes)| {
        format!("{receive_ns} {}\n", std::str::from_utf8(bytes).unwrap())
    });
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), heard.collect::<String>());
}
