//! Mail: a small client of SMTP (RFC 5321) that submits one plain text to one server.
//!
//! ```text
//!   220 --> EHLO --> [ STARTTLS --> TLS --> EHLO ] --> [ AUTH PLAIN or LOGIN ]
//!       --> MAIL FROM --> RCPT TO .. --> DATA --> text, dots stuffed --> 250 --> QUIT
//! ```
//! **Invariant:** user name and password leave over TLS only; what a server sends before TLS is not believed
//! after it.
//!
//! **Invariant:** a whole delivery ends within `request_ns_max`, whatever the server does.

mod dialogue;
mod letter;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use rustls::pki_types::ServerName;

use self::dialogue::{Deadline, Dialogue};
use super::{Courier, DeliveryError, Message, SecretSource};

/// How a connection is made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (port 465).
    Tls,
    /// Plain, then `STARTTLS` (port 587); without it nothing is sent.
    StartTls,
    /// Nothing: for a server on this machine, and without a password.
    None,
}

impl Security {
    /// Every one.
    pub const ALL: [Security; 3] = [Security::Tls, Security::StartTls, Security::None];

    /// Name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Security::Tls => "tls",
            Security::StartTls => "starttls",
            Security::None => "none",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Security> {
        Security::ALL.into_iter().find(|security| security.name() == name)
    }
}

/// Where mail goes.
pub struct SmtpSettings {
    /// Name of the server, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made safe.
    pub security: Security,
    /// User name, where the server wants one.
    pub user: Option<String>,
    /// Gives the password.
    pub password: Option<SecretSource>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Whom to believe.
    pub tls: Arc<rustls::ClientConfig>,
    /// For the whole delivery.
    pub request_ns_max: u64,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// Whether that may stand between `<` and `>` of a command: printable ASCII with one at sign inside.
pub fn is_address(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\,;".contains(&byte));
    let at = text.find('@').unwrap_or(0);
    let is_one = text.bytes().filter(|byte| *byte == b'@').count() == 1;
    is_plain && is_one && 0 < at && at + 1 < text.len() && text.len() <= 254
}

/// Sends mail. A connection a message.
#[derive(Debug)]
pub struct Smtp {
    settings: SmtpSettings,
}

impl Smtp {
    /// A courier that connects when there is something to send.
    pub fn new(settings: SmtpSettings) -> Smtp {
        Smtp { settings }
    }

    fn connect(&self, deadline: &Deadline<'_>) -> Result<TcpStream, DeliveryError> {
        let host = (self.settings.host.as_str(), self.settings.port);
        let addresses: Vec<SocketAddr> =
            host.to_socket_addrs().map_err(|_| DeliveryError::Unreachable)?.collect();
        for address in &addresses {
            // No more than its share of the time, so that a dead first address leaves some for the second.
            let share = u32::try_from(addresses.len()).unwrap_or(1).max(1);
            let timeout = (deadline.left()? / share).max(Duration::from_millis(1));
            if let Ok(tcp) = TcpStream::connect_timeout(address, timeout) {
                return Ok(tcp);
            }
        }
        Err(DeliveryError::Unreachable)
    }

    fn log_in(&self, dialogue: &mut Dialogue<'_>) -> Result<(), DeliveryError> {
        let (Some(user), Some(password)) = (&self.settings.user, &self.settings.password) else {
            return Ok(());
        };
        let password = password().ok_or(DeliveryError::Unusable)?;
        dialogue.authenticate(user, password.expose().trim())
    }
}

impl Courier for Smtp {
    fn deliver(&mut self, message: &Message<'_>, clock: &Clock) -> Result<(), DeliveryError> {
        let settings = &self.settings;
        let is_sound = is_address(&settings.from)
            && !settings.to.is_empty()
            && settings.to.iter().all(|address| is_address(address));
        if !is_sound || (settings.security == Security::None && settings.user.is_some()) {
            return Err(DeliveryError::Unusable);
        }
        let name = ServerName::try_from(settings.host.clone());
        let name = name.map_err(|_| DeliveryError::Unusable)?;
        let deadline = Deadline::after(settings.request_ns_max, clock);
        let tcp = self.connect(&deadline)?;
        let mut dialogue = Dialogue::new(tcp, deadline)?;
        if settings.security == Security::Tls {
            dialogue.secure(&settings.tls, &name)?;
        }
        dialogue.expect(220)?;
        dialogue.hello()?;
        if settings.security == Security::StartTls {
            dialogue.start_tls(&settings.tls, &name)?;
            dialogue.hello()?;
        }
        self.log_in(&mut dialogue)?;
        let letter = letter::write(message, &settings.from, &settings.to);
        dialogue.submit(&settings.from, &settings.to, &letter)
    }
}
