//! `tickwheel record`: raw frames of a WebSocket into a capture that `backtest` reads.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use engine::clock::Clock;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use wire::endpoint::Endpoint;
use wire::poller::{Poller, Turn};
use wire::recorder::{FRAME_SIZE_BYTES_MAX, Recorder, RecorderCounts, RecorderError};
use wire::session::{Frame, Handler, SessionConfig, SessionEvent, SessionId};
use wire::tls::{TlsRoots, client_config};

use crate::report::{self, count};
use crate::{exit, session};

/// Time between two flushes: what a crash can cost.
const FLUSH_INTERVAL_NS: u64 = 1_000_000_000;
/// Longest wait for the socket, so that a flush, a signal and the end are never far.
const WAIT_MAX: Duration = Duration::from_millis(100);
const SUMMARY_INTERVAL_NS: u64 = 1_000_000_000;
/// Between two lines where nobody watches.
const SUMMARY_INTERVAL_NS_FILE: u64 = 10_000_000_000;
/// Room for the subscriptions, which all go out at once.
const WRITE_QUEUE_SIZE_BYTES_MAX: usize = 1 << 20;

/// Arguments of `tickwheel record`.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// Where to connect: `ws://HOST:PORT/PATH`. This version has no TLS.
    #[arg(long)]
    url: String,
    /// A JSON text to send after each connecting, such as a subscription. May be given several times.
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    subscribe: Vec<String>,
    /// The capture: a new file, compressed if its name ends in .gz.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Stop after this time, such as 30s or 5m; default: record until Ctrl-C.
    #[arg(long, value_name = "TIME", value_parser = report::parse_duration)]
    duration: Option<u64>,
    /// Print one JSON object at the end, and no counts before.
    #[arg(long)]
    json: bool,
}

fn parse_json(text: &str) -> Result<String, String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| text.to_string())
        .map_err(|error| format!("not JSON: {error}"))
}

/// What happened on the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LinkCounts {
    open_count: u64,
    closed_count: u64,
    mute_count: u64,
}

impl LinkCounts {
    fn reconnect_count(self) -> u64 {
        self.open_count.saturating_sub(1)
    }
}

/// Hears the session and records it.
#[derive(Debug)]
struct Tape {
    recorder: Recorder,
    link: LinkCounts,
    /// The first failure; nothing is recorded after it.
    failure: Option<RecorderError>,
    url: String,
    live: LiveLine,
}

impl Handler for Tape {
    fn frame(&mut self, _session: SessionId, frame: Frame<'_>) {
        if self.failure.is_none() {
            self.failure = self.recorder.record(&frame).err();
        }
    }

    fn changed(&mut self, _session: SessionId, event: &SessionEvent) {
        match event {
            SessionEvent::Open { .. } => self.link.open_count += 1,
            SessionEvent::Closed { retry_ns: Some(_), .. } => self.link.closed_count += 1,
            SessionEvent::Mute { .. } => self.link.mute_count += 1,
            SessionEvent::Connecting { .. }
            | SessionEvent::Handshaking { .. }
            | SessionEvent::Closed { retry_ns: None, .. } => return,
        }
        self.live.message(&format!("{}: {event}", self.url));
    }
}

/// The line about how it goes: overwritten on a terminal, a new one every ten seconds elsewhere.
#[derive(Debug)]
struct LiveLine {
    is_quiet: bool,
    on_terminal: bool,
    shown_ns: u64,
    frame_count: u64,
}

impl LiveLine {
    fn new(is_quiet: bool, now_ns: u64) -> LiveLine {
        let on_terminal = std::io::stderr().is_terminal();
        LiveLine { is_quiet, on_terminal, shown_ns: now_ns, frame_count: 0 }
    }

    fn show(&mut self, now_ns: u64, counts: RecorderCounts, link: LinkCounts) {
        let interval_ns =
            if self.on_terminal { SUMMARY_INTERVAL_NS } else { SUMMARY_INTERVAL_NS_FILE };
        let passed_ns = now_ns - self.shown_ns;
        if self.is_quiet || passed_ns < interval_ns {
            return;
        }
        let rate = report::rate(counts.frame_count - self.frame_count, passed_ns);
        self.shown_ns = now_ns;
        self.frame_count = counts.frame_count;
        let line = format!("{} ({}/s)", counts_text(counts, link), count(rate));
        let mut out = std::io::stderr().lock();
        let written = if self.on_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
        // Where nobody can read the line, the recording still goes on.
        drop(written);
    }

    /// A line that stays.
    fn message(&self, text: &str) {
        let begin = if self.on_terminal { "\r\x1b[2K" } else { "" };
        drop(writeln!(std::io::stderr().lock(), "{begin}{text}"));
    }

    fn finish(&self) {
        if self.on_terminal && !self.is_quiet {
            drop(write!(std::io::stderr().lock(), "\r\x1b[2K"));
        }
    }
}

fn counts_text(counts: RecorderCounts, link: LinkCounts) -> String {
    let quarantined = match counts.quarantined_count {
        0 => String::new(),
        number => format!(", {} quarantined", count(number)),
    };
    format!(
        "{} frames, {} bytes, {} reconnects{quarantined}",
        count(counts.frame_count),
        count(counts.frame_size_bytes),
        count(link.reconnect_count())
    )
}

/// Runs the command. Good if anything was recorded, no if nothing was.
pub(crate) fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let endpoint = Endpoint::resolve(&args.url)?;
    let signal = watch_signals()?;
    let clock = Clock::new();
    let (counts, link) = record(args, endpoint, &clock, &signal)?;
    if args.json {
        let value = json!({
            "capture": args.out.display().to_string(),
            "frames": counts.frame_count,
            "bytes": counts.frame_size_bytes,
            "quarantined": counts.quarantined_count,
            "reconnects": link.reconnect_count(),
            "closed": link.closed_count,
            "mute": link.mute_count,
        });
        println!("{value}");
    } else {
        println!("{}: {}", args.out.display(), counts_text(counts, link));
    }
    Ok(ExitCode::from(if 0 < counts.frame_count { exit::GOOD } else { exit::NO }))
}

/// Records until the duration is over, a signal comes or the file cannot be written.
fn record(
    args: &RecordArgs,
    endpoint: Endpoint,
    clock: &Clock,
    signal: &AtomicBool,
) -> anyhow::Result<(RecorderCounts, LinkCounts)> {
    let start_ns = clock.now_ns();
    let mut poller = Poller::new().context("start polling")?;
    let tls = endpoint.is_tls().then(|| client_config(TlsRoots::WebPki)).transpose()?;
    let config = SessionConfig {
        tls,
        // A seed of its own for each recording: they must not all come back in the same instant.
        backoff_seed: start_ns,
        frame_size_bytes_max: FRAME_SIZE_BYTES_MAX,
        write_queue_size_bytes_max: WRITE_QUEUE_SIZE_BYTES_MAX,
        opening_texts: args.subscribe.clone(),
        ..SessionConfig::default()
    };
    poller.add(endpoint, config)?;
    let mut tape = Tape {
        recorder: Recorder::create(&args.out, FLUSH_INTERVAL_NS)?,
        link: LinkCounts::default(),
        failure: None,
        url: args.url.clone(),
        live: LiveLine::new(args.json, start_ns),
    };
    let mut discipline_ns = start_ns;
    loop {
        let now_ns = clock.now_ns();
        let passed_ns = now_ns - start_ns;
        let left_ns = args.duration.map_or(u64::MAX, |ns| ns.saturating_sub(passed_ns));
        if left_ns == 0 || signal.load(Ordering::Acquire) {
            break;
        }
        if discipline_ns + 1_000_000_000 <= now_ns {
            discipline_ns = now_ns;
            clock.discipline();
        }
        let wait = WAIT_MAX.min(Duration::from_nanos(left_ns));
        let turn = poller.run_once(wait, clock, &mut tape).context("poll the sockets")?;
        let now_ns = clock.now_ns();
        if tape.failure.is_none() {
            tape.failure = tape.recorder.on_time(now_ns).err();
        }
        if tape.failure.is_some() || turn == Turn::Stop {
            break;
        }
        tape.live.show(now_ns, tape.recorder.counts(), tape.link);
    }
    poller.stop_sessions(&mut tape);
    tape.live.finish();
    let Tape { recorder, link, failure, .. } = tape;
    let ended = failure.map_or_else(|| recorder.finish(), Err);
    // A full disk is no wrong use: the recording failed, and says where.
    let counts = ended.map_err(|error| session::Coded::new(exit::NO, error.to_string()))?;
    Ok((counts, link))
}

pub(crate) fn watch_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let signal = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        // The second signal of a kind ends the process at once: an operator can always leave.
        signal_hook::flag::register_conditional_default(number, Arc::clone(&signal))
            .context("watch signals")?;
        signal_hook::flag::register(number, Arc::clone(&signal)).context("watch signals")?;
    }
    Ok(signal)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;

    use binance::{Capture, LineError};
    use clap::Parser;
    use wire::recorder::Recorded;
    use wire::session::FrameKind;

    use super::*;

    /// A file name of one test; the file is removed before and after.
    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str) -> TestFile {
            let name = format!("tickwheel-record-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            drop(std::fs::remove_file(&path));
            TestFile(path)
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: RecordArgs,
    }

    fn frames() -> Vec<(u64, String)> {
        (0..40)
            .map(|number| {
                (1_700_000_000_000_000_000 + number, format!("{{\"u\": {number}, \"s\": \"x\"}}"))
            })
            .collect()
    }

    fn write(recorder: &mut Recorder, frames: &[(u64, String)]) {
        for (receive_ns, text) in frames {
            let frame =
                Frame { receive_ns: *receive_ns, kind: FrameKind::Text, payload: text.as_bytes() };
            assert_eq!(recorder.record(&frame).unwrap(), Recorded::Written);
        }
    }

    /// The lines of a capture and whether its end is damaged.
    fn read(path: &Path) -> (Vec<(u64, String)>, bool) {
        let mut capture = Capture::open(path).unwrap();
        let mut lines = Vec::new();
        let mut is_damaged = false;
        while let Some(line) = capture.next() {
            match line {
                Ok(line) => {
                    assert_eq!(line.raised_ns, 0);
                    let text = String::from_utf8(line.frame.to_vec()).unwrap();
                    lines.push((line.receive_ns, text));
                }
                Err(LineError::Damaged { .. }) => is_damaged = true,
                Err(LineError::NoTime { .. } | LineError::NoFrame { .. }) => {}
                Err(error @ LineError::TooLong { .. }) => panic!("{error}"),
            }
        }
        (lines, is_damaged)
    }

    #[test]
    fn a_recording_is_read_back_as_a_capture() {
        for name in ["back.capture", "back.capture.gz"] {
            let file = TestFile::new(name);
            let mut recorder = Recorder::create(&file.0, FLUSH_INTERVAL_NS).unwrap();
            write(&mut recorder, &frames());
            recorder.finish().unwrap();
            assert_eq!(read(&file.0), (frames(), false), "{name}");
        }
    }

    #[test]
    fn a_plain_recording_cut_anywhere_keeps_its_whole_lines() {
        let file = TestFile::new("cut.capture");
        let mut recorder = Recorder::create(&file.0, FLUSH_INTERVAL_NS).unwrap();
        write(&mut recorder, &frames());
        recorder.finish().unwrap();
        let whole = std::fs::read(&file.0).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&file.0, &whole[..length]).unwrap();
            let line_count = whole[..length].split(|byte| *byte == b'\n').count() - 1;
            let (lines, is_damaged) = read(&file.0);
            assert!(!is_damaged, "cut at {length}");
            assert_eq!(lines[..line_count], frames()[..line_count], "cut at {length}");
            assert!(lines.len() <= line_count + 1, "cut at {length}");
        }
    }

    #[test]
    fn a_compressed_recording_without_an_end_keeps_what_was_flushed() {
        let file = TestFile::new("cut.capture.gz");
        let mut recorder = Recorder::create(&file.0, FLUSH_INTERVAL_NS).unwrap();
        let (flushed, lost) = (&frames()[..30], &frames()[30..]);
        write(&mut recorder, flushed);
        recorder.on_time(FLUSH_INTERVAL_NS).unwrap();
        write(&mut recorder, lost);
        // As the file is when the process dies here.
        let (lines, is_damaged) = read(&file.0);
        assert_eq!(lines, flushed);
        assert!(is_damaged);
    }

    #[test]
    fn arguments_are_checked() {
        let parse = |more: &[&str]| {
            let fixed = ["record", "--url", "ws://127.0.0.1:1/ws", "--out", "x.capture"];
            Line::try_parse_from(fixed.iter().chain(more)).map(|line| line.args)
        };
        let args = parse(&["--subscribe", "{\"id\":1}", "--subscribe", "[]", "--duration", "2s"]);
        let args = args.unwrap();
        assert_eq!(args.subscribe, ["{\"id\":1}", "[]"]);
        assert_eq!(args.duration, Some(2_000_000_000));
        let error = parse(&["--subscribe", "{\"id\":"]).unwrap_err().to_string();
        assert!(error.contains("not JSON"), "{error}");
        parse(&["--duration", "soon"]).unwrap_err();
    }

    fn args_for(url: &str, file: &TestFile) -> RecordArgs {
        RecordArgs {
            url: url.to_string(),
            subscribe: Vec::new(),
            out: file.0.clone(),
            duration: Some(200_000_000),
            json: true,
        }
    }

    #[test]
    fn a_recording_ends_with_its_duration_and_with_a_signal() {
        // Nobody answers the handshake, so no frame comes.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let clock = Clock::new();
        let none = (RecorderCounts::default(), LinkCounts::default());

        let file = TestFile::new("duration.capture");
        let args = args_for(&url, &file);
        let start_ns = clock.now_ns();
        let endpoint = Endpoint::resolve(&url).unwrap();
        let counts = record(&args, endpoint.clone(), &clock, &AtomicBool::new(false)).unwrap();
        assert_eq!(counts, none);
        assert!(200_000_000 <= clock.now_ns() - start_ns);

        let file = TestFile::new("signal.capture");
        let args = RecordArgs { duration: None, ..args_for(&url, &file) };
        assert_eq!(record(&args, endpoint, &clock, &AtomicBool::new(true)).unwrap(), none);
        assert_eq!(std::fs::read(&file.0).unwrap(), b"");
    }

    #[test]
    fn wrong_use_is_told_before_anything_is_written() {
        let file = TestFile::new("scheme.capture");
        let error = run(&args_for("https://127.0.0.1:1/ws", &file)).unwrap_err();
        assert_eq!(session::exit_code_of(&error), exit::USAGE);
        assert!(error.to_string().contains("use ws:// or wss://"), "{error}");
        assert!(!file.0.exists());

        let file = TestFile::new("taken.capture");
        std::fs::write(&file.0, "1 {}\n").unwrap();
        let url = "ws://127.0.0.1:1/ws";
        let (endpoint, signal) = (Endpoint::resolve(url).unwrap(), AtomicBool::new(false));
        let error = record(&args_for(url, &file), endpoint, &Clock::new(), &signal).unwrap_err();
        assert_eq!(session::exit_code_of(&error), exit::USAGE);
        assert_eq!(std::fs::read(&file.0).unwrap(), b"1 {}\n");
    }
}
