//! Order flow of one instrument: who places, who pulls, who takes, and how that is told.
//!
//! Arrivals are Poisson (busier in bursts). Each arrival is one of:
//!
//! - **Pull.** Quotes on the wrong side of the fair value are taken away: makers are fast.
//! - **Limit order.** When the spread is wider than it should be, mostly inside it, around the fair value; else
//!   anywhere in the book, denser and larger near the touch. Sizes are Pareto.
//! - **Cancel** of a part or all of a level, more often near the touch and when there are too many levels.
//! - **Market order**, more often towards the fair value (so makers are selected against) and in the
//!   direction of the last one. Its size is Pareto with a heavy tail; it walks the book.
//!
//! One arrival is told as: a trade for each level that it took from, one depth update with everything
//! that changed, and a quote when the best level changed.

use engine::event::market::{DepthIds, depth, feed, level, quote, trade};
use engine::event::{Event, FeedCode, Side};
use engine::instrument::{InstrumentIndex, InstrumentTable};

use crate::book::LevelBook;
use crate::config::{SyntheticConfig, SyntheticError, SyntheticInstrument, UNITS_MAX};
use crate::drivers::Drivers;
use crate::number::{float, integer, span_ns};
use crate::random::Random;

/// Levels that a side never goes below: what follows a large order or a jump is put back at once.
const LEVELS_MIN: usize = 4;
/// Levels put there when a side is thin.
const LEVELS_REFILL: i64 = 8;
/// Most levels that one market order takes from.
const WALK_LEVELS_MAX: usize = 24;
/// Half the spread in units of the move of this many seconds. Arbitrary; a quarter of a second is
/// about how long a quote lives.
const QUOTE_SECONDS: f64 = 0.25;
const HALF_SPREAD_SHARE: f64 = 0.35;
/// Mean size of a market order in units of the level quantity.
const TAKE_SHARE: f64 = 0.35;

/// Order flow of one instrument.
#[derive(Debug)]
pub(crate) struct Flow {
    index: InstrumentIndex,
    tick: i64,
    lot: i64,
    drivers: Drivers,
    random: Random,
    book: LevelBook,
    level_count: usize,
    /// Most lots of a level.
    lots_max: i64,
    /// Mean lots of a level at the touch.
    lots_mean: f64,
    /// Half the spread in usual times, ticks.
    half_spread: f64,
    /// Usual distance of two levels, ticks.
    spacing: f64,
    trades_per_second: f64,
    orders_per_second: f64,
    next_ns: u64,
    update_id: i64,
    trade_id: u64,
    /// Side of the last market order.
    last_aggressor: Side,
    told_top: [Option<(i64, i64)>; 2],
    has_begun: bool,
}

impl Flow {
    pub(crate) fn new(
        config: &SyntheticConfig,
        section: &SyntheticInstrument,
        table: &InstrumentTable,
    ) -> Result<Flow, SyntheticError> {
        let unknown = SyntheticError::UnknownInstrument { index: section.index };
        let instrument = table.get(section.index).ok_or(unknown)?;
        let fair = float(section.price_start) / float(instrument.tick);
        let stream = 1 + 2 * u64::from(section.index);
        let move_ticks = f64::from(section.volatility_ppm) * 1e-6 * fair;
        let half_spread = (HALF_SPREAD_SHARE * move_ticks * libm::sqrt(QUOTE_SECONDS)).max(0.6);
        let speed = f64::from(config.speed_percent) / 100.0;
        // The whole book must fit between zero and the fair value with room to spare.
        let spacing_max = fair / (8.0 * f64::from(section.level_count));
        let mut flow = Flow {
            index: section.index,
            tick: instrument.tick,
            lot: instrument.lot,
            drivers: Drivers::new(config.seed, stream, fair, section.volatility_ppm),
            random: Random::new(config.seed, stream + 1),
            book: LevelBook::default(),
            level_count: usize::try_from(section.level_count).expect("at most 2,000"),
            lots_max: UNITS_MAX.min(i64::MAX / instrument.lot),
            lots_mean: float((section.level_quantity / instrument.lot).max(1)),
            half_spread,
            spacing: (half_spread / 4.0).min(spacing_max).max(1.0),
            trades_per_second: speed * f64::from(section.trades_per_second),
            orders_per_second: speed * f64::from(section.orders_per_second),
            next_ns: config.start_ns,
            update_id: 1,
            trade_id: 0,
            last_aggressor: Side::Buy,
            told_top: [None; 2],
            has_begun: false,
        };
        for side in [Side::Buy, Side::Sell] {
            flow.refill(side, i64::from(section.level_count));
        }
        Ok(flow)
    }

    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    pub(crate) fn drive(&mut self, common: f64) {
        self.drivers.step(common);
    }

    /// Fair price in price units.
    pub(crate) fn fair_price(&self) -> i64 {
        integer(self.drivers.fair()).saturating_mul(self.tick)
    }

    /// One arrival.
    pub(crate) fn step(&mut self, sink: &mut impl FnMut(Event)) {
        let time_ns = self.next_ns;
        let mut tell = |event: Event| sink(event.at(time_ns));
        if self.has_begun {
            self.arrive(&mut tell);
            self.tell_changes(&mut tell);
        } else {
            self.has_begun = true;
            self.tell_snapshot(&mut tell);
        }
        self.tell_quote(&mut tell);
        let rate = (self.trades_per_second + self.orders_per_second) * self.drivers.rate_factor();
        let wait_ns = span_ns(self.random.exponential() / rate);
        self.next_ns = time_ns.saturating_add(wait_ns);
    }

    fn arrive(&mut self, tell: &mut impl FnMut(Event)) {
        let share = self.trades_per_second / (self.trades_per_second + self.orders_per_second);
        if self.random.happens(share) {
            self.market_order(tell);
            return;
        }
        if self.pull_stale() {
            return;
        }
        let side = if self.random.happens(0.5) { Side::Buy } else { Side::Sell };
        let fullness = float(count(self.book.count(side))) / float(count(self.level_count));
        if self.is_wide() && self.random.happens(0.6) {
            self.improve();
        } else if self.random.happens((0.45 * fullness).min(0.8)) {
            self.cancel(side);
        } else {
            self.limit_order(side);
        }
        self.trim(side);
    }

    fn half_spread_now(&self) -> f64 {
        (self.half_spread * self.drivers.spread_factor()).max(0.6)
    }

    /// Where an order `distance` ticks behind the fair value's own half spread belongs; never crossing.
    fn tick_at(&self, side: Side, distance: f64) -> i64 {
        let offset = self.half_spread_now() + distance;
        let sign = float(side.sign());
        let tick = integer(self.drivers.fair() - sign * offset).max(1);
        match (side, self.book.best(side.opposite())) {
            (Side::Buy, Some((ask, _))) => tick.min(ask - 1),
            (Side::Sell, Some((bid, _))) => tick.max(bid + 1),
            (Side::Buy | Side::Sell, None) => tick,
        }
    }

    fn depth_span(&self) -> f64 {
        self.spacing * float(count(self.level_count))
    }

    /// Mean lots at a distance from the touch: falls to a quarter over the depth of the book.
    fn lots_at(&self, distance: f64) -> f64 {
        let decay = libm::exp(-3.0 * distance.max(0.0) / self.depth_span());
        self.lots_mean * (0.25 + 0.75 * decay)
    }

    fn draw_lots(&mut self, mean: f64, alpha: f64, max: f64) -> i64 {
        integer(mean * self.random.pareto(alpha, max)).clamp(1, self.lots_max)
    }

    fn add(&mut self, side: Side, tick: i64, lots: i64) {
        if 0 < tick {
            let sum = self.book.lots(side, tick).saturating_add(lots).min(self.lots_max);
            self.book.set(side, tick, sum);
        }
    }

    /// Puts `level_count` levels behind the fair value's half spread.
    fn refill(&mut self, side: Side, level_count: i64) {
        for place in 0..level_count {
            let distance = float(place) * self.spacing;
            let mean = self.lots_at(distance);
            let lots = self.draw_lots(mean, 2.2, 30.0);
            let tick = self.tick_at(side, distance);
            if self.book.lots(side, tick) == 0 {
                self.add(side, tick, lots);
            }
        }
    }

    fn is_stale(&self, side: Side, tick: i64) -> bool {
        match side {
            Side::Buy => self.drivers.fair() < float(tick),
            Side::Sell => float(tick) < self.drivers.fair(),
        }
    }

    /// Takes away what is on the wrong side of the fair value. False when nothing is.
    fn pull_stale(&mut self) -> bool {
        let mut pulled = false;
        for side in [Side::Buy, Side::Sell] {
            while let Some((tick, _)) = self.book.best(side)
                && self.is_stale(side, tick)
            {
                if self.book.count(side) <= LEVELS_MIN {
                    self.book.set(side, tick, 0);
                    self.refill(side, LEVELS_REFILL);
                    pulled = true;
                    continue;
                }
                self.book.set(side, tick, 0);
                pulled = true;
            }
        }
        pulled
    }

    fn is_wide(&self) -> bool {
        match (self.book.best(Side::Buy), self.book.best(Side::Sell)) {
            (Some((bid, _)), Some((ask, _))) => 2.2 * self.half_spread_now() < float(ask - bid),
            (_, _) => true,
        }
    }

    /// A limit order at the fair value's half spread, on the side that is further away from it.
    fn improve(&mut self) {
        let fair = self.drivers.fair();
        let gap = |best: Option<(i64, i64)>| {
            best.map_or(f64::MAX, |(tick, _)| libm::fabs(float(tick) - fair))
        };
        let bid_gap = gap(self.book.best(Side::Buy));
        let side = if gap(self.book.best(Side::Sell)) < bid_gap { Side::Buy } else { Side::Sell };
        let jitter = self.half_spread_now() * 0.3 * (2.0 * self.random.uniform() - 1.0);
        let mean = 0.6 * self.lots_mean;
        let lots = self.draw_lots(mean, 2.2, 30.0);
        let tick = self.tick_at(side, jitter);
        self.add(side, tick, lots);
    }

    fn limit_order(&mut self, side: Side) {
        let distance = if self.random.happens(0.55) {
            3.0 * self.spacing * self.random.exponential()
        } else {
            let spread = self.random.uniform();
            self.depth_span() * spread * spread
        };
        let snapped = self.spacing * libm::floor(distance / self.spacing);
        let mean = self.lots_at(distance);
        // Round distances are popular, which is why levels are shared.
        let is_round = self.random.happens(0.7);
        let tick = self.tick_at(side, if is_round { snapped } else { distance });
        if 2.5 * mean < float(self.book.lots(side, tick)) {
            self.shrink(side, tick);
            return;
        }
        let lots = self.draw_lots(0.6 * mean, 2.2, 30.0);
        self.add(side, tick, lots);
    }

    fn cancel(&mut self, side: Side) {
        let spread = self.random.uniform();
        let place = integer(float(count(self.book.count(side))) * spread * spread);
        let place = usize::try_from(place).unwrap_or(0);
        if LEVELS_MIN < self.book.count(side)
            && let Some((tick, _)) = self.book.nth(side, place)
        {
            self.shrink(side, tick);
        }
    }

    /// Half of the time all of a level goes, else a part of it.
    fn shrink(&mut self, side: Side, tick: i64) {
        let lots = self.book.lots(side, tick);
        let whole = self.random.happens(0.5) && LEVELS_MIN < self.book.count(side);
        let part = integer(float(lots) * self.random.uniform()).min(lots - 1);
        self.book.set(side, tick, if whole { 0 } else { lots - part });
    }

    /// Keeps the number of levels: the outermost go first.
    fn trim(&mut self, side: Side) {
        while self.level_count < self.book.count(side)
            && let Some(tick) = self.book.worst(side)
        {
            self.book.set(side, tick, 0);
        }
        if self.book.count(side) < LEVELS_MIN {
            self.refill(side, LEVELS_REFILL);
        }
    }

    fn market_order(&mut self, tell: &mut impl FnMut(Event)) {
        let aggressor = self.draw_aggressor();
        self.last_aggressor = aggressor;
        let mut left = self.draw_lots(TAKE_SHARE * self.lots_mean, 1.5, 100.0);
        let against = aggressor.opposite();
        for _ in 0..WALK_LEVELS_MAX {
            let Some((tick, lots)) = self.book.best(against) else { break };
            if left == 0 || self.book.count(against) <= LEVELS_MIN {
                break;
            }
            let part = left.min(lots);
            left -= part;
            self.trade_id += 1;
            let (price, quantity) = (tick * self.tick, part * self.lot);
            tell(trade(self.index, aggressor, price, quantity, self.trade_id));
            self.book.set(against, tick, lots - part);
        }
        self.trim(against);
    }

    fn draw_aggressor(&mut self) -> Side {
        if self.random.happens(0.25) {
            return self.last_aggressor;
        }
        let mid = match (self.book.best(Side::Buy), self.book.best(Side::Sell)) {
            (Some((bid, _)), Some((ask, _))) => 0.5 * float(bid + ask),
            (_, _) => self.drivers.fair(),
        };
        let pull = libm::tanh((self.drivers.fair() - mid) / self.half_spread_now());
        if self.random.happens(0.5 + 0.4 * pull) { Side::Buy } else { Side::Sell }
    }

    fn tell_snapshot(&mut self, tell: &mut impl FnMut(Event)) {
        tell(feed(self.index, FeedCode::Connected, 0));
        let sides = [Side::Buy, Side::Sell];
        let total = sides.map(|side| self.book.count(side)).iter().sum::<usize>();
        let ids = DepthIds {
            first: self.update_id,
            last: self.update_id,
            previous: DepthIds::NO_PREVIOUS,
        };
        tell(depth(self.index, ids, u32::try_from(total).expect("at most 4,000"), true));
        let mut told = 0;
        for side in sides {
            for (tick, lots) in self.book.levels(side) {
                told += 1;
                let last = told == total;
                tell(level(self.index, side, tick * self.tick, lots * self.lot, last));
            }
        }
        self.book.forget_changes();
    }

    fn tell_changes(&mut self, tell: &mut impl FnMut(Event)) {
        let changes = self.book.changes();
        if changes.is_empty() {
            return;
        }
        self.update_id += 1;
        let ids = DepthIds {
            first: self.update_id,
            last: self.update_id,
            previous: DepthIds::NO_PREVIOUS,
        };
        let level_count = u32::try_from(changes.len()).expect("a few hundred at most");
        tell(depth(self.index, ids, level_count, false));
        for (place, (side, tick)) in changes.iter().enumerate() {
            let lots = self.book.lots(*side, *tick);
            let last = place + 1 == changes.len();
            tell(level(self.index, *side, tick * self.tick, lots * self.lot, last));
        }
        self.book.forget_changes();
    }

    fn tell_quote(&mut self, tell: &mut impl FnMut(Event)) {
        let top = [Side::Buy, Side::Sell].map(|side| self.book.best(side));
        let ([Some(bid), Some(ask)], true) = (top, top != self.told_top) else { return };
        self.told_top = top;
        let id = self.update_id.cast_unsigned();
        for (side, (tick, lots)) in [(Side::Buy, bid), (Side::Sell, ask)] {
            tell(quote(self.index, side, tick * self.tick, lots * self.lot, id));
        }
    }
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
