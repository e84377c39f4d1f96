//! The client against peers that answer, cut, delay and lie.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use engine::clock::Clock;

use super::*;
use crate::endpoint::Endpoint;
use crate::poller::Poller;
use crate::server::ServerConfig;
use crate::session::{SendError, SessionState};
use crate::testing::{Log, Pair, Peer, Random, Relay, TestTls, accept_tcp, drain, run_until};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(token: u64, target: &str) -> HttpRequest<'_> {
    HttpRequest { token, method: "GET", target, headers: &[], body: &[], deadline_ns: u64::MAX }
}

fn eager() -> HttpConfig {
    HttpConfig { backoff_ns_min: 1_000_000, backoff_ns_max: 20_000_000, ..HttpConfig::default() }
}

fn client(peer: &Peer, config: HttpConfig) -> (Poller, HttpId, Log) {
    let mut poller = Poller::new().unwrap();
    let endpoint = Endpoint::resolve_http(&format!("http://{}", peer.address)).unwrap();
    let id = poller.add_http(endpoint, config).unwrap();
    (poller, id, Log::default())
}

/// Reads the heads of so many requests.
fn read_requests(tcp: &mut std::net::TcpStream, count: usize) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while seen.windows(4).filter(|bytes| *bytes == b"\r\n\r\n").count() < count {
        let length = tcp.read(&mut buffer).unwrap();
        assert!(0 < length, "the client went away");
        seen.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(seen).unwrap()
}

fn answers(log: &Log) -> Vec<(u64, &str)> {
    log.answers.iter().map(|(token, text)| (*token, text.as_str())).collect()
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    const COUNT: u64 = 10_000;
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), None);
    let endpoint = Endpoint::resolve_http(&format!("http://{}", pair.address)).unwrap();
    let config = HttpConfig { in_flight_max: 10_000, ..eager() };
    let id = pair.poller.add_http(endpoint, config).unwrap();
    for token in 0..COUNT {
        pair.poller.request(id, &get(token, &format!("/{token}"))).unwrap();
    }
    assert_eq!(pair.poller.request(id, &get(COUNT, "/")), Err(SendError::QueueFull));
    pair.until(|pair| pair.log.answers.len() == 10_000);
    for (token, (known, text)) in (0..COUNT).zip(&pair.log.answers) {
        assert_eq!((*known, text.as_str()), (token, format!("200 /{token}").as_str()));
    }
    assert_eq!(pair.log.http_changes, ["connecting", "handshaking", "open"]);
    assert_eq!(pair.poller.http(id).in_flight_count(), 0);
}

#[test]
fn a_request_looks_as_it_should() {
    let (told, heard) = mpsc::channel();
    let peer = Peer::run(move |listener| {
        let mut tcp = accept_tcp(listener);
        told.send(read_requests(&mut tcp, 1)).unwrap();
        tcp.write_all(OK).unwrap();
        drain(&tcp);
    });
    let clock = Clock::new();
    let mut poller = Poller::new().unwrap();
    let url = format!("http://{}/api/", peer.address);
    let endpoint = Endpoint::resolve_http(&url).unwrap();
    let headers = vec![("X-MBX-APIKEY".to_string(), "key".to_string())];
    let id = poller.add_http(endpoint, HttpConfig { headers, ..eager() }).unwrap();
    let request = HttpRequest {
        method: "POST",
        headers: &[("Content-Type", "text/plain")],
        body: b"a=b",
        ..get(7, "/v3/order?x=1")
    };
    assert_eq!(
        format!("{request:?}"),
        "HttpRequest { token: 7, method: \"POST\", path: Some(\"/v3/order\"), \
         deadline_ns: 18446744073709551615, .. }"
    );
    poller.request(id, &request).unwrap();
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 1);
    let address = peer.address;
    assert_eq!(
        heard.recv().unwrap(),
        format!(
            "POST /api/v3/order?x=1 HTTP/1.1\r\nHost: {address}\r\nX-MBX-APIKEY: key\r\n\
             Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b"
        )
    );
    drop(poller);
    peer.join();
}

#[test]
fn what_would_become_two_requests_is_refused() {
    let (mut poller, id, _) = client(&Peer::run(|_| {}), eager());
    let bad: [HttpRequest<'_>; 6] = [
        get(1, "/a b"),
        get(1, "/a\r\nX: y"),
        get(1, "a"),
        HttpRequest { method: "GE T", ..get(1, "/") },
        HttpRequest { headers: &[("A", "b\r\nC: d")], ..get(1, "/") },
        HttpRequest { headers: &[("A:", "b")], ..get(1, "/") },
    ];
    for request in &bad {
        assert_eq!(poller.request(id, request), Err(SendError::Malformed), "{request:?}");
    }
    let body = vec![b'x'; 2 << 20];
    let large = HttpRequest { body: &body, ..get(1, "/") };
    assert_eq!(poller.request(id, &large), Err(SendError::QueueFull));
    let headers = vec![("A".to_string(), "b\n".to_string())];
    let endpoint = Endpoint::resolve_http("http://127.0.0.1:1").unwrap();
    let error = poller.add_http(endpoint, HttpConfig { headers, ..eager() }).unwrap_err();
    assert_eq!(error.to_string(), "\"A\" is no header that can be sent, or its value is not");
    let endpoint = Endpoint::resolve("ws://127.0.0.1:1").unwrap();
    let error = poller.add_http(endpoint, eager()).unwrap_err();
    assert_eq!(error.to_string(), "ws://127.0.0.1:1 is an endpoint of another protocol");
    let endpoint = Endpoint::resolve_http("https://127.0.0.1:1").unwrap();
    let error = poller.add_http(endpoint, eager()).unwrap_err();
    let expected = "https://127.0.0.1:1 needs TLS and the configuration has no settings for it";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_late_answer_drops_the_connection_and_is_never_taken_for_another() {
    let (go, gone) = mpsc::channel::<()>();
    let peer = Peer::run(move |listener| {
        let mut tcp = accept_tcp(listener);
        read_requests(&mut tcp, 2);
        gone.recv().unwrap();
        // Too late, and into nothing.
        drop(tcp.write_all(OK));
        let mut tcp = accept_tcp(listener);
        let seen = read_requests(&mut tcp, 1);
        assert!(seen.starts_with("GET /third "), "{seen}");
        tcp.write_all(OK).unwrap();
        drain(&tcp);
    });
    let (clock, time) = Clock::manual(1_000);
    let (mut poller, id, mut log) = client(&peer, eager());
    poller.request(id, &HttpRequest { deadline_ns: 2_000, ..get(1, "/first") }).unwrap();
    poller.request(id, &get(2, "/second")).unwrap();
    run_until(&mut poller, &clock, &mut log, |log| log.http_changes.len() == 3);
    // Both are sent as soon as it is open.
    time.advance(999);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    assert!(log.answers.is_empty());
    time.advance(1);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    let expected = [
        (1, "no answer before the deadline (sent)"),
        (2, "the connection was dropped for another request (sent)"),
    ];
    assert_eq!(answers(&log), expected);
    assert_eq!(poller.http(id).state(), SessionState::Waiting);
    go.send(()).unwrap();
    poller.request(id, &get(3, "/third")).unwrap();
    time.advance(1_000_000_000);
    run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 3);
    assert_eq!(answers(&log)[2], (3, "200 ok"));
    drop(poller);
    peer.join();
}

#[test]
fn a_deadline_before_sending_says_that_nothing_was_sent() {
    // Accepts nothing: the handshake of TLS never begins.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (clock, time) = Clock::manual(1_000);
    let mut poller = Poller::new().unwrap();
    let config = HttpConfig { tls: Some(TestTls::new().client), ..eager() };
    let handshake_ns_max = config.handshake_ns_max;
    let id = poller.add_http(Endpoint::resolve_http(&url).unwrap(), config).unwrap();
    let mut log = Log::default();
    for (token, deadline_ns) in [(1, 5_000), (2, u64::MAX), (3, 4_000), (4, 9_000)] {
        poller.request(id, &HttpRequest { deadline_ns, ..get(token, "/") }).unwrap();
    }
    run_until(&mut poller, &clock, &mut log, |log| log.http_changes.len() == 2);
    time.set(5_000);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    let late = "no answer before the deadline";
    assert_eq!(answers(&log), [(1, late), (3, late)]);
    time.set(1_000 + handshake_ns_max);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    let failed = format!("no connection: no answer to the handshake within {handshake_ns_max} ns");
    assert_eq!(answers(&log)[2..], [(2, failed.as_str()), (4, failed.as_str())]);
}

#[test]
fn a_refused_connection_fails_at_once_and_says_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let clock = Clock::new();
    let mut poller = Poller::new().unwrap();
    let config = HttpConfig { keeps_warm: false, ..eager() };
    let id = poller.add_http(Endpoint::resolve_http(&url).unwrap(), config).unwrap();
    let mut log = Log::default();
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    assert!(log.http_changes.is_empty(), "nobody wants a connection yet");
    poller.request(id, &get(1, "/")).unwrap();
    run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 1);
    assert!(log.answers[0].1.starts_with("no connection: "), "{:?}", log.answers);
    assert!(!log.answers[0].1.ends_with("(sent)"));
}

#[test]
fn ends_of_a_connection_are_told_by_what_was_sent() {
    let cut = "the connection was cut (sent)";
    let malformed = "the answer is no HTTP: a broken head (sent)";
    let dropped = "the connection was dropped for another request (sent)";
    let table: [(&[u8], [&str; 2]); 5] = [
        (b"", [cut, cut]),
        (b"HTTP/1.1 200 OK\r\nContent-Le", [cut, cut]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", [cut, cut]),
        (b"SSH-2.0\r\n\r\n", [malformed, dropped]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", ["200 ok", cut]),
    ];
    for (bytes, expected) in table {
        let peer = Peer::run(move |listener| {
            let mut tcp = accept_tcp(listener);
            read_requests(&mut tcp, 2);
            tcp.write_all(bytes).unwrap();
            drop(tcp);
            let mut tcp = accept_tcp(listener);
            read_requests(&mut tcp, 1);
            tcp.write_all(OK).unwrap();
            drain(&tcp);
        });
        let clock = Clock::new();
        let (mut poller, id, mut log) = client(&peer, eager());
        poller.request(id, &get(1, "/1")).unwrap();
        poller.request(id, &get(2, "/2")).unwrap();
        run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 2);
        poller.request(id, &get(3, "/3")).unwrap();
        run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 3);
        assert_eq!(answers(&log), [(1, expected[0]), (2, expected[1]), (3, "200 ok")]);
        drop(poller);
        peer.join();
    }
}

#[test]
fn a_peer_that_ends_after_each_answer_is_asked_again_without_a_wait() {
    let peer = Peer::run(|listener| {
        for _ in 0..20 {
            let mut tcp = accept_tcp(listener);
            read_requests(&mut tcp, 1);
            tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end").unwrap();
        }
    });
    // Time stands still, so every wait would last for ever.
    let (clock, _time) = Clock::manual(1_000);
    let (mut poller, id, mut log) = client(&peer, HttpConfig { keeps_warm: false, ..eager() });
    for token in 1..=20 {
        poller.request(id, &get(token, "/")).unwrap();
        let count = usize::try_from(token).unwrap();
        run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == count);
    }
    assert!(log.answers.iter().all(|(_, text)| text == "200 until the end"), "{log:?}");
    peer.join();
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let peer = Peer::run(|listener| {
        let mut tcp = accept_tcp(listener);
        tcp.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").unwrap();
        drain(&tcp);
        let mut tcp = accept_tcp(listener);
        read_requests(&mut tcp, 1);
        tcp.write_all(OK).unwrap();
        drain(&tcp);
    });
    let clock = Clock::new();
    let (mut poller, id, mut log) = client(&peer, eager());
    run_until(&mut poller, &clock, &mut log, |log| 4 <= log.http_changes.len());
    let closed = "closed while open: the peer breaks the protocol: an answer that nobody asked for";
    assert_eq!(log.http_changes[3], closed);
    poller.request(id, &get(1, "/")).unwrap();
    run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 1);
    assert_eq!(answers(&log), [(1, "200 ok")]);
    drop(poller);
    peer.join();
}

#[test]
fn an_answer_before_the_request_is_whole_is_taken_and_ends_the_connection() {
    let peer = Peer::run(|listener| {
        let mut tcp = accept_tcp(listener);
        read_requests(&mut tcp, 1);
        tcp.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
        // The rest is never read, so it cannot all be sent.
        let _unread = tcp;
        let mut tcp = accept_tcp(listener);
        let seen = read_requests(&mut tcp, 1);
        assert!(seen.starts_with("GET /second "), "{seen}");
        tcp.write_all(OK).unwrap();
        drain(&tcp);
    });
    let clock = Clock::new();
    let config = HttpConfig { write_queue_size_bytes_max: 64 << 20, ..eager() };
    let (mut poller, id, mut log) = client(&peer, config);
    let body = vec![b'x'; 32 << 20];
    poller.request(id, &HttpRequest { method: "POST", body: &body, ..get(1, "/first") }).unwrap();
    poller.request(id, &get(2, "/second")).unwrap();
    run_until(&mut poller, &clock, &mut log, |log| log.answers.len() == 2);
    assert_eq!(answers(&log), [(1, "413 "), (2, "200 ok")]);
    drop(poller);
    peer.join();
}

#[test]
fn every_request_is_answered_once_whatever_the_peer_does() {
    const ROUNDS: u64 = 60;
    for seed in 0..4 {
        let peer = Peer::run(move |listener| {
            listener.set_nonblocking(false).unwrap();
            let mut random = Random(seed);
            let stream = OK.repeat(40);
            loop {
                let mut tcp = accept_tcp(listener);
                let mut buffer = [0; 64];
                let Ok(count) = tcp.read(&mut buffer) else { continue };
                if buffer[..count].starts_with(b"GET /last") {
                    tcp.write_all(OK).unwrap();
                    return drain(&tcp);
                }
                // Part of many answers, then a cut; the client may hear any prefix of it.
                drop(tcp.write_all(&stream[..random.below(stream.len())]));
                if random.below(2) == 0 {
                    drop(tcp.read(&mut buffer));
                }
            }
        });
        let clock = Clock::new();
        let (mut poller, id, mut log) = client(&peer, eager());
        let mut random = Random(seed + 100);
        let mut token = 0;
        for _ in 0..ROUNDS {
            for _ in 0..random.below(8) {
                let deadline_ns = clock.now_ns() + random.word() % 3_000_000;
                let request = HttpRequest { deadline_ns, ..get(token, "/any") };
                poller.request(id, &request).unwrap();
                token += 1;
            }
            for _ in 0..random.below(4) {
                poller.run_once(Duration::from_micros(300), &clock, &mut log).unwrap();
            }
        }
        let count = usize::try_from(token).unwrap();
        run_until(&mut poller, &clock, &mut log, |log| count <= log.answers.len());
        assert_eq!(poller.http(id).in_flight_count(), 0, "seed {seed}");
        let mut tokens: Vec<u64> = log.answers.iter().map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..token).collect::<Vec<_>>(), "seed {seed}");
        // Whoever waits now meets a good peer.
        while log.answers.last().is_none_or(|(token, text)| *token < 1 << 32 || text != "200 ok") {
            token += 1 << 32;
            poller.request(id, &get(token, "/last")).unwrap();
            run_until(&mut poller, &clock, &mut log, |log| {
                log.answers.last().is_some_and(|(known, _)| *known == token)
            });
        }
        drop(poller);
        peer.join();
    }
}

#[test]
fn stopping_answers_what_waits() {
    let (mut poller, id, mut log) =
        client(&Peer::run(|listener| drain(&accept_tcp(listener))), eager());
    poller.request(id, &get(1, "/")).unwrap();
    let clock = Clock::new();
    run_until(&mut poller, &clock, &mut log, |log| log.http_changes.len() == 3);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    poller.request(id, &get(2, "/")).unwrap();
    poller.stop_http(id, &mut log);
    poller.stop_http(id, &mut log);
    assert_eq!(answers(&log), [(1, "stopped (sent)"), (2, "stopped (sent)")]);
    assert_eq!(log.http_changes[3..], ["closed while open: stopped"]);
    let refused = poller.request(id, &get(3, "/")).unwrap_err();
    assert_eq!(refused.to_string(), "the session is stopped, not open");
}

#[test]
fn a_certificate_of_a_stranger_is_refused() {
    let (ours, theirs) = (TestTls::new(), TestTls::new());
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), Some(&theirs));
    let endpoint = Endpoint::resolve_http(&format!("https://{}", pair.address)).unwrap();
    let config = HttpConfig { tls: Some(ours.client.clone()), ..eager() };
    let id = pair.poller.add_http(endpoint, config).unwrap();
    pair.poller.request(id, &get(1, "/secret")).unwrap();
    pair.until(|pair| pair.log.answers.len() == 1);
    let text = &pair.log.answers[0].1;
    assert!(text.starts_with("no connection: invalid peer certificate"), "{text}");
    assert!(!text.ends_with("(sent)"));
    assert!(pair.echo.heard.is_empty());
}

/// Requests through relays that cut after any number of bytes of either side. How many failed
/// unsent.
fn cut_anywhere(seed: u64, tls: Option<&TestTls>) -> u64 {
    let mut random = Random(seed);
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    relay.set_nonblocking(true).unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", relay.local_addr().unwrap());
    let config = HttpConfig {
        tls: tls.map(|tls| tls.client.clone()),
        backoff_ns_min: 1_000,
        backoff_ns_max: 100_000,
        ..HttpConfig::default()
    };
    let id = pair.poller.add_http(Endpoint::resolve_http(&url).unwrap(), config).unwrap();
    let size_bytes_max = if tls.is_some() { 4_000 } else { 600 };
    let mut links: Vec<Relay> = Vec::new();
    let mut token = 0;
    let run = |pair: &mut Pair, links: &mut Vec<Relay>, random: &mut Random| {
        pair.turn();
        let down = random.below(size_bytes_max);
        if let Some(link) = Relay::accept(&relay, pair.address, down) {
            links.push(link.limit_up(random.below(size_bytes_max)));
        }
        links.retain_mut(Relay::run);
    };
    for _ in 0..150 {
        for _ in 0..random.below(5) {
            // A deadline mostly passes, so that nobody waits for ever.
            let deadline_ns = pair.clock.now_ns() + random.word() % 20_000_000;
            let target = format!("/{token}");
            let request = HttpRequest { deadline_ns, ..get(token, &target) };
            pair.poller.request(id, &request).unwrap();
            token += 1;
        }
        for _ in 0..random.below(6) {
            run(&mut pair, &mut links, &mut random);
        }
    }
    let count = usize::try_from(token).unwrap();
    while pair.log.answers.len() < count {
        run(&mut pair, &mut links, &mut random);
    }
    // What is on the way to the server arrives.
    drop(links);
    pair.until(|pair| pair.server.peers().count() == 0);
    let mut tokens: Vec<u64> = pair.log.answers.iter().map(|(token, _)| *token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..token).collect::<Vec<_>>(), "seed {seed}");
    let (mut good, mut unsent) = (0, 0);
    for (token, text) in &pair.log.answers {
        let heard = format!("GET /{token} ");
        let times = pair.echo.heard.iter().filter(|known| **known == heard).count();
        assert!(times < 2, "seed {seed}: request {token} was sent twice");
        if text.starts_with("200 ") {
            assert_eq!(*text, format!("200 /{token}"), "seed {seed}");
            assert_eq!(times, 1);
            good += 1;
        } else if !text.ends_with("(sent)") {
            assert_eq!(times, 0, "seed {seed}: request {token} was heard: {text}");
            unsent += 1;
        }
    }
    assert!(0 < good && good < token, "seed {seed}: {good} of {token}, {unsent} not sent");
    unsent
}

#[test]
fn a_request_is_never_sent_twice_nor_heard_when_said_to_be_unsent() {
    for seed in 0..6 {
        cut_anywhere(seed, None);
    }
}

#[test]
fn neither_over_tls() {
    let tls = TestTls::new();
    let unsent: u64 = (0..3).map(|seed| cut_anywhere(seed, Some(&tls))).sum();
    assert!(0 < unsent, "no handshake was cut");
}
