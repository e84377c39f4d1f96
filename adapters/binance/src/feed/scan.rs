//! Numbers of a raw frame that its events do not carry: the venue's time, and the id of an answer.
//!
//! A plain search for the key with its quotes, near the ends of the frame where the venue puts it. A frame
//! whose texts hold such a key could mislead it; the venue's texts are symbols.

/// Bytes searched from the front; a combined frame has its time within 70.
const FRONT_BYTES: usize = 192;
/// Bytes searched from the back: quotes of USD-M have their time last.
const BACK_BYTES: usize = 96;
/// Times from here on are microseconds: in milliseconds they would be after the year 5000.
const MICROSECONDS_MIN: u64 = 100_000_000_000_000;

/// Event time (`E`), ns since the Unix epoch; `None` where the frame has none.
pub(super) fn event_ns(frame: &[u8]) -> Option<u64> {
    let front = &frame[..frame.len().min(FRONT_BYTES)];
    let back = &frame[frame.len().saturating_sub(BACK_BYTES)..];
    let time = number_after(front, b"\"E\":").or_else(|| number_after(back, b"\"E\":"))?;
    let unit_ns = if time < MICROSECONDS_MIN { 1_000_000 } else { 1_000 };
    time.checked_mul(unit_ns)
}

/// Id of an answer.
pub(super) fn answer_id(frame: &[u8]) -> Option<u64> {
    number_after(&frame[..frame.len().min(FRONT_BYTES)], b"\"id\":")
        .or_else(|| number_after(&frame[frame.len().saturating_sub(BACK_BYTES)..], b"\"id\":"))
}

/// The whole number behind the first `key` whose digits end within `bytes`.
fn number_after(bytes: &[u8], key: &[u8]) -> Option<u64> {
    let start = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    let rest = &bytes[start..];
    let digits = rest.trim_ascii_start();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    // No sign, no point: digits only, and the one that ends them was seen.
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_found_at_either_end_and_in_either_unit() {
        let rows: [(&str, Option<u64>); 7] = [
            (r#"{"e":"trade","E":1672515782136,"s":"X"}"#, Some(1_672_515_782_136_000_000)),
            (r#"{"e":"trade","E":1672515782136123,"s":"X"}"#, Some(1_672_515_782_136_123_000)),
            (r#"{"u":1,"s":"X","T":5,"E": 1672515782136}"#, Some(1_672_515_782_136_000_000)),
            (r#"{"u":1,"s":"X"}"#, None),
            (r#"{"E":"text"}"#, None),
            (r#"{"E":99999999999999999999,"#, None),
            (r#"{"E":12"#, None),
        ];
        for (frame, want) in rows {
            assert_eq!(event_ns(frame.as_bytes()), want, "{frame}");
        }
        let long = format!(r#"{{"b":[{}],"E":1672515782136}}"#, "[\"1\",\"2\"],".repeat(500));
        assert_eq!(event_ns(long.as_bytes()), Some(1_672_515_782_136_000_000));
    }

    #[test]
    fn answers_have_their_id() {
        assert_eq!(answer_id(br#"{"result":null,"id":65537}"#), Some(65_537));
        assert_eq!(answer_id(br#"{"code":2,"msg":"Invalid request","id":7}"#), Some(7));
        assert_eq!(answer_id(br#"{"result":null,"id":null}"#), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(frame in prop::collection::vec(any::<u8>(), 0..400)) {
            event_ns(&frame);
            answer_id(&frame);
        }
    }
}
