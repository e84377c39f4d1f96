//! Counts events in a rolling window: the times of the newest few, nothing else.

use crate::state::{LoadError, Loader, Saver, State};

/// Whether the newest `count` events fell into one window. Bounded by `count`, allocated once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    times_ns: Box<[u64]>,
    /// Where the next time goes; the oldest one stands there.
    next: usize,
    held: usize,
    window_ns: u64,
}

impl Window {
    /// A window for `count` events; 0 never fills.
    pub(super) fn new(count: u32, window_ns: u64) -> Window {
        let count = usize::try_from(count).unwrap_or(0);
        let times_ns = vec![0; count].into_boxed_slice();
        Window { times_ns, next: 0, held: 0, window_ns }
    }

    /// Counts an event. When that makes the window full it says so and starts anew, so that the same
    /// events never fire twice.
    pub(super) fn push(&mut self, now_ns: u64) -> bool {
        let Some(slot) = self.times_ns.get_mut(self.next) else { return false };
        *slot = now_ns;
        self.next = (self.next + 1) % self.times_ns.len();
        self.held = (self.held + 1).min(self.times_ns.len());
        let oldest_ns = self.times_ns.get(self.next).copied().unwrap_or(0);
        let is_full = self.held == self.times_ns.len();
        let fires = is_full && now_ns.saturating_sub(oldest_ns) <= self.window_ns;
        if fires {
            self.clear();
        }
        fires
    }

    /// Forgets every event.
    pub(super) fn clear(&mut self) {
        (self.next, self.held) = (0, 0);
    }

    /// The times that are held, oldest first.
    fn iter(&self) -> impl Iterator<Item = u64> {
        let length = self.times_ns.len();
        let start = (self.next + length).saturating_sub(self.held);
        (start..start + self.held)
            .filter_map(move |at| self.times_ns.get(at.checked_rem(length)?).copied())
    }

    /// Hash of what is held.
    pub(super) fn digest(&self) -> u64 {
        self.iter().fold(0, crate::state::mix)
    }
}

impl State for Window {
    fn save(&self, out: &mut Saver) {
        out.count(self.held);
        for time_ns in self.iter() {
            out.u64(time_ns);
        }
    }

    /// A window that became shorter keeps its newest events; those of a longer one are fewer than it needs.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.clear();
        let count_max = usize::try_from(super::settings::COUNT_MAX).unwrap_or(0);
        let held = from.count(count_max)?;
        for _ in 0..held {
            let time_ns = from.u64()?;
            if let Some(slot) = self.times_ns.get_mut(self.next) {
                *slot = time_ns;
                self.next = (self.next + 1) % self.times_ns.len();
                // One less than full: a restored window fires with the next event, not by itself.
                self.held = (self.held + 1).min(self.times_ns.len());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(count: u32, window_ns: u64, times_ns: &[u64], fires: &[bool]) {
        let mut window = Window::new(count, window_ns);
        let fired: Vec<bool> = times_ns.iter().map(|time_ns| window.push(*time_ns)).collect();
        assert_eq!(fired, fires, "{count} in {window_ns}: {times_ns:?}");
    }

    #[test]
    fn so_many_events_within_the_window_fire_once() {
        check(3, 10, &[0, 5, 10], &[false, false, true]);
        check(3, 10, &[0, 5, 11], &[false, false, false]);
        check(3, 10, &[0, 5, 11, 15], &[false, false, false, true]);
        check(3, 10, &[1, 1, 1, 1, 1, 1], &[false, false, true, false, false, true]);
        check(1, 10, &[7, 8], &[true, true]);
        check(0, 10, &[7, 8], &[false, false]);
    }

    #[test]
    fn a_saved_window_goes_on_where_it_was() {
        for pushed in 0..5_u64 {
            let mut window = Window::new(4, 100);
            for time_ns in 0..pushed {
                window.push(time_ns);
            }
            let mut saver = Saver::new();
            window.save(&mut saver);
            let bytes = saver.into_bytes();
            let mut loaded = Window::new(4, 100);
            let mut loader = Loader::new(&bytes);
            loaded.load(&mut loader).unwrap();
            loader.finish().unwrap();
            assert_eq!(loaded.digest(), window.digest(), "{pushed}");
            for time_ns in 10..20 {
                assert_eq!(loaded.push(time_ns), window.push(time_ns), "{pushed} {time_ns}");
            }
        }
    }

    #[test]
    fn what_a_window_holds_is_its_hash() {
        let hash = |times_ns: &[u64]| {
            let mut window = Window::new(3, 10);
            for time_ns in times_ns {
                assert!(!window.push(*time_ns));
            }
            window.digest()
        };
        let mut hashes =
            [&[][..], &[1], &[2], &[1, 2], &[2, 2], &[1, 20, 40], &[2, 20, 40]].map(hash);
        hashes.sort_unstable();
        assert!(hashes.windows(2).all(|pair| pair[0] != pair[1]), "{hashes:?}");
        assert_eq!(hash(&[1, 20, 40, 60]), hash(&[20, 40, 60]), "what is gone is gone");
    }

    #[test]
    fn a_window_of_another_size_takes_the_newest() {
        let mut window = Window::new(4, 100);
        for time_ns in [1, 2, 3] {
            window.push(time_ns);
        }
        let mut saver = Saver::new();
        window.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut shorter = Window::new(2, 100);
        shorter.load(&mut Loader::new(&bytes)).unwrap();
        assert_eq!(shorter.iter().collect::<Vec<u64>>(), [2, 3]);
        assert!(shorter.push(102));
    }
}
