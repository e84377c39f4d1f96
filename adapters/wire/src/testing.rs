//! Peers and handlers for the tests: a real WebSocket server in a thread, a handler that remembers.

use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::Clock;
use tungstenite::WebSocket;

use crate::endpoint::Endpoint;
use crate::http::{HttpAnswer, HttpId};
use crate::poller::{Poller, Turn};
use crate::server::peers::Peers;
use crate::server::{PeerId, Reply, Request, Response, Server, ServerConfig, Service};
use crate::session::{Frame, FrameKind, Handler, SessionConfig, SessionEvent, SessionId};
use crate::tls::{TlsRoots, client_config, server_config};

/// No condition of a test takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SECOND_NS: u64 = 1_000_000_000;

/// Remembers frames and changes; changes as their text without addresses and waits.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) frames: Vec<(u64, FrameKind, Vec<u8>)>,
    pub(crate) changes: Vec<String>,
    pub(crate) retries_ns: Vec<u64>,
    /// Token and status or failure, in order.
    pub(crate) answers: Vec<(u64, String)>,
    pub(crate) http_changes: Vec<String>,
}

fn told(event: &SessionEvent) -> String {
    match event {
        SessionEvent::Connecting { .. } => "connecting".to_string(),
        SessionEvent::Handshaking { .. } => "handshaking".to_string(),
        SessionEvent::Open { .. } => "open".to_string(),
        SessionEvent::Mute { .. } => "mute".to_string(),
        SessionEvent::Closed { state, why, .. } => format!("closed while {state}: {why}"),
    }
}

impl Handler for Log {
    fn frame(&mut self, _session: SessionId, frame: Frame<'_>) {
        self.frames.push((frame.receive_ns, frame.kind, frame.payload.to_vec()));
    }

    fn changed(&mut self, _session: SessionId, event: &SessionEvent) {
        self.changes.push(told(event));
        if let SessionEvent::Closed { retry_ns, .. } = event {
            self.retries_ns.extend(retry_ns);
        }
    }

    fn answered(&mut self, _http: HttpId, token: u64, answer: HttpAnswer<'_>) {
        let text = match answer {
            HttpAnswer::Response { status, body, .. } => {
                format!("{status} {}", String::from_utf8_lossy(body))
            }
            HttpAnswer::Failed { why, may_have_been_sent } => {
                format!("{why}{}", if may_have_been_sent { " (sent)" } else { "" })
            }
        };
        self.answers.push((token, text));
    }

    fn http_changed(&mut self, _http: HttpId, event: &SessionEvent) {
        self.http_changes.push(told(event));
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

/// A service that answers with what it was asked and remembers what it heard.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    pub(crate) heard: Vec<String>,
    pub(crate) peers: Vec<PeerId>,
    pub(crate) waiting: Vec<PeerId>,
    /// API keys that came with requests.
    pub(crate) keys: Vec<String>,
}

impl Service for Echo {
    fn request(&mut self, _: &mut Peers, peer: PeerId, request: &Request<'_>, _: u64) -> Reply {
        let body = String::from_utf8_lossy(request.body);
        self.heard.push(format!("{} {} {body}", request.method, request.target));
        self.keys.extend(request.headers.get("x-mbx-apikey").map(str::to_string));
        match request.path() {
            "/ws" => Reply::Upgrade,
            "/later" => {
                self.waiting.push(peer);
                Reply::Later
            }
            _ => Reply::Respond(Response::new(200).with_body(format!("{}{body}", request.target))),
        }
    }

    fn upgraded(&mut self, _: &mut Peers, peer: PeerId, target: &str, _: u64) {
        self.heard.push(format!("upgraded {target}"));
        self.peers.push(peer);
    }

    fn text(&mut self, peers: &mut Peers, peer: PeerId, payload: &[u8], _: u64) {
        let text = String::from_utf8_lossy(payload).into_owned();
        peers.send_text(peer, &text);
        self.heard.push(text);
    }

    fn closed(&mut self, _: &mut Peers, peer: PeerId) {
        self.heard.push("closed".to_string());
        self.peers.retain(|known| *known != peer);
    }

    fn on_time(&mut self, _: &mut Peers, _: u64) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }
}

/// A client loop and a server loop, run in turns in the thread of the test.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) clock: Clock,
    pub(crate) poller: Poller,
    pub(crate) server: Server,
    pub(crate) echo: Echo,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
}

impl Pair {
    pub(crate) fn new(clock: Clock, config: ServerConfig, tls: Option<&TestTls>) -> Pair {
        let mut server = Server::with_config(config).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let (_, address) = server.listen(listen, tls.map(|tls| tls.server.clone())).unwrap();
        let poller = Poller::new().unwrap();
        Pair { clock, poller, server, echo: Echo::default(), log: Log::default(), address }
    }

    /// Both loops once.
    pub(crate) fn turn(&mut self) {
        let wait = Duration::from_micros(200);
        assert_eq!(self.poller.run_once(wait, &self.clock, &mut self.log).unwrap(), Turn::Continue);
        assert_eq!(
            self.server.run_once(wait, &self.clock, &mut self.echo).unwrap(),
            Turn::Continue
        );
    }

    #[track_caller]
    pub(crate) fn until(&mut self, done: impl Fn(&mut Pair) -> bool) {
        let watch = Clock::new();
        let start_ns = watch.now_ns();
        while !done(self) {
            let waited = Duration::from_nanos(watch.now_ns() - start_ns);
            assert!(waited < PATIENCE, "it does not happen: {:?} {:?}", self.log, self.echo);
            self.turn();
        }
    }
}

/// A CA of the test and a certificate for 127.0.0.1 and localhost.
pub(crate) struct TestTls {
    pub(crate) client: Arc<rustls::ClientConfig>,
    pub(crate) server: Arc<rustls::ServerConfig>,
}

impl TestTls {
    pub(crate) fn new() -> TestTls {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let roots = ca.pem();
        TestTls {
            client: client_config(TlsRoots::Pem(roots.as_bytes())).unwrap(),
            server: server_config(leaf.pem().as_bytes(), leaf_key.serialize_pem().as_bytes())
                .unwrap(),
        }
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

/// An empty directory of this test; removed after it.
pub(crate) struct TestDirectory(pub(crate) PathBuf);

impl TestDirectory {
    pub(crate) fn new(name: &str) -> TestDirectory {
        let path = std::env::temp_dir().join(format!("wire-{}-{name}.d", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir(&path).unwrap();
        TestDirectory(path)
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Seeded bytes; `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// In `[0, bound)`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.word() % bound).unwrap()
    }

    /// A few bytes removed, added, changed, or the end cut off. One byte remains.
    pub(crate) fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(4) {
                0 if 1 < bytes.len() => drop(bytes.remove(place)),
                1 => bytes.insert(place, self.byte()),
                2 => bytes[place] = self.byte(),
                _ => bytes.truncate(place.max(1)),
            }
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.word() & 0xff).unwrap()
    }
}

/// A connection passed on in both directions, until so many bytes came from the server or the
/// client.
#[derive(Debug)]
pub(crate) struct Relay {
    client: TcpStream,
    server: TcpStream,
    down_left: usize,
    up_left: usize,
}

impl Relay {
    pub(crate) fn accept(
        listener: &TcpListener,
        to: SocketAddr,
        down_left: usize,
    ) -> Option<Relay> {
        let (client, _) = listener.accept().ok()?;
        let server = TcpStream::connect(to).unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        Some(Relay { client, server, down_left, up_left: usize::MAX })
    }

    /// The same, with a limit for what comes from the client.
    pub(crate) fn limit_up(mut self, up_left: usize) -> Relay {
        self.up_left = up_left;
        self
    }

    /// Whether it goes on.
    pub(crate) fn run(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let bound = self.up_left.min(buffer.len());
        let up = pass(&self.client, &self.server, &mut buffer[..bound]);
        let bound = self.down_left.min(buffer.len());
        let down = pass(&self.server, &self.client, &mut buffer[..bound]);
        self.up_left -= up.unwrap_or(0);
        self.down_left -= down.unwrap_or(0);
        0 < self.down_left && 0 < self.up_left && up.is_some() && down.is_some()
    }
}

/// Bytes passed on; `None` at an end.
fn pass(mut from: &TcpStream, mut to: &TcpStream, buffer: &mut [u8]) -> Option<usize> {
    match from.read(buffer) {
        Ok(0) if !buffer.is_empty() => None,
        Ok(count) => to.write_all(&buffer[..count]).ok().map(|()| count),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}
