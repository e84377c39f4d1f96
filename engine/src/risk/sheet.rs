//! The exposure sheet: entries of all instruments, and their sums, of the account or of one strategy.
//!
//! Sums are kept, not summed: an entry that has changed is taken out and put in again when somebody asks.
//! A sum that cannot be told is told as the worst.

use crate::event::Side;
use crate::instrument::{InstrumentIndex, InstrumentTable};
use crate::market::Market;
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::exposure::{Entry, Worth, mark_twice};

/// Largest position that a snapshot may hold: far beyond what 64-bit fills add up to, and far from where sums
/// of quantities would leave 128 bits.
const POSITION_MAX: u128 = 1 << 100;

/// Entries by instrument, cash and sums.
#[derive(Debug)]
pub(super) struct Sheet {
    entries: Box<[Entry]>,
    /// One bit an instrument: it is active, or was when its worth was worked out last.
    active: Box<[u64]>,
    /// Paid and received over all instruments.
    pub(super) cash: Money,
    /// A number left the range of money: equity is no longer known.
    pub(super) is_broken: bool,
    value_sum: i128,
    value_unknown_count: u32,
    gross_sum: i128,
    gross_unknown_count: u32,
    /// Stamps of the markets that [`Sheet::equity_near`] has seen last, by instrument; 0 is never.
    seen_stamps: Box<[u64]>,
    /// What the positions were worth at those.
    seen_values: Box<[i128]>,
    /// Sum of them.
    seen_sum: i128,
}

/// Number of the lowest bit that is set, of a word that is not 0.
#[inline(always)]
fn bit_index(word: u64) -> usize {
    usize::try_from(word.trailing_zeros()).unwrap_or(0)
}

impl Sheet {
    pub(super) fn new(instruments: &InstrumentTable) -> Sheet {
        Sheet {
            entries: instruments.iter().map(|(_, instrument)| Entry::new(instrument)).collect(),
            active: vec![0; instruments.count().div_ceil(64)].into_boxed_slice(),
            cash: Money::ZERO,
            is_broken: false,
            value_sum: 0,
            value_unknown_count: 0,
            gross_sum: 0,
            gross_unknown_count: 0,
            seen_stamps: vec![0; instruments.count()].into_boxed_slice(),
            seen_values: vec![0; instruments.count()].into_boxed_slice(),
            seen_sum: 0,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    #[inline]
    pub(super) fn get(&self, instrument: InstrumentIndex) -> Option<&Entry> {
        self.entries.get(usize::from(instrument))
    }

    /// An entry to be changed; it counts as active until its worth is worked out.
    #[inline]
    pub(super) fn get_mut(&mut self, instrument: InstrumentIndex) -> Option<&mut Entry> {
        let index = usize::from(instrument);
        let entry = self.entries.get_mut(index)?;
        self.active[index / 64] |= 1 << (index % 64);
        Some(entry)
    }

    /// Adds what is held back for a new order at that price.
    #[inline(always)]
    pub(super) fn reserve_new(
        &mut self,
        instrument: InstrumentIndex,
        side: Side,
        quantity: i64,
        notional: i128,
        price: i64,
    ) {
        let index = usize::from(instrument);
        let Some(entry) = self.entries.get_mut(index) else { return };
        // What is active has its bit.
        if !entry.is_active() {
            self.active[index / 64] |= 1 << (index % 64);
        }
        entry.reserve_new(side, quantity, notional);
        entry.see_price(price);
    }

    /// The last known mark without touching anything else: an entry that is not active keeps it.
    #[inline]
    pub(super) fn see(&mut self, instrument: InstrumentIndex, mark_twice: i64) -> Option<&Entry> {
        // Nothing follows from the mark of what is not held: no bit is set for it.
        let entry = self.entries.get_mut(usize::from(instrument))?;
        entry.see(mark_twice);
        Some(entry)
    }

    /// Brings every worth up to date; `mark_twice` says what is known of an instrument's mark, 0 for nothing.
    #[inline]
    pub(super) fn refresh(&mut self, mark_twice: impl Fn(InstrumentIndex) -> i64) {
        for word_index in 0..self.active.len() {
            let mut word = self.active[word_index];
            while word != 0 {
                let bit = word.trailing_zeros();
                word &= word - 1;
                self.refresh_one(word_index, bit, &mark_twice);
            }
        }
    }

    /// Cash and positions at the present marks, without working out what sides are worth; `None` when a mark is
    /// not near its anchor any more, or the long way must be gone. Looks only at markets that were written since.
    #[inline(always)]
    pub(super) fn equity_near(&mut self, market: &Market) -> Option<i128> {
        for word_index in 0..self.active.len() {
            let mut word = self.active[word_index];
            while word != 0 {
                let index = word_index * 64 + bit_index(word);
                word &= word - 1;
                if self.seen_stamps.get(index) != market.stamps().get(index) {
                    self.look_at(index, market)?;
                }
            }
        }
        if self.is_broken { None } else { self.cash.0.checked_add(self.seen_sum) }
    }

    #[inline(always)]
    fn look_at(&mut self, index: usize, market: &Market) -> Option<()> {
        let (entry, value) = (self.entries.get_mut(index)?, self.seen_values.get_mut(index)?);
        if entry.is_active() {
            let now = entry.value_near(mark_twice(market.at(index)))?;
            // Values are far from the end of 128 bits, and as many as there are instruments.
            self.seen_sum += now - *value;
            *value = now;
            *self.seen_stamps.get_mut(index)? = *market.stamps().get(index)?;
        }
        Some(())
    }

    /// Whether `other`, of which every mark is followed, has a position wherever this one has.
    pub(super) fn is_followed_by(&self, other: &Sheet) -> bool {
        let mut pairs = self.entries.iter().zip(&other.entries);
        pairs.all(|(own, other)| own.position == 0 || other.position != 0)
    }

    /// Anchors every mark anew unless all are near. Returns whether they were.
    pub(super) fn anchor(&mut self) -> bool {
        let mut active = self.entries.iter_mut().filter(|entry| entry.is_active());
        if active.all(|entry| entry.is_near_anchor()) {
            return true;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.is_active()) {
            entry.anchor();
        }
        false
    }

    /// Brings the worth of one entry up to date.
    pub(super) fn refresh_at(&mut self, instrument: InstrumentIndex, mark_twice: i64) {
        let index = usize::from(instrument);
        let Some(_) = self.entries.get(index) else { return };
        self.refresh_one(index / 64, u32::from(instrument % 64), &|_| mark_twice);
    }

    /// Sum of the worse sides as of the last refresh; `None` when nobody can tell.
    pub(super) fn gross_known(&self) -> Option<i128> {
        if self.gross_unknown_count == 0 { Some(self.gross_sum) } else { None }
    }

    #[inline(always)]
    fn refresh_one(
        &mut self,
        word_index: usize,
        bit: u32,
        mark_twice: &impl Fn(InstrumentIndex) -> i64,
    ) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 1,024 instruments")]
        let instrument = (word_index as u16) * 64 + bit as u16;
        let entry = &mut self.entries[usize::from(instrument)];
        if entry.is_active() {
            entry.see(mark_twice(instrument));
        } else {
            self.active[word_index] &= !(1 << bit);
        }
        if !entry.is_changed {
            return;
        }
        entry.is_changed = false;
        let now = entry.worth_now();
        let before = entry.worth;
        entry.worth = now;
        self.count(&before, &now);
    }

    #[inline(always)]
    fn count(&mut self, before: &Worth, now: &Worth) {
        match before.value() {
            Some(value) => self.value_sum -= value,
            None => self.value_unknown_count -= 1,
        }
        match now.value() {
            Some(value) => self.value_sum += value,
            None => self.value_unknown_count += 1,
        }
        match before.gross() {
            Money::MAX => self.gross_unknown_count -= 1,
            gross => self.gross_sum -= gross.0,
        }
        match now.gross() {
            Money::MAX => self.gross_unknown_count += 1,
            gross => self.gross_sum += gross.0,
        }
    }

    /// Cash and positions at their marks; what cannot be told is worse than every limit. As of the last
    /// [`Sheet::refresh`].
    #[inline]
    pub(super) fn equity(&self) -> Money {
        if self.is_broken || self.value_unknown_count != 0 {
            return Money(i128::MIN);
        }
        Money(self.cash.0.checked_add(self.value_sum).unwrap_or(i128::MIN))
    }

    /// Sum of the worse sides of all instruments, with `gross` in the place of that one's. As of the last
    /// [`Sheet::refresh`].
    #[inline]
    pub(super) fn gross_with(&self, entry: &Entry, gross: Money) -> Money {
        let own = entry.worth.gross();
        let unknown_count = self.gross_unknown_count - u32::from(own == Money::MAX);
        if unknown_count != 0 || gross == Money::MAX {
            return Money::MAX;
        }
        let others = if own == Money::MAX { self.gross_sum } else { self.gross_sum - own.0 };
        Money(others + gross.0)
    }

    /// Sum of the worse sides of all instruments, worked out anew.
    pub(super) fn gross(&self) -> Money {
        self.entries.iter().fold(Money::ZERO, |sum, entry| sum.plus(entry.worth_now().gross()))
    }

    /// Takes over what was paid for an instrument.
    pub(super) fn pay(&mut self, instrument: InstrumentIndex, paid: Money) {
        match self.cash.0.checked_sub(paid.0) {
            Some(cash) => self.cash = Money(cash),
            None => self.is_broken = true,
        }
        if let Some(entry) = self.entries.get_mut(usize::from(instrument)) {
            entry.cash = entry.cash.minus(paid);
        }
    }

    /// A fill: position and cash.
    pub(super) fn trade(&mut self, instrument: InstrumentIndex, price: i64, signed: i128) {
        let Some(entry) = self.get_mut(instrument) else {
            self.is_broken = true;
            return;
        };
        entry.set_position(entry.position.saturating_add(signed));
        entry.see_price(price);
        let paid = entry.value(price, signed);
        self.forget(usize::from(instrument));
        match paid {
            Some(paid) => self.pay(instrument, Money(paid)),
            None => self.is_broken = true,
        }
    }

    /// Another position has another value.
    fn forget(&mut self, index: usize) {
        self.seen_sum -= self.seen_values[index];
        (self.seen_stamps[index], self.seen_values[index]) = (0, 0);
    }

    /// Hash of positions and cash.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        let hash = mix_wide(mix(hash, u64::from(self.is_broken)), self.cash.0);
        self.entries.iter().filter(|entry| entry.is_active()).fold(hash, |hash, entry| {
            mix_wide(mix_wide(hash, entry.position), entry.working[0] ^ entry.working[1] << 64)
        })
    }
}

/// Both halves of a wide word.
pub(super) fn mix_wide(hash: u64, word: i128) -> u64 {
    let bytes = word.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    let half = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("a half has eight bytes"));
    mix(mix(hash, half(low)), half(high))
}

impl State for Sheet {
    /// Reservations are not saved: they are made again from the orders.
    fn save(&self, out: &mut Saver) {
        out.bool(self.is_broken);
        out.i128(self.cash.0);
        out.count(self.entries.len());
        for entry in &self.entries {
            out.i128(entry.position);
            out.i128(entry.cash.0);
            out.i128(i128::from(entry.mark_twice));
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.is_broken = from.bool()?;
        self.cash = Money(from.i128()?);
        if from.count(self.entries.len())? != self.entries.len() {
            return Err(from.invalid("number of instruments"));
        }
        self.active.fill(0);
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let position = from.i128()?;
            if POSITION_MAX < position.unsigned_abs() {
                return Err(from.invalid("position"));
            }
            entry.cash = Money(from.i128()?);
            let mark_twice = i64::try_from(from.i128()?);
            entry.mark_twice = mark_twice.map_err(|_| from.invalid("mark"))?;
            entry.clear_working();
            entry.set_position(position);
            entry.worth = Worth::NOTHING;
            self.active[index / 64] |= 1 << (index % 64);
        }
        (self.value_sum, self.value_unknown_count) = (0, 0);
        (self.gross_sum, self.gross_unknown_count) = (0, 0);
        self.seen_stamps.fill(0);
        self.seen_values.fill(0);
        self.seen_sum = 0;
        Ok(())
    }
}
