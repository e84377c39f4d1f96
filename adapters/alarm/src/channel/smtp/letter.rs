//! The letter: headers and a plain text in ASCII, of lines that every server takes.

use crate::channel::Message;
use crate::channel::shape::lines;
use crate::notice::{Notice, What};

/// Longest subject; longer ones are cut by readers.
const SUBJECT_CHAR_COUNT_MAX: usize = 150;
/// Longest line of a body; RFC 5322 allows 998.
const LINE_CHAR_COUNT_MAX: usize = 900;
/// Longest body.
const TEXT_CHAR_COUNT_MAX: usize = 60_000;

/// Headers and text.
pub(super) fn write(message: &Message<'_>, from: &str, to: &[String]) -> String {
    let worst = message.notices.iter().min_by_key(|notice| std::cmp::Reverse(notice.severity));
    let told_ns = message.notices.first().map_or(0, |notice| notice.told_ns);
    let number = |notice: Option<&Notice>| notice.map_or(0, |notice| notice.notice);
    let (first, last) = (number(message.notices.first()), number(message.notices.last()));
    let date = date(told_ns / 1_000_000_000);
    let subject = ascii(&subject(message, worst), SUBJECT_CHAR_COUNT_MAX);
    let to = to.join(", ");
    // The same letter again has the same id, so a reader may drop the second.
    let id = format!("<alarm-{first}-{last}-{told_ns}@tickwheel.invalid>");
    let mut text = format!(
        "From: tickwheel <{from}>\nTo: {to}\nSubject: {subject}\nDate: {date}\nMessage-ID: {id}\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\
         Content-Transfer-Encoding: 7bit\nAuto-Submitted: auto-generated\n\n"
    );
    for line in lines(message, TEXT_CHAR_COUNT_MAX).lines() {
        text.push_str(&ascii(line, LINE_CHAR_COUNT_MAX));
        text.push('\n');
    }
    text.push_str("\nAcknowledge with: tickwheel ctl ack NUMBER. What is on: tickwheel alarms\n");
    text
}

fn subject(message: &Message<'_>, worst: Option<&Notice>) -> String {
    let Some(worst) = worst else { return message.instance.to_string() };
    let what = if worst.what == What::Raised { "" } else { worst.what.name() };
    let more = match message.notices.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let (severity, name, about) = (worst.severity.name(), &worst.name, &worst.about);
    let space = if what.is_empty() { "" } else { " " };
    format!("[{severity}] {}: {what}{space}{name} ({about}){more}", message.instance)
}

/// The text without anything but printable ASCII, cut.
fn ascii(text: &str, char_count_max: usize) -> String {
    let plain = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    plain.take(char_count_max).collect()
}

/// `Thu, 01 Jan 1970 00:00:00 +0000`.
fn date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut days = seconds / 86_400;
    let of_day = seconds % 86_400;
    let weekday = WEEKDAYS.iter().cycle().nth(usize::try_from(days % 7).unwrap_or(0));
    // Years are counted one by one: some sixty steps, and nothing to get wrong.
    let mut year = 1970_u64;
    loop {
        let year_days = if is_leap(year) { 366 } else { 365 };
        if days < year_days {
            break;
        }
        days -= year_days;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 0;
    for month_days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < month_days {
            break;
        }
        days -= month_days;
        month += 1;
    }
    let (weekday, month) = (weekday.unwrap_or(&"Thu"), MONTHS.get(month).unwrap_or(&"Dec"));
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000", days + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: u64, expected: &str| assert_eq!(date(seconds), expected, "{seconds}");
        check(0, "Thu, 01 Jan 1970 00:00:00 +0000");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000");
        check(1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000");
        check(1_709_251_200, "Fri, 01 Mar 2024 00:00:00 +0000");
        check(1_767_225_599, "Wed, 31 Dec 2025 23:59:59 +0000");
        check(4_102_444_800, "Fri, 01 Jan 2100 00:00:00 +0000");
    }

    #[test]
    fn a_line_end_or_a_foreign_letter_does_not_get_through() {
        assert_eq!(ascii("a\r\nBcc: x", 99), "a??Bcc: x");
        assert_eq!(ascii("\u{e4}bc", 2), "?b");
    }
}
