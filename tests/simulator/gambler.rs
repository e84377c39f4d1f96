//! Strategies that no one should run: a gambler that asks for anything, and one that panics on order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::event::{BookState, OrderState, OrderTerms, OrderType, Side, TimeInForce};
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};

use crate::random::Random;

/// Orders that a gambler remembers.
const REMEMBERED_COUNT: usize = 64;

/// Asks for orders of any size at any price, changes and cancels them at random. What stands between
/// it and ruin is the risk gate.
#[derive(Debug)]
pub struct Gambler {
    name: String,
    instruments: Vec<InstrumentIndex>,
    lots: Vec<i64>,
    ticks: Vec<i64>,
    random: Random,
    /// Per mille of market changes at which it acts.
    eagerness: u64,
    /// Order id, instrument, side.
    orders: Vec<(u64, InstrumentIndex, Side)>,
    tag: u32,
}

impl Gambler {
    /// A gambler on every instrument of the table.
    pub fn new(name: &str, table: &InstrumentTable, seed: u64, eagerness: u64) -> Gambler {
        Gambler {
            name: name.to_string(),
            instruments: table.iter().map(|(index, _)| index).collect(),
            lots: table.iter().map(|(_, instrument)| instrument.lot).collect(),
            ticks: table.iter().map(|(_, instrument)| instrument.tick).collect(),
            random: Random::new(seed),
            eagerness,
            orders: Vec::with_capacity(REMEMBERED_COUNT),
            tag: 0,
        }
    }

    fn intent(&mut self, view: &View<'_>, instrument: InstrumentIndex) -> Option<OrderIntent> {
        let place = usize::from(instrument);
        let mid_twice = view.market.get(instrument)?.top.mid_twice()?;
        let (lot, tick) = (self.lots[place], self.ticks[place]);
        let mid = mid_twice / 2;
        // Mostly within 0.2 %, sometimes far outside of every collar.
        let span = if self.random.chance(900) { mid / 500 } else { mid / 4 };
        let price = (mid + self.random.between(-span, span)) / tick * tick;
        // About 3,000 of account currency, sometimes a hundred times as much.
        let money = if self.random.chance(950) { 9_000 } else { 900_000 };
        let instruments = view.instruments.get(instrument)?;
        let scale = 10_i64.pow(u32::from(instruments.price_scale + instruments.quantity_scale));
        let most = (money * (scale / mid.max(1)) / lot).max(1);
        let mut quantity = self.random.between(1, most) * lot;
        if self.random.chance(10) {
            quantity += 1; // Off lot, where the lot is more than one.
        }
        let terms = match self.random.below(10) {
            0 => OrderTerms { order_type: OrderType::Market, time_in_force: TimeInForce::Ioc },
            1 | 2 => OrderTerms::LIMIT_IOC,
            3 => OrderTerms { order_type: OrderType::Limit, time_in_force: TimeInForce::Fok },
            _ => OrderTerms::LIMIT_GTC,
        };
        self.tag = self.tag.wrapping_add(1);
        let side = if self.random.chance(500) { Side::Buy } else { Side::Sell };
        Some(OrderIntent {
            instrument,
            side,
            price,
            quantity,
            terms,
            post_only: terms == OrderTerms::LIMIT_GTC && self.random.chance(300),
            reduce_only: self.random.chance(50),
            tag: self.tag,
        })
    }

    fn gamble(&mut self, view: &View<'_>, instrument: InstrumentIndex, intents: &mut Intents) {
        if !self.random.chance(self.eagerness) {
            return;
        }
        for _ in 0..=self.random.below(3) {
            let Some(intent) = self.intent(view, instrument) else { return };
            let known = u64::try_from(self.orders.len()).unwrap_or(0);
            if known == 0 || self.random.chance(500) {
                intents.order(&intent);
                continue;
            }
            let place = usize::try_from(self.random.below(known)).unwrap_or(0);
            let (id, instrument, side) = self.orders[place];
            if self.random.chance(500) {
                intents.cancel(instrument, id, intent.tag);
            } else if let Some(intent) = self.intent(view, instrument) {
                intents.replace(id, &OrderIntent { side, ..intent });
            }
        }
    }
}

impl State for Gambler {
    fn save(&self, out: &mut Saver) {
        out.u64(self.random.state());
        out.u32(self.tag);
        out.count(self.orders.len());
        for (id, instrument, side) in &self.orders {
            out.u64(*id);
            out.u16(*instrument);
            out.bool(*side == Side::Sell);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.random = Random::new(from.u64()?);
        self.tag = from.u32()?;
        let count = from.count(REMEMBERED_COUNT)?;
        self.orders.clear();
        for _ in 0..count {
            let (id, instrument) = (from.u64()?, from.u16()?);
            let side = if from.bool()? { Side::Sell } else { Side::Buy };
            self.orders.push((id, instrument, side));
        }
        Ok(())
    }
}

impl Strategy for Gambler {
    fn name(&self) -> &str {
        &self.name
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
        if change != MarketChange::State(BookState::Empty) {
            self.gamble(view, instrument, intents);
        }
    }

    fn on_order(&mut self, _view: &View<'_>, update: &OrderUpdate, _intents: &mut Intents) {
        if let OrderUpdate::State { order_id, instrument, side, state, .. } = *update {
            if state == OrderState::New && self.orders.len() < REMEMBERED_COUNT {
                self.orders.push((order_id, instrument, side));
            } else if state.is_terminal() {
                self.orders.retain(|(id, _, _)| *id != order_id);
            }
        }
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        let count = u64::try_from(self.instruments.len()).unwrap_or(1);
        let place = usize::try_from(self.random.below(count)).unwrap_or(0);
        self.gamble(view, self.instruments[place], intents);
    }
}

/// Any strategy, until its `fuse`-th call: then it panics.
pub struct Grenade {
    inner: Box<dyn Strategy>,
    fuse: u64,
    calls: u64,
    /// Where the calls are told.
    counter: Arc<AtomicU64>,
}

impl std::fmt::Debug for Grenade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grenade").field("fuse", &self.fuse).finish_non_exhaustive()
    }
}

impl Grenade {
    /// `inner` that panics at its `fuse`-th call.
    pub fn new(inner: Box<dyn Strategy>, fuse: u64) -> Grenade {
        Grenade::counted(inner, fuse, Arc::default())
    }

    /// The same, telling in `counter` how often it was called.
    pub fn counted(inner: Box<dyn Strategy>, fuse: u64, counter: Arc<AtomicU64>) -> Grenade {
        Grenade { inner, fuse, calls: 0, counter }
    }

    fn tick(&mut self) {
        self.calls += 1;
        self.counter.store(self.calls, Ordering::Relaxed);
        assert!(self.calls != self.fuse, "this strategy panics at call {}", self.fuse);
    }
}

impl State for Grenade {
    fn save(&self, out: &mut Saver) {
        out.u64(self.calls);
        self.inner.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.calls = from.u64()?;
        self.inner.load(from)
    }
}

impl Strategy for Grenade {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        self.inner.instruments()
    }

    fn on_market(
        &mut self,
        view: &View<'_>,
        instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    ) {
        self.inner.on_market(view, instrument, change, intents);
        self.tick();
    }

    fn on_order(&mut self, view: &View<'_>, update: &OrderUpdate, intents: &mut Intents) {
        self.inner.on_order(view, update, intents);
        self.tick();
    }

    fn on_clock(&mut self, view: &View<'_>, intents: &mut Intents) {
        self.inner.on_clock(view, intents);
        self.tick();
    }
}
