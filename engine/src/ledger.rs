//! Ledger: positions, cost basis, realised and unrealised profit, fees. Exact, per strategy and in total.
//!
//! ```text
//!   oms --fill, fee--> [ ledger ] --position--> risk, reports
//! ```
//! Cost is kept as an amount of money, not as an average price: an average is a quotient and would
//! have to be rounded. A fill that closes `closed` of `position` releases
//! `basis * closed / position`, rounded down to 10^-12; the remainder stays in the basis and is
//! released by the last close. A fill that crosses zero closes first and opens with what is left.
//!
//! **Invariant:** for every row, at every moment, exactly: `realised - basis = cash flow`, where cash
//! flow is what sells brought minus what buys cost. So realised plus unrealised minus fees is always
//! cash plus the value of the position minus fees, whatever was rounded.
//!
//! A fee in kind is a `FILL` with `IN_KIND`: the venue takes the fee's quantity, as if it had been sold at
//! the fill's price, and the `FEE` after it costs exactly what that sale brought (up to 10^-8).
//!
//! **Invariant:** a row that is flat has no basis.

#[cfg(test)]
mod tests;

use crate::event::kind::KindSet;
use crate::event::{Event, Kind, NO_STRATEGY, STRATEGY_COUNT_MAX, Side, flags};
use crate::instrument::{Instrument, InstrumentIndex, InstrumentTable};
use crate::market::{InstrumentMarket, Market};
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

/// What one strategy has in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Net quantity in quantity units; long is above zero.
    pub quantity: i64,
    /// What the open quantity cost; below zero for a short (what it brought).
    pub basis: Money,
    /// Profit of what was closed, before fees.
    pub realised: Money,
    /// Fees paid minus rebates.
    pub fees: Money,
    /// Quantity bought so far.
    pub bought: i128,
    /// Quantity sold so far, fees in kind included.
    pub sold: i128,
    /// Sum of the notionals of all fills.
    pub volume: Money,
    /// Number of fills.
    pub fill_count: u64,
}

impl Position {
    /// What sells brought minus what buys cost, before fees.
    pub fn cash_flow(&self) -> Money {
        self.realised.minus(self.basis)
    }

    /// Value at twice the mark price, rounded down to 10^-12 when the mid lies between two of them.
    pub fn value(&self, instrument: &Instrument, mark_twice: i64) -> Money {
        Money(instrument.notional(mark_twice, self.quantity).0.div_euclid(2))
    }

    /// What closing at the mark would realise; zero when flat, `None` without a mark.
    pub fn unrealised(&self, instrument: &Instrument, mark_twice: Option<i64>) -> Option<Money> {
        if self.quantity == 0 {
            return Some(Money::ZERO.minus(self.basis));
        }
        Some(self.value(instrument, mark_twice?).minus(self.basis))
    }

    /// Whether anything ever happened here.
    pub fn is_used(&self) -> bool {
        *self != Position::default()
    }

    #[inline]
    fn fill(&mut self, instrument: &Instrument, fill: &Event) {
        let sign = fill.side().sign();
        let signed = sign.saturating_mul(fill.quantity);
        let is_closing = self.quantity.signum() == -sign;
        let closed = if is_closing {
            // A fill's quantity is above zero, so the smaller magnitude fits.
            fill.quantity.min(self.quantity.saturating_abs())
        } else {
            0
        };
        if 0 < closed {
            let released = released(self.basis, closed, self.quantity.saturating_abs());
            let cost = instrument.notional(fill.price, sign.saturating_mul(closed));
            self.basis = self.basis.minus(released);
            self.realised = self.realised.minus(cost).minus(released);
        }
        let opened = sign.saturating_mul(fill.quantity - closed);
        self.basis = self.basis.plus(instrument.notional(fill.price, opened));
        self.quantity = self.quantity.saturating_add(signed);
        match fill.side() {
            Side::Buy => self.bought = add(self.bought, fill.quantity),
            Side::Sell => self.sold = add(self.sold, fill.quantity),
        }
        if fill.has(flags::IN_KIND) {
            return; // Kept by the venue, not traded.
        }
        let notional = instrument.notional(fill.price, fill.quantity);
        self.volume = self.volume.plus(notional.magnitude());
        self.fill_count = self.fill_count.saturating_add(1);
    }

    #[inline]
    fn digest(&self, index: usize) -> u64 {
        if !self.is_used() {
            return 0;
        }
        let mut hash = u64::try_from(index).expect("an index fits 64 bits");
        hash = mix(hash, self.quantity.cast_unsigned());
        for amount in [self.basis.0, self.realised.0, self.fees.0] {
            let (low, high) =
                (amount & i128::from(u64::MAX), (amount >> 64) & i128::from(u64::MAX));
            hash = mix(hash, u64::try_from(low).expect("masked to 64 bits"));
            hash = mix(hash, u64::try_from(high).expect("masked to 64 bits"));
        }
        mix(hash, self.fill_count)
    }
}

fn add(sum: i128, quantity: i64) -> i128 {
    sum.saturating_add(i128::from(quantity))
}

/// `basis * closed / position`, rounded down; `0 < closed <= position`. Split so that no product is
/// wider than 128 bits.
#[inline]
fn released(basis: Money, closed: i64, position: i64) -> Money {
    let (closed, position) = (i128::from(closed), i128::from(position));
    let whole = basis.0.div_euclid(position);
    let rest = basis.0.rem_euclid(position);
    // What is released is never larger than the basis, so what wraps in between wraps back.
    Money(whole.wrapping_mul(closed).wrapping_add(rest * closed / position))
}

/// One line of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The strategy, or [`NO_STRATEGY`] for fills that belong to none.
    pub source: u16,
    /// The instrument.
    pub instrument: InstrumentIndex,
    /// What there is.
    pub position: Position,
}

/// Sums over rows, in the account currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Profit of what was closed, before fees.
    pub realised: Money,
    /// What closing the marked rows would realise.
    pub unrealised: Money,
    /// Fees paid minus rebates.
    pub fees: Money,
    /// What sells brought minus what buys cost, before fees.
    pub cash_flow: Money,
    /// Value of the marked positions.
    pub value: Money,
    /// Sum of the notionals of all fills.
    pub volume: Money,
    /// Number of fills.
    pub fill_count: u64,
    /// Open rows that have no mark price: they are in `cash_flow`, but in neither `unrealised` nor `value`.
    pub unmarked_count: u64,
}

impl Totals {
    /// Profit after fees: realised plus unrealised minus fees.
    pub fn net(&self) -> Money {
        self.realised.plus(self.unrealised).minus(self.fees)
    }
}

/// Positions of every strategy in every instrument; sees `FILL` and `FEE`, tells `POSITION`.
#[derive(Debug)]
pub struct Ledger {
    instruments: InstrumentTable,
    strategy_count: usize,
    /// Row `strategy * instrument count + instrument`; the last strategy is "none".
    positions: Box<[Position]>,
    /// The fill whose fee is expected next: row and order.
    filled: Option<(usize, u64)>,
    digest: u64,
}

impl Ledger {
    /// Kinds that the ledger looks at.
    pub const INTEREST: KindSet = KindSet::of(&[Kind::FILL, Kind::FEE]);

    /// A ledger in which nothing ever happened.
    pub fn new(strategy_count: usize, instruments: InstrumentTable) -> Ledger {
        assert!(strategy_count <= STRATEGY_COUNT_MAX);
        let row_count = (strategy_count + 1) * instruments.count();
        let positions = vec![Position::default(); row_count].into_boxed_slice();
        Ledger { instruments, strategy_count, positions, filled: None, digest: 0 }
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::FILL => self.fill(event),
            Kind::FEE => self.fee(event, out),
            _ => {}
        }
    }

    fn fill(&mut self, event: &Event) {
        let Some(instrument) = self.instruments.get(event.instrument) else { return };
        // The OMS lets nothing else pass; other bytes must not move a position.
        if event.quantity <= 0 {
            return;
        }
        let index = self.index(event.source, event.instrument);
        let before = self.positions[index];
        self.positions[index].fill(instrument, event);
        self.changed(index, &before);
        self.filled = Some((index, event.id));
    }

    fn fee(&mut self, event: &Event, out: &mut Emitter<'_>) {
        if self.instruments.get(event.instrument).is_none() {
            return;
        }
        let index = self.index(event.source, event.instrument);
        let before = self.positions[index];
        let position = &mut self.positions[index];
        position.fees = position.fees.plus(Money::from_event(event.quantity));
        let mut told = Event::new(Kind::POSITION);
        told.instrument = event.instrument;
        told.source = event.source;
        told.price = position.realised.to_event();
        told.quantity = position.quantity;
        told.id = match self.filled.take() {
            Some((filled, order_id)) if filled == index => order_id,
            Some(_) | None => 0,
        };
        told.flags = flags::LAST;
        self.changed(index, &before);
        out.emit(told);
    }

    /// Row of a strategy and an instrument of the table; strangers share the last strategy's.
    #[inline]
    fn index(&self, source: u16, instrument: InstrumentIndex) -> usize {
        let strategy = usize::from(source).min(self.strategy_count);
        strategy * self.instruments.count() + usize::from(instrument)
    }

    #[inline]
    fn changed(&mut self, index: usize, before: &Position) {
        let now = self.positions[index].digest(index);
        self.digest = self.digest.wrapping_sub(before.digest(index)).wrapping_add(now);
    }

    /// What a strategy (or [`NO_STRATEGY`]) has in an instrument; `None` for what no table holds.
    pub fn position(&self, source: u16, instrument: InstrumentIndex) -> Option<&Position> {
        // The operator's own orders, numbered after the last strategy, share the row of nobody's fills.
        let known = usize::from(source) <= self.strategy_count || source == NO_STRATEGY;
        self.instruments.get(instrument).filter(|_| known)?;
        self.positions.get(self.index(source, instrument))
    }

    /// Every row in which something happened, by strategy, then by instrument.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let count = self.instruments.count();
        self.positions.iter().enumerate().filter(|(_, position)| position.is_used()).map(
            move |(index, position)| {
                let (strategy, instrument) = (index / count, index % count);
                let source = u16::try_from(strategy).expect("at most 256 strategies");
                let is_none = strategy == self.strategy_count;
                Row {
                    source: if is_none { NO_STRATEGY } else { source },
                    instrument: u16::try_from(instrument).expect("at most 1,024 instruments"),
                    position: *position,
                }
            },
        )
    }

    /// Profit of a row at the market's mark; zero when flat, `None` when the market has no mark.
    pub fn unrealised(&self, row: &Row, market: &Market) -> Option<Money> {
        let instrument = self.instruments.get(row.instrument)?;
        let mark_twice = market.get(row.instrument).and_then(InstrumentMarket::mark_twice);
        row.position.unrealised(instrument, mark_twice)
    }

    /// Sums over the rows that `wanted` picks, at the market's marks.
    pub fn totals(&self, market: &Market, wanted: impl Fn(&Row) -> bool) -> Totals {
        let mut totals = Totals::default();
        for row in self.rows().filter(|row| wanted(row)) {
            let position = &row.position;
            totals.realised = totals.realised.plus(position.realised);
            totals.fees = totals.fees.plus(position.fees);
            totals.cash_flow = totals.cash_flow.plus(position.cash_flow());
            totals.volume = totals.volume.plus(position.volume);
            totals.fill_count = totals.fill_count.saturating_add(position.fill_count);
            match self.unrealised(&row, market) {
                Some(unrealised) => {
                    totals.unrealised = totals.unrealised.plus(unrealised);
                    totals.value = totals.value.plus(unrealised).plus(position.basis);
                }
                None => totals.unmarked_count += 1,
            }
        }
        totals
    }

    /// Hash of all rows; kept up to date by every change, so that asking costs nothing.
    pub fn digest(&self) -> u64 {
        match self.filled {
            Some((_, order_id)) => mix(self.digest, order_id),
            None => self.digest,
        }
    }
}

impl State for Position {
    fn save(&self, out: &mut Saver) {
        out.i64(self.quantity);
        out.i128(self.basis.0);
        out.i128(self.realised.0);
        out.i128(self.fees.0);
        out.i128(self.bought);
        out.i128(self.sold);
        out.i128(self.volume.0);
        out.u64(self.fill_count);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        *self = Position {
            quantity: from.i64()?,
            basis: Money(from.i128()?),
            realised: Money(from.i128()?),
            fees: Money(from.i128()?),
            bought: from.i128()?,
            sold: from.i128()?,
            volume: Money(from.i128()?),
            fill_count: from.u64()?,
        };
        Ok(())
    }
}

impl State for Ledger {
    fn save(&self, out: &mut Saver) {
        out.count(self.positions.len());
        out.count(self.instruments.count());
        for position in &self.positions {
            out.bool(position.is_used());
            if position.is_used() {
                position.save(out);
            }
        }
        out.bool(self.filled.is_some());
        if let Some((index, order_id)) = self.filled {
            out.count(index);
            out.u64(order_id);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let row_count = self.positions.len();
        let instrument_count = self.instruments.count();
        if from.count(row_count)? != row_count || from.count(instrument_count)? != instrument_count
        {
            return Err(from.invalid("number of strategies or instruments"));
        }
        self.digest = 0;
        for (index, position) in self.positions.iter_mut().enumerate() {
            *position = Position::default();
            if from.bool()? {
                position.load(from)?;
            }
            self.digest = self.digest.wrapping_add(position.digest(index));
        }
        self.filled = None;
        if from.bool()? {
            let index = from.count(row_count - 1)?;
            self.filled = Some((index, from.u64()?));
        }
        Ok(())
    }
}
