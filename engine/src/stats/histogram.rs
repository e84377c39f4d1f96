//! Log-linear buckets with three significant digits, the same as `hdrhistogram` uses.
//!
//! ```text
//!  value (ns)            width   buckets
//!  [0, 2048)             1       0 .. 2048
//!  [2048, 4096)          2       2048 .. 3072
//!  [4096, 8192)          4       3072 .. 4096
//!  ...                           1024 more a doubling
//!  [2^35, 2^36)          2^25    26,624 .. 27,648
//! ```
//!
//! A value is off by less than one part in 1,024 and is never reported smaller than it was.
//!
//! **Invariant:** recording is a shift, three loads and three stores; no branch depends on the
//! value except the two for a new maximum and for the clamp.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

use super::layout::{BUCKET_MAX, HopSlot};

/// Bits of a value that a bucket keeps: 2^11 = 2,048 is the first power of two above 2 x 10^3.
const SUB_BUCKET_BITS: u32 = 11;
const SUB_BUCKET_HALF: u64 = 1 << (SUB_BUCKET_BITS - 1);
/// The largest value that has a bucket of its own: 68.7 s. Larger ones are counted there.
pub const VALUE_NS_MAX: u64 = (1 << 36) - 1;
/// Significant decimal digits of the buckets, as `hdrhistogram` wants to hear it.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// The bucket of a value; values above [`VALUE_NS_MAX`] share the last one.
#[inline]
pub fn bucket_index(value_ns: u64) -> usize {
    let value_ns = value_ns.min(VALUE_NS_MAX);
    let exponent = (value_ns | (2 * SUB_BUCKET_HALF - 1)).ilog2() - (SUB_BUCKET_BITS - 1);
    let index = u64::from(exponent) * SUB_BUCKET_HALF + (value_ns >> exponent);
    usize::try_from(index).expect("there are fewer buckets than 2^32")
}

/// The smallest and the largest value of a bucket.
///
/// # Panics
/// When there is no such bucket.
pub fn bucket_range(index: usize) -> (u64, u64) {
    assert!(index < BUCKET_MAX);
    let index = u64::try_from(index).expect("an index fits in 64 bits");
    let exponent = (index / SUB_BUCKET_HALF).saturating_sub(1);
    let lowest = (index - exponent * SUB_BUCKET_HALF) << exponent;
    (lowest, lowest + (1 << exponent) - 1)
}

impl HopSlot {
    /// Counts one value. Only for the single thread that writes this histogram.
    #[inline]
    pub(super) fn record(&self, value_ns: u64) {
        add_single_writer(&self.buckets[bucket_index(value_ns)], 1);
        add_single_writer(&self.sum_ns, value_ns);
        if self.max_ns.load(Ordering::Relaxed) < value_ns {
            self.max_ns.store(value_ns, Ordering::Relaxed);
        }
        if VALUE_NS_MAX < value_ns {
            add_single_writer(&self.clamped_count, 1);
        }
    }

    /// Counts one value from any thread.
    pub(super) fn record_shared(&self, value_ns: u64) {
        self.buckets[bucket_index(value_ns)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(value_ns, Ordering::Relaxed);
        self.max_ns.fetch_max(value_ns, Ordering::Relaxed);
        if VALUE_NS_MAX < value_ns {
            self.clamped_count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One load, one add, one store: a third of the price of a locked add, and correct as long as one
/// thread writes the word.
#[inline]
pub(super) fn add_single_writer(word: &AtomicU64, by: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// A copied histogram: the buckets that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bucket index and count, ascending, no zero counts.
    pub buckets: Vec<(usize, u64)>,
    /// Sum of all values, for the mean.
    pub sum_ns: u64,
    /// The largest value, exact.
    pub max_ns: u64,
    /// Values that were larger than [`VALUE_NS_MAX`].
    pub clamped_count: u64,
}

impl Counts {
    pub(super) fn read(slot: &HopSlot) -> Self {
        let max_ns = slot.max_ns.load(Ordering::Relaxed);
        // Buckets above the maximum are empty, so an unused histogram costs one load and not
        // 27,648. A value that is just being recorded may be missed until the next reading.
        let buckets = slot.buckets[..=bucket_index(max_ns)]
            .iter()
            .enumerate()
            .map(|(index, count)| (index, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| 0 < *count)
            .collect();
        Self {
            buckets,
            sum_ns: slot.sum_ns.load(Ordering::Relaxed),
            max_ns,
            clamped_count: slot.clamped_count.load(Ordering::Relaxed),
        }
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Mean, rounded down; 0 when empty.
    pub fn mean_ns(&self) -> u64 {
        self.sum_ns.checked_div(self.count()).unwrap_or(0)
    }

    /// The value that `parts_per_million` of all values do not exceed; 0 when empty. The answer
    /// is the upper end of a bucket, and never above the maximum.
    ///
    /// # Panics
    /// When asked for more than a million parts.
    pub fn value_at_ppm(&self, parts_per_million: u32) -> u64 {
        assert!(parts_per_million <= 1_000_000);
        let wanted =
            (u128::from(self.count()) * u128::from(parts_per_million)).div_ceil(1_000_000).max(1);
        let mut seen = 0;
        for (index, count) in &self.buckets {
            seen += u128::from(*count);
            if wanted <= seen {
                return bucket_range(*index).1.min(self.max_ns);
            }
        }
        0
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        let mut merged = Vec::with_capacity(self.buckets.len() + other.buckets.len());
        let (mut ours, mut theirs) = (self.buckets.as_slice(), other.buckets.as_slice());
        while let (Some(a), Some(b)) = (ours.first(), theirs.first()) {
            match a.0.cmp(&b.0) {
                std::cmp::Ordering::Less => {
                    merged.push(*a);
                    ours = &ours[1..];
                }
                std::cmp::Ordering::Greater => {
                    merged.push(*b);
                    theirs = &theirs[1..];
                }
                std::cmp::Ordering::Equal => {
                    merged.push((a.0, a.1.saturating_add(b.1)));
                    ours = &ours[1..];
                    theirs = &theirs[1..];
                }
            }
        }
        merged.extend_from_slice(ours);
        merged.extend_from_slice(theirs);
        self.buckets = merged;
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.clamped_count = self.clamped_count.saturating_add(other.clamped_count);
    }

    /// What came after an earlier reading of the same histogram. The maximum of the difference is
    /// only known as well as its bucket.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut old = earlier.buckets.iter().copied().peekable();
        let mut buckets = Vec::new();
        for (index, count) in &self.buckets {
            while old.next_if(|(at, _)| at < index).is_some() {}
            let before = old.next_if(|(at, _)| at == index).map_or(0, |(_, count)| count);
            let more = count.saturating_sub(before);
            if 0 < more {
                buckets.push((*index, more));
            }
        }
        let top = buckets.last().map_or(0, |(index, _)| bucket_range(*index).1);
        Self {
            buckets,
            sum_ns: self.sum_ns.wrapping_sub(earlier.sum_ns),
            max_ns: top.min(self.max_ns),
            clamped_count: self.clamped_count.saturating_sub(earlier.clamped_count),
        }
    }

    /// The same counts as a `hdrhistogram`, for its writers of `.hgrm` and `.hlog` files.
    pub fn to_hdr(&self) -> Histogram<u64> {
        let mut histogram =
            Histogram::new_with_bounds(1, VALUE_NS_MAX, SIGNIFICANT_DIGITS).expect("valid bounds");
        for (index, count) in &self.buckets {
            let (lowest, highest) = bucket_range(*index);
            // The exact maximum when it lies in this bucket, so that both say the same maximum.
            let value =
                if (lowest..=highest).contains(&self.max_ns) { self.max_ns } else { lowest };
            histogram.saturating_record_n(value, *count);
        }
        histogram
    }
}
