//! The console: a line on standard error for each notice.

use std::io::{self, IsTerminal as _, Write};

use engine::clock::Clock;

use super::{Courier, DeliveryError, Message};

/// Writes lines.
#[derive(Debug)]
pub struct Console<W> {
    out: W,
    is_terminal: bool,
}

impl Console<io::Stderr> {
    /// To standard error.
    pub fn stderr() -> Console<io::Stderr> {
        Console { is_terminal: io::stderr().is_terminal(), out: io::stderr() }
    }
}

impl<W: Write> Console<W> {
    /// To anything else.
    pub fn new(out: W) -> Console<W> {
        Console { out, is_terminal: false }
    }
}

impl<W: Write + Send> Courier for Console<W> {
    fn deliver(&mut self, message: &Message<'_>, _: &Clock) -> Result<(), DeliveryError> {
        let mut text = String::new();
        for notice in message.notices {
            if self.is_terminal {
                // A line may be under way there that is overwritten again and again.
                text.push_str("\r\x1b[2K");
            }
            text.push_str(&notice.line());
            text.push('\n');
        }
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| DeliveryError::System(error.kind()))
    }
}
