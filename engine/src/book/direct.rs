//! The fast book: a flat, price-indexed window that follows the touch, and a sorted rest.
//!
//! ```text
//!   worse <------------------------------ key ------------------------------> better
//!   rest (sorted) | window: one slot a price unit, 2^16 slots, circular        | rest
//!                 low                              best: about here           high
//! ```
//!
//! Both sides are told in *keys*: the price for bids, the negated price for asks, so that the higher
//! key is always the better one. Sixty-four keys make a *word*, the unit in which the window moves.
//! **Invariant:** a level whose word is in `[low, high)` is in the window, every other one is in the
//! rest. The window is brought to its target a few words per `set`, and empty stretches are skipped, so
//! a move costs work in proportion to the levels that cross its edge and never all at once. While it
//! is under way everything is right, only slower. Where the window stands is not part of the state.

use super::{Book, BookFull, Level, level_digest};
use crate::event::Side;
use crate::state::{LoadError, Loader, Saver, State};

/// Most levels of one side. Binance sends snapshots of up to 5,000; the rest is what accumulates.
pub const LEVELS_MAX: usize = 16_384;

/// Keys in one word of occupancy bits.
const WORD_KEYS: usize = 64;
/// Words in the window: 65,536 price units. Of the levels set on Binance BTCUSDT in August 2024,
/// 94 % (spot, 0.01) and 96 % (futures, 0.1) are nearer to the touch than half of that.
const WORD_COUNT: usize = 1024;
const SLOT_COUNT: usize = WORD_KEYS * WORD_COUNT;
const SUMMARY_COUNT: usize = WORD_COUNT / 64;
const WORD_COUNT_I64: i64 = 1024;
/// Words kept free on the better side of the touch when the window is aimed; the rest of the
/// window covers the worse side, where nearly all levels are.
const HEADROOM: i64 = WORD_COUNT_I64 / 4;
/// The window is aimed again when the words above the touch leave this range.
const HEADROOM_MIN: i64 = WORD_COUNT_I64 / 8;
const HEADROOM_MAX: i64 = WORD_COUNT_I64 / 2;
/// Edge moves per `set` while the window is not where it should be. Arbitrary, but at least 3, so
/// that the first level of an empty book is in the window when `set` returns.
const MOVES_PER_SET: usize = 4;

const _: () = assert!(WORD_COUNT.is_power_of_two());
const _: () = assert!(SUMMARY_COUNT <= 64);

/// Key of no level: below every key, because prices are not negative.
const NO_KEY: i64 = i64::MIN;

/// A level of a side, by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    key: i64,
    quantity: i64,
}

impl Entry {
    const NONE: Entry = Entry { key: NO_KEY, quantity: 0 };
}

/// Word of a key.
#[inline]
const fn word_of(key: i64) -> i64 {
    key >> 6
}

/// Place of a word in the circle.
#[inline]
fn place_of(word: i64) -> usize {
    usize::try_from(word & (WORD_COUNT_I64 - 1)).expect("masked to the number of words")
}

/// Place of a key within its word.
#[inline]
fn bit_of(key: i64) -> usize {
    usize::try_from(key & 63).expect("masked to 0..64")
}

/// Index of the highest bit that is set; `bits` is not zero.
#[inline]
fn highest(bits: u64) -> usize {
    bits.ilog2() as usize
}

/// Index of the lowest bit that is set; `bits` is not zero.
#[inline]
fn lowest(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

/// `bits` with one of them set or cleared.
#[inline]
const fn with_bit(bits: u64, bit: usize, value: bool) -> u64 {
    (bits & !(1 << bit)) | ((value as u64) << bit)
}

/// Which slots are occupied, in three tiers: a bit a slot, a bit a word, a bit 64 words.
#[derive(Debug)]
struct Occupancy {
    words: Box<[u64; WORD_COUNT]>,
    summary: [u64; SUMMARY_COUNT],
    top: u64,
}

impl Occupancy {
    /// Without a branch: whether a level comes or goes cannot be predicted.
    #[inline]
    fn mark(&mut self, place: usize, bit: usize, is_occupied: bool) {
        let place = place & (WORD_COUNT - 1);
        let word = &mut self.words[place];
        *word = with_bit(*word, bit, is_occupied);
        let group = &mut self.summary[place >> 6];
        *group = with_bit(*group, place & 63, *word != 0);
        self.top = with_bit(self.top, place >> 6, *group != 0);
    }

    #[inline]
    fn unmark_word(&mut self, place: usize) {
        self.words[place] = 0;
        self.summary[place >> 6] &= !(1 << (place & 63));
        if self.summary[place >> 6] == 0 {
            self.top &= !(1 << (place >> 6));
        }
    }

    /// Going down the circle from `place`: the first place that is not empty.
    #[inline]
    fn at_or_below(&self, place: usize) -> Option<usize> {
        let group = place >> 6;
        let near = self.summary[group] & (u64::MAX >> (63 - (place & 63)));
        if near != 0 {
            return Some((group << 6) | highest(near));
        }
        let lower = self.top & ((1 << group) - 1);
        // Nothing at or below: what there is, is above, and its highest comes first on the way down.
        let groups = if lower != 0 { lower } else { self.top };
        if groups == 0 {
            return None;
        }
        let group = highest(groups);
        Some((group << 6) | highest(self.summary[group]))
    }

    /// Going up the circle from `place`: the first place that is not empty.
    #[inline]
    fn at_or_above(&self, place: usize) -> Option<usize> {
        let group = place >> 6;
        let near = self.summary[group] & (u64::MAX << (place & 63));
        if near != 0 {
            return Some((group << 6) | lowest(near));
        }
        let upper = self.top & !(u64::MAX >> (63 - group));
        let groups = if upper != 0 { upper } else { self.top };
        if groups == 0 {
            return None;
        }
        let group = lowest(groups);
        Some((group << 6) | lowest(self.summary[group]))
    }
}

/// One side of the book.
#[derive(Debug)]
struct Half {
    /// The best level, or [`Entry::NONE`].
    best: Entry,
    /// Words `[low, high)` are in the window; at most [`WORD_COUNT`] of them.
    low: i64,
    high: i64,
    /// Where `low` should be; `high` should be [`WORD_COUNT`] words further.
    target: i64,
    level_count: usize,
    levels_max: usize,
    /// Quantity by circular key; 0 outside the window.
    quantities: Box<[i64; SLOT_COUNT]>,
    occupancy: Occupancy,
    /// Levels outside the window by rising key. Never grows beyond the capacity it was made with.
    rest: Vec<Entry>,
    /// How many of the rest are below the window.
    below_count: usize,
}

impl Half {
    fn new(levels_max: usize) -> Half {
        Half {
            best: Entry::NONE,
            low: 0,
            high: 0,
            target: 0,
            level_count: 0,
            levels_max,
            quantities: vec![0; SLOT_COUNT]
                .into_boxed_slice()
                .try_into()
                .expect("made with this length"),
            occupancy: Occupancy {
                words: vec![0; WORD_COUNT]
                    .into_boxed_slice()
                    .try_into()
                    .expect("made with this length"),
                summary: [0; SUMMARY_COUNT],
                top: 0,
            },
            rest: Vec::with_capacity(levels_max),
            below_count: 0,
        }
    }

    #[inline]
    fn in_window(&self, key: i64) -> bool {
        self.low <= word_of(key) && word_of(key) < self.high
    }

    /// Slot of a key that is in the window.
    #[inline]
    fn slot_of(key: i64) -> usize {
        (place_of(word_of(key)) << 6) | bit_of(key)
    }

    /// Place in the rest where a key is or belongs.
    fn find_in_rest(&self, key: i64) -> Result<usize, usize> {
        let (from, part) = if word_of(key) < self.low {
            (0, &self.rest[..self.below_count])
        } else {
            (self.below_count, &self.rest[self.below_count..])
        };
        match part.binary_search_by(|entry| entry.key.cmp(&key)) {
            Ok(index) => Ok(from + index),
            Err(index) => Err(from + index),
        }
    }

    #[inline]
    fn quantity(&self, key: i64) -> i64 {
        if self.in_window(key) {
            return self.quantities[Half::slot_of(key)];
        }
        self.find_in_rest(key).map_or(0, |index| self.rest[index].quantity)
    }

    /// Sets a level and returns the quantity that was there.
    #[inline]
    fn set(&mut self, key: i64, quantity: i64) -> Result<i64, BookFull> {
        let old = if self.in_window(key) {
            self.set_in_window(key, quantity)?
        } else {
            self.set_in_rest(key, quantity)?
        };
        if self.best.key <= key {
            self.set_at_touch(key, quantity);
        }
        if self.low != self.target || self.high - self.low != WORD_COUNT_I64 {
            self.approach();
        }
        Ok(old)
    }

    #[inline]
    fn set_in_window(&mut self, key: i64, quantity: i64) -> Result<i64, BookFull> {
        let slot = Half::slot_of(key);
        let old = self.quantities[slot];
        if self.level_count == self.levels_max && old == 0 && quantity != 0 {
            return Err(BookFull);
        }
        self.level_count = self.level_count + usize::from(quantity != 0) - usize::from(old != 0);
        self.occupancy.mark(slot >> 6, slot & 63, quantity != 0);
        self.quantities[slot] = quantity;
        Ok(old)
    }

    /// Keeps the best level; `key` is at least as good as it.
    #[inline]
    fn set_at_touch(&mut self, key: i64, quantity: i64) {
        let is_old_touch = self.best.key == key;
        if quantity != 0 {
            self.best = Entry { key, quantity };
            if is_old_touch {
                return;
            }
        } else if is_old_touch {
            self.best = self.find_best(key);
        } else {
            return;
        }
        self.aim();
    }

    #[inline(never)]
    fn set_in_rest(&mut self, key: i64, quantity: i64) -> Result<i64, BookFull> {
        let is_below = word_of(key) < self.low;
        match self.find_in_rest(key) {
            Ok(index) if quantity == 0 => {
                self.level_count -= 1;
                self.below_count -= usize::from(is_below);
                Ok(self.rest.remove(index).quantity)
            }
            Ok(index) => Ok(std::mem::replace(&mut self.rest[index].quantity, quantity)),
            Err(_) if quantity == 0 => Ok(0),
            Err(_) if self.level_count == self.levels_max => Err(BookFull),
            Err(index) => {
                self.level_count += 1;
                self.below_count += usize::from(is_below);
                self.rest.insert(index, Entry { key, quantity });
                Ok(0)
            }
        }
    }

    /// The best level when every level at `key` and above is gone.
    fn find_best(&self, key: i64) -> Entry {
        let rest = self.rest.last().copied().unwrap_or(Entry::NONE);
        let from = word_of(key).min(self.high - 1);
        let Some(word) = self.occupied_at_or_below(from) else { return rest };
        let place = place_of(word);
        let bit = highest(self.occupancy.words[place]);
        let key = (word << 6) | i64::try_from(bit).expect("a bit index is below 64");
        if key < rest.key {
            return rest;
        }
        Entry { key, quantity: self.quantities[(place << 6) | bit] }
    }

    /// Highest word of the window, not above `word`, that holds a level.
    #[inline]
    fn occupied_at_or_below(&self, word: i64) -> Option<i64> {
        let place = self.occupancy.at_or_below(place_of(word))?;
        let place = i64::try_from(place).expect("a place is below the number of words");
        let found = word - ((word - place) & (WORD_COUNT_I64 - 1));
        // What lies above `word` shows up one turn of the circle too low.
        (self.low <= found).then_some(found)
    }

    /// Lowest word of the window that holds a level.
    #[inline]
    fn occupied_lowest(&self) -> Option<i64> {
        let place = self.occupancy.at_or_above(place_of(self.low))?;
        let place = i64::try_from(place).expect("a place is below the number of words");
        let found = self.low + ((place - self.low) & (WORD_COUNT_I64 - 1));
        debug_assert!(found < self.high);
        Some(found)
    }

    /// Chooses where the window should be, after the best level changed.
    #[inline]
    fn aim(&mut self) {
        if self.best.quantity == 0 {
            return;
        }
        let headroom = self.target + WORD_COUNT_I64 - word_of(self.best.key);
        if !(HEADROOM_MIN..=HEADROOM_MAX).contains(&headroom) {
            self.target = word_of(self.best.key) + HEADROOM - WORD_COUNT_I64;
        }
    }

    /// Moves the edges of the window a few steps towards the target.
    #[inline(never)]
    fn approach(&mut self) {
        for _ in 0..MOVES_PER_SET {
            if self.low == self.target && self.high - self.low == WORD_COUNT_I64 {
                return;
            }
            self.move_an_edge();
        }
    }

    /// One step: gives away or takes in the levels of at most one word, and any empty stretch.
    fn move_an_edge(&mut self) {
        let (low_wanted, high_wanted) = (self.target, self.target + WORD_COUNT_I64);
        if self.low == self.high {
            // Nothing in the window: it can be anywhere. It grows from the touch outward.
            self.low = word_of(self.best.key).clamp(low_wanted, high_wanted - 1);
            self.high = self.low;
            let low = self.low;
            self.below_count = self.rest.partition_point(|entry| word_of(entry.key) < low);
        }
        if self.low < low_wanted {
            match self.occupied_lowest().filter(|word| *word < low_wanted) {
                Some(word) => {
                    self.below_count += self.evict(word);
                    self.low = word + 1;
                }
                None => self.low = low_wanted.min(self.high),
            }
        } else if high_wanted < self.high {
            // Nothing to give away: the target is aimed so that the best level lies below its end.
            debug_assert!(word_of(self.best.key) < high_wanted);
            self.high = high_wanted.max(self.low);
        } else if self.high < high_wanted {
            let next = self.rest.get(self.below_count).map(|entry| word_of(entry.key));
            match next.filter(|word| *word < high_wanted) {
                Some(word) => {
                    self.high = word + 1;
                    self.admit(word, self.below_count);
                }
                None => self.high = high_wanted,
            }
        } else {
            let next = self.below_count.checked_sub(1).map(|last| word_of(self.rest[last].key));
            match next.filter(|word| low_wanted <= *word) {
                Some(word) => {
                    self.low = word;
                    let from = self.rest.partition_point(|entry| word_of(entry.key) < word);
                    self.below_count = from;
                    self.admit(word, from);
                }
                None => self.low = low_wanted,
            }
        }
    }

    /// Moves the levels of one word to the rest, between what is below and what is above the
    /// window, and returns how many there were.
    fn evict(&mut self, word: i64) -> usize {
        let place = place_of(word);
        let mut bits = self.occupancy.words[place];
        let count = bits.count_ones() as usize;
        let length = self.rest.len();
        debug_assert!(length + count <= self.rest.capacity());
        self.rest.resize(length + count, Entry::NONE);
        self.rest.copy_within(self.below_count..length, self.below_count + count);
        for index in self.below_count..self.below_count + count {
            let bit = lowest(bits);
            bits &= bits - 1;
            let quantity = &mut self.quantities[(place << 6) | bit];
            let key = (word << 6) | i64::try_from(bit).expect("a bit index is below 64");
            self.rest[index] = Entry { key, quantity: *quantity };
            *quantity = 0;
        }
        self.occupancy.unmark_word(place);
        count
    }

    /// Moves the levels of one word, which stand in the rest at `from`, into the window.
    fn admit(&mut self, word: i64, from: usize) {
        let mut to = from;
        while let Some(entry) = self.rest.get(to).filter(|entry| word_of(entry.key) == word) {
            let slot = Half::slot_of(entry.key);
            self.quantities[slot] = entry.quantity;
            self.occupancy.mark(slot >> 6, slot & 63, true);
            to += 1;
        }
        self.rest.drain(from..to);
    }

    fn clear(&mut self) {
        let mut from = self.high - 1;
        while let Some(word) = self.occupied_at_or_below(from) {
            let place = place_of(word);
            self.quantities[place << 6..(place << 6) + WORD_KEYS].fill(0);
            self.occupancy.unmark_word(place);
            from = word - 1;
        }
        self.rest.clear();
        (self.low, self.high, self.below_count, self.level_count) = (0, 0, 0, 0);
        self.best = Entry::NONE;
    }

    /// From the best level outward, until `visit` says stop.
    fn visit(&self, visit: &mut dyn FnMut(Entry) -> bool) {
        let (below, above) = self.rest.split_at(self.below_count);
        if !above.iter().rev().all(|entry| visit(*entry)) {
            return;
        }
        let mut from = self.high - 1;
        while let Some(word) = self.occupied_at_or_below(from) {
            let place = place_of(word);
            let mut bits = self.occupancy.words[place];
            while bits != 0 {
                let bit = highest(bits);
                bits ^= 1 << bit;
                let key = (word << 6) | i64::try_from(bit).expect("a bit index is below 64");
                if !visit(Entry { key, quantity: self.quantities[(place << 6) | bit] }) {
                    return;
                }
            }
            from = word - 1;
        }
        let _stopped = below.iter().rev().all(|entry| visit(*entry));
    }
}

/// Levels in a flat window around the touch; see the module's drawing.
#[derive(Debug)]
pub struct DirectBook {
    halves: [Half; 2],
    digest: u64,
}

impl Default for DirectBook {
    fn default() -> DirectBook {
        DirectBook::new()
    }
}

/// Key of a price; its own inverse, because only the sign changes.
#[inline]
const fn key_of(side: Side, price: i64) -> i64 {
    // Zero or minus one; the second turns the sign without a branch.
    let mask = -(side as i64);
    (price ^ mask) - mask
}

impl DirectBook {
    /// An empty book of up to [`LEVELS_MAX`] levels a side. The only place that allocates: 1.5 MiB,
    /// of which the system hands out only the pages that are used.
    pub fn new() -> DirectBook {
        DirectBook::with_levels_max(LEVELS_MAX)
    }

    /// An empty book of up to `levels_max` levels a side.
    pub fn with_levels_max(levels_max: usize) -> DirectBook {
        assert!(levels_max <= LEVELS_MAX);
        DirectBook { halves: [Half::new(levels_max), Half::new(levels_max)], digest: 0 }
    }

    /// Most levels of one side.
    pub fn levels_max(&self) -> usize {
        self.halves[0].levels_max
    }
}

impl Book for DirectBook {
    #[inline]
    fn set(&mut self, side: Side, price: i64, quantity: i64) -> Result<(), BookFull> {
        debug_assert!(0 <= price);
        debug_assert!(0 <= quantity);
        let old = self.halves[side.index()].set(key_of(side, price), quantity)?;
        self.digest = self
            .digest
            .wrapping_sub(level_digest(side, price, old))
            .wrapping_add(level_digest(side, price, quantity));
        Ok(())
    }

    fn clear(&mut self) {
        self.halves.iter_mut().for_each(Half::clear);
        self.digest = 0;
    }

    #[inline]
    fn best(&self, side: Side) -> Option<Level> {
        let best = self.halves[side.index()].best;
        (best.quantity != 0)
            .then(|| Level { price: key_of(side, best.key), quantity: best.quantity })
    }

    #[inline]
    fn quantity(&self, side: Side, price: i64) -> i64 {
        self.halves[side.index()].quantity(key_of(side, price))
    }

    #[inline]
    fn level_count(&self, side: Side) -> usize {
        self.halves[side.index()].level_count
    }

    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        self.halves[side.index()].visit(&mut |entry| {
            visit(Level { price: key_of(side, entry.key), quantity: entry.quantity })
        });
    }

    #[inline]
    fn digest(&self) -> u64 {
        self.digest
    }
}

impl State for DirectBook {
    fn save(&self, out: &mut Saver) {
        for side in [Side::Buy, Side::Sell] {
            out.count(self.level_count(side));
            self.visit(side, &mut |level| {
                out.i64(level.price);
                out.i64(level.quantity);
                true
            });
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.clear();
        for side in [Side::Buy, Side::Sell] {
            let mut before = None;
            for _ in 0..from.count(self.levels_max())? {
                let level = super::load_level(from, side, &mut before)?;
                self.set(side, level.price, level.quantity)
                    .expect("the count is within the book's limit");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl DirectBook {
    /// Panics unless window, bitmaps, rest, counts and best level agree.
    pub(super) fn assert_invariants(&self) {
        for half in &self.halves {
            assert!(half.high - half.low <= WORD_COUNT_I64);
            assert!(half.low <= half.high);
            let mut keys = Vec::new();
            half.visit(&mut |entry| {
                assert!(0 < entry.quantity);
                keys.push(entry.key);
                true
            });
            assert!(keys.windows(2).all(|pair| pair[1] < pair[0]));
            assert_eq!(keys.len(), half.level_count);
            assert_eq!(keys.first().copied().unwrap_or(NO_KEY), half.best.key);
            let slots_used = half.quantities.iter().filter(|q| **q != 0).count();
            assert_eq!(slots_used + half.rest.len(), half.level_count);
            assert!(half.rest.iter().all(|entry| !half.in_window(entry.key)));
            assert_eq!(half.below_count, half.rest.partition_point(|e| word_of(e.key) < half.low));
            assert_eq!(half.rest.capacity(), half.levels_max);
        }
    }

    /// Levels of a side that are in the window.
    pub(super) fn window_level_count(&self, side: Side) -> usize {
        let half = &self.halves[side.index()];
        half.level_count - half.rest.len()
    }
}
