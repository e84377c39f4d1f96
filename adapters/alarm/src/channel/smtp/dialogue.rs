//! The dialogue with a mail server: commands, replies, TLS, and a deadline over all of it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use engine::clock::Clock;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::channel::DeliveryError;

/// Bytes of one reply, all its lines together; RFC 5321 allows lines of 512.
const REPLY_SIZE_MAX: usize = 16 * 1024;

/// When everything must be over.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    clock: &'a Clock,
    at_ns: u64,
}

impl<'a> Deadline<'a> {
    pub(super) fn after(ns: u64, clock: &'a Clock) -> Deadline<'a> {
        Deadline { clock, at_ns: clock.now_ns().saturating_add(ns) }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Result<Duration, DeliveryError> {
        let left_ns = self.at_ns.saturating_sub(self.clock.now_ns());
        if left_ns == 0 {
            return Err(DeliveryError::Silent);
        }
        Ok(Duration::from_nanos(left_ns))
    }
}

enum Connection {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// While it changes from one to the other.
    None,
}

impl Connection {
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Connection::Plain(tcp) => Some(tcp),
            Connection::Secure(stream) => Some(&stream.sock),
            Connection::None => None,
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(tcp) => tcp.read(bytes),
            Connection::Secure(stream) => stream.read(bytes),
            Connection::None => Ok(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Connection::Plain(tcp) => tcp.write_all(bytes),
            Connection::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Connection::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// A reply: its code and its lines without it.
#[derive(Debug)]
struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// A connection to a mail server.
pub(super) struct Dialogue<'a> {
    connection: Connection,
    deadline: Deadline<'a>,
    /// Bytes that were read and belong to no reply yet.
    unread: Vec<u8>,
    /// What the server can, as its last answer to EHLO says.
    abilities: Vec<String>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "kinds of errors are not ours to list")]
fn io_error(error: &io::Error) -> DeliveryError {
    match error.kind() {
        io::ErrorKind::WouldBlock
        | io::ErrorKind::TimedOut
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => DeliveryError::Silent,
        // What rustls says of a certificate that it does not believe.
        io::ErrorKind::InvalidData => DeliveryError::Untrusted,
        kind => DeliveryError::System(kind),
    }
}

/// What a reply means that is not the one hoped for.
fn refusal(code: u16) -> DeliveryError {
    match code {
        400..500 => DeliveryError::Busy { status: code, wait_ns: 0 },
        500..600 => DeliveryError::Refused { status: code },
        _ => DeliveryError::Protocol,
    }
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(
        tcp: TcpStream,
        deadline: Deadline<'a>,
    ) -> Result<Dialogue<'a>, DeliveryError> {
        tcp.set_nodelay(true).map_err(|error| io_error(&error))?;
        let connection = Connection::Plain(tcp);
        Ok(Dialogue { connection, deadline, unread: Vec::new(), abilities: Vec::new() })
    }

    /// Goes over to TLS.
    pub(super) fn secure(
        &mut self,
        tls: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<(), DeliveryError> {
        // Bytes from before would be taken for what the trusted server says: somebody may have put them there.
        if !self.unread.is_empty() {
            return Err(DeliveryError::Protocol);
        }
        let taken = std::mem::replace(&mut self.connection, Connection::None);
        let Connection::Plain(tcp) = taken else { return Err(DeliveryError::Unusable) };
        let client = ClientConnection::new(Arc::clone(tls), name.clone());
        let client = client.map_err(|_| DeliveryError::Unusable)?;
        self.connection = Connection::Secure(Box::new(StreamOwned::new(client, tcp)));
        Ok(())
    }

    /// `STARTTLS`; a server that does not offer it gets nothing.
    pub(super) fn start_tls(
        &mut self,
        tls: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<(), DeliveryError> {
        if !self.can("STARTTLS") {
            return Err(DeliveryError::Untrusted);
        }
        self.command("STARTTLS", 220)?;
        self.abilities.clear();
        self.secure(tls, name)
    }

    /// `EHLO`, by our address: this machine's name is nobody's business.
    pub(super) fn hello(&mut self) -> Result<(), DeliveryError> {
        let address = self.connection.tcp().and_then(|tcp| tcp.local_addr().ok());
        let literal = match address.map(|address| address.ip()) {
            Some(std::net::IpAddr::V4(ip)) => format!("[{ip}]"),
            Some(std::net::IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
            None => "[127.0.0.1]".to_string(),
        };
        let reply = self.command(&format!("EHLO {literal}"), 250)?;
        self.abilities = reply.lines.into_iter().skip(1).collect();
        Ok(())
    }

    fn can(&self, ability: &str) -> bool {
        self.abilities.iter().any(|line| {
            line.split_ascii_whitespace()
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(ability))
        })
    }

    fn can_authenticate(&self, way: &str) -> bool {
        self.abilities.iter().any(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"))
                && words.any(|word| word.eq_ignore_ascii_case(way))
        })
    }

    /// `AUTH PLAIN`, or `LOGIN` where the server has only that.
    pub(super) fn authenticate(&mut self, user: &str, password: &str) -> Result<(), DeliveryError> {
        if !matches!(self.connection, Connection::Secure(_)) {
            return Err(DeliveryError::Untrusted);
        }
        if self.can_authenticate("PLAIN") {
            let word = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
            self.command(&format!("AUTH PLAIN {word}"), 235)?;
        } else if self.can_authenticate("LOGIN") {
            self.command("AUTH LOGIN", 334)?;
            self.command(&BASE64.encode(user.as_bytes()), 334)?;
            self.command(&BASE64.encode(password.as_bytes()), 235)?;
        } else {
            return Err(DeliveryError::Unusable);
        }
        Ok(())
    }

    /// Sender, receivers, text. A receiver that is refused is left out; all refused is a refusal.
    pub(super) fn submit(
        &mut self,
        from: &str,
        to: &[String],
        letter: &str,
    ) -> Result<(), DeliveryError> {
        self.command(&format!("MAIL FROM:<{from}>"), 250)?;
        let mut refused = Err(DeliveryError::Unusable);
        let mut taken_count = 0;
        for address in to {
            let reply = self.ask(&format!("RCPT TO:<{address}>"))?;
            if matches!(reply.code, 250 | 251) {
                taken_count += 1;
            } else {
                refused = Err(refusal(reply.code));
            }
        }
        if taken_count == 0 {
            return refused;
        }
        self.command("DATA", 354)?;
        self.send(stuffed(letter).as_bytes())?;
        self.expect(250)?;
        // It has the mail: what it says to the farewell, and whether, changes nothing.
        drop(self.ask("QUIT"));
        Ok(())
    }

    fn command(&mut self, line: &str, expected: u16) -> Result<Reply, DeliveryError> {
        let reply = self.ask(line)?;
        if reply.code == expected { Ok(reply) } else { Err(refusal(reply.code)) }
    }

    /// Reads a reply of that code.
    pub(super) fn expect(&mut self, expected: u16) -> Result<(), DeliveryError> {
        let reply = self.reply()?;
        if reply.code == expected { Ok(()) } else { Err(refusal(reply.code)) }
    }

    fn ask(&mut self, line: &str) -> Result<Reply, DeliveryError> {
        // A line end inside would be a second command.
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(DeliveryError::Unusable);
        }
        self.send(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), DeliveryError> {
        self.arm()?;
        self.connection.write(bytes).map_err(|error| io_error(&error))
    }

    /// The socket waits no longer than is left.
    fn arm(&self) -> Result<(), DeliveryError> {
        let left = self.deadline.left()?;
        let Some(tcp) = self.connection.tcp() else { return Err(DeliveryError::Silent) };
        let armed =
            tcp.set_read_timeout(Some(left)).and_then(|()| tcp.set_write_timeout(Some(left)));
        armed.map_err(|error| io_error(&error))
    }

    fn reply(&mut self) -> Result<Reply, DeliveryError> {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        let mut size_bytes = 0;
        loop {
            let line = self.line()?;
            size_bytes += line.len();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code: u16 = code.ok_or(DeliveryError::Protocol)?;
            if REPLY_SIZE_MAX < size_bytes || (reply.code != 0 && reply.code != code) {
                return Err(DeliveryError::Protocol);
            }
            reply.code = code;
            reply.lines.push(line.get(4..).unwrap_or_default().to_string());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None => return Ok(reply),
                Some(_) => return Err(DeliveryError::Protocol),
            }
        }
    }

    fn line(&mut self) -> Result<String, DeliveryError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8(line).map_err(|_| DeliveryError::Protocol)?;
                return Ok(line.trim_end_matches(['\r', '\n']).to_string());
            }
            if REPLY_SIZE_MAX < self.unread.len() {
                return Err(DeliveryError::Protocol);
            }
            self.arm()?;
            let mut bytes = [0; 1024];
            match self.connection.read(&mut bytes) {
                Ok(0) => return Err(DeliveryError::Silent),
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(&error)),
            }
        }
    }
}

/// The text as `DATA` wants it: lines end with CRLF, a dot in front is doubled, a lone dot ends it.
fn stuffed(letter: &str) -> String {
    let mut text = String::with_capacity(letter.len() + 16);
    for line in letter.lines() {
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_start_of_lines_are_doubled() {
        let check = |letter: &str, expected: &str| assert_eq!(stuffed(letter), expected);
        check("a\nb\n", "a\r\nb\r\n.\r\n");
        check(".\n..x\ny.z", "..\r\n...x\r\ny.z\r\n.\r\n");
        check("", ".\r\n");
    }
}
