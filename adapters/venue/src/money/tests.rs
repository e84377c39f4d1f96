//! Tests of money and its text.

use super::*;

#[track_caller]
fn check(given: &str, expected: Result<Money, MoneyError>) {
    assert_eq!(parse(given), expected, "{given:?}");
}

#[test]
fn decimals_become_integers() {
    check("1", Ok(ONE));
    check("0.00000001", Ok(1));
    check(".5", Ok(ONE / 2));
    check("5.", Ok(5 * ONE));
    check("61800.01000000", Ok(6_180_001_000_000));
    check("1.000000000000", Ok(ONE));
    check("1e-5", Ok(1000));
    check("1E+2", Ok(100 * ONE));
}

#[test]
fn what_is_no_money_is_told_apart() {
    for text in ["", ".", "-1", "+1", "abc", "1.2.3", " 1", "1e", "1e99", "\u{ff11}"] {
        check(text, Err(MoneyError::Malformed));
    }
    check("0.000000001", Err(MoneyError::TooPrecise));
    check("1e-9", Err(MoneyError::TooPrecise));
    check("92233720368.54775807", Ok(i64::MAX));
    check("92233720368.54775808", Err(MoneyError::TooLarge));
    check("999999999999999999999999999999999999999", Err(MoneyError::TooLarge));
}

#[test]
fn text_has_eight_decimals() {
    assert_eq!(text(0), "0.00000000");
    assert_eq!(text(6_180_001_000_000), "61800.01000000");
    assert_eq!(text(-1), "-0.00000001");
}

#[test]
fn products_are_truncated() {
    assert_eq!(quote(3, ONE / 2), Some(1));
    assert_eq!(quote(i64::MAX, i64::MAX), None);
    assert_eq!(share(1999, ONE / 1000), 1);
}
