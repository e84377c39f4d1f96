//! The states of a session that a peer cannot bring about at will.

use std::net::TcpListener;

use engine::clock::Clock;
use mio::Poll;

use super::*;
use crate::testing::{Log, eager, endpoint};

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
