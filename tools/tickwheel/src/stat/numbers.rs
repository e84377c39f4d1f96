//! Numbers as people read them. Integers all the way: a rounded figure is cut, never invented.

use engine::stats::Unit;
use rust_decimal::Decimal;

/// `1,234,567`.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits and a letter: `999`, `12.3k`, `4.56M`.
pub(super) fn short(value: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    match UNITS.iter().find(|(unit, _)| *unit <= value) {
        Some((unit, letter)) => format!("{}{letter}", three_digits(value, *unit)),
        None => value.to_string(),
    }
}

/// `123 ns`, `1.23 us`, `45.6 ms`, `7.89 s`.
pub(super) fn duration(value_ns: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    match UNITS.iter().find(|(unit, _)| *unit <= value_ns) {
        Some((unit, name)) => format!("{} {name}", three_digits(value_ns, *unit)),
        None => format!("{value_ns} ns"),
    }
}

/// `value / unit` with three significant digits, cut.
fn three_digits(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let rest = value % unit;
    match whole {
        0..10 => format!("{whole}.{:02}", rest / (unit / 100)),
        10..100 => format!("{whole}.{}", rest / (unit / 10)),
        _ => grouped(whole),
    }
}

/// `1d 02:03:04`, without the day when there is none.
pub(super) fn clock_time(value_ns: u64) -> String {
    let seconds = value_ns / 1_000_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let time = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days == 0 { time } else { format!("{days}d {time}") }
}

/// `2026-11-21 10:33:14Z`.
pub(super) fn utc(epoch_ns: u64) -> String {
    let seconds = epoch_ns / 1_000_000_000;
    let (year, month, day) = date_of(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970-01-01. Counts years from March, so that the leap day is
/// the last day of a year.
fn date_of(day_since_1970: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; an era of 400 years has 146,097.
    let days = day_since_1970 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, shift) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + shift, month, day)
}

/// An integer at a decimal scale, exact.
pub(super) fn decimal(value: i64, scale: u32) -> String {
    Decimal::new(value, scale).to_string()
}

/// Money in 10^-8 with two decimal places and groups, cut toward zero: `-1,234.56`.
pub(super) fn money(value_e8: i64) -> String {
    let cents = value_e8.unsigned_abs() / 1_000_000;
    // What is cut to nothing has no sign.
    let sign = if value_e8 < 0 && cents != 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", grouped(cents / 100), cents % 100)
}

/// A counter's value in its unit.
pub(super) fn counter(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => engine::host::bytes_text(value),
        Unit::Nanoseconds => duration(value),
        Unit::EpochNanoseconds if value == 0 => "never".into(),
        Unit::EpochNanoseconds => utc(value),
        Unit::MoneyE8 => money(value.cast_signed()),
        Unit::Events | Unit::Orders | Unit::Count | Unit::Sequence | Unit::Code => grouped(value),
    }
}

/// What `CounterId::TradingState` says.
pub(super) const fn trading_state(code: u64) -> &'static str {
    match code {
        0 => "normal",
        1 => "reducing only",
        2 => "HALTED",
        3 => "OUTBOUND CLOSED",
        _ => "foreign",
    }
}
