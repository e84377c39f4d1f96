//! Times as people write them: UTC, to the nanosecond, without a float and without a time zone.

const NS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// Days of 400 years of the Gregorian calendar.
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

/// `2026-01-01T00:00:00.000000000Z` of nanoseconds since the Unix epoch.
pub fn format_time(time_ns: u64) -> String {
    let (seconds, ns) = (time_ns / NS_PER_SECOND, time_ns % NS_PER_SECOND);
    let (days, second) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z")
}

/// Year, month and day of a number of days since the epoch. Years begin in March, so that leap days come last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096;
    let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Days since the epoch of a date from 1970 to 2500; `None` for dates that do not exist.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let month_from_march = if 2 < month { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * DAYS_PER_ERA + day_of_era).checked_sub(EPOCH_DAYS)?;
    (date_of(days) == (year, month, day)).then_some(days)
}

/// Nanoseconds of `2026-01-01`, `2026-01-01T12:30` or `2026-01-01T12:30:00` (UTC, a `Z` may follow).
pub fn parse_time(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, mark: char| -> Option<Vec<u64>> {
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = text.split(mark).collect();
        parts.iter().all(is_number).then_some(())?;
        parts.into_iter().map(|part| part.parse().ok()).collect()
    };
    let date = numbers(date, '-')?;
    let time = numbers(time, ':')?;
    let (&[year, month, day], [hour, minute, rest @ ..]) = (date.as_slice(), time.as_slice())
    else {
        return None;
    };
    let second = match rest {
        [] => 0,
        [second] => *second,
        _ => return None,
    };
    if 23 < *hour || 59 < *minute || 59 < second {
        return None;
    }
    let seconds = days_of(year, month, day)? * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(NS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, time_ns: Option<u64>) {
        assert_eq!(parse_time(text), time_ns, "{text}");
    }

    #[test]
    fn days_have_names() {
        check("1970-01-01", Some(0));
        check("2026-01-01", Some(1_767_225_600_000_000_000));
        check("2026-01-01T00:00:01Z", Some(1_767_225_601_000_000_000));
        check("2024-02-29", Some(1_709_164_800_000_000_000));
        check("2023-02-29", None);
        check("2026-13-01", None);
        check("2026-04-31", None);
        check("2026-01-01T24:00", None);
        check("2026-01-01T23:59:60", None);
        check("2026-1", None);
        check("+2026-01-01", None);
        check("1969-12-31", None);
        check("", None);
        assert_eq!(format_time(1_709_164_800_000_000_001), "2024-02-29T00:00:00.000000001Z");
        assert_eq!(format_time(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn every_second_survives_its_text(seconds in 0_u64..16_000_000_000) {
            let text = format_time(seconds * NS_PER_SECOND);
            let short = text.strip_suffix(".000000000Z").expect("whole seconds");
            prop_assert_eq!(parse_time(short), Some(seconds * NS_PER_SECOND));
        }
    }
}
