//! Order ids: deterministic, unique for ever across restarts, 18 characters on the wire.
//!
//! ```text
//!  63      56 55                    36 35                                      0
//!  +---------+------------------------+-----------------------------------------+
//!  | engine  | session number         | counter within the session, from 1      |
//!  +---------+------------------------+-----------------------------------------+
//!     8 bits    20 bits (1 M restarts)   36 bits (68 G orders)
//! ```
//! On the wire: `tw` and 16 lower-case hexadecimal digits, which fits every venue that we know.

/// Largest session number.
pub const SESSION_MAX: u64 = (1 << 20) - 1;
/// Largest counter within a session.
pub const COUNTER_MAX: u64 = (1 << 36) - 1;
/// Length of a client order id as text.
pub const CLIENT_ID_LENGTH: usize = 18;

/// Id of the order with `counter` in `session` of `engine`.
pub const fn order_id(engine: u8, session: u64, counter: u64) -> u64 {
    assert!(session <= SESSION_MAX);
    assert!(counter <= COUNTER_MAX);
    let engine = engine as u64;
    (engine << 56) | (session << 36) | counter
}

/// Counter part of an id.
#[inline]
pub const fn counter(order_id: u64) -> u64 {
    order_id & COUNTER_MAX
}

/// Session part of an id.
#[inline]
pub const fn session(order_id: u64) -> u64 {
    (order_id >> 36) & SESSION_MAX
}

/// The id as sent to venues.
pub fn client_id(order_id: u64) -> [u8; CLIENT_ID_LENGTH] {
    let mut text = *b"tw0000000000000000";
    for (index, byte) in text[2..].iter_mut().enumerate() {
        let nibble = (order_id >> (60 - 4 * index)) & 0xf;
        *byte = b"0123456789abcdef"[usize::try_from(nibble).expect("a nibble fits")];
    }
    text
}

/// The id in a venue's text; `None` when the text is not one of ours.
pub fn parse_client_id(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"tw")?;
    if digits.len() != 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((value << 4) | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_strangers_are_refused() {
        let id = order_id(3, 77, 123_456_789);
        assert_eq!((session(id), counter(id)), (77, 123_456_789));
        assert_eq!(parse_client_id(&client_id(id)), Some(id));
        assert_eq!(client_id(u64::MAX).len(), CLIENT_ID_LENGTH);
        for stranger in
            [&b""[..], b"tw", b"tw000000000000000g", b"TW0000000000000001", b"x-HNA2TXFJ"]
        {
            assert_eq!(parse_client_id(stranger), None);
        }
    }
}
