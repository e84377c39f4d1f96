//! Duplicates: the same order again and again, within a rolling window.
//!
//! A table of fixed size by hash of the order. Where more different orders meet within a window than it has
//! places for, the one that was quiet longest is forgotten.

use crate::event::{Event, flags};
use crate::state::{LoadError, Loader, Saver, State, mix};

/// Most of `duplicate_count_max`.
pub(super) const COUNT_MAX: i64 = 8;
const TIME_COUNT: usize = 8;
const BUCKET_COUNT: usize = 256;
const WAYS: usize = 4;

/// When one order was sent last, newest first; 0 is never.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: u64,
    times_ns: [u64; TIME_COUNT],
}

const EMPTY: Place = Place { key: 0, times_ns: [0; TIME_COUNT] };

/// An order that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Same {
    /// 0 for no order.
    key: u64,
    /// Where in its bucket it is kept.
    way: Option<usize>,
}

impl Same {
    /// No order at all.
    pub(super) const NOTHING: Same = Same { key: 0, way: None };
}

/// Orders of the last window.
#[derive(Debug)]
pub(super) struct Duplicates {
    /// Empty when the control is off.
    places: Box<[[Place; WAYS]]>,
    window_ns: u64,
}

/// Hash of what makes two orders the same; never 0.
#[inline]
pub(super) fn key_of(event: &Event) -> u64 {
    let side = u64::from(event.flags & flags::SELL);
    let who = (u64::from(event.source) << 32) + (u64::from(event.instrument) << 16) + side;
    mix(mix(who, event.price.cast_unsigned()), event.quantity.cast_unsigned()) | 1
}

impl Duplicates {
    pub(super) fn new(is_on: bool, window_ns: u64) -> Duplicates {
        let length = if is_on { BUCKET_COUNT } else { 0 };
        Duplicates { places: vec![[EMPTY; WAYS]; length].into_boxed_slice(), window_ns }
    }

    #[inline]
    fn bucket(key: u64) -> usize {
        usize::from(key.to_le_bytes()[1])
    }

    /// Looks an order up.
    #[inline(always)]
    pub(super) fn find(&self, key: u64) -> Same {
        let bucket = self.places.get(Duplicates::bucket(key));
        let way = bucket.and_then(|bucket| bucket.iter().position(|place| place.key == key));
        Same { key, way }
    }

    /// How many of the same were sent within the window that ends now.
    #[inline]
    pub(super) fn count(&self, key: u64, now_ns: u64) -> i64 {
        self.count_of(&self.find(key), now_ns)
    }

    /// The same of an order that was looked up.
    #[inline(always)]
    pub(super) fn count_of(&self, same: &Same, now_ns: u64) -> i64 {
        let (Some(way), Some(bucket)) = (same.way, self.places.get(Duplicates::bucket(same.key)))
        else {
            return 0;
        };
        let mut count = 0;
        for time_ns in bucket[way].times_ns {
            let is_within = time_ns != 0 && now_ns.saturating_sub(time_ns) < self.window_ns;
            count += i64::from(is_within);
        }
        count
    }

    #[inline]
    pub(super) fn push(&mut self, key: u64, now_ns: u64) {
        self.push_at(&self.find(key), now_ns);
    }

    /// The same of an order that was looked up.
    #[inline(always)]
    pub(super) fn push_at(&mut self, same: &Same, now_ns: u64) {
        let key = same.key;
        let Some(bucket) = self.places.get_mut(Duplicates::bucket(key)) else { return };
        let index = same.way.unwrap_or_else(|| {
            let quiet = |(_, place): &(usize, &Place)| place.times_ns[0];
            bucket.iter().enumerate().min_by_key(quiet).map_or(0, |(index, _)| index)
        });
        let place = &mut bucket[index];
        if place.key != key {
            *place = Place { key, ..EMPTY };
        }
        place.times_ns.copy_within(..TIME_COUNT - 1, 1);
        place.times_ns[0] = now_ns.max(1);
    }

    /// `hash` as it is when the control is off.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        self.places
            .iter()
            .flatten()
            .filter(|place| place.key != 0)
            .fold(hash, |hash, place| mix(mix(hash, place.key), place.times_ns[0]))
    }
}

impl State for Duplicates {
    fn save(&self, out: &mut Saver) {
        out.count(self.places.len());
        for place in self.places.iter().flatten() {
            out.u64(place.key);
            if place.key != 0 {
                for time_ns in place.times_ns {
                    out.u64(time_ns);
                }
            }
        }
    }

    /// What was saved while the control was on is read past when it is off now.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.places.fill([EMPTY; WAYS]);
        for bucket in 0..from.count(BUCKET_COUNT)? {
            for way in 0..WAYS {
                let mut place = Place { key: from.u64()?, ..EMPTY };
                if place.key != 0 {
                    for time_ns in &mut place.times_ns {
                        *time_ns = from.u64()?;
                    }
                }
                if let Some(kept) = self.places.get_mut(bucket) {
                    kept[way] = place;
                }
            }
        }
        Ok(())
    }
}
