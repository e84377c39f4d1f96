//! The server against our own clients and against raw bytes, in one thread.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use engine::clock::Clock;

use super::*;
use crate::endpoint::Endpoint;
use crate::http::{HttpConfig, HttpRequest};
use crate::session::{SessionConfig, SessionId};
use crate::testing::{Pair, Random, TestTls, eager};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
/// The answer in RFC 6455, section 1.3.
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn plain() -> Pair {
    Pair::new(Clock::new(), ServerConfig::default(), None)
}

fn get(token: u64, target: &str) -> HttpRequest<'_> {
    HttpRequest { token, method: "GET", target, headers: &[], body: &[], deadline_ns: u64::MAX }
}

/// A client that sends what it likes.
#[derive(Debug)]
struct Raw {
    tcp: TcpStream,
    seen: Vec<u8>,
    /// How the server ended it.
    end: Option<ErrorKind>,
}

impl Raw {
    fn connect(pair: &Pair) -> Raw {
        let tcp = TcpStream::connect(pair.address).unwrap();
        tcp.set_nonblocking(true).unwrap();
        tcp.set_nodelay(true).unwrap();
        Raw { tcp, seen: Vec::new(), end: None }
    }

    /// Sends; a server that is gone is told by the next reading.
    fn send(&mut self, bytes: &[u8]) {
        drop(self.tcp.write_all(bytes));
    }

    /// Reads what is there, with `UnexpectedEof` for an ordinary end.
    fn read(&mut self) {
        let mut buffer = [0; 16_384];
        loop {
            match self.tcp.read(&mut buffer) {
                Ok(0) => return self.end = Some(ErrorKind::UnexpectedEof),
                Ok(count) => self.seen.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end = Some(error.kind()),
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    #[track_caller]
    fn until(&mut self, pair: &mut Pair, done: impl Fn(&Raw) -> bool) {
        let start_ns = pair.clock.now_ns();
        for _ in 0..100_000 {
            self.read();
            if done(self) {
                return;
            }
            pair.turn();
        }
        panic!("it does not happen since {start_ns}: {:?} {:?}", self.text(), self.end);
    }

    #[track_caller]
    fn until_end(&mut self, pair: &mut Pair) -> String {
        self.until(pair, |raw| raw.end.is_some());
        self.text()
    }
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A text frame as a client sends it, with a mask of zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// A WebSocket client of ours that is open, and its peer.
fn open(pair: &mut Pair, config: SessionConfig) -> (SessionId, PeerId) {
    let scheme = if config.tls.is_some() { "wss" } else { "ws" };
    let endpoint = Endpoint::resolve(&format!("{scheme}://{}/ws", pair.address)).unwrap();
    let id = pair.poller.add(endpoint, config).unwrap();
    pair.until(|pair| 0 < pair.log.count("open") && !pair.echo.peers.is_empty());
    (id, pair.echo.peers[0])
}

fn http_works(tls: Option<&TestTls>) {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::resolve_http(&format!("{scheme}://{}", pair.address)).unwrap();
    let config = HttpConfig { tls: tls.map(|it| it.client.clone()), ..HttpConfig::default() };
    let http = pair.poller.add_http(endpoint, config).unwrap();
    pair.poller.request(http, &get(1, "/a?b=c")).unwrap();
    let body = vec![b'x'; 200_000];
    let post = HttpRequest { method: "POST", body: &body, ..get(2, "/post") };
    pair.poller.request(http, &post).unwrap();
    pair.poller.request(http, &get(3, "/c")).unwrap();
    pair.until(|pair| pair.log.answers.len() == 3);
    assert_eq!(pair.log.answers[0], (1, "200 /a?b=c".to_string()));
    assert_eq!(pair.log.answers[1].1.len(), "200 /post".len() + body.len());
    assert_eq!(pair.log.answers[2], (3, "200 /c".to_string()));
}

fn sockets_work(tls: Option<&TestTls>) {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let config = SessionConfig { tls: tls.map(|it| it.client.clone()), ..eager() };
    let (id, peer) = open(&mut pair, config);
    let long = "y".repeat(50_000);
    pair.poller.send(id, "hello").unwrap();
    pair.poller.send(id, &long).unwrap();
    pair.until(|pair| pair.log.frames.len() == 2);
    assert_eq!(pair.log.texts(), ["hello", &long]);
    pair.server.peers().close(peer, 1012, "bye");
    assert!(!pair.server.peers().is_open(peer));
    assert!(!pair.server.peers().send_text(peer, "too late"));
    pair.until(|pair| 4 <= pair.log.changes.len());
    assert_eq!(pair.log.changes[3], "closed while open: the peer closed with code 1012: bye");
    pair.until(|pair| pair.echo.heard.iter().any(|word| word == "closed"));
    assert_eq!(pair.server.peers().remote(peer), None);
}

#[test]
fn requests_are_answered_in_order() {
    http_works(None);
}

#[test]
fn requests_are_answered_in_order_over_tls() {
    http_works(Some(&TestTls::new()));
}

#[test]
fn texts_are_echoed() {
    sockets_work(None);
}

#[test]
fn texts_are_echoed_over_tls() {
    sockets_work(Some(&TestTls::new()));
}

#[test]
fn an_answer_that_comes_later_keeps_its_place() {
    let mut pair = plain();
    let mut raw = Raw::connect(&pair);
    raw.send(b"GET /1 HTTP/1.1\r\n\r\nGET /later HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
    pair.until(|pair| pair.echo.waiting.len() == 1);
    raw.until(&mut pair, |raw| raw.text() == answer("/1"));
    assert_eq!(pair.echo.heard.len(), 2, "the third one waits: {:?}", pair.echo.heard);
    let peer = pair.echo.waiting[0];
    assert!(pair.server.peers().respond(peer, Response::json(429, "{}").header("Retry-After", 7)));
    assert!(!pair.server.peers().respond(peer, Response::new(200)), "one answer each");
    let later = "HTTP/1.1 429 Too Many Requests\r\n\
        Content-Type: application/json;charset=UTF-8\r\nRetry-After: 7\r\n\
        Content-Length: 2\r\n\r\n{}";
    let expected = format!("{}{later}{}", answer("/1"), answer("/3"));
    raw.until(&mut pair, |raw| raw.text() == expected);
}

#[test]
fn requests_split_at_any_byte_are_the_same() {
    let upgrade = [UPGRADE.as_bytes(), &masked("first"), &masked("second")].concat();
    let stream =
        [b"POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".as_slice(), &upgrade].concat();
    let expected = [
        answer("/pabc").as_bytes(),
        ACCEPTED.as_bytes(),
        &[0x81, 5],
        b"first",
        &[0x81, 6],
        b"second",
    ]
    .concat();
    let mut pair = plain();
    for split in 0..stream.len() {
        let mut raw = Raw::connect(&pair);
        let (head, tail) = stream.split_at(split);
        raw.send(head);
        pair.turn();
        pair.turn();
        raw.send(tail);
        raw.until(&mut pair, |raw| expected.len() <= raw.seen.len());
        assert_eq!(raw.seen, expected, "split at {split}: {}", raw.text());
    }
    let mut raw = Raw::connect(&pair);
    for byte in stream.chunks(1) {
        raw.send(byte);
        pair.turn();
    }
    raw.until(&mut pair, |raw| raw.seen == expected);
}

#[test]
fn what_is_no_request_is_refused_and_ends_the_connection() {
    let config = ServerConfig {
        head_size_bytes_max: 2_000,
        body_size_bytes_max: 3_000,
        ..ServerConfig::default()
    };
    let mut pair = Pair::new(Clock::new(), config, None);
    let long_head = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(3_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(150));
    let table: [(&[u8], u16); 11] = [
        (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\na", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", 413),
        (long_head.as_bytes(), 431),
        (many.as_bytes(), 431),
    ];
    for (bytes, status) in table {
        let mut raw = Raw::connect(&pair);
        raw.send(bytes);
        // A second request must not be heard behind garbage.
        raw.send(b"GET /secret HTTP/1.1\r\n\r\n");
        let text = raw.until_end(&mut pair);
        let line = format!("HTTP/1.1 {status} ");
        assert!(text.starts_with(&line), "{}: {text}", String::from_utf8_lossy(bytes));
        assert!(text.contains("Connection: close\r\n"), "{text}");
    }
    assert!(pair.echo.heard.iter().all(|word| word == "closed"), "{:?}", pair.echo.heard);
    pair.until(|pair| pair.echo.heard.len() == 11);
}

#[test]
fn upgrades_are_checked() {
    let mut pair = plain();
    let table = [
        (UPGRADE.replace("13", "8"), 426),
        (UPGRADE.replace("dGhl", ""), 400),
        (UPGRADE.replace("Sec-WebSocket-Key", "X"), 400),
        (UPGRADE.replace("keep-alive, Upgrade", "keep-alive"), 400),
        (UPGRADE.replace("Upgrade: websocket", "X: y"), 400),
        (UPGRADE.replace("GET", "POST"), 400),
        (UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), 400),
    ];
    for (request, status) in table {
        let mut raw = Raw::connect(&pair);
        raw.send(request.as_bytes());
        let text = raw.until_end(&mut pair);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {text}");
    }
    assert!(!pair.echo.heard.iter().any(|word| word.starts_with("upgraded")));
}

#[test]
fn connections_are_kept_or_closed_as_the_client_wants() {
    let mut pair = plain();
    for (request, is_kept) in [
        ("GET /a HTTP/1.1\r\n\r\n", true),
        ("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", false),
        ("GET /a HTTP/1.0\r\n\r\n", false),
        ("GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ] {
        let mut raw = Raw::connect(&pair);
        raw.send(request.as_bytes());
        raw.until(&mut pair, |raw| raw.text().ends_with("/a"));
        if is_kept {
            raw.send(b"HEAD /b HTTP/1.1\r\n\r\n");
            raw.until(&mut pair, |raw| raw.text().ends_with("Content-Length: 2\r\n\r\n"));
        } else {
            raw.until_end(&mut pair);
        }
    }
    // A client that has sent all it wants still hears all answers.
    let mut raw = Raw::connect(&pair);
    raw.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    raw.tcp.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(raw.until_end(&mut pair), answer("/1") + &answer("/2"));
}

#[test]
fn a_client_that_waits_for_a_word_gets_it() {
    let mut pair = plain();
    let mut raw = Raw::connect(&pair);
    raw.send(b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    raw.until(&mut pair, |raw| raw.text() == "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(b"o");
    pair.turn();
    raw.send(b"k");
    let expected = format!("HTTP/1.1 100 Continue\r\n\r\n{}", answer("/pok"));
    raw.until(&mut pair, |raw| raw.text() == expected);
}

#[test]
fn slow_and_idle_connections_meet_their_deadlines() {
    let (clock, time) = Clock::manual(1_000);
    let config = ServerConfig::default();
    let mut pair = Pair::new(clock, config.clone(), None);
    let mut slow = Raw::connect(&pair);
    let mut idle = Raw::connect(&pair);
    slow.send(b"GET /slow HTTP/1.1\r\nX: ");
    idle.send(b"GET /1 HTTP/1.1\r\n\r\n");
    idle.until(&mut pair, |raw| raw.text() == answer("/1"));
    // One byte now and then does not help.
    for _ in 0..9 {
        time.advance(config.request_ns_max / 10);
        slow.send(b"y");
        pair.turn();
        pair.turn();
        slow.read();
        assert_eq!((slow.text().as_str(), slow.end), ("", None));
    }
    time.advance(config.request_ns_max / 10);
    let text = slow.until_end(&mut pair);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    idle.read();
    assert_eq!(idle.end, None);
    time.advance(config.idle_ns_max);
    assert_eq!(idle.until_end(&mut pair), answer("/1"));
    // A client that does not go is not waited for.
    time.advance(config.linger_ns_max);
    pair.until(|pair| pair.echo.heard.iter().filter(|word| *word == "closed").count() == 2);
}

#[test]
fn a_handshake_of_tls_meets_its_deadline_and_garbage_its_end() {
    let (clock, time) = Clock::manual(1_000);
    let config = ServerConfig::default();
    let mut pair = Pair::new(clock, config.clone(), Some(&TestTls::new()));
    let mut silent = Raw::connect(&pair);
    let mut plain = Raw::connect(&pair);
    plain.send(b"GET / HTTP/1.1\r\n\r\n");
    plain.until_end(&mut pair);
    assert_eq!(pair.server.peers().count(), 1);
    time.advance(config.handshake_ns_max);
    silent.until_end(&mut pair);
    assert_eq!(pair.server.peers().count(), 0);
    assert!(pair.echo.heard.is_empty());
}

#[test]
fn more_peers_than_allowed_are_turned_away() {
    let config = ServerConfig { peer_count_max: 2, ..ServerConfig::default() };
    let mut pair = Pair::new(Clock::new(), config, None);
    let kept: Vec<Raw> = (0..2).map(|_| Raw::connect(&pair)).collect();
    pair.until(|pair| pair.server.peers.counts().accepted_count == 2);
    Raw::connect(&pair).until_end(&mut pair);
    drop(kept);
    pair.until(|pair| pair.server.peers.count() == 0);
    let mut raw = Raw::connect(&pair);
    raw.send(b"GET /1 HTTP/1.1\r\n\r\n");
    raw.until(&mut pair, |raw| raw.text() == answer("/1"));
    let counts = pair.server.peers().counts();
    assert_eq!((counts.accepted_count, counts.refused_count), (3, 1));
}

#[test]
fn a_cut_is_a_reset_without_a_word() {
    let mut pair = plain();
    let mut raw = Raw::connect(&pair);
    raw.send(UPGRADE.as_bytes());
    raw.until(&mut pair, |raw| raw.text() == ACCEPTED);
    let peer = pair.echo.peers[0];
    assert!(pair.server.peers().send_text(peer, "never sent"));
    pair.server.peers().cut(peer);
    raw.until(&mut pair, |raw| raw.end.is_some());
    assert_eq!(raw.end, Some(ErrorKind::ConnectionReset));
    assert_eq!(raw.text(), ACCEPTED);
    pair.until(|pair| pair.echo.heard.last().is_some_and(|word| word == "closed"));
    assert!(!pair.server.peers().send_text(peer, "gone"));
    pair.server.peers().cut(peer);
    pair.server.peers().close(peer, 1000, "");
    // Within a request that waits, too.
    let mut raw = Raw::connect(&pair);
    raw.send(b"GET /later HTTP/1.1\r\n\r\n");
    pair.until(|pair| !pair.echo.waiting.is_empty());
    let peer = pair.echo.waiting[0];
    pair.server.peers().cut(peer);
    raw.until(&mut pair, |raw| raw.end == Some(ErrorKind::ConnectionReset));
    assert!(!pair.server.peers().respond(peer, Response::new(200)));
}

#[test]
fn half_a_frame_and_garbage_come_as_they_are() {
    let mut pair = plain();
    let mut raw = Raw::connect(&pair);
    raw.send(UPGRADE.as_bytes());
    raw.until(&mut pair, |raw| raw.text() == ACCEPTED);
    let peer = pair.echo.peers[0];
    assert!(pair.server.peers().send_raw(peer, b"garbage"));
    assert!(pair.server.peers().send_half_text(peer, "abcdef"));
    assert!(!pair.server.peers().send_text(peer, "more"));
    assert!(!pair.server.peers().send_raw(peer, b"more"));
    // Not even a pong comes into the middle.
    raw.send(&[0x89, 0x80, 0, 0, 0, 0]);
    raw.send(&masked("heard"));
    pair.until(|pair| pair.echo.heard.last().is_some_and(|word| word == "heard"));
    let expected = [ACCEPTED.as_bytes(), b"garbage", &[0x81, 6], b"ab"].concat();
    raw.until(&mut pair, |raw| raw.seen == expected);
    pair.turn();
    raw.read();
    assert_eq!((raw.seen.len(), raw.end), (expected.len(), None));
    pair.server.peers().cut(peer);
    raw.until(&mut pair, |raw| raw.end == Some(ErrorKind::ConnectionReset));
}

#[test]
fn our_client_survives_every_fault() {
    let mut pair = plain();
    let (_, mut peer) = open(&mut pair, eager());
    let faults: [fn(&mut Peers, PeerId); 4] = [
        |peers, peer| peers.cut(peer),
        |peers, peer| {
            peers.send_half_text(peer, "half of it");
            peers.close(peer, 1001, "");
        },
        |peers, peer| assert!(peers.send_raw(peer, b"\xff\xff\xff garbage and more of it")),
        |peers, peer| peers.close(peer, 1001, "restart"),
    ];
    for (round, fault) in (1..).zip(faults) {
        fault(pair.server.peers(), peer);
        if round == 2 {
            // The close frame is swallowed with the rest of the frame; the reset comes by time.
            pair.turn();
            pair.server.peers().cut(peer);
        }
        pair.until(|pair| pair.log.count("open") == round + 1 && pair.echo.peers != [peer]);
        pair.until(|pair| pair.echo.peers.len() == 1);
        peer = pair.echo.peers[0];
    }
    assert!(pair.log.frames.is_empty(), "{:?}", pair.log.texts());
}

#[test]
fn a_peer_that_does_not_read_is_cut_when_its_queue_is_full() {
    let config = ServerConfig { write_queue_size_bytes_max: 100_000, ..ServerConfig::default() };
    let mut pair = Pair::new(Clock::new(), config, None);
    let mut raw = Raw::connect(&pair);
    raw.send(UPGRADE.as_bytes());
    raw.until(&mut pair, |raw| raw.text() == ACCEPTED);
    let peer = pair.echo.peers[0];
    let text = "z".repeat(10_000);
    let mut taken = 0;
    while pair.server.peers().send_text(peer, &text) {
        taken += 1;
        assert!(pair.server.peers().queued_bytes(peer) <= 100_000);
        assert!(taken < 100_000, "the queue has no end");
    }
    pair.until(|pair| pair.echo.heard.last().is_some_and(|word| word == "closed"));
    assert_eq!(pair.server.peers().counts().overflow_count, 1);
    raw.until(&mut pair, |raw| raw.end == Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_peer_that_is_not_read_waits_and_loses_nothing() {
    let mut pair = plain();
    let (id, peer) = open(&mut pair, eager());
    pair.server.peers().pause_reading(peer, true);
    for number in 0..10 {
        pair.poller.send(id, &number.to_string()).unwrap();
        pair.turn();
    }
    assert_eq!(pair.echo.heard.len(), 2, "{:?}", pair.echo.heard);
    pair.server.peers().pause_reading(peer, false);
    pair.until(|pair| pair.log.frames.len() == 10);
    assert_eq!(pair.log.texts().concat(), "0123456789");
}

#[test]
fn pings_go_both_ways() {
    let (clock, time) = Clock::manual(1_000);
    let mut pair = Pair::new(clock, ServerConfig::default(), None);
    let config = SessionConfig { ping_interval_ns: Some(1_000_000), ..eager() };
    let (id, peer) = open(&mut pair, config);
    assert_eq!(pair.poller.opened_ns(id), Some(1_000));
    assert_eq!(pair.server.peers().pong_ns(peer), None);
    time.advance(500);
    assert!(pair.server.peers().ping(peer));
    pair.until(|pair| pair.server.peers.pong_ns(peer) == Some(1_500));
    // Ours: the pong of the server is heard and says nothing to the handler.
    time.set(1_001_000);
    pair.until(|pair| pair.server.peers.heard_ns(peer) == Some(1_001_000));
    assert!(pair.log.frames.is_empty());
    assert_eq!(pair.log.changes, ["connecting", "handshaking", "open"]);
}

#[test]
fn broken_frames_end_with_their_code() {
    let config = ServerConfig { frame_size_bytes_max: 100, ..ServerConfig::default() };
    let mut pair = Pair::new(Clock::new(), config, None);
    let table: [(&[u8], u16); 4] = [
        // Without a mask, with an unknown kind, no text, too long.
        (&[0x81, 1, b'a'], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x81, 0x80 | 0x65, 0, 0, 0, 0], 1009),
    ];
    for (bytes, code) in table {
        let mut raw = Raw::connect(&pair);
        raw.send(UPGRADE.as_bytes());
        raw.send(bytes);
        raw.until_end(&mut pair);
        let [.., 0x88, 2, high, low] = raw.seen.as_slice() else { panic!("{:?}", raw.seen) };
        assert_eq!(u16::from(*high) * 256 + u16::from(*low), code, "{bytes:?}");
    }
}

#[test]
fn damaged_requests_never_panic() {
    let stream = [
        b"POST /p?q HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc".as_slice(),
        b"GET /1 HTTP/1.1\r\nConnection: x\r\n\r\n",
        UPGRADE.as_bytes(),
        &masked("first"),
        &[0x89, 0x80, 0, 0, 0, 0],
        &masked("second"),
        &[0x88, 0x80, 0, 0, 0, 0],
    ]
    .concat();
    let mut random = Random(0xbad);
    let mut pair = plain();
    for _ in 0..2_000 {
        let mut bytes = stream.clone();
        random.damage(&mut bytes);
        let mut raw = Raw::connect(&pair);
        let (head, tail) = bytes.split_at(random.below(bytes.len()));
        raw.send(head);
        pair.server.run_once(Duration::ZERO, &pair.clock, &mut pair.echo).unwrap();
        raw.send(tail);
        pair.server.run_once(Duration::ZERO, &pair.clock, &mut pair.echo).unwrap();
    }
    pair.until(|pair| pair.server.peers.count() == 0);
    let mut raw = Raw::connect(&pair);
    raw.send(b"GET /alive HTTP/1.1\r\n\r\n");
    raw.until(&mut pair, |raw| raw.text() == answer("/alive"));
}

#[test]
fn a_stopper_ends_the_loop_for_good() {
    let mut pair = plain();
    pair.server.stopper().stop().unwrap();
    for _ in 0..2 {
        let turn = pair.server.run_once(Duration::from_hours(1), &pair.clock, &mut pair.echo);
        assert_eq!(turn.unwrap(), Turn::Stop);
    }
}

#[test]
fn headers_of_a_response_cannot_smuggle_a_second_one() {
    let response = Response::new(200).header("A", "b\r\nC: d").header("E\r\nF", "g").header("H", 1);
    let head = request::head_of(&response, false);
    assert_eq!(head, "HTTP/1.1 200 OK\r\nH: 1\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn frame_headers_are_as_short_as_they_can_be() {
    for (length, expected) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 255, 255]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let (header, size_bytes) = outlet::frame_header(0x81, length);
        assert_eq!(header[..size_bytes], expected, "{length}");
    }
}
