//! Rows of several words that a reader must see whole: instruments, strategies, stalls.
//!
//! ```text
//!  writer                          reader
//!  lock = odd                      a = lock (acquire); odd: try again
//!  -- release fence --             copy the words
//!  words                           -- acquire fence --
//!  lock = even (release)           b = lock; a != b: try again
//! ```
//!
//! The writer never waits. A reader tries a bounded number of times; a row whose writer died in
//! the middle is given back as it is and marked.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::layout::{
    INSTRUMENT_WORDS, InstrumentSlot, STALL_WORDS, STRATEGY_WORDS, StallSlot, StrategySlot,
};
use super::registry::{BookState, HopId, StallCause, StrategyState};

/// Readings of one row before it is given back as torn. A write takes some 20 ns, so only a dead
/// or descheduled writer needs more than a few.
const TRY_MAX: u32 = 1000;

/// Writes words under a lock. Only one thread may write a row.
#[inline]
pub(super) fn write_locked(lock: &AtomicU64, write: impl FnOnce()) {
    let before = lock.load(Ordering::Relaxed) | 1;
    lock.store(before, Ordering::Relaxed);
    // SYNC POINT: no store of `write` may become visible before the odd lock.
    fence(Ordering::Release);
    write();
    lock.store(before.wrapping_add(1), Ordering::Release);
}

/// Reads words under a lock. The flag says whether they belong together.
pub(super) fn read_locked<T>(lock: &AtomicU64, read: impl Fn() -> T) -> (T, bool) {
    for _ in 0..TRY_MAX {
        let before = lock.load(Ordering::Acquire);
        let value = read();
        // SYNC POINT: no load of `read` may be later than the second load of the lock.
        fence(Ordering::Acquire);
        if before == lock.load(Ordering::Relaxed) && before.is_multiple_of(2) {
            return (value, true);
        }
        std::hint::spin_loop();
    }
    (read(), false)
}

fn store_all<const N: usize>(words: &[AtomicU64; N], values: [u64; N]) {
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
}

fn load_all<const N: usize>(words: &[AtomicU64; N]) -> [u64; N] {
    array::from_fn(|index| words[index].load(Ordering::Relaxed))
}

/// What changes about an instrument. Prices and quantities are integers at the scales that were
/// given with the name; money is in 10^-8 of the account currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentValues {
    /// Best bid, meaningless while `bid_quantity` is 0.
    pub bid_price: i64,
    /// Quantity at the best bid.
    pub bid_quantity: i64,
    /// Best ask, meaningless while `ask_quantity` is 0.
    pub ask_price: i64,
    /// Quantity at the best ask.
    pub ask_quantity: i64,
    /// Whether the book can be traded on.
    pub state: BookState,
    /// Net position, negative when short.
    pub position: i64,
    /// Average entry price of the position, 0 when flat.
    pub average_price: i64,
    /// Realised profit and loss.
    pub realised_e8: i64,
    /// Unrealised profit and loss.
    pub unrealised_e8: i64,
    /// Price of the last trade.
    pub last_price: i64,
    /// Quantity of the last trade.
    pub last_quantity: i64,
    /// Time of the last event of this instrument, 0 for never.
    pub updated_ns: u64,
    /// Working orders.
    pub orders_open: u64,
}

impl InstrumentValues {
    fn to_words(self) -> [u64; INSTRUMENT_WORDS] {
        [
            self.bid_price.cast_unsigned(),
            self.bid_quantity.cast_unsigned(),
            self.ask_price.cast_unsigned(),
            self.ask_quantity.cast_unsigned(),
            u64::from(self.state as u8),
            self.position.cast_unsigned(),
            self.average_price.cast_unsigned(),
            self.realised_e8.cast_unsigned(),
            self.unrealised_e8.cast_unsigned(),
            self.last_price.cast_unsigned(),
            self.last_quantity.cast_unsigned(),
            self.updated_ns,
            self.orders_open,
        ]
    }

    fn from_words(words: [u64; INSTRUMENT_WORDS]) -> Self {
        Self {
            bid_price: words[0].cast_signed(),
            bid_quantity: words[1].cast_signed(),
            ask_price: words[2].cast_signed(),
            ask_quantity: words[3].cast_signed(),
            state: BookState::from_code(words[4]),
            position: words[5].cast_signed(),
            average_price: words[6].cast_signed(),
            realised_e8: words[7].cast_signed(),
            unrealised_e8: words[8].cast_signed(),
            last_price: words[9].cast_signed(),
            last_quantity: words[10].cast_signed(),
            updated_ns: words[11],
            orders_open: words[12],
        }
    }
}

/// One instrument as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentRow {
    /// Its index in the engine's table.
    pub index: usize,
    /// Symbol.
    pub symbol: String,
    /// Venue.
    pub venue: String,
    /// Decimal places of prices.
    pub price_scale: u32,
    /// Decimal places of quantities.
    pub quantity_scale: u32,
    /// The rest.
    pub values: InstrumentValues,
    /// False when the writer died (or was away for long) in the middle of this row.
    pub is_whole: bool,
}

/// Largest scale that a reader believes; an `i64` has no more decimal places.
const SCALE_MAX: u64 = 18;

fn scale(word: u64) -> u32 {
    u32::try_from(word.min(SCALE_MAX)).expect("at most 18")
}

impl InstrumentSlot {
    pub(super) fn name(&self, symbol: &str, venue: &str, price_scale: u32, quantity_scale: u32) {
        write_locked(&self.lock, || {
            store_all(&self.fixed, [1, price_scale.into(), quantity_scale.into()]);
            self.symbol.set(symbol);
            self.venue.set(venue);
        });
    }

    #[inline]
    pub(super) fn update(&self, values: &InstrumentValues) {
        write_locked(&self.lock, || store_all(&self.values, values.to_words()));
    }

    pub(super) fn read(&self, index: usize) -> Option<InstrumentRow> {
        if self.fixed[0].load(Ordering::Relaxed) != 1 {
            return None;
        }
        let ((fixed, symbol, venue, words), is_whole) = read_locked(&self.lock, || {
            (load_all(&self.fixed), self.symbol.get(), self.venue.get(), load_all(&self.values))
        });
        Some(InstrumentRow {
            index,
            symbol,
            venue,
            price_scale: scale(fixed[1]),
            quantity_scale: scale(fixed[2]),
            values: InstrumentValues::from_words(words),
            is_whole,
        })
    }
}

/// What changes about a strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyValues {
    /// Whether it may act.
    pub state: StrategyState,
    /// Intents it sent to the risk stage.
    pub intents: u64,
    /// Intents that risk refused.
    pub refused: u64,
    /// Orders that went out for it.
    pub orders: u64,
    /// Fills it got.
    pub fills: u64,
    /// Realised profit and loss.
    pub realised_e8: i64,
    /// Unrealised profit and loss.
    pub unrealised_e8: i64,
    /// Fees paid.
    pub fees_e8: i64,
}

impl StrategyValues {
    fn to_words(self) -> [u64; STRATEGY_WORDS] {
        [
            u64::from(self.state as u8),
            self.intents,
            self.refused,
            self.orders,
            self.fills,
            self.realised_e8.cast_unsigned(),
            self.unrealised_e8.cast_unsigned(),
            self.fees_e8.cast_unsigned(),
        ]
    }

    fn from_words(words: [u64; STRATEGY_WORDS]) -> Self {
        Self {
            state: StrategyState::from_code(words[0]),
            intents: words[1],
            refused: words[2],
            orders: words[3],
            fills: words[4],
            realised_e8: words[5].cast_signed(),
            unrealised_e8: words[6].cast_signed(),
            fees_e8: words[7].cast_signed(),
        }
    }
}

/// One strategy as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategyRow {
    /// Its index in the engine's table.
    pub index: usize,
    /// Name.
    pub name: String,
    /// The rest.
    pub values: StrategyValues,
    /// False when the writer died (or was away for long) in the middle of this row.
    pub is_whole: bool,
}

impl StrategySlot {
    pub(super) fn name(&self, name: &str) {
        write_locked(&self.lock, || {
            store_all(&self.fixed, [1]);
            self.name.set(name);
        });
    }

    #[inline]
    pub(super) fn update(&self, values: &StrategyValues) {
        write_locked(&self.lock, || store_all(&self.values, values.to_words()));
    }

    pub(super) fn read(&self, index: usize) -> Option<StrategyRow> {
        if self.fixed[0].load(Ordering::Relaxed) != 1 {
            return None;
        }
        let ((name, words), is_whole) =
            read_locked(&self.lock, || (self.name.get(), load_all(&self.values)));
        Some(StrategyRow { index, name, values: StrategyValues::from_words(words), is_whole })
    }
}

/// One turn of the core loop that took longer than its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// When it ended.
    pub at_ns: u64,
    /// The inbound event being worked on.
    pub sequence: u64,
    /// The stage that took longest, when known.
    pub stage: Option<HopId>,
    /// How long the turn took.
    pub duration_ns: u64,
    /// Slots worked on in this turn.
    pub batch_count: u64,
    /// Minor page faults in this turn.
    pub minor_faults: u64,
    /// Major page faults in this turn.
    pub major_faults: u64,
    /// Times the kernel took the processor away in this turn.
    pub switches_involuntary: u64,
    /// The likeliest reason.
    pub cause: StallCause,
}

/// A batch of this size explains a stall by itself: at the budget of 45 ns an event it takes 46 us.
const LONG_BATCH_COUNT: u64 = 1024;

impl Stall {
    /// Names the likeliest reason, the gravest first: a page from the disk takes a millisecond, a
    /// lost processor some 10 us, a minor fault one.
    #[must_use]
    pub const fn judged(mut self) -> Self {
        self.cause = if 0 < self.major_faults {
            StallCause::MajorFault
        } else if 0 < self.switches_involuntary {
            StallCause::Preempted
        } else if 0 < self.minor_faults {
            StallCause::MinorFault
        } else if LONG_BATCH_COUNT <= self.batch_count {
            StallCause::LongBatch
        } else {
            StallCause::Unexplained
        };
        self
    }
}

/// Stage word of a stall whose stage is not known.
const STAGE_NONE: u64 = u64::MAX;

impl StallSlot {
    pub(super) fn write(&self, number: u64, stall: &Stall) {
        let words: [u64; STALL_WORDS] = [
            number,
            stall.at_ns,
            stall.sequence,
            stall.stage.map_or(STAGE_NONE, |hop| u64::from(hop as u8)),
            stall.duration_ns,
            stall.batch_count,
            stall.minor_faults,
            stall.major_faults,
            stall.switches_involuntary,
            u64::from(stall.cause as u8),
        ];
        write_locked(&self.lock, || store_all(&self.values, words));
    }

    /// The number of the stall and the stall; nothing while it is being replaced.
    pub(super) fn read(&self) -> Option<(u64, Stall)> {
        let (words, is_whole) = read_locked(&self.lock, || load_all(&self.values));
        if !is_whole || words[0] == 0 {
            return None;
        }
        let stall = Stall {
            at_ns: words[1],
            sequence: words[2],
            stage: HopId::from_code(words[3]),
            duration_ns: words[4],
            batch_count: words[5],
            minor_faults: words[6],
            major_faults: words[7],
            switches_involuntary: words[8],
            cause: StallCause::from_code(words[9]),
        };
        Some((words[0], stall))
    }
}
