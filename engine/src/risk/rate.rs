//! A true rolling window over event times: never more than N within any stretch of the window.

use crate::state::{LoadError, Loader, Saver, State};

use super::limits::ceiling;

/// The times of the last N orders. The window is half open: an order exactly `window_ns` old is out.
#[derive(Debug)]
pub(super) struct RateWindow {
    /// Times in ns; a ring.
    times_ns: Box<[u64]>,
    /// Where the next time goes; when the ring is full, the oldest is there.
    next: usize,
    /// How many times are in the ring.
    count: usize,
    /// Most orders in a window; at most the length of the ring.
    count_max: usize,
    window_ns: u64,
}

impl RateWindow {
    pub(super) fn new(count_max: u32, window_ns: u64) -> RateWindow {
        let length = usize::try_from(count_max).expect("32 bits fit a usize");
        let times_ns = vec![0; length].into_boxed_slice();
        RateWindow { times_ns, next: 0, count: 0, count_max: length, window_ns }
    }

    /// Allows fewer or more orders, never more than the ring was made for.
    pub(super) fn set_count_max(&mut self, count_max: u32) {
        let wanted = usize::try_from(count_max).unwrap_or(usize::MAX);
        self.count_max = wanted.min(self.times_ns.len());
    }

    /// Whether at least `count` orders (one or more) are within the window that ends at `now_ns`.
    #[inline]
    pub(super) fn reaches(&self, count: usize, now_ns: u64) -> bool {
        if self.count < count {
            return false;
        }
        // The youngest of those orders that could be out: `count` places before the next one.
        let length = self.times_ns.len();
        let place = if count <= self.next { self.next - count } else { self.next + length - count };
        let time_ns = self.times_ns.get(place);
        time_ns.is_none_or(|time_ns| now_ns.saturating_sub(*time_ns) < self.window_ns)
    }

    /// Whether one more order at `now_ns` fits. Time that runs backwards counts as no time at all.
    #[inline]
    pub(super) fn has_room(&self, now_ns: u64) -> bool {
        self.count_max != 0 && !self.reaches(self.count_max, now_ns)
    }

    #[inline]
    pub(super) fn push(&mut self, now_ns: u64) {
        let Some(place) = self.times_ns.get_mut(self.next) else { return };
        *place = now_ns;
        self.next = if self.next + 1 == self.times_ns.len() { 0 } else { self.next + 1 };
        self.count = self.times_ns.len().min(self.count + 1);
    }

    /// Forgets every order.
    pub(super) fn clear(&mut self) {
        (self.next, self.count) = (0, 0);
    }

    /// How many orders are within the window that ends at `now_ns`.
    pub(super) fn count_at(&self, now_ns: u64) -> usize {
        self.oldest_first()
            .filter(|time_ns| now_ns.saturating_sub(*time_ns) < self.window_ns)
            .count()
    }

    /// Most orders in a window.
    pub(super) fn count_max(&self) -> usize {
        self.count_max
    }

    /// Newest time, 0 before the first.
    pub(super) fn newest_ns(&self) -> u64 {
        self.oldest_first().last().unwrap_or(0)
    }

    fn oldest_first(&self) -> impl DoubleEndedIterator<Item = u64> {
        let length = self.times_ns.len();
        (0..self.count)
            .map(move |age| self.times_ns[(self.next + length - self.count + age) % length])
    }
}

impl State for RateWindow {
    fn save(&self, out: &mut Saver) {
        out.count(self.count);
        for time_ns in self.oldest_first() {
            out.u64(time_ns);
        }
    }

    /// The newest that fit are kept when the limit has become smaller.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let count_max = usize::try_from(ceiling::ORDER_RATE_COUNT).expect("32 bits fit a usize");
        let count = from.count(count_max)?;
        self.next = 0;
        self.count = 0;
        for _ in 0..count {
            self.push(from.u64()?);
        }
        Ok(())
    }
}
