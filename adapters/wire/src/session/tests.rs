//! The states of a session that a peer cannot bring about at will.

use std::net::TcpListener;

use engine::clock::Clock;
use mio::Poll;

use super::*;
use crate::server::ServerConfig;
use crate::testing::{Log, Pair, TestTls, eager, endpoint};

/// A listener that never accepts, and a session that begins to connect to it at time 1.
fn connecting() -> (TcpListener, Poll, Session, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = endpoint(listener.local_addr().unwrap());
    let poll = Poll::new().unwrap();
    let mut session = Session::new(SessionId(0), endpoint, eager()).unwrap();
    let mut log = Log::default();
    session.on_time(poll.registry(), 1, &mut log);
    assert_eq!(session.state(), SessionState::Connecting);
    (listener, poll, session, log)
}

#[test]
fn a_connection_that_never_comes_meets_its_deadline() {
    // Readiness is never passed on, as with a host that swallows every packet.
    let (_listener, poll, mut session, mut log) = connecting();
    let deadline_ns = 1 + eager().connect_ns_max;
    assert_eq!(session.deadline_ns(), Some(deadline_ns));
    session.on_time(poll.registry(), deadline_ns - 1, &mut log);
    assert_eq!(log.changes, ["connecting"]);
    session.on_time(poll.registry(), deadline_ns, &mut log);
    let closed = "closed while connecting: no connection within 30000000000 ns";
    assert_eq!(log.changes, ["connecting", closed]);
    assert_eq!(session.deadline_ns(), Some(deadline_ns + log.retries_ns[0]));
}

#[test]
fn readiness_of_a_socket_that_is_gone_changes_nothing() {
    let (_listener, poll, mut session, mut log) = connecting();
    session.on_time(poll.registry(), 1 + eager().connect_ns_max, &mut log);
    assert_eq!(session.state(), SessionState::Waiting);
    let (clock, _time) = Clock::manual(eager().connect_ns_max + 2);
    session.on_ready(&clock, &mut log);
    assert_eq!(session.state(), SessionState::Waiting);
    assert_eq!(log.changes.len(), 2);
}

#[test]
fn a_wrong_configuration_is_refused_with_its_reason() {
    let refused = |change: fn(&mut SessionConfig)| {
        let mut config = SessionConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert_eq!(SessionConfig::default().check(), Ok(()));
    assert_eq!(refused(|c| c.idle_ns_max = 0), "idle_ns_max must not be zero");
    assert_eq!(refused(|c| c.frame_size_bytes_max = 0), "frame_size_bytes_max must not be zero");
    assert_eq!(
        refused(|c| c.backoff_ns_max = 1),
        "backoff_ns_min 500000000 is above backoff_ns_max 1"
    );
    assert_eq!(
        refused(|c| c.opening_texts = vec!["s".repeat(65_536)]),
        "write_queue_size_bytes_max 65536 is too small: 65806 bytes are needed"
    );
}

#[test]
fn changes_read_as_one_line() {
    let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
    let event = SessionEvent::Closed {
        address,
        state: SessionState::Handshaking,
        why: CloseReason::Refused { status: 403 },
        retry_ns: Some(1_500_000_000),
    };
    assert_eq!(
        event.to_string(),
        "closed while handshaking with 127.0.0.1:9001: \
         the peer answers the handshake with HTTP status 403; again in 1500 ms"
    );
    let event = SessionEvent::Closed {
        address,
        state: SessionState::Open,
        why: CloseReason::Peer { code: 1005, reason: String::new() },
        retry_ns: None,
    };
    assert_eq!(
        event.to_string(),
        "closed while open with 127.0.0.1:9001: the peer closed with code 1005"
    );
}

fn add(pair: &mut Pair, scheme: &str, config: SessionConfig) -> SessionId {
    let host = pair.address.to_string();
    let endpoint = Endpoint::resolve(&format!("{scheme}://{host}/ws")).unwrap();
    pair.poller.add(endpoint, config).unwrap()
}

#[test]
fn a_new_connection_comes_at_once_where_one_is_wanted() {
    // Time stands still: every wait would last for ever.
    let (clock, _time) = Clock::manual(1_000);
    let mut pair = Pair::new(clock, ServerConfig::default(), None);
    let id = add(&mut pair, "ws", eager());
    pair.until(|pair| pair.log.count("open") == 1);
    for round in 2..20 {
        let texts = vec![format!("round {round}")];
        pair.poller.set_opening_texts(id, texts).unwrap();
        pair.poller.reconnect(id);
        pair.until(|pair| pair.log.count("open") == round && pair.log.frames.len() == round - 1);
    }
    assert_eq!(pair.log.texts()[17], "round 19");
    assert_eq!(pair.log.count("closed while open: a new connection is wanted"), 18);
    // Within an attempt, too; and the old one is gone at the server.
    pair.poller.reconnect(id);
    pair.poller.run_once(std::time::Duration::ZERO, &pair.clock, &mut pair.log).unwrap();
    pair.poller.reconnect(id);
    pair.until(|pair| pair.log.count("open") == 20 && pair.server.peers().count() == 1);
    let too_long = vec!["x".repeat(100_000)];
    assert!(pair.poller.set_opening_texts(id, too_long).is_err());
}

#[test]
fn one_session_ends_and_the_other_goes_on() {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), None);
    let first = add(&mut pair, "ws", eager());
    let second = add(&mut pair, "ws", eager());
    pair.until(|pair| pair.log.count("open") == 2);
    pair.poller.stop_session(first, &mut pair.log);
    pair.poller.reconnect(first);
    pair.until(|pair| pair.server.peers().count() == 1);
    pair.poller.send(second, "still here").unwrap();
    pair.until(|pair| pair.log.texts() == ["still here"]);
    assert_eq!(pair.poller.session(first).state(), SessionState::Stopped);
    assert_eq!(pair.poller.opened_ns(first), None);
    let refused = pair.poller.send(first, "x");
    assert_eq!(refused, Err(SendError::NotOpen { state: SessionState::Stopped }));
}

#[test]
fn a_certificate_must_name_the_host_and_come_from_our_authority() {
    let (ours, theirs) = (TestTls::new(), TestTls::new());
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), Some(&theirs));
    let config = SessionConfig { tls: Some(ours.client), ..eager() };
    add(&mut pair, "wss", config);
    pair.until(|pair| !pair.log.retries_ns.is_empty());
    let told = &pair.log.changes[2];
    let expected = "closed while handshaking: invalid peer certificate: ";
    assert!(told.starts_with(expected), "{told}");

    // The right authority, another name: the address is that of the server all the same.
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), Some(&theirs));
    let port = pair.address.port();
    let config = SessionConfig { tls: Some(theirs.client.clone()), ..eager() };
    let endpoint = Endpoint::resolve(&format!("wss://127.0.0.2:{port}/ws")).unwrap();
    let endpoint = endpoint.with_address(pair.address);
    pair.poller.add(endpoint, config).unwrap();
    pair.until(|pair| !pair.log.retries_ns.is_empty());
    let told = &pair.log.changes[2];
    assert!(told.starts_with(expected), "{told}");
    assert!(pair.echo.heard.is_empty());
}

#[test]
fn headers_go_with_the_upgrade_and_wrong_ones_are_refused() {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), None);
    let headers = vec![("X-MBX-APIKEY".to_string(), "key".to_string())];
    add(&mut pair, "ws", SessionConfig { headers, ..eager() });
    pair.until(|pair| pair.log.count("open") == 1);
    assert_eq!(pair.echo.keys, ["key"]);
    for (name, value) in [("A B", "c"), ("A", "b\r\nC: d")] {
        let headers = vec![(name.to_string(), value.to_string())];
        let endpoint = endpoint(pair.address);
        let error = pair.poller.add(endpoint, SessionConfig { headers, ..eager() }).unwrap_err();
        assert_eq!(error, ConfigError::Header { name: name.to_string() });
    }
    let endpoint = Endpoint::resolve("wss://127.0.0.1:1").unwrap();
    let error = pair.poller.add(endpoint, eager()).unwrap_err();
    let expected = "wss://127.0.0.1:1 needs TLS and the configuration has no settings for it";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_handshake_of_tls_that_never_ends_meets_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let poll = Poll::new().unwrap();
    let config = SessionConfig { tls: Some(TestTls::new().client), ..eager() };
    let mut session = Session::new(SessionId(0), Endpoint::resolve(&url).unwrap(), config).unwrap();
    let (clock, time) = Clock::manual(1);
    let mut log = Log::default();
    session.on_time(poll.registry(), 1, &mut log);
    let (_accepted, _) = listener.accept().unwrap();
    session.on_ready(&clock, &mut log);
    assert_eq!(session.state(), SessionState::Handshaking);
    time.advance(eager().handshake_ns_max);
    session.on_time(poll.registry(), clock.now_ns(), &mut log);
    let closed = "closed while handshaking: no answer to the handshake within 30000000000 ns";
    assert_eq!(log.changes, ["connecting", "handshaking", closed]);
}

/// A relay between client and server passes on `step` bytes of the server's side more with each
/// attempt.
#[track_caller]
fn cut_everywhere(scheme: &str, step: usize, tls: Option<&TestTls>) {
    let mut pair = Pair::new(Clock::new(), ServerConfig::default(), tls);
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    relay.set_nonblocking(true).unwrap();
    let url = format!("{scheme}://{}/ws", relay.local_addr().unwrap());
    let config = SessionConfig { tls: tls.map(|tls| tls.client.clone()), ..eager() };
    let endpoint = Endpoint::resolve(&url).unwrap();
    pair.poller.add(endpoint, SessionConfig { opening_texts: vec!["x".into()], ..config }).unwrap();
    let mut size = 0;
    let mut links: Option<crate::testing::Relay> = None;
    while pair.log.frames.is_empty() {
        if links.is_none() {
            links = crate::testing::Relay::accept(&relay, pair.address, size);
            size += if links.is_some() { step } else { 0 };
        }
        pair.turn();
        if links.as_mut().is_some_and(|relay| !relay.run()) {
            links = None;
        }
    }
    assert_eq!(pair.log.texts(), ["x"]);
    assert!(10 < pair.log.retries_ns.len(), "{:?}", pair.log.changes);
    let is_fair = |change: &String| {
        change.ends_with("the connection was cut")
            || change.ends_with("(os error 104)")
            || !change.starts_with("closed")
    };
    assert!(pair.log.changes.iter().all(is_fair), "{:?}", pair.log.changes);
}

#[test]
fn tls_cut_anywhere_is_a_cut_and_comes_back() {
    cut_everywhere("wss", 61, Some(&TestTls::new()));
}

#[test]
fn a_handshake_cut_at_any_byte_is_a_cut_and_comes_back() {
    // The answer and the first frame have some 130 bytes.
    cut_everywhere("ws", 1, None);
}
