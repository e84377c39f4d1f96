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
    window_ns: u64,
}

impl RateWindow {
    pub(super) fn new(count_max: u32, window_ns: u64) -> RateWindow {
        let length = usize::try_from(count_max).expect("32 bits fit a usize");
        RateWindow { times_ns: vec![0; length].into_boxed_slice(), next: 0, count: 0, window_ns }
    }

    /// Whether one more order at `now_ns` fits. Time that runs backwards counts as no time at all.
    #[inline]
    pub(super) fn has_room(&self, now_ns: u64) -> bool {
        if self.count < self.times_ns.len() {
            return true;
        }
        match self.times_ns.get(self.next) {
            Some(oldest_ns) => self.window_ns <= now_ns.saturating_sub(*oldest_ns),
            None => false,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, now_ns: u64) {
        let Some(place) = self.times_ns.get_mut(self.next) else { return };
        *place = now_ns;
        self.next = if self.next + 1 == self.times_ns.len() { 0 } else { self.next + 1 };
        self.count = self.times_ns.len().min(self.count + 1);
    }

    /// How many orders are within the window that ends at `now_ns`.
    pub(super) fn count_at(&self, now_ns: u64) -> usize {
        self.oldest_first()
            .filter(|time_ns| now_ns.saturating_sub(*time_ns) < self.window_ns)
            .count()
    }

    /// Most orders in a window.
    pub(super) fn count_max(&self) -> usize {
        self.times_ns.len()
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
