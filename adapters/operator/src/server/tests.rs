//! Real sockets: lines whole and broken, strangers, silence, crowds.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use engine::clock::ManualTime;
use proptest::prelude::*;

use super::*;
use crate::protocol::REPLY_SIZE_BYTES_MAX;

/// Says of the n-th connection that it is user 1000 + n.
#[derive(Debug, Default)]
struct Pretended(u32);

impl Credentials for Pretended {
    fn of(&mut self, _stream: &UnixStream) -> io::Result<Peer> {
        self.0 += 1;
        Ok(Peer { uid: 999 + self.0, pid: 1 })
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    path: PathBuf,
    server: Server<Pretended>,
    clock: Clock,
    time: ManualTime,
    heard: Vec<(Ticket, Peer, Vec<u8>)>,
    gone: Vec<Ticket>,
}

const NOW_NS: u64 = 1_000_000_000_000;

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let server = Server::new(Socket::bind(&path, 0o600).unwrap(), Pretended::default());
        let (clock, time) = Clock::manual(NOW_NS);
        Bench { _dir: dir, path, server, clock, time, heard: Vec::new(), gone: Vec::new() }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    fn turn(&mut self) {
        let (heard, gone) = (&mut self.heard, &mut self.gone);
        self.server.turn(0, &self.clock, &mut |what| match what {
            Heard::Line { ticket, peer, line } => heard.push((ticket, peer, line.to_vec())),
            Heard::Gone { ticket } => gone.push(ticket),
        });
    }

    /// Turns until so many lines were heard; loopback delivers at once, a few turns are enough.
    #[track_caller]
    fn hear(&mut self, count: usize) {
        for _ in 0..100 {
            self.turn();
            if count <= self.heard.len() {
                return;
            }
        }
        panic!("heard only {:?}", self.heard);
    }
}

fn done(text: &str) -> Reply {
    Reply::last(Outcome::Done, text, Value::Null)
}

fn read(stream: &mut BufReader<UnixStream>) -> Reply {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).unwrap();
    Reply::from_line(&line).unwrap()
}

#[test]
fn a_line_in_pieces_is_one_line_and_gets_its_reply() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    for piece in [&b"{\"ver"[..], b"sion\":1", b"}\n"] {
        stream.write_all(piece).unwrap();
        bench.turn();
    }
    bench.hear(1);
    let (ticket, peer, line) = bench.heard.remove(0);
    assert_eq!((peer.uid, line.as_slice()), (1000, &b"{\"version\":1}"[..]));
    bench.server.send(ticket, &done("hello"), NOW_NS);
    assert_eq!(read(&mut BufReader::new(stream)).text, "hello");
}

#[test]
fn a_connection_asks_one_thing_at_a_time() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"first\nsecond\nthird").unwrap();
    bench.hear(1);
    for _ in 0..5 {
        bench.turn();
    }
    assert_eq!(bench.heard.len(), 1, "the second waits for the first reply");
    let ticket = bench.heard[0].0;
    let progress = Reply { is_final: false, ..done("half") };
    bench.server.send(ticket, &progress, NOW_NS);
    bench.turn();
    assert_eq!(bench.heard.len(), 1, "half a reply is none");
    bench.server.send(ticket, &done("whole"), NOW_NS);
    bench.hear(2);
    assert_eq!(bench.heard[1].2, b"second");
    bench.server.send(ticket, &done("again"), NOW_NS);
    bench.turn();
    assert_eq!(bench.heard.len(), 2, "what has no end is no line");
    let mut stream = BufReader::new(stream);
    let texts: Vec<String> = (0..3).map(|_| read(&mut stream).text).collect();
    assert_eq!(texts, ["half", "whole", "again"]);
}

#[test]
fn a_line_too_long_is_refused_and_its_connection_closed() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(&[b'x'; REQUEST_SIZE_BYTES_MAX + 1]).unwrap();
    for _ in 0..10 {
        bench.turn();
    }
    assert!(bench.heard.is_empty());
    assert_eq!(bench.server.connection_count(), 0);
    let mut stream = BufReader::new(stream);
    let reply = read(&mut stream);
    assert_eq!(reply.outcome, Outcome::Invalid);
    assert!(reply.text.contains("8192"), "{}", reply.text);
}

#[test]
fn who_hangs_up_while_he_waits_is_reported_gone_and_his_reply_goes_nowhere() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"kill\n").unwrap();
    bench.hear(1);
    let ticket = bench.heard[0].0;
    drop(stream);
    for _ in 0..10 {
        bench.turn();
    }
    assert_eq!(bench.gone, [ticket]);
    assert_eq!(bench.server.connection_count(), 0);
    bench.server.send(ticket, &done("nobody"), NOW_NS);
    bench.turn();
}

#[test]
fn a_line_sent_right_before_the_hang_up_is_still_heard() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"kill\n").unwrap();
    drop(stream);
    bench.hear(1);
    assert_eq!(bench.heard[0].2, b"kill");
}

#[test]
fn who_only_ends_his_sending_still_gets_his_reply() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"status\nflags\nhalf").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    for (count, text) in [(1, "one"), (2, "two")] {
        bench.hear(count);
        bench.server.send(bench.heard[count - 1].0, &done(text), NOW_NS);
    }
    for _ in 0..5 {
        bench.turn();
    }
    assert_eq!((bench.heard.len(), bench.server.connection_count()), (2, 0), "half a line is none");
    let mut stream = BufReader::new(stream);
    assert_eq!((read(&mut stream).text.as_str(), read(&mut stream).text.as_str()), ("one", "two"));
}

#[test]
fn silence_ends_a_connection_and_waiting_for_us_does_not() {
    let mut bench = Bench::new();
    let (silent, mut waiting) = (bench.connect(), bench.connect());
    waiting.write_all(b"kill\n").unwrap();
    bench.hear(1);
    assert_eq!(bench.server.connection_count(), 2);
    bench.time.advance(IDLE_NS_MAX);
    bench.turn();
    assert_eq!(bench.server.connection_count(), 2, "the limit itself is not beyond it");
    bench.time.advance(1);
    bench.turn();
    assert_eq!(bench.server.connection_count(), 1);
    bench.server.send(bench.heard[0].0, &done("done"), bench.clock.now_ns());
    assert_eq!(read(&mut BufReader::new(waiting)).text, "done");
    drop(silent);
}

#[test]
fn a_crowd_is_bounded_and_told_so() {
    let mut bench = Bench::new();
    let crowd: Vec<UnixStream> = (0..CONNECTION_COUNT_MAX).map(|_| bench.connect()).collect();
    bench.turn();
    assert_eq!(bench.server.connection_count(), CONNECTION_COUNT_MAX);
    let one_more = bench.connect();
    bench.turn();
    assert_eq!(bench.server.connection_count(), CONNECTION_COUNT_MAX);
    let reply = read(&mut BufReader::new(one_more));
    assert!(reply.text.contains("no room"), "{}", reply.text);
    drop(crowd);
    bench.turn();
    let mut next = bench.connect();
    next.write_all(b"status\n").unwrap();
    bench.hear(1);
}

#[test]
fn who_does_not_read_is_cut_off() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"status\n").unwrap();
    bench.hear(1);
    let big = Reply { is_final: false, ..done(&"x".repeat(REPLY_SIZE_BYTES_MAX / 2)) };
    for _ in 0..8 {
        bench.server.send(bench.heard[0].0, &big, NOW_NS);
    }
    bench.turn();
    assert_eq!(bench.server.connection_count(), 0, "more than the bound waits for him");
    drop(stream);
}

#[test]
fn a_wait_ends_in_time() {
    assert_eq!(wait_until(None, 5, 20), 20);
    assert_eq!(wait_until(Some(5), 5, 20), 0);
    assert_eq!(wait_until(Some(4), 5, 20), 0);
    assert_eq!(wait_until(Some(6), 5, 20), 1, "rounded up: not before it is due");
    assert_eq!(wait_until(Some(3_000_000), 0, 20), 3);
    assert_eq!(wait_until(Some(u64::MAX), 0, 20), 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is sent, in whatever pieces: no panic, lines are what stands between line ends, and the
    /// server serves the next one.
    #[test]
    fn any_bytes_in_any_pieces_are_lines(
        bytes in proptest::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')], 0..600),
        piece in 1usize..200,
    ) {
        let mut bench = Bench::new();
        let mut stream = bench.connect();
        let mut replied = 0;
        for piece in bytes.chunks(piece) {
            stream.write_all(piece).unwrap();
            bench.turn();
            while replied < bench.heard.len() {
                let ticket = bench.heard[replied].0;
                bench.server.send(ticket, &done("ok"), NOW_NS);
                replied += 1;
                bench.turn();
            }
        }
        let line_count = bytes.split(|byte| *byte == b'\n').count() - 1;
        for _ in 0..200 {
            if replied == line_count {
                break;
            }
            bench.turn();
            while replied < bench.heard.len() {
                let ticket = bench.heard[replied].0;
                bench.server.send(ticket, &done("ok"), NOW_NS);
                replied += 1;
            }
        }
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').take(line_count).collect();
        let heard: Vec<&[u8]> = bench.heard.iter().map(|(_, _, line)| line.as_slice()).collect();
        prop_assert_eq!(heard, lines);
        let mut other = bench.connect();
        other.write_all(b"status\n").unwrap();
        let count = bench.heard.len();
        bench.hear(count + 1);
    }
}
