//! Peers and handlers for the tests: a real WebSocket server in a thread, a handler that remembers.

use std::fmt::Debug;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::Clock;
use tungstenite::WebSocket;

use crate::endpoint::Endpoint;
use crate::poller::{Poller, Turn};
use crate::session::{Frame, FrameKind, Handler, SessionConfig, SessionEvent, SessionId};

/// No condition of a test takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SECOND_NS: u64 = 1_000_000_000;

/// Remembers frames and changes; changes as their text without addresses and waits.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) frames: Vec<(u64, FrameKind, Vec<u8>)>,
    pub(crate) changes: Vec<String>,
    pub(crate) retries_ns: Vec<u64>,
}

impl Handler for Log {
    fn frame(&mut self, _session: SessionId, frame: Frame<'_>) {
        self.frames.push((frame.receive_ns, frame.kind, frame.payload.to_vec()));
    }

    fn changed(&mut self, _session: SessionId, event: &SessionEvent) {
        self.changes.push(match event {
            SessionEvent::Connecting { .. } => "connecting".to_string(),
            SessionEvent::Handshaking { .. } => "handshaking".to_string(),
            SessionEvent::Open { .. } => "open".to_string(),
            SessionEvent::Mute { .. } => "mute".to_string(),
            SessionEvent::Closed { state, why, retry_ns, .. } => {
                self.retries_ns.extend(retry_ns);
                format!("closed while {state}: {why}")
            }
        });
    }
}

impl Log {
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.frames.iter().map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap()).collect()
    }

    pub(crate) fn count(&self, change: &str) -> usize {
        self.changes.iter().filter(|known| *known == change).count()
    }
}

/// A peer that runs a script in a thread of its own.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Peer {
    pub(crate) fn run(script: impl FnOnce(&TcpListener) + Send + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || script(&listener));
        Peer { address, thread }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(self.address)
    }

    /// Waits for the end of the script; fails where the script failed.
    pub(crate) fn join(self) {
        self.thread.join().unwrap();
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::resolve(&format!("ws://{address}/stream?streams=a@trade")).unwrap()
}

/// A TCP connection of the next client that does not wait for ever.
pub(crate) fn accept_tcp(listener: &TcpListener) -> TcpStream {
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// A WebSocket of the next client.
pub(crate) fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
    tungstenite::accept(accept_tcp(listener)).unwrap()
}

/// Reads until the client is gone.
pub(crate) fn drain(mut tcp: &TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(tcp.read(&mut buffer), Ok(count) if 0 < count) {}
}

/// A configuration that reconnects fast and is otherwise patient.
pub(crate) fn eager() -> SessionConfig {
    SessionConfig {
        connect_ns_max: 30 * SECOND_NS,
        handshake_ns_max: 30 * SECOND_NS,
        idle_ns_max: 60 * SECOND_NS,
        backoff_ns_min: 1_000_000,
        backoff_ns_max: 20_000_000,
        backoff_seed: 1,
        ..SessionConfig::default()
    }
}

/// Runs the loop until the handler has heard what is wanted.
#[track_caller]
pub(crate) fn run_until<H: Handler + Debug>(
    poller: &mut Poller,
    clock: &Clock,
    handler: &mut H,
    done: impl Fn(&H) -> bool,
) {
    // The clock of a test may be manual, so patience has one of its own.
    let watch = Clock::new();
    let start_ns = watch.now_ns();
    while !done(handler) {
        let waited = Duration::from_nanos(watch.now_ns() - start_ns);
        assert!(waited < PATIENCE, "it does not happen: {handler:?}");
        let turn = poller.run_once(Duration::from_millis(20), clock, handler).unwrap();
        assert_eq!(turn, Turn::Continue);
    }
}

/// A file name of this test; the file is removed before and after.
pub(crate) struct TestFile(pub(crate) PathBuf);

impl TestFile {
    pub(crate) fn new(name: &str) -> TestFile {
        let path = std::env::temp_dir().join(format!("wire-{}-{name}", std::process::id()));
        drop(std::fs::remove_file(&path));
        TestFile(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
