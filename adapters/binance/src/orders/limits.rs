//! How much may be asked: rolling windows that believe the venue's own counts.
//!
//! New orders leave a reserve, so that there is always room to cancel and to ask.

use std::collections::VecDeque;

use crate::answer::{LimitKind, Usage};

/// Pieces of a window; what was used leaves it piece by piece.
const PIECE_COUNT: u64 = 32;
/// Most windows that are kept; the venue has four.
const WINDOW_COUNT_MAX: usize = 8;
/// New orders leave this part of every limit: a divisor.
const RESERVE_DIVISOR: u32 = 8;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A new order.
    New,
    /// A cancel, a query, a clock.
    Urgent,
}

#[derive(Debug)]
struct Rolling {
    kind: LimitKind,
    window_ns: u64,
    limit: u32,
    used: u32,
    /// When a piece began and what was used in it.
    pieces: VecDeque<(u64, u32)>,
}

impl Rolling {
    fn expire(&mut self, now_ns: u64) {
        while let Some((since_ns, used)) = self.pieces.front()
            && since_ns.saturating_add(self.window_ns) <= now_ns
        {
            self.used -= used;
            self.pieces.pop_front();
        }
    }

    fn add(&mut self, amount: u32, now_ns: u64) {
        self.used = self.used.saturating_add(amount);
        let piece_ns = self.window_ns.div_euclid(PIECE_COUNT);
        match self.pieces.back_mut() {
            Some((since_ns, used)) if now_ns < since_ns.saturating_add(piece_ns) => {
                *used = used.saturating_add(amount);
            }
            _ => self.pieces.push_back((now_ns, amount)),
        }
    }
}

/// All limits of an account.
#[derive(Debug, Default)]
pub struct Budget {
    windows: Vec<Rolling>,
    paused_until_ns: u64,
}

impl Budget {
    /// Limits as the documents tell them until the venue does.
    pub fn new() -> Budget {
        let mut budget = Budget::default();
        budget.limit(LimitKind::Weight, 60_000_000_000, 6_000);
        budget.limit(LimitKind::Orders, 10_000_000_000, 50);
        budget
    }

    /// Sets a limit, as `exchangeInfo` tells it.
    pub fn limit(&mut self, kind: LimitKind, window_ns: u64, limit: u32) {
        let same = |w: &&mut Rolling| w.kind == kind && w.window_ns == window_ns;
        if let Some(window) = self.windows.iter_mut().find(same) {
            window.limit = limit;
        } else if self.windows.len() < WINDOW_COUNT_MAX {
            let pieces = VecDeque::new();
            self.windows.push(Rolling { kind, window_ns, limit, used: 0, pieces });
        }
    }

    /// The venue says how much it counted.
    pub fn observe(&mut self, usage: &Usage, now_ns: u64) {
        let Some(interval_ns) = usage.interval.ns() else { return };
        if usage.rate_limit_type == LimitKind::Other || usage.interval_num == 0 {
            return;
        }
        let window_ns = interval_ns.saturating_mul(u64::from(usage.interval_num));
        self.limit(usage.rate_limit_type, window_ns, usage.limit);
        self.count(usage.rate_limit_type, window_ns, usage.count, now_ns);
    }

    /// The venue's own count of a window (headers tell it without the limit).
    pub fn count(&mut self, kind: LimitKind, window_ns: u64, count: u32, now_ns: u64) {
        let same = |w: &&mut Rolling| w.kind == kind && w.window_ns == window_ns;
        if let Some(window) = self.windows.iter_mut().find(same) {
            window.expire(now_ns);
            // It may have counted others behind our address; it is never believed to have counted less,
            // because what is on its way is not in its count.
            if window.used < count {
                window.add(count - window.used, now_ns);
            }
        }
    }

    /// Nothing may be asked until then.
    pub fn pause(&mut self, until_ns: u64) {
        self.paused_until_ns = self.paused_until_ns.max(until_ns);
    }

    /// Takes the cost of a request if there is room for it.
    pub fn take(&mut self, urgency: Urgency, weight: u32, orders: u32, now_ns: u64) -> bool {
        if now_ns < self.paused_until_ns {
            return false;
        }
        let cost = |kind| match kind {
            LimitKind::Weight => weight,
            LimitKind::Orders => orders,
            LimitKind::Other => 0,
        };
        for window in &mut self.windows {
            window.expire(now_ns);
            let reserve = match urgency {
                Urgency::New => window.limit.div_euclid(RESERVE_DIVISOR),
                Urgency::Urgent => 0,
            };
            let amount = cost(window.kind);
            if 0 < amount && window.limit - reserve < window.used.saturating_add(amount) {
                return false;
            }
        }
        for window in &mut self.windows {
            let amount = cost(window.kind);
            if 0 < amount {
                window.add(amount, now_ns);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Interval;

    #[test]
    fn new_orders_leave_a_reserve_and_the_window_rolls() {
        let mut budget = Budget::default();
        budget.limit(LimitKind::Weight, 320, 16);
        let taken = (0..20).filter(|_| budget.take(Urgency::New, 1, 1, 5)).count();
        assert_eq!(taken, 14);
        assert!(budget.take(Urgency::Urgent, 2, 0, 5));
        assert!(!budget.take(Urgency::Urgent, 1, 0, 324));
        assert!(budget.take(Urgency::Urgent, 1, 0, 325));
    }

    #[test]
    fn the_count_of_the_venue_is_believed_and_a_pause_kept() {
        let mut budget = Budget::new();
        let usage = Usage {
            rate_limit_type: LimitKind::Orders,
            interval: Interval::Second,
            interval_num: 10,
            limit: 100,
            count: 95,
        };
        budget.observe(&usage, 1);
        assert!(!budget.take(Urgency::New, 1, 1, 2));
        assert!(budget.take(Urgency::Urgent, 1, 1, 2));
        budget.pause(10);
        assert!(!budget.take(Urgency::Urgent, 1, 0, 9));
        assert!(budget.take(Urgency::Urgent, 1, 0, 10));
    }
}
