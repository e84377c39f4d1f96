//! Servers and notices for the tests: a web server that obeys a script, and a strict mail server.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::BASE64;
use engine::clock::Clock;
use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;
use wire::poller::{Stopper, Turn};
use wire::server::peers::Peers;
use wire::server::{PeerId, Reply, Request, Response, Server, Service};
use wire::tls::{TlsRoots, client_config, server_config};

use super::SecretSource;
use crate::board::{Board, BoardSettings, BoardState};
use crate::catalogue::Code;
use crate::notice::{Notice, Signal};
use crate::subject::{Names, Subject};

/// How long a test waits for what must happen, on a machine that is busy with others.
const PATIENCE_NS: u64 = 60_000_000_000;

/// Waits until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    while !done() {
        assert!(clock.now_ns() - start_ns < PATIENCE_NS, "it does not happen: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A secret that is always there.
pub(crate) fn secret(text: &str) -> SecretSource {
    let text = text.to_string();
    Box::new(move || Some(Arc::new(secret::Secret::new(text.clone()))))
}

/// So many notices of that alarm, each of a venue of its own, with numbers after `last`.
pub(crate) fn notices(code: Code, last: u64, count: u8) -> Vec<Notice> {
    let state = BoardState { notice_last: last, alarm_last: last, ..BoardState::default() };
    let mut board = Board::new(BoardSettings::default(), state);
    let mut out = Vec::new();
    for number in 0..count {
        let signal = Signal::raise(code, Subject::Venue(number), (1, 1));
        board.signal(&signal, 1_795_000_000_000_000_000, &mut out);
    }
    for notice in &mut out {
        notice.word(&Names::default());
    }
    out
}

/// A CA of the test and a certificate for localhost and 127.0.0.1.
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
        let (pem, key) = (leaf.pem(), leaf_key.serialize_pem());
        TestTls {
            client: client_config(TlsRoots::Pem(ca.pem().as_bytes())).unwrap(),
            server: server_config(pem.as_bytes(), key.as_bytes()).unwrap(),
        }
    }
}

/// What the web server does with a request; the last one of a script goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers with that status.
    Status(u16),
    /// Says that it is busy, for so many seconds.
    Busy(u64),
    /// Never answers.
    Slow,
    /// Cuts the connection.
    Cut,
}

/// What it has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Target and body of each request, taken or not.
    pub(crate) all: Vec<(String, Value)>,
    /// Bodies of those that were answered with 200.
    pub(crate) taken: Vec<Value>,
}

#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    heard: Arc<Mutex<Heard>>,
}

impl Service for Script {
    fn request(&mut self, peers: &mut Peers, peer: PeerId, request: &Request<'_>, _: u64) -> Reply {
        let body: Value = serde_json::from_slice(request.body).unwrap_or(Value::Null);
        let mut heard = self.heard.lock().unwrap();
        heard.all.push((request.target.to_string(), body.clone()));
        let next = if 1 < self.acts.len() { self.acts.pop_front() } else { None };
        match next.or(self.acts.front().copied()).unwrap_or(Act::Status(200)) {
            Act::Status(status) => {
                if status == 200 {
                    heard.taken.push(body);
                }
                Reply::Respond(Response::new(status).with_body("ok"))
            }
            Act::Busy(seconds) => Reply::Respond(Response::new(429).header("Retry-After", seconds)),
            Act::Slow => Reply::Later,
            Act::Cut => {
                peers.cut(peer);
                Reply::Later
            }
        }
    }

    fn upgraded(&mut self, _: &mut Peers, _: PeerId, _: &str, _: u64) {}

    fn text(&mut self, _: &mut Peers, _: PeerId, _: &[u8], _: u64) {}

    fn closed(&mut self, _: &mut Peers, _: PeerId) {}

    fn on_time(&mut self, _: &mut Peers, _: u64) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }
}

/// A web server in a thread of its own.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Hook {
    pub(crate) fn start(acts: &[Act], tls: Option<&TestTls>) -> Hook {
        let mut server = Server::new().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let (_, address) = server.listen(listen, tls.map(|tls| Arc::clone(&tls.server))).unwrap();
        let (heard, stopper) = (Arc::new(Mutex::new(Heard::default())), server.stopper());
        let mut script = Script { acts: acts.iter().copied().collect(), heard: Arc::clone(&heard) };
        let thread = std::thread::spawn(move || {
            let clock = Clock::new();
            let wait = Duration::from_millis(100);
            while server.run_once(wait, &clock, &mut script).unwrap() == Turn::Continue {}
        });
        Hook { address, heard, stopper, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/services/T/B/canary", self.address)
    }

    pub(crate) fn heard<T>(&self, look: impl Fn(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        drop(self.stopper.stop());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How the mail server behaves.
#[derive(Clone, Debug)]
pub(crate) struct MailSettings {
    /// Offers STARTTLS.
    pub(crate) starttls: bool,
    /// TLS from the first byte.
    pub(crate) tls_at_once: bool,
    /// What stands behind AUTH, only after TLS; none: no AUTH.
    pub(crate) auth: &'static str,
    /// User name and password that it takes; a mail without them is refused where AUTH is offered.
    pub(crate) login: (&'static str, &'static str),
    /// Answers commands that begin so with that line.
    pub(crate) answer: Option<(&'static str, &'static str)>,
    /// Says this in one breath with its answer to STARTTLS.
    pub(crate) injected: &'static str,
    /// Does not answer the command that begins so.
    pub(crate) silent: Option<&'static str>,
}

impl Default for MailSettings {
    fn default() -> MailSettings {
        MailSettings {
            starttls: true,
            tls_at_once: false,
            auth: "PLAIN LOGIN",
            login: ("user", "canary-password"),
            answer: None,
            injected: "",
            silent: None,
        }
    }
}

/// What the mail server has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailHeard {
    /// Each command with whether it came over TLS.
    pub(crate) commands: Vec<(String, bool)>,
    /// Letters that were taken: receivers, text with dots as they were.
    pub(crate) letters: Vec<(Vec<String>, String)>,
    /// What no client may do.
    pub(crate) faults: Vec<String>,
}

/// A mail server that takes one connection after the other.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<MailHeard>>,
}

impl Mail {
    /// Starts it; the thread ends with the test's process.
    pub(crate) fn start(settings: MailSettings, tls: &TestTls) -> Mail {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(MailHeard::default()));
        let (theirs, tls) = (Arc::clone(&heard), Arc::clone(&tls.server));
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                let talk = Talk {
                    settings: settings.clone(),
                    heard: Arc::clone(&theirs),
                    is_greeted: false,
                    is_logged_in: false,
                    has_sender: false,
                    receivers: Vec::new(),
                };
                talk.serve(tcp, &tls);
            }
        });
        Mail { address, heard }
    }

    pub(crate) fn heard(&self) -> MailHeard {
        self.heard.lock().unwrap().clone()
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// What follows a command.
enum Next {
    Line(String),
    Letter,
    Tls,
    Nothing,
    End,
}

struct Talk {
    settings: MailSettings,
    heard: Arc<Mutex<MailHeard>>,
    is_greeted: bool,
    is_logged_in: bool,
    has_sender: bool,
    receivers: Vec<String>,
}

impl Talk {
    fn serve(mut self, tcp: TcpStream, tls: &Arc<rustls::ServerConfig>) {
        let secure = |tcp: TcpStream| -> Box<dyn ReadWrite> {
            let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
            Box::new(StreamOwned::new(connection, tcp))
        };
        let mut is_secure = self.settings.tls_at_once;
        let raw = tcp.try_clone().unwrap();
        let plain: Box<dyn ReadWrite> = if is_secure { secure(tcp) } else { Box::new(tcp) };
        let mut stream = BufReader::new(plain);
        let mut greeting = Some("220 mail.test ready".to_string());
        loop {
            if let Some(line) = greeting.take()
                && say(&mut stream, &line).is_err()
            {
                return;
            }
            let Some(command) = self.line(&mut stream) else { return };
            self.heard.lock().unwrap().commands.push((command.clone(), is_secure));
            match self.answer(&command, is_secure, &mut stream) {
                Next::Line(line) => greeting = Some(line),
                Next::Letter => {
                    if say(&mut stream, "354 go on").is_err() {
                        return;
                    }
                    let Some(text) = self.letter(&mut stream) else { return };
                    let receivers = std::mem::take(&mut self.receivers);
                    self.heard.lock().unwrap().letters.push((receivers, text));
                    greeting = Some("250 taken".to_string());
                }
                Next::Tls => {
                    let line = format!("220 go on\r\n{}", self.settings.injected);
                    if say(&mut stream, line.trim_end()).is_err() {
                        return;
                    }
                    stream = BufReader::new(secure(raw.try_clone().unwrap()));
                    (is_secure, self.is_greeted) = (true, false);
                }
                Next::Nothing => {}
                Next::End => {
                    drop(say(&mut stream, "221 bye"));
                    return;
                }
            }
        }
    }

    fn fault(&self, text: String) {
        self.heard.lock().unwrap().faults.push(text);
    }

    fn line(&self, stream: &mut BufReader<Box<dyn ReadWrite>>) -> Option<String> {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).ok().filter(|count| 0 < *count)?;
        let line = String::from_utf8(line).unwrap();
        let Some(text) = line.strip_suffix("\r\n") else {
            self.fault(format!("a line without CRLF: {line:?}"));
            return None;
        };
        if 998 < text.len() || text.contains(['\r', '\n']) || !text.is_ascii() {
            self.fault(format!("a line that may not be: {text:?}"));
        }
        Some(text.to_string())
    }

    fn answer(
        &mut self,
        command: &str,
        is_secure: bool,
        stream: &mut BufReader<Box<dyn ReadWrite>>,
    ) -> Next {
        let line = |text: &str| Next::Line(text.to_string());
        if self.settings.silent.is_some_and(|start| command.starts_with(start)) {
            return Next::Nothing;
        }
        if let Some((start, answer)) = self.settings.answer
            && command.starts_with(start)
        {
            return line(answer);
        }
        let verb = command.split([' ', ':']).next().unwrap_or_default();
        match verb {
            "EHLO" => {
                self.is_greeted = true;
                self.abilities(is_secure)
            }
            "QUIT" => Next::End,
            _ if !self.is_greeted => line("503 say EHLO"),
            "STARTTLS" if self.settings.starttls && !is_secure => Next::Tls,
            "AUTH" => self.log_in(command, is_secure, stream),
            "MAIL" if !self.is_logged_in && !self.settings.auth.is_empty() => line("530 log in"),
            "MAIL" if command.starts_with("MAIL FROM:<") && command.ends_with('>') => {
                self.has_sender = true;
                line("250 ok")
            }
            "RCPT" if self.has_sender && command.starts_with("RCPT TO:<") => {
                let address = command["RCPT TO:<".len()..].trim_end_matches('>');
                if address.starts_with("nobody@") {
                    return line("550 no such receiver");
                }
                self.receivers.push(address.to_string());
                line("250 ok")
            }
            "DATA" if !self.receivers.is_empty() => Next::Letter,
            _ => {
                self.fault(format!("out of place: {command}"));
                line("503 not now")
            }
        }
    }

    fn abilities(&self, is_secure: bool) -> Next {
        let mut text = "250-mail.test\r\n".to_string();
        if self.settings.starttls && !is_secure {
            text.push_str("250-STARTTLS\r\n");
        }
        if is_secure && !self.settings.auth.is_empty() {
            text = format!("{text}250-AUTH {}\r\n", self.settings.auth);
        }
        Next::Line(format!("{text}250 8BITMIME"))
    }

    fn log_in(
        &mut self,
        command: &str,
        is_secure: bool,
        stream: &mut BufReader<Box<dyn ReadWrite>>,
    ) -> Next {
        if !is_secure {
            self.fault("a login without TLS".to_string());
        }
        let text = |word: &str| {
            String::from_utf8(BASE64.decode(word.as_bytes()).unwrap_or_default()).unwrap()
        };
        let found = if let Some(word) = command.strip_prefix("AUTH PLAIN ") {
            text(word)
        } else {
            let mut found = String::new();
            for prompt in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                if say(stream, prompt).is_err() {
                    return Next::End;
                }
                let Some(word) = self.line(stream) else { return Next::End };
                found = format!("{found}\0{}", text(&word));
            }
            found
        };
        let (user, password) = self.settings.login;
        self.is_logged_in = found == format!("\0{user}\0{password}");
        Next::Line(if self.is_logged_in { "235 welcome" } else { "535 no" }.to_string())
    }

    fn letter(&self, stream: &mut BufReader<Box<dyn ReadWrite>>) -> Option<String> {
        let mut text = String::new();
        loop {
            let line = self.line(stream)?;
            if line == "." {
                return Some(text);
            }
            let line = line.strip_prefix('.').unwrap_or(&line);
            text.push_str(line);
            text.push('\n');
        }
    }
}

fn say(stream: &mut BufReader<Box<dyn ReadWrite>>, line: &str) -> std::io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}
