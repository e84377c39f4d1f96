//! Trading hours of an instrument: days of the week, from and to in UTC, holidays.

use super::limits::DAY_NS;

/// Most holidays of one instrument.
pub const HOLIDAY_COUNT_MAX: usize = 512;

/// When an instrument may be traded. From `from_ns` up to but not `to_ns` of every day in `days`; with
/// `to_ns` at or before `from_ns` the session ends on the day after. A holiday has no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// One bit a day on which a session begins; bit 0 is Monday.
    pub days: u8,
    /// Begin, ns after midnight UTC.
    pub from_ns: u64,
    /// End, ns after midnight UTC.
    pub to_ns: u64,
    /// Days since 1970-01-01 on which no session begins, ascending.
    pub holidays: Vec<u32>,
}

impl Hours {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.days == 0 || 0x7f < self.days {
            return Err("at least one of seven days");
        }
        if DAY_NS <= self.from_ns || DAY_NS < self.to_ns {
            return Err("within a day");
        }
        if HOLIDAY_COUNT_MAX < self.holidays.len() {
            return Err("at most 512 holidays");
        }
        if !self.holidays.is_sorted() {
            return Err("holidays in order");
        }
        Ok(())
    }

    /// Whether a session begins on that day since 1970.
    fn begins_on(&self, day: u64) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3) % 7;
        let is_holiday =
            u32::try_from(day).is_ok_and(|day| self.holidays.binary_search(&day).is_ok());
        self.days & (1 << weekday) != 0 && !is_holiday
    }

    /// Until when it may be traded from that time on, at least; `None` when it may not.
    #[cold]
    pub(super) fn open_until(&self, time_ns: u64) -> Option<u64> {
        if !self.is_open(time_ns) {
            return None;
        }
        let (day_ns, of_day_ns) = (time_ns - time_ns % DAY_NS, time_ns % DAY_NS);
        let borders_ns = [self.from_ns, self.to_ns, DAY_NS];
        let next_ns = borders_ns.into_iter().filter(|border_ns| of_day_ns < *border_ns).min()?;
        day_ns.checked_add(next_ns)
    }

    /// Whether the instrument may be traded at that time.
    #[inline]
    pub fn is_open(&self, time_ns: u64) -> bool {
        let (day, of_day_ns) = (time_ns / DAY_NS, time_ns % DAY_NS);
        if self.from_ns < self.to_ns {
            return self.from_ns <= of_day_ns && of_day_ns < self.to_ns && self.begins_on(day);
        }
        if self.from_ns <= of_day_ns && self.begins_on(day) {
            return true;
        }
        of_day_ns < self.to_ns && day.checked_sub(1).is_some_and(|before| self.begins_on(before))
    }
}
