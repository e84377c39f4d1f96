//! Sessions against real servers on the loopback interface.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use engine::clock::Clock;
use tungstenite::{Bytes, Message};

use super::*;
use crate::session::{FrameKind, SessionState};
use crate::testing::{Log, PATIENCE, Peer, accept, accept_tcp, drain, eager, endpoint, run_until};

const LIVE: [&str; 3] = ["connecting", "handshaking", "open"];

fn poller_with(peer: &Peer, config: SessionConfig) -> (Poller, SessionId) {
    let mut poller = Poller::new().unwrap();
    let id = poller.add(peer.endpoint(), config).unwrap();
    (poller, id)
}

#[test]
fn frames_arrive_in_order_and_unchanged() {
    let sizes = [1_usize, 125, 126, 65_535, 65_536, 300_000];
    let long: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
    let short: Vec<String> = (0..3_000).map(|number| format!("{{\"n\":{number}}}")).collect();
    let expected: Vec<String> = long.into_iter().chain(short).collect();
    let sent = expected.clone();
    let peer = Peer::run(move |listener| {
        let mut socket = accept(listener);
        for text in sent {
            socket.write(Message::text(text)).unwrap();
        }
        socket.send(Message::binary(vec![0_u8, 10, 255])).unwrap();
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.frames.len() == expected.len() + 1);
    let (_, kind, bytes) = log.frames.pop().unwrap();
    assert_eq!((kind, bytes.as_slice()), (FrameKind::Binary, [0_u8, 10, 255].as_slice()));
    assert!(log.frames.iter().all(|(_, kind, _)| *kind == FrameKind::Text));
    assert!(log.texts() == expected, "a frame differs");
    assert_eq!(log.changes, LIVE);
    let times: Vec<u64> = log.frames.iter().map(|(receive_ns, _, _)| *receive_ns).collect();
    assert!(times.is_sorted());
    assert!(start_ns <= times[0]);
    assert!(times[times.len() - 1] <= clock.now_ns());
    drop(poller);
    peer.join();
}

#[test]
fn a_message_in_fragments_arrives_whole() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        // Text "ab" without the end, a ping in between, "cd" with the end.
        let raw = [0x01, 2, b'a', b'b', 0x89, 0, 0x80, 2, b'c', b'd'];
        for byte in raw {
            socket.get_mut().write_all(&[byte]).unwrap();
        }
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| !log.frames.is_empty());
    assert_eq!(log.texts(), ["abcd"]);
    drop(poller);
    peer.join();
}

#[test]
fn a_cut_session_comes_back_and_subscribes_again() {
    let peer = Peer::run(|listener| {
        for round in 0..3 {
            let mut socket = accept(listener);
            assert_eq!(socket.read().unwrap().to_text().unwrap(), "subscribe a");
            assert_eq!(socket.read().unwrap().to_text().unwrap(), "subscribe b");
            socket.send(Message::text(format!("round {round}"))).unwrap();
            // No close frame: the cable is pulled.
            socket.get_ref().shutdown(Shutdown::Both).unwrap();
        }
    });
    let clock = Clock::new();
    let opening_texts = vec!["subscribe a".to_string(), "subscribe b".to_string()];
    let (mut poller, _) = poller_with(&peer, SessionConfig { opening_texts, ..eager() });
    let mut log = Log::default();
    let cut = "closed while open: the connection was cut";
    run_until(&mut poller, &clock, &mut log, |log| log.count(cut) == 3);
    assert_eq!(log.texts(), ["round 0", "round 1", "round 2"]);
    let round = [LIVE[0], LIVE[1], LIVE[2], cut];
    assert_eq!(log.changes, round.repeat(3));
    peer.join();
}

#[test]
fn half_a_frame_is_never_handed_out() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        socket.send(Message::text("whole")).unwrap();
        // A text of 300 bytes is promised, three come.
        socket.get_mut().write_all(&[0x81, 126, 1, 44, b'a', b'b', b'c']).unwrap();
        socket.get_ref().shutdown(Shutdown::Both).unwrap();
        let mut socket = accept(listener);
        socket.send(Message::text("after")).unwrap();
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.frames.len() == 2);
    assert_eq!(log.texts(), ["whole", "after"]);
    assert_eq!(log.count("closed while open: the connection was cut"), 1);
    drop(poller);
    peer.join();
}

#[test]
fn a_close_frame_is_told_with_code_and_reason() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        let frame = tungstenite::protocol::CloseFrame { code: 1012.into(), reason: "bye".into() };
        socket.send(Message::Close(Some(frame))).unwrap();
        // Our answer: the same code.
        let answer = socket.read().unwrap();
        let Message::Close(Some(answer)) = answer else { panic!("{answer:?}") };
        assert_eq!(u16::from(answer.code), 1012);
    });
    let clock = Clock::new();
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    let closed = "closed while open: the peer closed with code 1012: bye";
    run_until(&mut poller, &clock, &mut log, |log| log.count(closed) == 1);
    peer.join();
}

#[test]
fn a_ping_is_answered_and_keeps_the_session() {
    let (answered, answer) = mpsc::channel();
    let peer = Peer::run(move |listener| {
        let mut socket = accept(listener);
        socket.send(Message::Ping(Bytes::from_static(b"are you there"))).unwrap();
        answered.send(socket.read().unwrap()).unwrap();
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let (mut poller, id) = poller_with(&peer, eager());
    let mut log = Log::default();
    let pong = std::cell::RefCell::new(None);
    run_until(&mut poller, &clock, &mut log, |_| {
        *pong.borrow_mut() = answer.try_recv().ok();
        pong.borrow().is_some()
    });
    let pong = pong.into_inner().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"are you there")));
    assert_eq!(log.frames.len(), 0);
    assert_eq!(poller.session(id).state(), SessionState::Open);
    drop(poller);
    peer.join();
}

#[test]
fn a_mute_peer_is_left_and_tried_again() {
    let peer = Peer::run(|listener| {
        let silent = accept(listener);
        let mut socket = accept(listener);
        socket.send(Message::text("better")).unwrap();
        drain(socket.get_ref());
        drop(silent);
    });
    let (clock, time) = Clock::manual(1_000);
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.count("open") == 1);

    time.advance(eager().idle_ns_max - 1);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    assert_eq!(log.changes, LIVE, "one nanosecond is left");
    time.advance(1);
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    let closed = "closed while open: nothing was heard for 60000000000 ns";
    assert_eq!(log.changes[3..], ["mute", closed]);

    time.advance(eager().backoff_ns_max);
    run_until(&mut poller, &clock, &mut log, |log| !log.frames.is_empty());
    assert_eq!(log.texts(), ["better"]);
    assert_eq!(log.changes[5..], LIVE);
    drop(poller);
    peer.join();
}

#[test]
fn only_a_lasting_connection_makes_the_waits_short_again() {
    const CUTS: usize = 8;
    let peer = Peer::run(|listener| {
        for _ in 0..CUTS {
            drop(accept(listener));
        }
        drain(accept(listener).get_ref());
    });
    let (clock, time) = Clock::manual(1_000);
    let (mut poller, _) = poller_with(&peer, eager());
    let (min, max) = (eager().backoff_ns_min, eager().backoff_ns_max);
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| {
        // Time passes only while the session waits, so that no connection lasts.
        if log.changes.last().is_some_and(|change| change.starts_with("closed")) {
            time.advance(max);
        }
        log.count("open") == CUTS + 1
    });
    assert_eq!(log.retries_ns.len(), CUTS);
    assert!(max / 2 <= log.retries_ns[CUTS - 1], "{:?}", log.retries_ns);

    time.advance(eager().idle_ns_max);
    run_until(&mut poller, &clock, &mut log, |log| log.count("mute") == 1);
    assert!(log.retries_ns[CUTS] <= min, "{:?}", log.retries_ns);
    drop(poller);
    peer.join();
}

#[test]
fn a_handshake_that_never_ends_meets_its_deadline() {
    let peer = Peer::run(|listener| {
        let mut tcp = accept_tcp(listener);
        tcp.write_all(b"HTTP/1.1 101 Switching Prot").unwrap();
        drain(&tcp);
    });
    let (clock, time) = Clock::manual(1_000);
    let (mut poller, id) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.count("handshaking") == 1);
    time.advance(eager().handshake_ns_max);
    let closed = "closed while handshaking: no answer to the handshake within 30000000000 ns";
    run_until(&mut poller, &clock, &mut log, |log| log.count(closed) == 1);
    assert_eq!(poller.session(id).state(), SessionState::Waiting);
    peer.join();
}

#[test]
fn garbage_for_an_answer_is_told_and_the_waits_are_bounded() {
    const ATTEMPTS: usize = 12;
    let peer = Peer::run(|listener| {
        for _ in 0..ATTEMPTS {
            let mut tcp = accept_tcp(listener);
            tcp.write_all(b"\x00\x01SSH-2.0-no such thing\r\n\r\n").unwrap();
            drain(&tcp);
        }
    });
    let clock = Clock::new();
    let config = eager();
    let (min, max) = (config.backoff_ns_min, config.backoff_ns_max);
    let (mut poller, _) = poller_with(&peer, config);
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.retries_ns.len() == ATTEMPTS);
    let closed = "closed while handshaking: the answer is no WebSocket handshake: ";
    let told: Vec<&String> = log.changes.iter().filter(|c| c.starts_with(closed)).collect();
    assert_eq!(told.len(), ATTEMPTS, "{:?}", log.changes);
    assert!(closed.len() < told[0].len(), "no detail: {}", told[0]);
    assert!(log.retries_ns[0] <= min);
    assert!(log.retries_ns.iter().all(|ns| min / 2 <= *ns && *ns <= max));
    assert!(log.retries_ns[6..].iter().all(|ns| max / 2 <= *ns), "{:?}", log.retries_ns);
    peer.join();
}

#[test]
fn an_http_error_is_told_with_its_status() {
    let peer = Peer::run(|listener| {
        let mut tcp = accept_tcp(listener);
        tcp.write_all(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n").unwrap();
        drain(&tcp);
    });
    let clock = Clock::new();
    let (mut poller, _) = poller_with(&peer, eager());
    let mut log = Log::default();
    let closed = "closed while handshaking: the peer answers the handshake with HTTP status 429";
    run_until(&mut poller, &clock, &mut log, |log| log.count(closed) == 1);
    peer.join();
}

#[test]
fn a_port_where_nobody_listens_is_told_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let clock = Clock::new();
    let mut poller = Poller::new().unwrap();
    poller.add(endpoint(address), eager()).unwrap();
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.retries_ns.len() == 3);
    let closed = log.changes.iter().filter(|c| c.starts_with("closed while connecting: "));
    assert_eq!(closed.count(), 3, "{:?}", log.changes);
}

#[test]
fn an_oversized_message_is_refused() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        socket.send(Message::text("x".repeat(1_000))).unwrap();
        // One byte too long by its header alone, then one too long in two fragments.
        socket.get_mut().write_all(&[0x81, 126, 3, 233]).unwrap();
        drain(socket.get_ref());
        let mut socket = accept(listener);
        let half = |first: u8| [[first, 126, 2, 88].as_slice(), &[b'y'; 600]].concat();
        socket.get_mut().write_all(&half(0x01)).unwrap();
        socket.get_mut().write_all(&half(0x80)).unwrap();
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let (mut poller, _) =
        poller_with(&peer, SessionConfig { frame_size_bytes_max: 1_000, ..eager() });
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.retries_ns.len() == 2);
    assert_eq!(log.texts(), ["x".repeat(1_000)]);
    let closed = "closed while open: a message of";
    assert_eq!(log.changes[3], format!("{closed} 1001 bytes or more, the limit is 1000"));
    assert_eq!(log.changes[7], format!("{closed} 1200 bytes or more, the limit is 1000"));
    drop(poller);
    peer.join();
}

#[test]
fn what_the_peer_does_not_take_is_queued_up_to_the_limit() {
    const TEXT_SIZE_BYTES: usize = 60_000;
    let (begin, begun) = mpsc::channel::<usize>();
    let (told, heard) = mpsc::channel();
    let peer = Peer::run(move |listener| {
        let mut socket = accept(listener);
        // Reads nothing until it is told how much was taken.
        let expected = begun.recv_timeout(PATIENCE).unwrap();
        for _ in 0..expected {
            assert_eq!(socket.read().unwrap().len(), TEXT_SIZE_BYTES);
        }
        told.send(()).unwrap();
        drain(socket.get_ref());
    });
    let clock = Clock::new();
    let config = SessionConfig { write_queue_size_bytes_max: 200_000, ..eager() };
    let (mut poller, id) = poller_with(&peer, config);
    let text = "z".repeat(TEXT_SIZE_BYTES);
    assert_eq!(poller.send(id, &text), Err(SendError::NotOpen { state: SessionState::Waiting }));
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.count("open") == 1);
    let mut taken = 0;
    let refused = loop {
        match poller.send(id, &text) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10_000, "the queue has no end");
    };
    assert_eq!(refused, SendError::QueueFull);
    assert_eq!(poller.session(id).state(), SessionState::Open);
    begin.send(taken).unwrap();
    run_until(&mut poller, &clock, &mut log, |_| heard.try_recv().is_ok());
    assert_eq!(poller.send(id, &text), Ok(()), "there is room again");
    assert_eq!(log.changes, LIVE);
    drop(poller);
    peer.join();
}

#[test]
fn several_sessions_share_a_loop_and_one_failure_stays_its_own() {
    let peers: Vec<Peer> = (0..3)
        .map(|number| {
            Peer::run(move |listener| {
                let mut socket = accept(listener);
                for index in 0..500 {
                    socket.send(Message::text(format!("{number} {index}"))).unwrap();
                }
                drain(socket.get_ref());
            })
        })
        .collect();
    let clock = Clock::new();
    let mut poller = Poller::new().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    poller.add(endpoint(nobody), eager()).unwrap();
    for peer in &peers {
        poller.add(peer.endpoint(), eager()).unwrap();
    }
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.frames.len() == 1_500);
    for number in 0..3 {
        let prefix = format!("{number} ");
        let own: Vec<&str> =
            log.texts().into_iter().filter(|text| text.starts_with(&prefix)).collect();
        let expected: Vec<String> = (0..500).map(|index| format!("{number} {index}")).collect();
        assert_eq!(own, expected);
    }
    drop(poller);
    for peer in peers {
        peer.join();
    }
}

#[test]
fn a_stopper_ends_a_loop_that_waits() {
    let mut poller = Poller::new().unwrap();
    let stopper = poller.stopper();
    let (waiting, is_waiting) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let clock = Clock::new();
        let mut log = Log::default();
        waiting.send(()).unwrap();
        // No session and no deadline: only the stopper can end this wait before its hour is over.
        let mut turn = Turn::Continue;
        while turn == Turn::Continue {
            turn = poller.run_once(Duration::from_hours(1), &clock, &mut log).unwrap();
        }
        // Stopped is for good.
        ended.send(poller.run_once(Duration::ZERO, &clock, &mut log).unwrap()).unwrap();
    });
    is_waiting.recv_timeout(PATIENCE).unwrap();
    stopper.stop().unwrap();
    assert_eq!(has_ended.recv_timeout(PATIENCE), Ok(Turn::Stop));
    thread.join().unwrap();
}

#[test]
fn a_stop_between_the_look_at_the_flag_and_the_wait_ends_the_wait() {
    let mut poller = Poller::new().unwrap();
    poller.stopper().stop().unwrap();
    // The wait itself, as if the flag had been looked at before the stop.
    poller.poll.poll(&mut poller.events, Some(PATIENCE)).unwrap();
    let tokens: Vec<Token> = poller.events.iter().map(mio::event::Event::token).collect();
    assert_eq!(tokens, [WAKE]);
}

#[test]
fn stopping_sessions_says_goodbye_and_never_comes_back() {
    let peer = Peer::run(|listener| {
        let mut socket = accept(listener);
        let message = socket.read().unwrap();
        let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
        assert_eq!(u16::from(frame.code), 1000);
    });
    let clock = Clock::new();
    let (mut poller, id) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.count("open") == 1);
    poller.stop_sessions(&mut log);
    poller.stop_sessions(&mut log);
    assert_eq!(log.changes[3..], ["closed while open: stopped"]);
    peer.join();
    poller.run_once(Duration::ZERO, &clock, &mut log).unwrap();
    assert_eq!(poller.session(id).state(), SessionState::Stopped);
    assert_eq!(log.changes.len(), 4);
    assert_eq!(log.retries_ns, [0_u64; 0]);
}

#[test]
fn an_alarm_ends_one_wait_and_not_the_loop() {
    let mut poller = Poller::new().unwrap();
    let (alarm, clock, mut log) = (poller.alarm(), Clock::new(), Log::default());
    let thread = std::thread::spawn(move || {
        // Without the alarm this would take an hour.
        poller.run_once(Duration::from_hours(1), &clock, &mut log).unwrap()
    });
    alarm.ring().unwrap();
    assert_eq!(thread.join().unwrap(), Turn::Continue);
}

#[test]
fn what_waits_in_a_socket_is_heard_before_silence_is_judged() {
    let (begin, begun) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let peer = Peer::run(move |listener| {
        let mut socket = accept(listener);
        begun.recv_timeout(PATIENCE).unwrap();
        socket.send(Message::text("in time")).unwrap();
        go.send(()).unwrap();
        drain(socket.get_ref());
    });
    let (clock, time) = Clock::manual(1_000);
    let (mut poller, id) = poller_with(&peer, eager());
    let mut log = Log::default();
    run_until(&mut poller, &clock, &mut log, |log| log.count("open") == 1);
    begin.send(()).unwrap();
    gone.recv_timeout(PATIENCE).unwrap();
    // The loop was held up for longer than the peer may be silent.
    time.advance(eager().idle_ns_max);
    run_until(&mut poller, &clock, &mut log, |log| !log.frames.is_empty());
    assert_eq!(poller.session(id).state(), SessionState::Open, "{:?}", log.changes);
    drop(poller);
    peer.join();
}
