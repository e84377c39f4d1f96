//! Rate limits over rolling windows: no interval of a window's length, wherever it begins, holds
//! more than its limit.
//!
//! ```text
//!   takes:     3     1  2        4
//!   time:   ---|-----|--|--------|------> now
//!                 (-------------------]   the window that counts now: 1 + 2 + 4
//! ```
//!
//! A token bucket of the same rate lets twice the limit through around a refill; a venue that
//! counts in windows of its own, wherever they begin, then bans. Here no place of its windows can
//! hurt.
//!
//! **Invariant:** memory is fixed. Where a limit is larger than the memory, takes that are close
//! together leave the window together, at the time of the last one: too late by a thousandth of the
//! interval, never too early.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

/// Entries of a window. A limit up to here is kept exactly.
const ENTRY_COUNT_MAX: usize = 1_024;
/// Parts of the interval of a larger limit that are told apart; less than the entries.
const PART_COUNT: u64 = 1_000;

/// Takes that leave the window together.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first_ns: u64,
    last_ns: u64,
    weight: u64,
}

#[derive(Clone, Debug)]
struct Window {
    limit: u64,
    interval_ns: u64,
    /// Takes closer together than this share an entry.
    part_ns: u64,
    entries: VecDeque<Entry>,
    /// Sum of the entries.
    used: u64,
}

impl Window {
    fn new(limit: u64, interval_ns: u64) -> Window {
        assert!(0 < limit);
        assert!(0 < interval_ns);
        let is_exact = usize::try_from(limit).is_ok_and(|limit| limit <= ENTRY_COUNT_MAX);
        let part_ns = if is_exact { 0 } else { interval_ns.div_ceil(PART_COUNT) };
        let entries = VecDeque::with_capacity(ENTRY_COUNT_MAX);
        Window { limit, interval_ns, part_ns, entries, used: 0 }
    }

    fn expire(&mut self, now_ns: u64) {
        while let Some(entry) = self.entries.front()
            && entry.last_ns.saturating_add(self.interval_ns) <= now_ns
        {
            self.used -= entry.weight;
            self.entries.pop_front();
        }
    }

    /// How long until there is room; 0 if there is, `u64::MAX` if there never will be.
    fn wait_ns(&self, now_ns: u64, weight: u64) -> u64 {
        let wanted = self.used.saturating_add(weight);
        if wanted <= self.limit {
            return 0;
        }
        let mut excess = wanted - self.limit;
        for entry in &self.entries {
            excess = excess.saturating_sub(entry.weight);
            if excess == 0 {
                let free_ns = entry.last_ns.saturating_add(self.interval_ns);
                return free_ns.saturating_sub(now_ns).max(1);
            }
        }
        u64::MAX
    }

    fn add(&mut self, now_ns: u64, weight: u64) {
        self.used = self.used.saturating_add(weight);
        let is_full = self.entries.len() == ENTRY_COUNT_MAX;
        if let Some(last) = self.entries.back_mut()
            && (is_full || now_ns - last.first_ns < self.part_ns)
        {
            last.last_ns = now_ns;
            last.weight = last.weight.saturating_add(weight);
            return;
        }
        self.entries.push_back(Entry { first_ns: now_ns, last_ns: now_ns, weight });
    }
}

/// All windows of one kind of weight. A venue with several kinds, such as weight and orders, has
/// one of these for each.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    windows: Vec<Window>,
    banned_until_ns: u64,
    /// Latest time heard of; time does not go back.
    now_ns: u64,
}

impl RateLimiter {
    /// Windows as (limit, interval in ns), both above zero.
    pub fn new(windows: &[(u64, u64)]) -> RateLimiter {
        let windows = windows.iter().map(|(limit, interval_ns)| Window::new(*limit, *interval_ns));
        RateLimiter { windows: windows.collect(), banned_until_ns: 0, now_ns: 0 }
    }

    /// How long until [`RateLimiter::try_take`] would succeed, if nothing else happens; `Ok` if it
    /// would now. `u64::MAX` if the weight is above a limit.
    pub fn check(&mut self, now_ns: u64, weight: u64) -> Result<(), u64> {
        self.now_ns = self.now_ns.max(now_ns);
        let now_ns = self.now_ns;
        let mut wait_ns = self.banned_until_ns.saturating_sub(now_ns);
        for window in &mut self.windows {
            window.expire(now_ns);
            wait_ns = wait_ns.max(window.wait_ns(now_ns, weight));
        }
        if wait_ns == 0 { Ok(()) } else { Err(wait_ns) }
    }

    /// Takes `weight` from every window, or from none and says how long to wait.
    pub fn try_take(&mut self, now_ns: u64, weight: u64) -> Result<(), u64> {
        self.check(now_ns, weight)?;
        if 0 < weight {
            for window in &mut self.windows {
                window.add(self.now_ns, weight);
            }
        }
        Ok(())
    }

    /// What the venue says is used of window `index`. The larger of both counts holds: others may
    /// use the same address, and what we sent last the venue has not seen yet.
    pub fn observe_used(&mut self, index: usize, used: u64, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let Some(window) = self.windows.get_mut(index) else { return };
        window.expire(self.now_ns);
        if window.used < used {
            window.add(self.now_ns, used - window.used);
        }
    }

    /// Nothing goes before `until_ns`. A later one holds.
    pub fn ban_until(&mut self, until_ns: u64) {
        self.banned_until_ns = self.banned_until_ns.max(until_ns);
    }

    /// When the ban ends; in the past if there is none.
    pub fn banned_until_ns(&self) -> u64 {
        self.banned_until_ns
    }

    /// What is used of window `index`, as of the latest time heard of.
    pub fn used(&self, index: usize) -> Option<u64> {
        self.windows.get(index).map(|window| window.used)
    }
}
