//! What the kernel says of its own clock: whether somebody steers it, and how far off it may be.

use rtime_clock::adjtime::{Timex, adjtimex};

/// The kernel adds 500 us a second to the largest error while nobody steers its clock, and gives up at 16 s. This says
/// it for every daemon; the flag `STA_UNSYNC` is set beside a chronyd that leaves the hardware clock alone, too.
const MAXIMUM_ERROR_US_MAX: u64 = 16_000_000;

/// The state of the kernel's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelClock {
    /// Most that it can be off.
    pub(super) maximum_error_us: u64,
    /// What the daemon that steers it thinks it is off.
    pub(super) estimated_error_us: u64,
}

impl KernelClock {
    /// Asks the kernel; nothing is changed. An error in words.
    pub(super) fn read() -> Result<KernelClock, String> {
        // No modes: only a question, which needs no permission.
        let mut told = Timex::new();
        adjtimex(&mut told).map_err(|error| format!("adjtimex: {error}"))?;
        let us = |value: i64| u64::try_from(value).unwrap_or(MAXIMUM_ERROR_US_MAX);
        Ok(KernelClock {
            maximum_error_us: us(told.0.maxerror),
            estimated_error_us: us(told.0.esterror),
        })
    }

    /// Somebody steers it.
    pub(super) const fn is_synchronised(&self) -> bool {
        self.maximum_error_us < MAXIMUM_ERROR_US_MAX
    }
}

/// Whether that is good enough to trade real money by, and the words for it.
pub(super) fn judge(kernel: &Result<KernelClock, String>, is_real: bool) -> (bool, String) {
    match kernel {
        Ok(clock) if clock.is_synchronised() => {
            let KernelClock { maximum_error_us, estimated_error_us } = clock;
            let told = format!(
                "the kernel's clock is synchronised, estimated error {estimated_error_us} us, at most {maximum_error_us} us"
            );
            (true, told)
        }
        Ok(_) if is_real => (
            false,
            "the kernel's clock is NOT synchronised: nobody steers it (start chronyd or systemd-timesyncd)"
                .to_string(),
        ),
        Ok(_) => (
            true,
            "the kernel's clock is not synchronised, which play money does not need".to_string(),
        ),
        Err(text) => (!is_real, format!("the kernel does not tell of its clock: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kernel: &Result<KernelClock, String>, is_real: bool, holds: bool, words: &str) {
        let (found, told) = judge(kernel, is_real);
        assert_eq!(found, holds, "{told}");
        assert!(told.contains(words), "\"{words}\" is not in \"{told}\"");
    }

    #[test]
    fn a_clock_that_nobody_steers_is_not_for_real_money() {
        let clock = |maximum_error_us| Ok(KernelClock { maximum_error_us, estimated_error_us: 7 });
        for is_real in [false, true] {
            check(&clock(0), is_real, true, "estimated error 7 us, at most 0 us");
            check(&clock(15_999_999), is_real, true, "is synchronised");
        }
        for error_us in [16_000_000, 16_000_001, u64::MAX] {
            check(&clock(error_us), true, false, "NOT synchronised");
            check(&clock(error_us), false, true, "not synchronised, which play money");
        }
        let silent = Err("adjtimex: not permitted".to_string());
        check(&silent, true, false, "not permitted");
        check(&silent, false, true, "does not tell");
    }

    #[test]
    fn the_kernel_answers_without_permission() {
        let clock = KernelClock::read().unwrap();
        assert!(clock.estimated_error_us <= MAXIMUM_ERROR_US_MAX, "{clock:?}");
    }
}
