//! The stage's own numbers: positions and working orders by strategy and instrument, and what closes them.
//!
//! **Invariant:** an instrument has at most one closing order at a time, in the direction that brings its
//! net position nearer to zero. Rows that offset each other are flat at the venue and are left alone: to
//! trade them would cost money and change no risk.

use crate::event::Side;
use crate::instrument::Instrument;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::settings::Chunk;

/// What one strategy has in one instrument; the last strategy is the operator's own and nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) position: i64,
    /// When the position left zero or changed its side.
    pub(super) since_ns: u64,
    /// Orders that still work, closing orders not counted.
    pub(super) working: u32,
    /// It is being closed.
    pub(super) is_exiting: bool,
}

impl Row {
    /// When the position will have been held as long as it may; `None` without a position or a limit.
    pub(super) fn due_ns(&self, limit_ns: u64) -> Option<u64> {
        let is_limited = limit_ns != 0 && self.position != 0;
        is_limited.then(|| self.since_ns.saturating_add(limit_ns))
    }
}

/// What closes positions of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    /// Sum over the rows.
    pub(super) net: i128,
    /// A closing order is under way.
    pub(super) is_busy: bool,
    /// It traded something.
    pub(super) has_traded: bool,
    /// No closing order before that.
    pub(super) not_before_ns: u64,
    /// By how many halvings a closing order is smaller than the limits of the gate at the start: it
    /// refused larger ones, because its limits were tightened since.
    pub(super) shift: u8,
    /// How long a position may be held, as a command has set it, ns; 0: as configured.
    pub(super) hold_ns: u64,
}

/// Most halvings. Arbitrary; a millionth of the largest order.
pub(super) const SHIFT_MAX: u8 = 20;

/// Positions and orders as this stage knows them.
#[derive(Debug)]
pub(super) struct Positions {
    rows: Box<[Row]>,
    pub(super) lanes: Box<[Lane]>,
    strategy_count: usize,
    /// Rows that are being closed.
    pub(super) exiting_count: usize,
}

impl Positions {
    pub(super) fn new(strategy_count: usize, instrument_count: usize) -> Positions {
        Positions {
            rows: vec![Row::default(); (strategy_count + 1) * instrument_count].into_boxed_slice(),
            lanes: vec![Lane::default(); instrument_count].into_boxed_slice(),
            strategy_count,
            exiting_count: 0,
        }
    }

    /// Place of a row; `None` for an instrument that no table holds. Strangers share the last strategy's.
    #[inline]
    pub(super) fn index(&self, source: u16, instrument: u16) -> Option<usize> {
        let (source, instrument) = (usize::from(source), usize::from(instrument));
        let is_known = instrument < self.lanes.len();
        is_known.then(|| source.min(self.strategy_count) * self.lanes.len() + instrument)
    }

    /// Strategy and instrument of a place.
    #[inline]
    pub(super) fn owner(&self, index: usize) -> (u16, u16) {
        let count = self.lanes.len();
        let number = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        (number(index / count), number(index % count))
    }

    pub(super) fn row(&self, index: usize) -> &Row {
        &self.rows[index]
    }

    pub(super) fn row_mut(&mut self, index: usize) -> &mut Row {
        &mut self.rows[index]
    }

    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Books an execution.
    pub(super) fn fill(&mut self, index: usize, signed: i64, now_ns: u64) {
        let lane = index % self.lanes.len();
        let lane = &mut self.lanes[lane];
        lane.net = lane.net.saturating_add(i128::from(signed));
        let row = &mut self.rows[index];
        let before = row.position;
        row.position = before.saturating_add(signed);
        if before.signum() != row.position.signum() {
            row.since_ns = now_ns;
            self.set_exiting(index, false);
        }
    }

    pub(super) fn set_exiting(&mut self, index: usize, is_exiting: bool) {
        let row = &mut self.rows[index];
        if row.is_exiting == is_exiting {
            return;
        }
        row.is_exiting = is_exiting;
        self.exiting_count =
            if is_exiting { self.exiting_count + 1 } else { self.exiting_count.saturating_sub(1) };
    }

    /// How much of a row can be closed without adding to the net position of its instrument, and the
    /// side of the order that does it.
    pub(super) fn closable(&self, index: usize) -> Option<(Side, i64)> {
        let position = self.rows[index].position;
        let net = self.lanes[index % self.lanes.len()].net;
        if position == 0 || i128::from(position.signum()) != net.signum() {
            return None;
        }
        let most = i64::try_from(net.saturating_abs()).unwrap_or(i64::MAX);
        let side = if position.is_positive() { Side::Sell } else { Side::Buy };
        Some((side, position.saturating_abs().min(most)))
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hash = 0;
        for (index, row) in (0..).zip(&self.rows) {
            if *row != Row::default() {
                hash = mix(mix(hash, index), row.position.cast_unsigned());
                let bits = u64::from(row.working) << 1 | u64::from(row.is_exiting);
                hash = mix(mix(hash, row.since_ns), bits);
            }
        }
        // A lane must not look like a row.
        hash = mix(hash, u64::MAX);
        for (index, lane) in (0..).zip(&self.lanes) {
            let is_used = lane.is_busy || lane.not_before_ns != 0 || lane.shift != 0;
            if is_used || lane.hold_ns != 0 {
                let bits = u64::from(lane.is_busy) | u64::from(lane.has_traded) << 1;
                hash = mix(mix(hash, index), bits | u64::from(lane.shift) << 8);
                hash = mix(mix(hash, lane.not_before_ns), lane.hold_ns);
            }
        }
        hash
    }
}

/// The limit price of a closing order: as far through the mid as `bps` allows, on tick, rounded towards
/// the mid. `None` when no price above zero is left.
pub(super) fn closing_price(
    instrument: &Instrument,
    side: Side,
    mid_twice: i64,
    bps: i64,
) -> Option<i64> {
    let mid_twice = i128::from(mid_twice);
    let tick = i128::from(instrument.tick);
    let price = match side {
        Side::Sell => {
            let lowest = mid_twice * i128::from(10_000_i64.saturating_sub(bps).max(0));
            -(-lowest).div_euclid(20_000 * tick) * tick
        }
        Side::Buy => {
            let highest = mid_twice * i128::from(10_000_i64.saturating_add(bps));
            highest.div_euclid(20_000 * tick) * tick
        }
    };
    i64::try_from(price).ok().filter(|price| 0 < *price)
}

/// Quantity of a closing order: what is wanted, at most what the gate lets pass of one order, on lot.
/// `None` when that is less than the venue takes.
pub(super) fn closing_quantity(
    instrument: &Instrument,
    chunk: &Chunk,
    wanted: i64,
    price: i64,
    shift: u8,
) -> Option<i64> {
    let unit = instrument.notional(price, 1).0.max(1);
    let by_notional = i64::try_from(chunk.notional_max / unit).unwrap_or(i64::MAX);
    let most = chunk.quantity_max.min(by_notional) >> shift.min(SHIFT_MAX);
    let most = most.max(instrument.lot);
    let quantity = wanted.min(most) / instrument.lot * instrument.lot;
    let notional = instrument.notional(price, quantity);
    (0 < quantity && instrument.notional_min <= notional).then_some(quantity)
}

impl State for Positions {
    fn save(&self, out: &mut Saver) {
        out.count(self.rows.len());
        out.count(self.lanes.len());
        for row in &self.rows {
            let is_used = *row != Row::default();
            out.bool(is_used);
            if is_used {
                out.i64(row.position);
                out.u64(row.since_ns);
                out.u32(row.working);
                out.bool(row.is_exiting);
            }
        }
        for lane in &self.lanes {
            out.i128(lane.net);
            out.bool(lane.is_busy);
            out.bool(lane.has_traded);
            out.u64(lane.not_before_ns);
            out.u8(lane.shift);
            out.u64(lane.hold_ns);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let (row_count, lane_count) = (self.rows.len(), self.lanes.len());
        if from.count(row_count)? != row_count || from.count(lane_count)? != lane_count {
            return Err(from.invalid("number of strategies or instruments"));
        }
        self.exiting_count = 0;
        for row in &mut self.rows {
            *row = Row::default();
            if from.bool()? {
                row.position = from.i64()?;
                row.since_ns = from.u64()?;
                row.working = from.u32()?;
                row.is_exiting = from.bool()?;
            }
            self.exiting_count += usize::from(row.is_exiting);
        }
        for lane in &mut self.lanes {
            lane.net = from.i128()?;
            lane.is_busy = from.bool()?;
            lane.has_traded = from.bool()?;
            lane.not_before_ns = from.u64()?;
            lane.shift = from.u8()?;
            if SHIFT_MAX < lane.shift {
                return Err(from.invalid("halvings of a closing order"));
            }
            lane.hold_ns = from.u64()?;
        }
        Ok(())
    }
}
