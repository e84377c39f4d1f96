//! What the monitor knows of positions: one row a strategy and instrument, cash, round trips.
//!
//! A round trip of a row begins with the fill that brings its position to a lot or more, and ends with the
//! fill that brings it below a lot or to the other side. Less than a lot is no position: fees that a venue
//! keeps in kind leave crumbs that nobody can sell. Its result is what the row realised between the two,
//! less fees, at average cost as in the ledger; the fees of a fill that turns a position over belong to the
//! trip that it ends.
//!
//! **Invariant:** cash, basis and realised profit move by fills and fees alone, and as the ledger's do.

use crate::event::{Event, Side, flags};
use crate::instrument::{Instrument, InstrumentIndex, InstrumentTable};
use crate::market::{InstrumentMarket, Market};
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State, mix};

/// One strategy in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Net position; long is above zero.
    pub(super) quantity: i64,
    /// What it cost; below zero for a short.
    basis: Money,
    /// Realised profit less fees.
    result: Money,
    /// Side of the round trip under way, 0 for none.
    trip_sign: i64,
    /// `result` at its begin.
    trip_start: Money,
    /// A fill ended a trip; its fee follows.
    is_ending: bool,
}

impl Row {
    fn fill(&mut self, instrument: &Instrument, fill: &Event) {
        let sign = fill.side().sign();
        let held = self.quantity.saturating_abs();
        let is_closing = self.quantity.signum() == -sign;
        let closed = if is_closing { fill.quantity.min(held) } else { 0 };
        let before = self.result;
        if 0 < closed {
            let released = share(self.basis, closed, held);
            let brought = instrument.notional(fill.price, sign.saturating_mul(closed));
            self.basis = self.basis.minus(released);
            self.result = self.result.minus(brought).minus(released);
        }
        let opened = sign.saturating_mul(fill.quantity - closed);
        self.basis = self.basis.plus(instrument.notional(fill.price, opened));
        self.quantity = self.quantity.saturating_add(sign.saturating_mul(fill.quantity));
        if fill.has(flags::IN_KIND) {
            return; // The venue's share of a fill begins and ends nothing.
        }
        let is_held = instrument.lot <= self.quantity.saturating_abs();
        let now = if is_held { self.quantity.signum() } else { 0 };
        if now == self.trip_sign {
            return;
        }
        if self.trip_sign == 0 {
            self.trip_start = before;
        } else {
            self.is_ending = true;
        }
        self.trip_sign = now;
    }

    /// Pays a fee. The result of the trip that ended with the fill before it, if one did.
    fn pay(&mut self, fee: Money) -> Option<Money> {
        self.result = self.result.minus(fee);
        if !self.is_ending {
            return None;
        }
        self.is_ending = false;
        let result = self.result.minus(self.trip_start);
        self.trip_start = self.result;
        Some(result)
    }

    fn digest(&self, index: usize) -> u64 {
        if *self == Row::default() {
            return 0;
        }
        let mut hash = u64::try_from(index).unwrap_or(u64::MAX);
        hash = mix(hash, self.quantity.cast_unsigned());
        for amount in [self.basis.0, self.result.0, self.trip_start.0] {
            let low = amount & i128::from(u64::MAX);
            let high = (amount >> 64) & i128::from(u64::MAX);
            hash = mix(hash, u64::try_from(low).unwrap_or(0));
            hash = mix(hash, u64::try_from(high).unwrap_or(0));
        }
        mix(hash, self.trip_sign.cast_unsigned() << 1 | u64::from(self.is_ending))
    }
}

/// `basis * closed / held`, rounded down; `0 < closed <= held`. Split, so that no product leaves 128 bits.
fn share(basis: Money, closed: i64, held: i64) -> Money {
    let (closed, held) = (i128::from(closed), i128::from(held));
    let (whole, rest) = (basis.0.div_euclid(held), basis.0.rem_euclid(held));
    // What is released is never larger than the basis, so what wraps in between wraps back.
    Money(whole.wrapping_mul(closed).wrapping_add(rest * closed / held))
}

/// Sums over open rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worth {
    /// Without regard to sign.
    pub(super) gross: Money,
    /// With it.
    pub(super) net: Money,
    /// What is lost if every row runs to its stop, times basis points in one.
    at_stop: i128,
}

impl Worth {
    fn add(&mut self, value: Money, stop_bps: u32) {
        self.gross = self.gross.plus(value.magnitude());
        self.net = self.net.plus(value);
        let lost = value.magnitude().0.saturating_mul(i128::from(stop_bps));
        self.at_stop = self.at_stop.saturating_add(lost);
    }

    /// What is lost at the stops, 10^-8, rounded up.
    pub(super) fn at_stop_e8(&self) -> i64 {
        // `Money` has four places more than 10^-8, and the basis points four.
        let unit = 100_000_000;
        let whole = self.at_stop / unit + i128::from(self.at_stop % unit != 0);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }
}

/// All rows.
#[derive(Debug)]
pub(super) struct Account {
    instruments: InstrumentTable,
    /// Strategies, the operators' own row, and one for fills that belong to none.
    source_count: usize,
    /// Row `instrument * source count + source`.
    rows: Box<[Row]>,
    /// By instrument: rows with a position.
    open_counts: Box<[usize]>,
    /// By instrument: twice the last known mark; 0 before the first.
    marks_twice: Box<[i64]>,
    /// By source: loss at the stop, basis points.
    stops_bps: Box<[u32]>,
    /// Received less paid, fees included.
    cash: Money,
    digest: u64,
}

impl Account {
    pub(super) fn new(
        instruments: InstrumentTable,
        strategy_count: usize,
        stop_bps: impl Fn(usize) -> u32,
    ) -> Account {
        let source_count = strategy_count + 2;
        Account {
            rows: vec![Row::default(); source_count * instruments.count()].into_boxed_slice(),
            open_counts: vec![0; instruments.count()].into_boxed_slice(),
            marks_twice: vec![0; instruments.count()].into_boxed_slice(),
            stops_bps: (0..source_count).map(stop_bps).collect(),
            instruments,
            source_count,
            cash: Money::ZERO,
            digest: 0,
        }
    }

    pub(super) fn source_count(&self) -> usize {
        self.source_count
    }

    pub(super) fn instrument_count(&self) -> usize {
        self.open_counts.len()
    }

    /// Place of a source in tables by source; what no table holds is the last one's.
    pub(super) fn source_index(&self, source: u16) -> usize {
        usize::from(source).min(self.source_count - 1)
    }

    /// Net position of a row.
    #[cfg(test)]
    pub(super) fn quantity(&self, instrument: usize, source: usize) -> i64 {
        self.rows[instrument * self.source_count + source].quantity
    }

    fn row_index(&self, event: &Event) -> usize {
        usize::from(event.instrument) * self.source_count + self.source_index(event.source)
    }

    /// Books a `FILL`.
    pub(super) fn fill(&mut self, event: &Event) {
        let Some(instrument) = self.instruments.get(event.instrument) else { return };
        // The OMS lets nothing else pass; other bytes must not move a position.
        if event.quantity <= 0 {
            return;
        }
        let index = self.row_index(event);
        let before = self.rows[index];
        self.rows[index].fill(instrument, event);
        let signed = match event.side() {
            Side::Buy => event.quantity,
            Side::Sell => event.quantity.saturating_neg(),
        };
        self.cash = self.cash.minus(instrument.notional(event.price, signed));
        let place = usize::from(event.instrument);
        self.open_counts[place] += usize::from(self.rows[index].quantity != 0);
        self.open_counts[place] -= usize::from(before.quantity != 0);
        // A price stands in for a mark as long as the market never said anything.
        if self.marks_twice[place] == 0 && 0 < event.price {
            self.marks_twice[place] = event.price.saturating_mul(2);
        }
        self.changed(index, &before);
    }

    /// Books a `FEE`; the result of the round trip that is over with it, if one is.
    pub(super) fn fee(&mut self, event: &Event) -> Option<Money> {
        self.instruments.get(event.instrument)?;
        let index = self.row_index(event);
        let before = self.rows[index];
        let fee = Money::from_event(event.quantity);
        let result = self.rows[index].pay(fee);
        self.cash = self.cash.minus(fee);
        self.changed(index, &before);
        result
    }

    fn changed(&mut self, index: usize, before: &Row) {
        let now = self.rows[index].digest(index);
        self.digest = self.digest.wrapping_sub(before.digest(index)).wrapping_add(now);
    }

    /// Takes over what the market says of the instruments with a position; the last known mark stays
    /// when it says nothing.
    pub(super) fn see(&mut self, market: &Market) {
        for (index, open) in (0..).zip(&self.open_counts) {
            let mark = if *open == 0 { None } else { market.get(index) };
            let mark = mark.and_then(InstrumentMarket::mark_twice).filter(|twice| 0 < *twice);
            if let Some(mark) = mark {
                self.marks_twice[usize::from(index)] = mark;
            }
        }
    }

    /// Value of a row at the mark, rounded down to 10^-12; zero without a position or a mark.
    fn value(&self, instrument: usize, source: usize) -> Money {
        let row = &self.rows[instrument * self.source_count + source];
        let known = InstrumentIndex::try_from(instrument).ok();
        match known.and_then(|index| self.instruments.get(index)) {
            Some(known) if row.quantity != 0 => {
                let twice = known.notional(self.marks_twice[instrument], row.quantity);
                Money(twice.0.div_euclid(2))
            }
            Some(_) | None => Money::ZERO,
        }
    }

    fn add_instrument(&self, worth: &mut Worth, instrument: usize) {
        if self.open_counts[instrument] == 0 {
            return;
        }
        for source in 0..self.source_count {
            worth.add(self.value(instrument, source), self.stops_bps[source]);
        }
    }

    /// Of all rows.
    pub(super) fn worth(&self) -> Worth {
        let mut worth = Worth::default();
        for instrument in 0..self.open_counts.len() {
            self.add_instrument(&mut worth, instrument);
        }
        worth
    }

    /// Of the rows of one instrument.
    pub(super) fn worth_of_instrument(&self, instrument: usize) -> Worth {
        let mut worth = Worth::default();
        self.add_instrument(&mut worth, instrument);
        worth
    }

    /// Of the rows of one strategy.
    pub(super) fn worth_of_source(&self, source: usize) -> Worth {
        let mut worth = Worth::default();
        for (instrument, open) in self.open_counts.iter().enumerate() {
            if *open != 0 {
                worth.add(self.value(instrument, source), self.stops_bps[source]);
            }
        }
        worth
    }

    /// Profit since the first session: cash, and positions at the mark.
    pub(super) fn profit(&self, worth: &Worth) -> Money {
        self.cash.plus(worth.net)
    }

    pub(super) fn digest(&self) -> u64 {
        // Marks are the market's, which is hashed itself, but for those that it has forgotten.
        self.marks_twice.iter().fold(self.digest, |hash, mark| mix(hash, mark.cast_unsigned()))
    }
}

impl State for Row {
    fn save(&self, out: &mut Saver) {
        out.i64(self.quantity);
        out.i128(self.basis.0);
        out.i128(self.result.0);
        out.i64(self.trip_sign);
        out.i128(self.trip_start.0);
        out.bool(self.is_ending);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        *self = Row {
            quantity: from.i64()?,
            basis: Money(from.i128()?),
            result: Money(from.i128()?),
            trip_sign: from.i64()?,
            trip_start: Money(from.i128()?),
            is_ending: from.bool()?,
        };
        if !(-1..=1).contains(&self.trip_sign) {
            return Err(from.invalid("side of a round trip"));
        }
        Ok(())
    }
}

impl State for Account {
    fn save(&self, out: &mut Saver) {
        out.count(self.rows.len());
        out.count(self.instruments.count());
        for row in &self.rows {
            let is_used = *row != Row::default();
            out.bool(is_used);
            if is_used {
                row.save(out);
            }
        }
        for mark in &self.marks_twice {
            out.i64(*mark);
        }
        out.i128(self.cash.0);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let (row_count, instrument_count) = (self.rows.len(), self.instruments.count());
        if from.count(row_count)? != row_count || from.count(instrument_count)? != instrument_count
        {
            return Err(from.invalid("number of strategies or instruments"));
        }
        self.digest = 0;
        self.open_counts.fill(0);
        for (index, row) in self.rows.iter_mut().enumerate() {
            *row = Row::default();
            if from.bool()? {
                row.load(from)?;
            }
            self.open_counts[index / self.source_count] += usize::from(row.quantity != 0);
            self.digest = self.digest.wrapping_add(row.digest(index));
        }
        for mark in &mut self.marks_twice {
            *mark = from.i64()?;
        }
        self.cash = Money(from.i128()?);
        Ok(())
    }
}
