//! A blocking client of its own for the tests: it shares no code with the server's sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::{Value, json};

use crate::KeyKind;
use crate::exchange::AccountView;
use crate::serve::RunningVenue;

/// No condition of a test takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// What came over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Ping,
    /// Close code.
    Close(u16),
    /// An opcode that does not exist, or a text that is no UTF-8.
    Garbage,
    /// The connection ended, in the middle of a frame or not.
    End {
        in_frame: bool,
    },
}

fn connect(url: &str) -> TcpStream {
    let address = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    next_id: u64,
}

impl Socket {
    /// Opens `url` (without a path) with this target.
    pub(crate) fn open(url: &str, target: &str) -> Socket {
        let (status, socket) = Socket::try_open(url, target);
        assert_eq!(status, 101, "{target}");
        socket
    }

    /// The status of the answer, 0 where the connection ends before it.
    pub(crate) fn try_open(url: &str, target: &str) -> (u16, Socket) {
        let mut stream = connect(url);
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut socket = Socket { stream, buffer: Vec::new(), next_id: 1 };
        let head = loop {
            if let Some(end) = socket.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(socket.buffer.drain(..end + 4).collect()).unwrap();
            }
            if !socket.fill() {
                return (0, socket);
            }
        };
        (head.split(' ').nth(1).unwrap().parse().unwrap(), socket)
    }

    /// Reads some bytes; false at the end.
    fn fill(&mut self) -> bool {
        let mut bytes = vec![0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => {
                let waited = matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
                assert!(!waited, "nothing comes");
                false
            }
        }
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Got {
        loop {
            if let Some((opcode, payload)) = self.take_frame() {
                return match opcode {
                    1 => String::from_utf8(payload).map_or(Got::Garbage, Got::Text),
                    8 => {
                        let code = payload
                            .get(..2)
                            .map_or(0, |two| u16::from(two[0]) << 8 | u16::from(two[1]));
                        Got::Close(code)
                    }
                    9 => Got::Ping,
                    _ => Got::Garbage,
                };
            }
            if !self.fill() {
                return Got::End { in_frame: !self.buffer.is_empty() };
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = *self.buffer.first()?;
        if first & 0x70 != 0 {
            // Reserved bits: nothing after it can be told apart.
            return Some((0x0f, self.buffer.drain(..).collect()));
        }
        let short = usize::from(*self.buffer.get(1)?);
        let width = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let long = self.buffer.get(2..2 + width)?;
        let length = if width == 0 {
            short
        } else {
            long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let payload = self.buffer.get(2 + width..2 + width + length)?.to_vec();
        self.buffer.drain(..2 + width + length);
        Some((first & 0x0f, payload))
    }

    /// The next text, as JSON; pings are passed over.
    pub(crate) fn json(&mut self) -> Value {
        loop {
            match self.next() {
                Got::Text(text) => return serde_json::from_str(&text).unwrap(),
                Got::Ping => {}
                other @ (Got::Close(_) | Got::Garbage | Got::End { .. }) => panic!("{other:?}"),
            }
        }
    }

    /// Reads until something else than a good text or a ping comes.
    pub(crate) fn end(&mut self) -> Got {
        loop {
            let got = self.next();
            if !matches!(got, Got::Text(_) | Got::Ping) {
                return got;
            }
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        let mut frame = vec![0x81];
        if text.len() < 126 {
            frame.push(0x80 | u8::try_from(text.len()).unwrap());
        } else {
            let size = u16::try_from(text.len()).unwrap();
            frame.push(0xfe);
            frame.push(u8::try_from(size >> 8).unwrap());
            frame.push(u8::try_from(size & 0xff).unwrap());
        }
        frame.extend_from_slice(&MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a request of the WS API without waiting; its id.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "id": id, "method": method, "params": params }).to_string());
        id
    }

    /// Sends a request of the WS API and waits for its answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.call(method, params);
        loop {
            let value = self.json();
            if value["id"] == json!(id) {
                return value;
            }
        }
    }
}

/// An account that signs.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) api_key: String,
    secret: String,
}

impl Signer {
    pub(crate) fn new(account: &AccountView) -> Signer {
        let key = &account.keys[0];
        let KeyKind::Hmac { secret } = &key.kind else { panic!("an HMAC key") };
        Signer { api_key: key.api_key.clone(), secret: secret.clone() }
    }

    fn sign(&self, payload: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        HEXLOWER.encode(hmac::sign(&key, payload.as_bytes()).as_ref())
    }

    /// Parameters of the WS API with key, time and signature.
    pub(crate) fn params(&self, pairs: &[(&str, &str)]) -> Value {
        let mut all: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        all.push(("apiKey".to_string(), self.api_key.clone()));
        all.push(("timestamp".to_string(), now_ms().to_string()));
        all.sort();
        let payload: Vec<String> =
            all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let signature = self.sign(&payload.join("&"));
        let mut params = serde_json::Map::new();
        for (name, value) in all {
            let is_time = name == "timestamp";
            let number = value.parse::<u64>().ok().filter(|_| is_time);
            params.insert(name, number.map_or(json!(value), |number| json!(number)));
        }
        params.insert("signature".to_string(), json!(signature));
        Value::Object(params)
    }

    /// A query of REST with time and signature.
    pub(crate) fn query(&self, query: &str) -> String {
        let separator = if query.is_empty() { "" } else { "&" };
        let payload = format!("{query}{separator}timestamp={}", now_ms());
        let signature = self.sign(&payload);
        format!("{payload}&signature={signature}")
    }
}

pub(crate) fn now_ms() -> u64 {
    engine::clock::Clock::new().now_ns() / 1_000_000
}

/// Parameters of a limit order to buy or sell 0.01 BTC.
pub(crate) fn limit<'a>(
    side: &'a str,
    price: &'a str,
    client_id: &'a str,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("symbol", "BTCUSDT"),
        ("side", side),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01000000"),
        ("price", price),
        ("newClientOrderId", client_id),
    ]
}

/// A connection of HTTP.
pub(crate) struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer: status, head and body.
pub(crate) type Answer = (u16, String, String);

impl Http {
    pub(crate) fn open(venue: &RunningVenue) -> Http {
        Http { stream: connect(&venue.urls.rest), buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, key: &str, body: &str) {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).unwrap();
    }

    /// The next answer; `None` where the connection ends.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            let mut bytes = vec![0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(count) if 0 < count => self.buffer.extend_from_slice(&bytes[..count]),
                Ok(_) | Err(_) => return None,
            }
        }
    }

    fn take(&mut self) -> Option<Answer> {
        let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let body = self.buffer.get(end..end + length)?.to_vec();
        self.buffer.drain(..end + length);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, head, String::from_utf8(body).unwrap()))
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, key: &str) -> Answer {
        self.send(method, target, key, "");
        self.answer().expect("an answer")
    }

    /// Whether nothing comes for a short while.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        let silent = self.answer().is_none();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }
}

impl Socket {
    /// Whether nothing comes for a short while.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        let mut bytes = [0; 1024];
        let silent = match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                false
            }
            Err(error) => matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent && self.buffer.is_empty()
    }
}
