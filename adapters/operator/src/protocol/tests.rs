//! Lines that are requests, and lines that are none.

use proptest::prelude::*;

use super::*;
use crate::Verb;

#[test]
fn a_request_is_read_back_as_it_was_written() {
    let mut request = Request::new(
        Verb::Kill,
        Arguments { scope: Some("all".to_string()), flatten: Some(true), ..Arguments::default() },
    );
    request.reason = "the maker runs away".to_string();
    request.key = Some(Key("secret".to_string()));
    let line = request.to_line();
    assert_eq!(line.last(), Some(&b'\n'));
    assert_eq!(Request::from_line(&line[..line.len() - 1]), Ok(request));
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (line, why) in table {
        let error = Request::from_line(line.as_bytes()).expect_err(line);
        assert!(error.contains(why), "{line}: \"{error}\" does not say \"{why}\"");
    }
}

#[test]
fn what_is_no_request_is_refused_with_a_reason() {
    check(&[
        ("", "EOF"),
        ("kill", "expected"),
        ("[]", "no protocol version"),
        ("{}", "no protocol version"),
        (r#"{"version":"1","verb":"kill"}"#, "no protocol version"),
        (r#"{"version":2,"verb":"kill"}"#, "protocol version 2; this program speaks version 1"),
        (r#"{"version":99999999999,"verb":"kill"}"#, "speaks version 1"),
        (r#"{"version":1}"#, "verb"),
        (r#"{"version":1,"verb":7}"#, "string"),
        (r#"{"version":1,"verb":"kill","force":true}"#, "force"),
        (r#"{"version":1,"verb":"kill","arguments":{"everything":1}}"#, "everything"),
        (r#"{"version":1,"verb":"kill","wait_ms":600001}"#, "600000"),
        (r#"{"version":1,"verb":"order","arguments":{"price":0.1}}"#, "string"),
    ]);
    let long = format!(r#"{{"version":1,"verb":"{}"}}"#, "x".repeat(REQUEST_SIZE_BYTES_MAX));
    check(&[(&long, "longer than 8192 bytes")]);
}

#[test]
fn a_reason_is_needed_and_is_one_short_line() {
    assert!(check_reason("a loss that nobody can explain").is_ok());
    assert!(check_reason(&"x".repeat(REASON_SIZE_BYTES_MAX)).is_ok());
    for reason in ["", "   ", "two\nlines", "\u{7}", &"x".repeat(REASON_SIZE_BYTES_MAX + 1)] {
        assert!(check_reason(reason).is_err(), "{reason:?}");
    }
}

#[test]
fn a_key_is_not_shown() {
    let mut request = Request::new(Verb::Kill, Arguments::default());
    request.key = Some(Key("hunter2".to_string()));
    assert!(!format!("{request:?}").contains("hunter2"));
}

#[test]
fn a_reply_too_long_to_be_read_is_replaced() {
    let reply = Reply::last(Outcome::Done, "x".repeat(REPLY_SIZE_BYTES_MAX), Value::Null);
    let line = reply.to_line();
    let read = Reply::from_line(&line[..line.len() - 1]).unwrap();
    assert_eq!((read.outcome, read.text.as_str()), (Outcome::Refused, "the reply is too long"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_request_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Request::from_line(&bytes));
        drop(Reply::from_line(&bytes));
    }

    #[test]
    fn a_damaged_request_is_a_request_or_an_error(at in 0usize..200, byte: u8, cut in 0usize..200) {
        let mut request = Request::new(Verb::Order, Arguments {
            instrument: Some("BTCUSDT".to_string()),
            price: Some("60000.01".to_string()),
            ..Arguments::default()
        });
        request.reason = "because".to_string();
        let mut line = request.to_line();
        let at = at % line.len();
        line[at] = byte;
        line.truncate(cut);
        drop(Request::from_line(&line));
    }
}
