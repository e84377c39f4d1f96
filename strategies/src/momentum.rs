//! A small momentum taker: follows the difference of a fast and a slow average of the mid.
//!
//! ```text
//!   mid --> fast, slow average --> signal --+
//!   touch --> imbalance --------------------+--> enter (IOC) --> hold --> exit: opposite, stop, time
//! ```
//! One order is in flight at most; a large change of the position is a parent that is worked in children. What each rule
//! does is told in `docs/STRATEGIES.md`.
//!
//! **Invariant:** position never exceeds `position_max` either way, and nothing is sent while the book is
//! not live.

mod average;
mod config;
mod slice;
#[cfg(test)]
mod tests;

use engine::event::{BookState, OrderState, OrderTerms, Side};
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::market::Top;
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{
    Intents, MarketChange, OrderIntent, OrderUpdate, ParentIntent, Strategy, View,
};

pub use config::MomentumConfig;

use crate::error::ConfigError;
use crate::numeric::quantise::{Rounding, to_fixed};
use crate::signal;
use average::Average;
use slice::Slice;

/// Fraction bits of signals and averages.
const SIGNAL_BITS: u32 = 20;

/// Why a position is closed, in the `exit` signal. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitReason {
    /// The signal points the other way.
    Opposite = 1,
    /// The mid went `stop_ticks` against the position.
    Stop = 2,
    /// The position was held for `hold_ns_max`.
    Time = 3,
}

/// An order in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flight {
    tag: u32,
    /// Whether the OMS took it up; one that was never taken up is forgotten after the back-off.
    known: bool,
    asked_ns: u64,
}

/// The strategy. Build it with [`Momentum::new`] from a [`MomentumConfig`].
#[derive(Debug)]
pub struct Momentum {
    config: MomentumConfig,
    instruments: [InstrumentIndex; 1],
    tick: i64,
    lot: i64,
    /// Thresholds in ticks, units of 2^-20.
    entry: i64,
    exit: i64,
    fast: Average,
    slow: Average,
    flight: Option<Flight>,
    counter: u32,
    /// Id of the newest parent.
    parent_id: u64,
    /// What is worked in children.
    slice: Option<Slice>,
    /// Whether the signal was inside the band since the last entry.
    armed: bool,
    live_since_ns: u64,
    wait_until_ns: u64,
    /// Sum of price times quantity of the open position, signed like it.
    cost: i128,
    /// Position that `cost` speaks of.
    held: i64,
    /// When the position was opened; 0 while flat.
    held_since_ns: u64,
}

impl Momentum {
    /// A strategy of a checked configuration.
    pub fn new(
        config: MomentumConfig,
        instruments: &InstrumentTable,
    ) -> Result<Momentum, ConfigError> {
        config.validate_for(instruments)?;
        let instrument = instruments.get(config.instrument).expect("checked just above");
        let constant = |what, source| {
            let strategy = config.name.clone();
            ConfigError::Constant { strategy, what, source }
        };
        let threshold = |what, ticks| {
            to_fixed(ticks, SIGNAL_BITS, Rounding::NearestHalfEven).map_err(|e| constant(what, e))
        };
        let average =
            |what, half_life_ns| Average::new(half_life_ns).map_err(|e| constant(what, e));
        Ok(Momentum {
            instruments: [config.instrument],
            tick: instrument.tick,
            lot: instrument.lot,
            entry: threshold("entry_ticks", config.entry_ticks)?,
            exit: threshold("exit_ticks", config.exit_ticks)?,
            fast: average("fast_half_life_ns", config.fast_half_life_ns)?,
            slow: average("slow_half_life_ns", config.slow_half_life_ns)?,
            flight: None,
            counter: 0,
            parent_id: 0,
            slice: None,
            armed: false,
            live_since_ns: 0,
            wait_until_ns: 0,
            cost: 0,
            held: 0,
            held_since_ns: 0,
            config,
        })
    }

    /// Fast minus slow average in ticks, units of 2^-20.
    fn signal(&self) -> i64 {
        let twice = self.fast.value() - self.slow.value();
        i64::try_from(twice / (2 * i128::from(self.tick))).unwrap_or(if twice < 0 {
            i64::MIN
        } else {
            i64::MAX
        })
    }

    fn live_top(&self, view: &View<'_>) -> Option<Top> {
        let market = view.market.get(self.config.instrument)?;
        market.is_live().then_some(market.top)
    }

    fn learn(&mut self, view: &View<'_>, change: MarketChange) {
        let down = matches!(change, MarketChange::State(state) if state != BookState::Live);
        let Some(top) = self.live_top(view).filter(|_| !down) else {
            self.live_since_ns = 0;
            self.stop_slice();
            return;
        };
        let mid_twice = top.bid_price.saturating_add(top.ask_price);
        if self.live_since_ns == 0 {
            // Averages of the time before a gap say nothing about the time after it.
            self.live_since_ns = view.time_ns.max(1);
            self.armed = false;
            self.fast.restart(view.time_ns, mid_twice);
            self.slow.restart(view.time_ns, mid_twice);
        }
        self.fast.on_mid(view.time_ns, mid_twice);
        self.slow.on_mid(view.time_ns, mid_twice);
        if self.signal().saturating_abs() < self.entry {
            self.armed = true;
        }
    }

    /// Keeps `cost` and `held` equal to the position, whoever changed it.
    fn adopt(&mut self, view: &View<'_>, top: &Top) {
        let position = view.position(self.config.instrument);
        if position == self.held {
            return;
        }
        if position.signum() == self.held.signum()
            && position.unsigned_abs() < self.held.unsigned_abs()
        {
            // Something of it was taken away, such as a fee in kind: what is left cost what it cost.
            self.cost = self.cost * i128::from(position) / i128::from(self.held);
            self.held = position;
            return;
        }
        let mid_twice = i128::from(top.bid_price) + i128::from(top.ask_price);
        self.cost = mid_twice * i128::from(position) / 2;
        self.held = position;
        self.held_since_ns = if position == 0 { 0 } else { view.time_ns.max(1) };
    }

    fn decide(&mut self, view: &View<'_>, intents: &mut Intents) {
        let Some(top) = self.live_top(view) else { return };
        if self.live_since_ns == 0 || self.flight.is_some() {
            return;
        }
        self.adopt(view, &top);
        if let Some(slice) = self.slice
            && self.go_on(view.time_ns, &slice, &top, intents)
        {
            return;
        }
        if view.time_ns < self.wait_until_ns {
            return;
        }
        let closable = self.closable(view, &top);
        if closable != 0
            && let Some(reason) = self.exit_reason(view.time_ns, &top)
        {
            self.leave((view.time_ns, closable), &top, reason, intents);
            return;
        }
        let warm = self.config.warmup_ns <= view.time_ns.saturating_sub(self.live_since_ns);
        if warm && self.armed {
            self.enter(view.time_ns, &top, intents);
        }
    }

    fn exit_reason(&self, now_ns: u64, top: &Top) -> Option<ExitReason> {
        let held = i128::from(self.held);
        let mid_twice = i128::from(top.bid_price) + i128::from(top.ask_price);
        // Twice the loss against twice the allowed one: no division, exact.
        let loss_twice = 2 * self.cost - mid_twice * held;
        let stop = i128::from(self.config.stop_ticks) * i128::from(self.tick) * held.abs();
        if 2 * stop <= loss_twice {
            return Some(ExitReason::Stop);
        }
        if self.config.hold_ns_max <= now_ns.saturating_sub(self.held_since_ns) {
            return Some(ExitReason::Time);
        }
        let along = if self.held < 0 { self.signal().saturating_neg() } else { self.signal() };
        (along <= -self.exit).then_some(ExitReason::Opposite)
    }

    /// What of the position the venue would trade: whole lots, worth its smallest order. Fees that are kept from what
    /// was bought leave less than that behind.
    fn closable(&self, view: &View<'_>, top: &Top) -> i64 {
        let held = self.held.saturating_abs();
        let quantity = held - held % self.lot;
        let Some(instrument) = view.instruments.get(self.config.instrument) else { return 0 };
        let is_enough = instrument.notional_min <= instrument.notional(top.bid_price, quantity);
        if is_enough { quantity } else { 0 }
    }

    fn leave(
        &mut self,
        (now_ns, quantity): (u64, i64),
        top: &Top,
        reason: ExitReason,
        intents: &mut Intents,
    ) {
        let side = if 0 < self.held { Side::Sell } else { Side::Buy };
        let mid_twice = top.bid_price.saturating_add(top.ask_price);
        let values = [self.signal(), i64::from(reason as u8), mid_twice];
        self.take((side, quantity), now_ns, top, (signal::EXIT, values), intents);
    }

    fn enter(&mut self, now_ns: u64, top: &Top, intents: &mut Intents) {
        let signal = self.signal();
        if signal.saturating_abs() < self.entry {
            return;
        }
        let side = if 0 < signal { Side::Buy } else { Side::Sell };
        let percent = imbalance_percent(top);
        if percent.saturating_mul(side.sign()) < self.config.imbalance_percent_min {
            return;
        }
        let room = self.config.position_max.saturating_sub(side.sign().saturating_mul(self.held));
        let quantity = self.config.quantity.min(room);
        let quantity = quantity - quantity.rem_euclid(self.lot);
        if quantity <= 0 {
            return;
        }
        self.armed = false;
        let values = [signal, percent, top.bid_price.saturating_add(top.ask_price)];
        self.take((side, quantity), now_ns, top, (signal::ENTER, values), intents);
    }

    /// Changes the position: by one order, or by children of a parent where that is configured and one is not enough.
    fn take(
        &mut self,
        (side, quantity): (Side, i64),
        now_ns: u64,
        top: &Top,
        (code, values): (u16, [i64; 3]),
        intents: &mut Intents,
    ) {
        let (instrument, tag) = (self.config.instrument, self.counter.wrapping_add(1));
        intents.signal(instrument, code, values, tag);
        let most = self.config.child_quantity_max;
        if most == 0 || quantity <= most {
            return self.send((side, quantity), now_ns, top, 0, intents);
        }
        self.parent_id += 1;
        intents.parent(&ParentIntent { id: self.parent_id, instrument, side, quantity, tag });
        let mut slice = Slice::new(self.parent_id, side, quantity);
        slice.send(now_ns);
        self.slice = Some(slice);
        self.send((side, most), now_ns, top, self.parent_id, intents);
    }

    /// Sends the next child of what is worked, or closes its parent. Whether it sent one.
    fn go_on(&mut self, now_ns: u64, slice: &Slice, top: &Top, intents: &mut Intents) -> bool {
        // One that was silenced for long (breaker, operator) must not wake up with what it wanted then.
        let is_old = self.config.refusal_backoff_ns < now_ns.saturating_sub(slice.sent_ns);
        let is_entry = 0 < self.held.saturating_mul(slice.side.sign());
        let is_wrong = is_entry && self.exit_reason(now_ns, top).is_some();
        let next = slice.next(self.config.child_quantity_max);
        if let Some(quantity) = next.filter(|_| !is_old && !is_wrong) {
            if let Some(slice) = &mut self.slice {
                slice.send(now_ns);
            }
            self.send((slice.side, quantity), now_ns, top, slice.parent, intents);
            return true;
        }
        let (id, side, instrument) = (slice.parent, slice.side, self.config.instrument);
        intents.parent(&ParentIntent { id, instrument, side, quantity: 0, tag: self.counter });
        self.slice = None;
        false
    }

    fn stop_slice(&mut self) {
        if let Some(slice) = &mut self.slice {
            slice.stop();
        }
    }

    /// Sends an order that trades at once or not at all, at most `slip_ticks` beyond the touch.
    fn send(
        &mut self,
        (side, quantity): (Side, i64),
        now_ns: u64,
        top: &Top,
        parent_id: u64,
        intents: &mut Intents,
    ) {
        let slip = self.config.slip_ticks.saturating_mul(self.tick);
        let price = match side {
            Side::Buy => top.ask_price.saturating_add(slip),
            Side::Sell => top.bid_price.saturating_sub(slip).max(self.tick),
        };
        self.counter = self.counter.wrapping_add(1);
        let (instrument, tag) = (self.config.instrument, self.counter);
        let order = OrderIntent {
            instrument,
            side,
            price,
            quantity,
            terms: OrderTerms::LIMIT_IOC,
            post_only: false,
            // Not even an exit is reduce-only: the gate judges the whole account's position, and another
            // strategy on the same instrument must not keep this one from closing its own.
            reduce_only: false,
            tag,
        };
        intents.child(parent_id, &order);
        self.flight = Some(Flight { tag, known: false, asked_ns: now_ns });
    }

    /// Nothing for at least `duration_ns` from now.
    fn wait(&mut self, now_ns: u64, duration_ns: u64) {
        self.wait_until_ns = self.wait_until_ns.max(now_ns.saturating_add(duration_ns));
    }

    fn on_state(&mut self, now_ns: u64, tag: u32, state: OrderState) {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.tag == tag) else { return };
        flight.known = true;
        match state {
            OrderState::Filled | OrderState::Cancelled | OrderState::Expired => {
                self.flight = None;
                if !self.slice.as_mut().is_some_and(Slice::goes_on) {
                    self.wait(now_ns, self.config.cooldown_ns);
                }
            }
            OrderState::Rejected => {
                self.flight = None;
                self.stop_slice();
                self.wait(now_ns, self.config.refusal_backoff_ns);
            }
            OrderState::New
            | OrderState::Pending
            | OrderState::Acked
            | OrderState::PartiallyFilled
            | OrderState::PendingCancel
            | OrderState::Unknown
            | OrderState::PendingReplace => {}
        }
    }

    fn on_fill(&mut self, now_ns: u64, side: Side, price: i64, quantity: i64) {
        if let Some(slice) = &mut self.slice {
            slice.on_fill(side, quantity);
        }
        let signed = side.sign().saturating_mul(quantity);
        let before = self.held;
        let after = before.saturating_add(signed);
        if before == 0 || (before < 0) == (signed < 0) {
            self.cost += i128::from(price) * i128::from(signed);
        } else if after == 0 || (after < 0) != (before < 0) {
            // Closed, and what is beyond was opened at this price.
            self.cost = i128::from(price) * i128::from(after);
        } else {
            self.cost = self.cost * i128::from(after) / i128::from(before);
        }
        self.held = after;
        if after == 0 {
            self.held_since_ns = 0;
        } else if before == 0 || (after < 0) != (before < 0) {
            self.held_since_ns = now_ns.max(1);
        }
    }

    /// A request that the OMS never took up did not happen.
    fn expire(&mut self, now_ns: u64) {
        let patience_ns = self.config.refusal_backoff_ns;
        let lost =
            |flight: &Flight| !flight.known && flight.asked_ns.saturating_add(patience_ns) < now_ns;
        if self.flight.as_ref().is_some_and(lost) {
            self.flight = None;
            self.stop_slice();
        }
    }
}

/// How much larger the best bid is than the best ask, percent of both, -100 to 100.
fn imbalance_percent(top: &Top) -> i64 {
    let (bid, ask) = (i128::from(top.bid_quantity), i128::from(top.ask_quantity));
    let both = (bid + ask).max(1);
    i64::try_from((bid - ask) * 100 / both).expect("between -100 and 100")
}

impl Strategy for Momentum {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &self.instruments
    }

    fn on_market(
        &mut self,
        view: &View<'_>,
        instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    ) {
        if instrument != self.config.instrument {
            return;
        }
        self.expire(view.time_ns);
        self.learn(view, change);
        self.decide(view, intents);
    }

    fn on_order(&mut self, view: &View<'_>, update: &OrderUpdate, _intents: &mut Intents) {
        let now_ns = view.time_ns;
        match *update {
            OrderUpdate::State { instrument, tag, state, .. }
                if instrument == self.config.instrument =>
            {
                self.on_state(now_ns, tag, state);
            }
            OrderUpdate::Fill { instrument, side, price, quantity, .. }
                if instrument == self.config.instrument =>
            {
                self.on_fill(now_ns, side, price, quantity);
            }
            OrderUpdate::Refused { instrument, tag, .. }
                if instrument == self.config.instrument
                    && self.flight.is_some_and(|flight| flight.tag == tag) =>
            {
                self.flight = None;
                self.stop_slice();
                self.wait(now_ns, self.config.refusal_backoff_ns);
            }
            OrderUpdate::State { .. } | OrderUpdate::Fill { .. } | OrderUpdate::Refused { .. } => {}
        }
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        self.expire(view.time_ns);
        self.decide(view, intents);
    }
}

impl State for Momentum {
    fn save(&self, out: &mut Saver) {
        self.fast.save(out);
        self.slow.save(out);
        let flight = self.flight.unwrap_or(Flight { tag: 0, known: false, asked_ns: 0 });
        out.bool(self.flight.is_some());
        out.u32(flight.tag);
        out.bool(flight.known);
        out.u64(flight.asked_ns);
        out.u32(self.counter);
        out.bool(self.armed);
        out.u64(self.live_since_ns);
        out.u64(self.wait_until_ns);
        out.i128(self.cost);
        out.i64(self.held);
        out.u64(self.held_since_ns);
        out.u64(self.parent_id);
        out.bool(self.slice.is_some());
        if let Some(slice) = &self.slice {
            slice.save(out);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.fast.load(from)?;
        self.slow.load(from)?;
        let in_flight = from.bool()?;
        let flight = Flight { tag: from.u32()?, known: from.bool()?, asked_ns: from.u64()? };
        self.flight = in_flight.then_some(flight);
        self.counter = from.u32()?;
        self.armed = from.bool()?;
        self.live_since_ns = from.u64()?;
        self.wait_until_ns = from.u64()?;
        self.cost = from.i128()?;
        self.held = from.i64()?;
        self.held_since_ns = from.u64()?;
        self.parent_id = from.u64()?;
        self.slice = None;
        if from.bool()? {
            let mut slice = Slice::new(0, Side::Buy, 0);
            slice.load(from)?;
            self.slice = Some(slice);
        }
        Ok(())
    }
}
