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

/// What most orders look at, and no more: one cache line. A key of 0 is none, a time of 0 is never.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; WAYS],
    newest_ns: [u64; WAYS],
}

const EMPTY: Bucket = Bucket { keys: [0; WAYS], newest_ns: [0; WAYS] };

/// When an order was sent before the last time, newest first; 0 is never.
type Older = [u64; TIME_COUNT - 1];

const NEVER: Older = [0; TIME_COUNT - 1];

/// An order that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Same {
    /// 0 for no order.
    key: u64,
    /// Where in its bucket it is kept, or will be.
    way: usize,
    is_known: bool,
}

impl Same {
    /// No order at all.
    pub(super) const NOTHING: Same = Same { key: 0, way: 0, is_known: false };
}

/// Orders of the last window.
#[derive(Debug)]
pub(super) struct Duplicates {
    /// Empty when the control is off.
    buckets: Box<[Bucket]>,
    /// By bucket and way.
    older_ns: Box<[[Older; WAYS]]>,
    window_ns: u64,
}

/// Hash of what makes two orders the same; never 0.
#[inline]
pub(super) fn key_of(event: &Event) -> u64 {
    let side = u64::from(event.flags & flags::SELL);
    let who = (u64::from(event.source) << 32) + (u64::from(event.instrument) << 16) + side;
    mix(mix(who, event.price.cast_unsigned()), event.quantity.cast_unsigned()) | 1
}

/// The first of those that were quiet longest. Nobody can foretell which: it must not be a jump.
#[inline(always)]
pub(super) fn quietest(newest_ns: &[u64; WAYS]) -> usize {
    let [a, b, c, d] = *newest_ns;
    let (low, high) = (usize::from(b < a), usize::from(d < c));
    let is_high = usize::from(c.min(d) < a.min(b));
    low * (1 - is_high) + (2 + high) * is_high
}

impl Duplicates {
    pub(super) fn new(is_on: bool, window_ns: u64) -> Duplicates {
        let length = if is_on { BUCKET_COUNT } else { 0 };
        Duplicates {
            buckets: vec![EMPTY; length].into_boxed_slice(),
            older_ns: vec![[NEVER; WAYS]; length].into_boxed_slice(),
            window_ns,
        }
    }

    #[inline]
    fn bucket(key: u64) -> usize {
        usize::from(key.to_le_bytes()[1])
    }

    /// Looks an order up.
    #[inline(always)]
    pub(super) fn find(&self, key: u64) -> Same {
        let Some(bucket) = self.buckets.get(Duplicates::bucket(key)) else {
            return Same::NOTHING;
        };
        let [a, b, c, d] = bucket.keys.map(|own| usize::from(own == key));
        let is_known = a | b | c | d != 0;
        let way = if is_known { b + 2 * c + 3 * d } else { quietest(&bucket.newest_ns) };
        Same { key, way, is_known }
    }

    /// How many of the same were sent within the window that ends now.
    #[inline]
    pub(super) fn count(&self, key: u64, now_ns: u64) -> i64 {
        self.count_of(&self.find(key), now_ns)
    }

    /// The same of an order that was looked up.
    #[inline(always)]
    pub(super) fn count_of(&self, same: &Same, now_ns: u64) -> i64 {
        if !same.is_known {
            return 0;
        }
        self.times(Duplicates::bucket(same.key), same.way).fold(0, |count, time_ns| {
            let is_within = time_ns != 0 && now_ns.saturating_sub(time_ns) < self.window_ns;
            count + i64::from(is_within)
        })
    }

    /// All times of one order, newest first.
    fn times(&self, bucket: usize, way: usize) -> impl Iterator<Item = u64> {
        let newest = self.buckets.get(bucket).map(|bucket| bucket.newest_ns[way]);
        let older = self.older_ns.get(bucket).map(|ways| ways[way]);
        newest.into_iter().chain(older.into_iter().flatten())
    }

    #[inline]
    pub(super) fn push(&mut self, key: u64, now_ns: u64) {
        self.push_at(&self.find(key), now_ns);
    }

    /// The same of an order that was looked up.
    #[inline(always)]
    pub(super) fn push_at(&mut self, same: &Same, now_ns: u64) {
        let place = Duplicates::bucket(same.key);
        let (Some(bucket), Some(older)) =
            (self.buckets.get_mut(place), self.older_ns.get_mut(place))
        else {
            return;
        };
        let way = same.way % WAYS;
        if same.is_known {
            older[way].copy_within(..TIME_COUNT - 2, 1);
            older[way][0] = bucket.newest_ns[way];
        } else {
            bucket.keys[way] = same.key;
            older[way] = NEVER;
        }
        bucket.newest_ns[way] = now_ns.max(1);
    }

    /// `hash` as it is when the control is off.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        let places = self.buckets.iter().flat_map(|own| own.keys.iter().zip(&own.newest_ns));
        places
            .filter(|(key, _)| **key != 0)
            .fold(hash, |hash, (key, newest_ns)| mix(mix(hash, *key), *newest_ns))
    }
}

impl State for Duplicates {
    fn save(&self, out: &mut Saver) {
        out.count(self.buckets.len());
        for (place, bucket) in self.buckets.iter().enumerate() {
            for (way, key) in bucket.keys.iter().enumerate() {
                out.u64(*key);
                if *key != 0 {
                    self.times(place, way).for_each(|time_ns| out.u64(time_ns));
                }
            }
        }
    }

    /// What was saved while the control was on is read past when it is off now.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.buckets.fill(EMPTY);
        self.older_ns.fill([NEVER; WAYS]);
        for place in 0..from.count(BUCKET_COUNT)? {
            for way in 0..WAYS {
                let key = from.u64()?;
                let (mut newest_ns, mut older_ns) = (0, NEVER);
                if key != 0 {
                    newest_ns = from.u64()?;
                    for time_ns in &mut older_ns {
                        *time_ns = from.u64()?;
                    }
                }
                if let (Some(bucket), Some(older)) =
                    (self.buckets.get_mut(place), self.older_ns.get_mut(place))
                {
                    (bucket.keys[way], bucket.newest_ns[way]) = (key, newest_ns);
                    older[way] = older_ns;
                }
            }
        }
        Ok(())
    }
}
