//! The risk verdict: every rule on, verdict by verdict, beside its floor and the long way: with marks that jump
//! no order passes in a lane, and all are judged by the rules.
//!
//! `cargo bench -p benches --bench verdict`. Percentiles in ns over single verdicts; the cost of reading the clock
//! is in all of them, and is what the floor shows.

#![expect(clippy::print_stdout, reason = "a report for people; no number of it goes anywhere")]

use std::hint::black_box;

use engine::event::{BookState, Event, Kind, OrderState, OrderTerms, Side, flags};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::Money;
use engine::ring::{Emitter, Ring};
use engine::risk::{
    AccountLimits, Controls, Gate, Hours, InstrumentControls, InstrumentLimits, LimitKey,
    LimitTable, Limits, StrategyControls,
};
use hdrhistogram::Histogram;
use quanta::Clock;

const INSTRUMENT_COUNT: u16 = 4;
const NS_PER_DAY: u64 = 86_400_000_000_000;

fn currency(amount: i128) -> Money {
    Money(amount * Money::ONE.0)
}

fn table() -> InstrumentTable {
    let make = |index: u16| Instrument {
        venue: Venue::Synthetic,
        symbol: format!("BENCH{index}"),
        price_scale: 2,
        quantity_scale: 8,
        tick: 1,
        lot: 1_000,
        notional_min: currency(5),
        maker_fee_e8: 10_000,
        taker_fee_e8: 40_000,
        multiplier: 1,
    };
    InstrumentTable::new((0..INSTRUMENT_COUNT).map(make).collect()).expect("the table is sound")
}

/// Limits that pass everything here, with the controls that are off unless configured or without.
fn limits(with_controls: bool) -> Limits {
    let own = InstrumentLimits {
        order_quantity_max: 10_000_000_000,
        order_notional_max: currency(10_000_000),
        position_quantity_max: 1_000_000_000_000,
        position_notional_max: currency(100_000_000),
        collar_bps: 500,
        passive_bps: 1_000,
        reference_age_ns_max: 10_000_000_000,
        restricted: false,
    };
    let controls = Controls {
        alerts: true,
        soft_percent: Some(80),
        capital: Some(currency(500_000_000)),
        self_match: true,
        limits: LimitTable::default()
            .with(LimitKey::BatchNotional, i64::MAX / 2)
            .with(LimitKey::MessageRate, 10_000)
            .with(LimitKey::Duplicate, 8)
            .with(LimitKey::OrdersDaily, i64::MAX / 2)
            .with(LimitKey::NotionalDaily, i64::MAX - 1),
        message_rate_window_ns: 1_000_000,
        duplicate_window_ns: 1_000_000,
        execution_window_ns: 1_000_000,
        reference_window_ns: 5_000_000_000,
        instruments: vec![
            InstrumentControls {
                limits: LimitTable::default()
                    .with(LimitKey::CollarTrade, 500)
                    .with(LimitKey::CollarWindow, 500)
                    .with(LimitKey::Spread, 100)
                    .with(LimitKey::Jump, 500)
                    .with(LimitKey::Short, i64::MAX / 2)
                    .with(LimitKey::ExposureShare, 9_000),
                hours: Some(Hours { days: 0x7f, from_ns: 0, to_ns: NS_PER_DAY, holidays: vec![] }),
                ..InstrumentControls::default()
            };
            usize::from(INSTRUMENT_COUNT)
        ],
        strategies: vec![StrategyControls {
            limits: LimitTable::default()
                .with(LimitKey::StrategyPosition, i64::MAX / 2)
                .with(LimitKey::StrategyGross, i64::MAX / 2)
                .with(LimitKey::StrategyOrdersOpen, 1_000)
                .with(LimitKey::StrategyOrderRate, 10_000)
                .with(LimitKey::StrategyLossDaily, i64::MAX / 2)
                .with(LimitKey::StrategyExecutions, 10_000),
            allowed: Some((0..INSTRUMENT_COUNT).collect()),
        }],
        ..Controls::default()
    };
    Limits {
        instruments: vec![Some(own); usize::from(INSTRUMENT_COUNT)],
        account: Some(AccountLimits {
            order_rate_count_max: 10_000,
            order_rate_window_ns: 1_000_000,
            orders_open_max: 1_000,
            loss_daily_max: currency(100_000_000),
            drawdown_max: currency(100_000_000),
            gross_notional_max: currency(400_000_000),
            day_start_ns_utc: 0,
        }),
        controls: if with_controls { controls } else { Controls::default() },
    }
}

struct Desk {
    gate: Gate,
    market: Market,
    ring: Ring,
    time_ns: u64,
    id: u64,
}

fn desk(with_controls: bool) -> Desk {
    let mut desk = Desk {
        gate: Gate::new(limits(with_controls), table(), 1, 4_096),
        market: Market::new(usize::from(INSTRUMENT_COUNT)),
        ring: Ring::new(4_096, 0),
        time_ns: NS_PER_DAY,
        id: 0,
    };
    for index in 0..INSTRUMENT_COUNT {
        desk.quote(index, 0);
        // A position and two resting orders in every instrument.
        let mut fill = Event::new(Kind::FILL).at(desk.time_ns);
        (fill.instrument, fill.source) = (index, 0);
        (fill.price, fill.quantity) = (6_180_000, 10_000_000);
        desk.send(fill, 0);
        for (price, side) in [(6_170_000, Side::Buy), (6_190_000, Side::Sell)] {
            let verdict = desk.send(desk.intent(index, side, price), 0);
            assert_eq!(verdict.kind, Kind::APPROVED);
            desk.told(&verdict, OrderState::Acked);
        }
    }
    desk
}

impl Desk {
    /// The market at this distance from where it was at first.
    fn quote(&mut self, index: u16, moved: i64) {
        let market = self.market.get_mut(index).expect("it is in the table");
        market.state = BookState::Live;
        market.heard_ns = self.time_ns;
        market.trade_price = 6_180_000;
        let (bid_price, ask_price) = (6_179_990 + moved, 6_180_010 + moved);
        market.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 1 };
    }

    fn intent(&self, index: u16, side: Side, price: i64) -> Event {
        let mut event = Event::new(Kind::INTENT).at(self.time_ns);
        (event.instrument, event.source) = (index, 0);
        (event.price, event.quantity) = (price, 1_000_000);
        event.code = OrderTerms::LIMIT_GTC.code();
        event.flags = side.flag() | flags::LAST;
        event
    }

    fn send(&mut self, event: Event, cause: u64) -> Event {
        let sequence = self.ring.begin(event);
        let event = self.ring.get(sequence).caused_by(cause);
        self.gate.apply(&event, &self.market, &mut Emitter::new(&mut self.ring, &event));
        *self.ring.get(self.ring.head())
    }

    fn told(&mut self, verdict: &Event, state: OrderState) {
        self.id += 1;
        let is_over = state.is_terminal();
        let quantity = if is_over { 0 } else { verdict.quantity };
        let mut order = Event { kind: Kind::ORDER, id: self.id, quantity, ..*verdict };
        order.code = u16::from(state.code());
        self.send(order, verdict.sequence);
    }
}

/// Which way the verdict is reached.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Floor,
    /// Marks move by up to 13 price units of 6,180,000.
    Gate,
    /// Marks move by 0.2 percent and back: every order is judged by the rules.
    Wild,
}

/// Single verdicts in ns.
fn measure(way: Way, with_controls: bool, count: u64, clock: &Clock) -> Histogram<u64> {
    let mut desk = desk(with_controls);
    let mut histogram = Histogram::new_with_bounds(1, 1_000_000, 3).expect("bounds are sound");
    for round in 0..count {
        desk.time_ns += 997;
        let index = u16::try_from(round % u64::from(INSTRUMENT_COUNT)).expect("a few instruments");
        // The market moves between any two verdicts, in this instrument and in another one.
        let mut moved = i64::try_from(round % 13).expect("a small number");
        if way == Way::Wild && round % 2 == 0 {
            moved += 12_360;
        }
        desk.quote(index, moved);
        desk.quote((index + 1) % INSTRUMENT_COUNT, -moved);
        let side = if round % 8 < 4 { Side::Buy } else { Side::Sell };
        let price = 6_180_000 + moved - i64::from(index) - side.sign() * (20 + moved);
        let mut event = desk.intent(index, side, price);
        // Not the same order again and again.
        event.quantity += 1_000 * i64::try_from(round % 101).expect("a small number");
        let sequence = desk.ring.begin(event);
        let event = black_box(*desk.ring.get(sequence));
        let start = clock.raw();
        let mut out = Emitter::new(&mut desk.ring, &event);
        if way == Way::Floor {
            out.emit_as(Kind::APPROVED, &event);
        } else {
            desk.gate.apply(&event, &desk.market, &mut out);
        }
        let end = clock.raw();
        histogram.saturating_record(clock.delta_as_nanos(start, end));
        let verdict = *desk.ring.get(desk.ring.head());
        assert_eq!(verdict.kind, Kind::APPROVED, "{verdict:?}");
        if way != Way::Floor {
            desk.told(&verdict, OrderState::Expired);
        }
    }
    histogram
}

fn main() {
    let is_measuring = std::env::args().any(|word| word == "--bench");
    let (count, rounds) = if is_measuring { (2_000_000, 5) } else { (2_000, 1) };
    let clock = Clock::new();
    println!(
        "risk verdict, ns: 4 instruments with positions and orders, marks move between verdicts"
    );
    println!("{:>44} {:>7} {:>7} {:>7} {:>7}", "", "p50", "p99", "p99.9", "mean");
    for (name, way, with_controls) in [
        ("floor: read the event, emit it", Way::Floor, false),
        ("gate, the 26 rules that are always on", Way::Gate, false),
        ("gate, every rule on", Way::Gate, true),
        ("the 26 rules, every mark jumps by 0.2 %", Way::Wild, false),
        ("every rule on, every mark jumps by 0.2 %", Way::Wild, true),
    ] {
        // The round with the best median: the others were disturbed.
        let best = (0..rounds)
            .map(|_| measure(way, with_controls, count, &clock))
            .min_by_key(|histogram| histogram.value_at_quantile(0.5))
            .expect("at least one round");
        println!(
            "{name:>44} {:>7} {:>7} {:>7} {:>7.1}",
            best.value_at_quantile(0.5),
            best.value_at_quantile(0.99),
            best.value_at_quantile(0.999),
            best.mean()
        );
    }
}
