//! How large the orders of a session were, and how unusual a new one is.

use std::collections::VecDeque;

use engine::money::Money;

/// Orders that the median looks back on. Arbitrary: an hour of a busy maker.
const KEPT_COUNT_MAX: usize = 4096;

/// Notionals of the last orders, and the largest of the session.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    recent: VecDeque<Money>,
    largest: Money,
    count: u64,
}

/// A notional beside what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// Orders of this session.
    pub count: u64,
    /// The middle one of the last orders; the upper one of two.
    pub median: Money,
    /// The largest of the session.
    pub largest: Money,
    /// Per cent of the median, `None` without one.
    pub median_percent: Option<i128>,
    /// Larger than every order of the session.
    pub is_largest: bool,
}

impl Sizes {
    /// One more order.
    pub fn push(&mut self, notional: Money) {
        let notional = notional.magnitude();
        if self.recent.len() == KEPT_COUNT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(notional);
        self.largest = self.largest.max(notional);
        self.count += 1;
    }

    /// How unusual an order of that notional would be.
    pub fn compare(&self, notional: Money) -> Unusual {
        let mut sorted: Vec<Money> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(Money::ZERO);
        let percent = notional.magnitude().0.checked_mul(100);
        let median_percent = percent.and_then(|of| of.checked_div(median.0));
        Unusual {
            count: self.count,
            median,
            largest: self.largest,
            median_percent,
            is_largest: self.largest < notional.magnitude(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(units: i128) -> Money {
        Money(units * Money::ONE.0)
    }

    #[test]
    fn an_order_is_compared_with_median_and_largest() {
        let mut sizes = Sizes::default();
        let nothing = sizes.compare(money(10));
        assert_eq!((nothing.count, nothing.median_percent, nothing.is_largest), (0, None, true));
        for units in [100, 300, -200, 1_000] {
            sizes.push(money(units));
        }
        let unusual = sizes.compare(money(900));
        assert_eq!((unusual.median, unusual.largest), (money(300), money(1_000)));
        assert_eq!((unusual.median_percent, unusual.is_largest), (Some(300), false));
        assert!(!sizes.compare(money(1_000)).is_largest);
        assert!(sizes.compare(Money(money(1_000).0 + 1)).is_largest);
    }

    #[test]
    fn the_median_forgets_and_the_largest_does_not() {
        let mut sizes = Sizes::default();
        sizes.push(money(5_000));
        for _ in 0..KEPT_COUNT_MAX {
            sizes.push(money(7));
        }
        let unusual = sizes.compare(money(7));
        assert_eq!((unusual.median, unusual.largest), (money(7), money(5_000)));
        assert_eq!(unusual.count, u64::try_from(KEPT_COUNT_MAX).unwrap() + 1);
    }

    #[test]
    fn no_sum_leaves_its_range() {
        let mut sizes = Sizes::default();
        sizes.push(Money::MAX);
        assert_eq!(sizes.compare(Money::MAX).median_percent, None);
        sizes.push(Money::ZERO);
        sizes.push(Money::ZERO);
        assert_eq!(sizes.compare(money(1)).median_percent, None, "a median of zero");
    }
}
