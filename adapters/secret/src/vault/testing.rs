//! A double of Vault for tests: real sockets, the HTTP API of KV version 2, tokens and roles as Vault answers them.
//!
//! Shapes and statuses are those of Vault's own API: 404 with `{"errors":[]}` for what was never there, 404 with
//! `data: null` and metadata for a version that was deleted, 403 for a token that may not, 503 for a sealed one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

const CREATED: &str = "2026-11-01T08:00:00.000000001Z";
const DELETED: &str = "2026-11-02T09:00:00.000000002Z";
const PATIENCE: Duration = Duration::from_secs(30);

/// One version of a secret.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its fields.
    pub data: Value,
    /// `vault kv delete`
    pub deleted: bool,
    /// `vault kv destroy`
    pub destroyed: bool,
}

/// A token.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// Seconds that `lookup-self` tells; 0 for a token that does not end.
    pub ttl_s: u64,
    /// Whether `renew-self` works.
    pub renewable: bool,
    /// Paths below `/v1/` that it may read begin with one of these.
    pub reads: Vec<String>,
    /// Whether its policy lets it look at itself, as `default` does.
    pub looks_up: bool,
}

/// How it misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// It does not.
    #[default]
    None,
    /// Every question is answered with 503 and `Vault is sealed`.
    Sealed,
    /// The connection stays open without an answer.
    Mute,
    /// An answer that is no JSON.
    Garbage,
    /// Another status.
    Status(u16),
    /// An error that repeats the token.
    Echo,
}

/// What the double knows and has heard.
#[derive(Debug, Default)]
pub struct State {
    /// By path below `/v1/`, `data/` included.
    pub secrets: BTreeMap<String, Vec<Version>>,
    /// By their text.
    pub tokens: BTreeMap<String, Token>,
    /// By role id: secret id and the token that a login makes.
    pub roles: BTreeMap<String, (String, Token)>,
    /// The only namespace that exists; `None`: the root.
    pub namespace: Option<String>,
    /// How it misbehaves.
    pub trouble: Trouble,
    /// Method and target of each question.
    pub heard: Vec<String>,
    login_count: u64,
}

/// The double. It stops when it is dropped.
#[derive(Debug)]
pub struct VaultDouble {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    is_tls: bool,
    thread: Option<JoinHandle<()>>,
}

impl VaultDouble {
    /// One on loopback that knows nothing; with TLS where a configuration is given.
    #[must_use]
    pub fn start(tls: Option<Arc<ServerConfig>>) -> VaultDouble {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, is_tls) = (Arc::clone(&state), tls.is_some());
        let thread = std::thread::spawn(move || serve(&listener, &shared, tls.as_ref()));
        VaultDouble { state, address, is_tls, thread: Some(thread) }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What it knows, to be looked at and changed.
    ///
    /// # Panics
    /// Where the thread of the double has.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the double did not fail")
    }

    /// Puts a new version of a secret there.
    pub fn put(&self, path: &str, data: Value) {
        let version = Version { data, deleted: false, destroyed: false };
        self.state().secrets.entry(path.to_string()).or_default().push(version);
    }

    /// A token that may read below `secret/`.
    pub fn allow(&self, token: &str) {
        let known =
            Token { reads: vec!["secret/".to_string()], looks_up: true, ..Token::default() };
        self.state().tokens.insert(token.to_string(), known);
    }
}

impl Drop for VaultDouble {
    fn drop(&mut self) {
        // A connection without a question ends the loop.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(listener: &TcpListener, state: &Mutex<State>, tls: Option<&Arc<ServerConfig>>) {
    // Kept open without an answer.
    let mut mute = Vec::new();
    for stream in listener.incoming() {
        let Ok(tcp) = stream else { continue };
        let mut byte = [0];
        if matches!(tcp.peek(&mut byte), Ok(0) | Err(_)) {
            return;
        }
        drop(tcp.set_read_timeout(Some(PATIENCE)));
        if state.lock().is_ok_and(|state| state.trouble == Trouble::Mute) {
            mute.push(tcp);
            continue;
        }
        match tls {
            None => answer(tcp, state),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).expect("a configuration that works");
                answer(StreamOwned::new(connection, tcp), state);
            }
        }
    }
}

struct Question {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn answer(mut stream: impl Read + Write, state: &Mutex<State>) {
    let Some(question) = read(&mut stream) else { return };
    let Ok(mut state) = state.lock() else { return };
    state.heard.push(format!("{} {}", question.method, question.target));
    let (status, body) = if state.trouble == Trouble::Garbage {
        (200, "<html>a login page</html>".to_string())
    } else {
        let (status, body) = state.answer(&question);
        (status, body.to_string())
    };
    let head = format!(
        "HTTP/1.1 {status} Said\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())));
    drop(stream.flush());
}

fn read(stream: &mut impl Read) -> Option<Question> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 || 65_536 < bytes.len() {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_string);
    let (method, target) = (words.next()?, words.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    let length = headers.get("content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Question { method, target, headers, body })
}

fn errors(status: u16, words: &[&str]) -> (u16, Value) {
    (status, json!({ "errors": words }))
}

fn denied() -> (u16, Value) {
    errors(403, &["1 error occurred:\n\t* permission denied\n\n"])
}

/// What stands around every good answer.
fn envelope(data: &Value, auth: &Value) -> (u16, Value) {
    let body = json!({
        "request_id": "5f1c0b1e-0000-4000-8000-000000000000", "lease_id": "", "renewable": false,
        "lease_duration": 0, "data": data, "wrap_info": null, "warnings": null, "auth": auth,
        "mount_type": "kv",
    });
    (200, body)
}

impl State {
    fn answer(&mut self, question: &Question) -> (u16, Value) {
        let header = |name: &str| question.headers.get(name).map(String::as_str);
        let token = header("x-vault-token").unwrap_or_default().to_string();
        match self.trouble {
            Trouble::Sealed => return errors(503, &["Vault is sealed"]),
            Trouble::Status(status) => return errors(status, &["told to"]),
            Trouble::Echo => {
                let text = format!("no such token: {token}");
                return errors(403, &[&text]);
            }
            Trouble::None | Trouble::Mute | Trouble::Garbage => {}
        }
        if question.target == "/v1/sys/health" {
            let health = json!({ "initialized": true, "sealed": false, "standby": false });
            return (200, health);
        }
        if header("x-vault-request") != Some("true") {
            return errors(412, &["missing 'X-Vault-Request' header"]);
        }
        if header("x-vault-namespace") != self.namespace.as_deref() {
            return errors(404, &["no handler for route: route entry not found"]);
        }
        let Some(path) = question.target.strip_prefix("/v1/") else { return errors(404, &[]) };
        match (question.method.as_str(), path) {
            ("POST", "auth/approle/login") => self.log_in(&question.body),
            ("GET", "auth/token/lookup-self") => match self.tokens.get(&token) {
                Some(known) if known.looks_up => envelope(
                    &json!({ "ttl": known.ttl_s, "renewable": known.renewable, "type": "service" }),
                    &Value::Null,
                ),
                Some(_) | None => denied(),
            },
            ("POST", "auth/token/renew-self") => match self.tokens.get(&token) {
                Some(known) if known.renewable => auth(&token, known),
                Some(_) => errors(400, &["lease is not renewable"]),
                None => denied(),
            },
            ("GET", _) => self.read(&token, path),
            (_, _) => errors(405, &["unsupported operation"]),
        }
    }

    fn log_in(&mut self, body: &[u8]) -> (u16, Value) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return errors(400, &["failed to parse JSON input"]);
        };
        let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        match self.roles.get(word("role_id")).cloned() {
            Some((secret_id, token)) if secret_id == word("secret_id") => {
                self.login_count += 1;
                let name = format!("hvs.made-for-login-{}", self.login_count);
                let answer = auth(&name, &token);
                self.tokens.insert(name, token);
                answer
            }
            Some(_) | None => errors(400, &["invalid role or secret ID"]),
        }
    }

    fn read(&self, token: &str, path: &str) -> (u16, Value) {
        let may_read = self
            .tokens
            .get(token)
            .is_some_and(|known| known.reads.iter().any(|prefix| path.starts_with(prefix)));
        if !may_read {
            return denied();
        }
        let Some(versions) = self.secrets.get(path) else { return errors(404, &[]) };
        let Some(last) = versions.last() else { return errors(404, &[]) };
        let is_gone = last.deleted || last.destroyed;
        let metadata = json!({
            "created_time": CREATED, "custom_metadata": null,
            "deletion_time": if last.deleted { DELETED } else { "" },
            "destroyed": last.destroyed, "version": versions.len(),
        });
        let data = if is_gone { &Value::Null } else { &last.data };
        let (status, body) = envelope(&json!({ "data": data, "metadata": metadata }), &Value::Null);
        (if is_gone { 404 } else { status }, body)
    }
}

fn auth(name: &str, token: &Token) -> (u16, Value) {
    envelope(
        &Value::Null,
        &json!({
            "client_token": name, "accessor": "fd6c9a00-d2dc-3b11-0be5-af7ae0e1d374",
            "policies": ["default"], "token_policies": ["default"], "metadata": {},
            "lease_duration": token.ttl_s, "renewable": token.renewable, "token_type": "service",
            "entity_id": "", "orphan": true,
        }),
    )
}
