//! Client order ids: ours, the generations of a replaced order, and the ids of their cancels.
//!
//! ```text
//!   tw0300004d075bcd15        the order            tw0300004d075bcd15-2     its second generation
//!   tw0300004d075bcd15c       the cancel of it     tw0300004d075bcd15-2c    the cancel of that
//! ```
//! The venue moves ids: after a cancel the order is called like the cancel. Because the name of a cancel
//! is made from the name of what it cancels, either name leads to the order, also after a restart.

use std::fmt::Write;

use engine::ids::{CLIENT_ID_LENGTH, client_id, parse_client_id};

/// Name of an order at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId {
    /// The engine's order id.
    pub order_id: u64,
    /// From 1; each replace at the venue makes another.
    pub generation: u16,
    /// Whether it names the cancel.
    pub cancel: bool,
}

impl ClientId {
    /// The first generation of an order.
    pub const fn first(order_id: u64) -> ClientId {
        ClientId { order_id, generation: 1, cancel: false }
    }

    /// The name of the cancel of this.
    #[must_use]
    pub const fn cancel(self) -> ClientId {
        ClientId { cancel: true, ..self }
    }

    /// Appends the text.
    pub fn write(self, out: &mut String) {
        let digits = client_id(self.order_id);
        out.push_str(std::str::from_utf8(&digits).expect("a client id is ASCII"));
        if 1 < self.generation {
            write!(out, "-{}", self.generation).expect("writing to a string cannot fail");
        }
        if self.cancel {
            out.push('c');
        }
    }

    /// The text.
    pub fn text(self) -> String {
        let mut text = String::with_capacity(CLIENT_ID_LENGTH + 7);
        self.write(&mut text);
        text
    }

    /// The name in a venue's text; `None` when it is not one of ours.
    pub fn parse(text: &str) -> Option<ClientId> {
        let (digits, rest) = text.as_bytes().split_at_checked(CLIENT_ID_LENGTH)?;
        let order_id = parse_client_id(digits)?;
        let (rest, cancel) = match rest.strip_suffix(b"c") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.is_empty() {
            return Some(ClientId { order_id, generation: 1, cancel });
        }
        let number = rest.strip_prefix(b"-")?;
        if number.first().is_none_or(|first| !(b'1'..=b'9').contains(first)) {
            return None;
        }
        let generation: u16 = std::str::from_utf8(number).ok()?.parse().ok()?;
        (1 < generation).then_some(ClientId { order_id, generation, cancel })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_from_its_text_and_strangers_do_not() {
        for generation in [1, 2, 9, 10, 65_535] {
            for cancel in [false, true] {
                let name = ClientId { order_id: 0x0300_004d_075b_cd15, generation, cancel };
                assert_eq!(ClientId::parse(&name.text()), Some(name));
                assert!(name.text().len() <= 36);
            }
        }
        assert_eq!(ClientId::first(7).cancel().text(), "tw0000000000000007c");
        for stranger in [
            "",
            "tw",
            "tw0000000000000007x",
            "tw0000000000000007-",
            "tw0000000000000007-0",
            "tw0000000000000007-1",
            "tw0000000000000007-02",
            "tw0000000000000007-+2",
            "tw0000000000000007-65536",
            "tw0000000000000007cc",
            "web_0000000000000007",
            "tw000000000000000\u{fc}",
        ] {
            assert_eq!(ClientId::parse(stranger), None, "{stranger}");
        }
    }
}
