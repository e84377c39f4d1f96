//! Inventory market making after Avellaneda and Stoikov: two post-only quotes around a price that leans
//! against the position.
//!
//! ```text
//!   mid --> variance --+
//!   trades, fills --> toxicity --> pricing --> targets --> slots (one a side) --> order, replace, cancel
//!   position ----------+
//! ```
//! What each part does is told in `docs/STRATEGIES.md`.
//!
//! **Invariant:** position plus everything that may still be bought never exceeds `inventory_max`, and
//! the same for sales.
//!
//! **Invariant:** while the book is not live, every order that has an id is being cancelled.
//!
//! **Invariant:** one call never answers the same venue state with the same request twice: a rejected
//! side waits for another touch, a refused one for time.

mod config;
mod pricing;
mod slot;
#[cfg(test)]
mod tests;
mod toxicity;
mod volatility;

use engine::event::{BookState, OrderState, OrderTerms, Side};
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::market::Top;
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};

pub use config::MarketMakerConfig;

use crate::error::ConfigError;
use crate::signal;
use pricing::{Inputs, Pricer, Target, Targets};
use slot::{Heard, Phase, Slot, Told};
use toxicity::{CAUSE_MARKOUT, CAUSE_THROUGH, Toxicity};
use volatility::Volatility;

/// Why the quotes are pulled, in the `pull` signal. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stop {
    /// They are not.
    None = 0,
    /// The book is not live.
    NotLive = 1,
    /// The book has not been live long enough.
    Warmup = 2,
    /// Too many toxic events.
    Toxic = 3,
}

impl Stop {
    /// Every reason, by its number.
    pub const ALL: [Stop; 4] = [Stop::None, Stop::NotLive, Stop::Warmup, Stop::Toxic];
}

/// The strategy. Build it with [`MarketMaker::new`] from a [`MarketMakerConfig`].
#[derive(Debug)]
pub struct MarketMaker {
    config: MarketMakerConfig,
    instruments: [InstrumentIndex; 1],
    tick: i64,
    pricer: Pricer,
    volatility: Volatility,
    toxicity: Toxicity,
    slots: [Slot; 2],
    counter: u32,
    /// When the book became live; 0 while it is not.
    live_since_ns: u64,
    refused_until_ns: u64,
    stop: Stop,
}

impl MarketMaker {
    /// A strategy of a checked configuration.
    pub fn new(
        config: MarketMakerConfig,
        instruments: &InstrumentTable,
    ) -> Result<MarketMaker, ConfigError> {
        config.validate_for(instruments)?;
        let instrument = instruments.get(config.instrument).expect("checked just above");
        let constant = |what, source| {
            let strategy = config.name.clone();
            ConfigError::Constant { strategy, what, source }
        };
        let pricer = Pricer::new(&config, instrument)
            .map_err(|e| constant("spread or risk factor of gamma, k and horizon_ns", e))?;
        let volatility = Volatility::new(&config, instrument.tick)
            .map_err(|e| constant("volatility of sigma_half_life_ns and sigma limits", e))?;
        let toxicity = Toxicity::new(&config, instrument.tick)
            .map_err(|e| constant("memory of toxic_half_life_ns", e))?;
        Ok(MarketMaker {
            instruments: [config.instrument],
            tick: instrument.tick,
            pricer,
            volatility,
            toxicity,
            slots: [Slot::EMPTY; 2],
            counter: 0,
            live_since_ns: 0,
            refused_until_ns: 0,
            stop: Stop::NotLive,
            config,
        })
    }

    /// Why the quotes are pulled just now.
    pub fn stop(&self) -> Stop {
        self.stop
    }

    /// Looks at the market and moves the quotes where they should be.
    fn decide(&mut self, view: &View<'_>, intents: &mut Intents) {
        let top = live_top(view, self.config.instrument);
        let position = view.position(self.config.instrument);
        let stop = self.judge(view.time_ns, top.is_some());
        if stop != self.stop {
            let values = [i64::from(stop as u8), i64::from(self.stop as u8), position];
            intents.signal(self.config.instrument, signal::PULL, values, 0);
            self.stop = stop;
        }
        let (Stop::None, Some(top)) = (stop, top) else {
            self.pull(Side::Buy, view.time_ns, intents);
            self.pull(Side::Sell, view.time_ns, intents);
            return;
        };
        let targets = self.pricer.targets(&Inputs {
            top,
            variance: self.volatility.variance(),
            inventory: position,
            toxic_points: self.toxicity.points(),
        });
        // The side that moves away from the market goes first, so that the other one need not cross it.
        let ask_rises = targets.sides[Side::Sell.index()]
            .is_some_and(|ask| self.slots[Side::Sell.index()].price < ask.price);
        let first = if ask_rises { Side::Sell } else { Side::Buy };
        for side in [first, first.opposite()] {
            self.reconcile(side, &targets, position, view.time_ns, intents);
        }
    }

    fn judge(&self, now_ns: u64, live: bool) -> Stop {
        if !live || self.live_since_ns == 0 {
            Stop::NotLive
        } else if now_ns.saturating_sub(self.live_since_ns) < self.config.warmup_ns {
            Stop::Warmup
        } else if self.toxicity.is_pulled(now_ns) {
            Stop::Toxic
        } else {
            Stop::None
        }
    }

    /// Cancels the quote of a side, if there is one that can be named and is not being cancelled.
    fn pull(&mut self, side: Side, now_ns: u64, intents: &mut Intents) {
        let slot = &mut self.slots[side.index()];
        let nameable = match slot.phase {
            // Without an id there is nothing to name; the id comes within this event, and so do we.
            Phase::Idle | Phase::Asked | Phase::Cancelling => false,
            Phase::Opening | Phase::Working | Phase::Replacing | Phase::Unknown => true,
        };
        // A cancel that was refused is asked for again after a while, never in the same breath.
        let retry_ns = slot.cancelled_ns.saturating_add(self.config.refusal_backoff_ns);
        if nameable && (slot.cancelled_ns == 0 || retry_ns <= now_ns) {
            intents.cancel(self.config.instrument, slot.order_id, slot.tag);
            slot.cancel(now_ns);
        }
    }

    fn reconcile(
        &mut self,
        side: Side,
        targets: &Targets,
        position: i64,
        now_ns: u64,
        intents: &mut Intents,
    ) {
        let slot = &self.slots[side.index()];
        let Some(target) = targets.sides[side.index()] else {
            self.pull(side, now_ns, intents);
            return;
        };
        if self.pricer.room(side, position) < slot.remaining() {
            // Something else changed the position (a late fill, a transfer): the cap comes first.
            self.pull(side, now_ns, intents);
            return;
        }
        match slot.phase {
            Phase::Idle => {
                if slot.held.is_none()
                    && slot.blocked_until_ns <= now_ns
                    && self.may_amend(side, now_ns)
                {
                    self.quote(side, target, targets, now_ns, intents);
                }
            }
            Phase::Working => {
                if !self.is_worth_moving(slot, target) {
                    return;
                }
                if now_ns < self.refused_until_ns {
                    // It stands at a price we no longer want and may not be changed: take it out.
                    self.pull(side, now_ns, intents);
                } else if self.may_amend(side, now_ns) {
                    self.quote(side, target, targets, now_ns, intents);
                }
            }
            Phase::Asked
            | Phase::Opening
            | Phase::Replacing
            | Phase::Cancelling
            | Phase::Unknown => {}
        }
    }

    /// Whether the pace allows a new or changed quote.
    fn may_amend(&self, side: Side, now_ns: u64) -> bool {
        let amended_ns = self.slots[side.index()].amended_ns;
        let next_ns = amended_ns.saturating_add(self.config.requote_interval_ns_min);
        self.refused_until_ns <= now_ns && (amended_ns == 0 || next_ns <= now_ns)
    }

    fn is_worth_moving(&self, slot: &Slot, target: Target) -> bool {
        let band = self.config.requote_ticks.saturating_mul(self.tick);
        let moved = (target.price - slot.price).saturating_abs();
        let left = i128::from(slot.remaining()) * 100;
        let wanted = i128::from(target.quantity) * i128::from(self.config.requote_quantity_percent);
        band <= moved || left < wanted
    }

    /// The price nearest to `price` that cannot trade with our own quote on the other side; `None` while
    /// that quote is on its way somewhere and waiting is better than lying twice.
    fn beside_own(&self, side: Side, price: i64) -> Option<i64> {
        let other = &self.slots[side.opposite().index()];
        let Some((low, high)) = other.prices() else { return Some(price) };
        let limit = match side {
            Side::Buy => low - self.tick,
            Side::Sell => high + self.tick,
        };
        let clear = match side {
            Side::Buy => price <= limit,
            Side::Sell => limit <= price,
        };
        match (clear, other.phase) {
            (true, _) => Some(price),
            (false, Phase::Working) => (0 < limit).then_some(limit),
            (
                false,
                Phase::Idle
                | Phase::Asked
                | Phase::Opening
                | Phase::Replacing
                | Phase::Cancelling
                | Phase::Unknown,
            ) => None,
        }
    }

    /// Sends the order of an idle side, or changes the working one.
    fn quote(
        &mut self,
        side: Side,
        target: Target,
        targets: &Targets,
        now_ns: u64,
        intents: &mut Intents,
    ) {
        let Some(price) = self.beside_own(side, target.price) else { return };
        let slot = &self.slots[side.index()];
        let is_new = slot.is_idle();
        if !is_new && !self.is_worth_moving(slot, Target { price, ..target }) {
            return;
        }
        let instrument = self.config.instrument;
        let tag = if is_new {
            self.counter = self.counter.wrapping_add(1);
            slot::tag(self.counter, side)
        } else {
            slot.tag
        };
        let values = [targets.reservation, targets.half, self.volatility.variance()];
        intents.signal(instrument, signal::QUOTE, values, tag);
        let mut intent = OrderIntent {
            instrument,
            side,
            price,
            quantity: target.quantity,
            terms: OrderTerms::LIMIT_GTC,
            post_only: true,
            reduce_only: false,
            tag,
        };
        let slot = &mut self.slots[side.index()];
        if is_new {
            slot.ask(now_ns, tag, price, target.quantity);
            intents.order(&intent);
        } else {
            intent.quantity = slot.replace(now_ns, price, target.quantity);
            intents.replace(slot.order_id, &intent);
        }
    }

    /// Takes in what a market change teaches, before anything is decided.
    fn learn(&mut self, view: &View<'_>, change: MarketChange, intents: &mut Intents) {
        let now_ns = view.time_ns;
        let down = matches!(change, MarketChange::State(state) if state != BookState::Live);
        let Some(top) = live_top(view, self.config.instrument).filter(|_| !down) else {
            self.live_since_ns = 0;
            self.volatility.forget_mid();
            return;
        };
        if self.live_since_ns == 0 {
            self.live_since_ns = now_ns.max(1);
        }
        let instrument = self.config.instrument;
        match change {
            MarketChange::Trade { price, aggressor, .. } => {
                if self.toxicity.on_trade(now_ns, price, aggressor, &top) {
                    let values = [CAUSE_THROUGH, price, self.toxicity.score()];
                    intents.signal(instrument, signal::TOXIC, values, 0);
                }
            }
            MarketChange::Book | MarketChange::Quote | MarketChange::State(_) => {
                let mid_twice = top.bid_price.saturating_add(top.ask_price);
                self.volatility.on_mid(now_ns, mid_twice);
                if let Some(price) = self.toxicity.on_mid(now_ns, mid_twice) {
                    let values = [CAUSE_MARKOUT, price, self.toxicity.score()];
                    intents.signal(instrument, signal::TOXIC, values, 0);
                }
                let touch = (top.bid_price, top.ask_price);
                for slot in &mut self.slots {
                    if slot.held.is_some_and(|held| held != touch) {
                        slot.held = None;
                    }
                }
            }
        }
    }

    /// Time and lost answers, at the begin of every inbound event that is not about our orders.
    fn pass(&mut self, now_ns: u64) {
        self.toxicity.pass(now_ns);
        for slot in &mut self.slots {
            slot.expire(now_ns, self.config.refusal_backoff_ns);
        }
    }

    /// Notes an order update; whether the quotes should be looked at again.
    fn note(&mut self, view: &View<'_>, update: &OrderUpdate) -> bool {
        let now_ns = view.time_ns;
        match *update {
            OrderUpdate::State { order_id, tag, side, state, price, leaves, .. } => {
                let told = Told { order_id, tag, state, price, leaves };
                let slot = &mut self.slots[side.index()];
                // The state after a fill: now it is known what is left of the order.
                let filled = matches!(state, OrderState::PartiallyFilled | OrderState::Filled);
                match slot.on_state(&told) {
                    Heard::Nothing | Heard::Noted => filled,
                    Heard::Changed => true,
                    Heard::Rejected => {
                        let top = view.market.get(self.config.instrument).map(|m| m.top);
                        let top = top.unwrap_or_default();
                        let touch = (top.bid_price, top.ask_price);
                        slot.hold(now_ns, touch, self.config.refusal_backoff_ns);
                        false
                    }
                }
            }
            OrderUpdate::Fill { tag, side, price, quantity, .. } => {
                self.slots[side.index()].on_fill(tag, quantity);
                self.toxicity.on_fill(now_ns, side, price);
                // The order's new state follows: deciding before it would amend an order that is over.
                false
            }
            OrderUpdate::Refused { tag, .. } => {
                let mut ours = false;
                for slot in &mut self.slots {
                    ours |= slot.on_refused(tag);
                }
                if ours {
                    self.refused_until_ns = now_ns.saturating_add(self.config.refusal_backoff_ns);
                }
                false
            }
        }
    }
}

/// The best prices while the book may be quoted on.
fn live_top(view: &View<'_>, instrument: InstrumentIndex) -> Option<Top> {
    view.market.get(instrument).filter(|market| market.is_live()).map(|market| market.top)
}

impl Strategy for MarketMaker {
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
        self.pass(view.time_ns);
        self.learn(view, change, intents);
        self.decide(view, intents);
    }

    fn on_order(&mut self, view: &View<'_>, update: &OrderUpdate, intents: &mut Intents) {
        let instrument = match *update {
            OrderUpdate::State { instrument, .. }
            | OrderUpdate::Fill { instrument, .. }
            | OrderUpdate::Refused { instrument, .. } => instrument,
        };
        if instrument == self.config.instrument && self.note(view, update) {
            self.decide(view, intents);
        }
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        self.pass(view.time_ns);
        self.decide(view, intents);
    }
}

impl State for MarketMaker {
    fn save(&self, out: &mut Saver) {
        self.volatility.save(out);
        self.toxicity.save(out);
        for slot in &self.slots {
            slot.save(out);
        }
        out.u32(self.counter);
        out.u64(self.live_since_ns);
        out.u64(self.refused_until_ns);
        out.u8(self.stop as u8);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.volatility.load(from)?;
        self.toxicity.load(from)?;
        for slot in &mut self.slots {
            slot.load(from)?;
        }
        self.counter = from.u32()?;
        self.live_since_ns = from.u64()?;
        self.refused_until_ns = from.u64()?;
        let stop = usize::from(from.u8()?);
        self.stop = *Stop::ALL.get(stop).ok_or_else(|| from.invalid("reason to stop"))?;
        Ok(())
    }
}
