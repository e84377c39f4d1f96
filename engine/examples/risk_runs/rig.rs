//! Random lives of orders with a hostile venue: the gate and the real OMS, and books of their own that say
//! what could be held if everything that works filled.
//!
//! The venue fills late (orders that are over), over (more than was left), unknown (orders that nobody sent),
//! twice (the same execution again) and in the middle of changes. What the gate never approved it cannot
//! hold back; everything else must stay within the limits, after every step.

use engine::event::order::{Execution, ReportCode, fill_report, report};
use engine::event::{BookState, Event, Kind, Mode, OrderState, OrderTerms, Side, flags, session};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::Money;
use engine::oms::{Oms, OmsConfig, OmsTimes, Order};
use engine::ring::{Emitter, Ring};
use engine::risk::{
    AccountLimits, Controls, Gate, InstrumentControls, InstrumentLimits, LimitKey, LimitTable,
    Limits, RULE_COUNT, Rule, StrategyControls,
};

const INSTRUMENT_COUNT: usize = 3;
const STRATEGY_COUNT: usize = 2;
const ORDERS_MAX: usize = 64;
const ORDERS_OPEN_MAX: i128 = 12;
const POSITION_MAX: i128 = 100;
/// Notional limits, in whole units of currency; every price is near 1,000.
const POSITION_NOTIONAL_MAX: i128 = 90_000;
const GROSS_MAX: i128 = 150_000;
const STRATEGY_GROSS_MAX: i128 = 100_000;
const MID: i128 = 1_000;

/// Small, fast and the same everywhere (xorshift of 64 bits).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from).unwrap_or(1))).unwrap_or(0)
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count.max(1)).unwrap_or(1))).unwrap_or(0)
    }
}

/// What happened in all runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) steps: u64,
    pub(crate) approvals: u64,
    /// By [`Rule::index`].
    pub(crate) refusals: Vec<u64>,
    pub(crate) fills: u64,
    pub(crate) late: u64,
    pub(crate) over: u64,
    pub(crate) unknown: u64,
    pub(crate) twice: u64,
    pub(crate) during_change: u64,
    /// Largest exposures reached without the venue's own doing, in the unit of their limit.
    pub(crate) position_highest: i128,
    pub(crate) gross_highest: i128,
}

fn currency(amount: i128) -> Money {
    Money(amount * Money::ONE.0)
}

fn table() -> InstrumentTable {
    let make = |index: usize| Instrument {
        venue: Venue::Synthetic,
        symbol: format!("RUN{index}"),
        price_scale: 0,
        quantity_scale: 0,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    InstrumentTable::new((0..INSTRUMENT_COUNT).map(make).collect()).expect("the table is sound")
}

fn limits() -> Limits {
    let much = currency(1_000_000);
    let own = InstrumentLimits {
        order_quantity_max: 80,
        order_notional_max: much,
        position_quantity_max: 100,
        position_notional_max: currency(POSITION_NOTIONAL_MAX),
        collar_bps: 1_000,
        passive_bps: 1_000,
        reference_age_ns_max: 10_000_000_000,
        restricted: false,
    };
    let e8 = |amount: i128| i64::try_from(amount * 100_000_000).unwrap_or(i64::MAX);
    let strategy = LimitTable::default()
        .with(LimitKey::StrategyGross, e8(STRATEGY_GROSS_MAX))
        .with(LimitKey::StrategyOrdersOpen, 9);
    Limits {
        instruments: vec![Some(own); INSTRUMENT_COUNT],
        account: Some(AccountLimits {
            order_rate_count_max: 100_000,
            order_rate_window_ns: 1,
            orders_open_max: 12,
            loss_daily_max: much,
            drawdown_max: much,
            gross_notional_max: currency(GROSS_MAX),
            day_start_ns_utc: 0,
        }),
        controls: Controls {
            alerts: true,
            soft_percent: Some(80),
            capital: Some(currency(500_000)),
            self_match: true,
            limits: LimitTable::default().with(LimitKey::Duplicate, 4),
            duplicate_window_ns: 100,
            reference_window_ns: 1_000,
            instruments: vec![
                InstrumentControls {
                    limits: LimitTable::default()
                        .with(LimitKey::Spread, 100)
                        .with(LimitKey::Jump, 100)
                        .with(LimitKey::CollarWindow, 400)
                        .with(LimitKey::ExposureShare, 2_500),
                    ..InstrumentControls::default()
                };
                INSTRUMENT_COUNT
            ],
            strategies: vec![StrategyControls { limits: strategy, allowed: None }; STRATEGY_COUNT],
            ..Controls::default()
        },
    }
}

/// What could be held if everything that works filled: by instrument and side, in quantity.
type Reach = [[i128; 2]; INSTRUMENT_COUNT];

/// One run.
pub(crate) struct Run<'a> {
    gate: Gate,
    oms: Oms,
    market: Market,
    ring: Ring,
    random: Random,
    tally: &'a mut Tally,
    time_ns: u64,
    session: u64,
    execution_id: u64,
    /// By strategy (the last is nobody) and instrument.
    positions: [[i128; INSTRUMENT_COUNT]; STRATEGY_COUNT + 1],
    /// Every order that was ever sent.
    sent: Vec<u64>,
    last_execution: Option<(u16, Execution)>,
    /// What the venue did on its own in this step: by instrument and side.
    hostile: Reach,
}

impl Run<'_> {
    pub(crate) fn new(seed: u64, tally: &mut Tally) -> Run<'_> {
        let mut market = Market::new(INSTRUMENT_COUNT);
        for index in 0..INSTRUMENT_COUNT {
            let index = u16::try_from(index).expect("a few instruments");
            let own = market.get_mut(index).expect("it is in the table");
            own.state = BookState::Live;
            let (bid_price, ask_price) = (999, 1_001);
            own.top = Top { bid_price, bid_quantity: 1, ask_price, ask_quantity: 1, update_id: 1 };
        }
        let config = OmsConfig {
            engine: 1,
            orders_max: ORDERS_MAX,
            strategy_count: STRATEGY_COUNT,
            instruments: table(),
            times: OmsTimes::default(),
        };
        tally.runs += 1;
        Run {
            gate: Gate::new(limits(), table(), STRATEGY_COUNT, ORDERS_MAX),
            oms: Oms::new(config),
            market,
            ring: Ring::new(1_024, 0),
            random: Random::new(seed),
            tally,
            time_ns: 1,
            session: 0,
            execution_id: 0,
            positions: [[0; INSTRUMENT_COUNT]; STRATEGY_COUNT + 1],
            sent: Vec::with_capacity(64),
            last_execution: None,
            hostile: [[0; 2]; INSTRUMENT_COUNT],
        }
    }

    /// Runs an event and everything that follows from it through both stages.
    fn send(&mut self, event: Event) {
        let mut sequence = self.ring.begin(event.at(self.time_ns));
        while sequence <= self.ring.head() {
            let event = *self.ring.get(sequence);
            let mut out = Emitter::new(&mut self.ring, &event);
            self.gate.apply(&event, &self.market, &mut out);
            self.oms.apply(&event, &mut out);
            if event.kind == Kind::APPROVED || event.kind == Kind::APPROVED_REPLACE {
                self.tally.approvals += 1;
            } else if event.kind == Kind::REFUSED {
                let rule = Rule::from_code(event.code).expect("a refusal names its rule");
                self.tally.refusals.resize(RULE_COUNT, 0);
                self.tally.refusals[rule.index()] += 1;
            } else if event.kind == Kind::SEND_NEW {
                self.sent.push(event.id);
            } else if event.kind == Kind::FILL {
                self.tally.fills += 1;
                let row = usize::from(event.source).min(STRATEGY_COUNT);
                let signed = i128::from(event.quantity) * i128::from(event.side().sign());
                self.positions[row][usize::from(event.instrument)] += signed;
            }
            sequence += 1;
        }
        assert!(!self.ring.overflowed());
    }

    /// Positions of the rows that `wanted` picks, and everything of theirs that works.
    fn reach(&self, wanted: impl Fn(usize) -> bool) -> Reach {
        let mut reach = [[0; 2]; INSTRUMENT_COUNT];
        for (_, own) in self.positions.iter().enumerate().filter(|(row, _)| wanted(*row)) {
            for (sides, position) in reach.iter_mut().zip(own) {
                sides[0] += position;
                sides[1] -= position;
            }
        }
        for order in self.oms.open_orders() {
            if wanted(usize::from(order.source).min(STRATEGY_COUNT)) {
                let side = order.side().index();
                reach[usize::from(order.instrument)][side] += i128::from(order.leaves());
            }
        }
        reach
    }

    /// Worth of the worse side of every instrument at the mid.
    fn gross(reach: &Reach) -> i128 {
        reach.iter().map(|sides| sides[0].max(sides[1]).max(0) * MID).sum()
    }

    fn open(&mut self) -> Option<Order> {
        let index = self.random.pick(self.oms.open_count());
        self.oms.open_orders().nth(index).copied()
    }

    fn intent(&mut self) -> Event {
        let mut event = Event::new(Kind::INTENT);
        event.instrument = u16::try_from(self.random.pick(INSTRUMENT_COUNT)).unwrap_or(0);
        event.source = u16::try_from(self.random.pick(STRATEGY_COUNT)).unwrap_or(0);
        event.price = self.random.between(950, 1_050);
        event.quantity = self.random.between(1, 70);
        event.code = OrderTerms::LIMIT_GTC.code();
        event.flags = flags::LAST;
        if self.random.below(2) == 1 {
            event.flags |= flags::SELL;
        }
        if self.random.below(12) == 0 {
            event.flags |= flags::REDUCE_ONLY;
        }
        event
    }

    fn change(&mut self) {
        let Some(order) = self.open() else { return };
        let event = self.intent();
        let side = order.flags & flags::SELL;
        self.send(Event {
            kind: Kind::INTENT_REPLACE,
            id: order.id,
            instrument: order.instrument,
            source: order.source,
            flags: flags::LAST | side,
            ..event
        });
    }

    fn told(&mut self) {
        const CODES: [ReportCode; 11] = [
            ReportCode::Acked,
            ReportCode::Acked,
            ReportCode::Rejected,
            ReportCode::Cancelled,
            ReportCode::Expired,
            ReportCode::CancelRejected,
            ReportCode::Replaced,
            ReportCode::ReplaceRejected,
            ReportCode::NotFound,
            ReportCode::Working,
            ReportCode::OutcomeUnknown,
        ];
        let Some(order) = self.open() else { return };
        let code = CODES[self.random.pick(CODES.len())];
        let mut event = report(order.instrument, order.id, code, 0);
        if code == ReportCode::Replaced {
            // A venue tells the terms that it was asked for, and only while it was asked.
            let asked =
                order.state == OrderState::PendingReplace && order.filled < order.asked_quantity;
            if !asked {
                return;
            }
            (event.price, event.quantity) = (order.asked_price, order.asked_quantity);
        }
        if code == ReportCode::Working {
            event.quantity = order.filled;
        }
        self.send(event);
    }

    /// A fill of an open order, of its old or its new terms, sometimes of more than was left.
    fn fill(&mut self) {
        let Some(order) = self.open() else { return };
        let mut quantity = self.random.between(1, 60).min(order.leaves());
        if quantity < 1 {
            return;
        }
        if order.state == OrderState::PendingReplace {
            self.tally.during_change += 1;
        }
        if self.random.below(16) == 0 {
            let more = self.random.between(1, 30);
            quantity = order.leaves() + more;
            self.tally.over += 1;
            self.was_hostile(order.instrument, order.side(), more);
        }
        self.execute(&order, quantity);
    }

    /// A fill of an order that is over.
    fn late(&mut self) {
        let index = self.random.pick(self.sent.len());
        let Some(order) = self.sent.get(index).and_then(|id| self.oms.order(*id)).copied() else {
            return;
        };
        if order.is_live() {
            return;
        }
        let quantity = self.random.between(1, 20);
        self.tally.late += 1;
        self.was_hostile(order.instrument, order.side(), quantity);
        self.execute(&order, quantity);
    }

    /// A fill of an order that nobody sent.
    fn unknown(&mut self) {
        let instrument = u16::try_from(self.random.pick(INSTRUMENT_COUNT)).unwrap_or(0);
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let quantity = self.random.between(1, 20);
        self.execution_id += 1;
        let execution = Execution {
            order_id: (1 << 60) + self.execution_id,
            side,
            price: 1_000,
            quantity,
            cumulative_quantity: quantity,
            fee_e8: 0,
            execution_id: self.execution_id,
            maker: false,
        };
        self.tally.unknown += 1;
        self.was_hostile(instrument, side, quantity);
        self.report_fill(instrument, execution);
    }

    /// The same execution once more.
    fn twice(&mut self) {
        if let Some((instrument, execution)) = self.last_execution {
            self.tally.twice += 1;
            self.report_fill(instrument, execution);
        }
    }

    fn execute(&mut self, order: &Order, quantity: i64) {
        self.execution_id += 1;
        let execution = Execution {
            order_id: order.id,
            side: order.side(),
            price: order.price,
            quantity,
            cumulative_quantity: order.filled + quantity,
            fee_e8: 5,
            execution_id: self.execution_id,
            maker: true,
        };
        self.report_fill(order.instrument, execution);
    }

    fn report_fill(&mut self, instrument: u16, execution: Execution) {
        self.last_execution = Some((instrument, execution));
        for event in fill_report(instrument, &execution) {
            self.send(event);
        }
    }

    fn was_hostile(&mut self, instrument: u16, side: Side, quantity: i64) {
        self.hostile[usize::from(instrument)][side.index()] += i128::from(quantity);
    }

    fn act(&mut self) {
        match self.random.below(100) {
            0..=34 => {
                let event = self.intent();
                self.send(event);
            }
            35..=49 => self.change(),
            50..=54 => {
                if let Some(order) = self.open() {
                    let event = self.intent();
                    self.send(Event { kind: Kind::INTENT_CANCEL, id: order.id, ..event });
                }
            }
            55..=74 => self.told(),
            75..=88 => self.fill(),
            89..=91 => self.late(),
            92 => self.unknown(),
            93..=95 => self.twice(),
            96..=98 => self.send(session::clock()),
            _ => {
                self.session += 1;
                self.send(session::session_start(self.session, Mode::Paper));
            }
        }
    }

    /// One life of so many steps. The error says which limit was passed and after which step.
    pub(crate) fn live(mut self, step_count: u64) -> Result<(), String> {
        self.session += 1;
        self.send(session::session_start(self.session, Mode::Paper));
        for step in 0..step_count {
            self.time_ns += self.random.below(60);
            for own in 0..INSTRUMENT_COUNT {
                let index = u16::try_from(own).unwrap_or(0);
                if let Some(market) = self.market.get_mut(index) {
                    market.heard_ns = self.time_ns;
                }
            }
            self.hostile = [[0; 2]; INSTRUMENT_COUNT];
            let before = self.reach(|_| true);
            let rows_before = [0, 1].map(|row| Run::gross(&self.reach(|own| own == row)));
            let open_before = i128::try_from(self.oms.open_count()).unwrap_or(i128::MAX);
            self.act();
            self.tally.steps += 1;
            self.check(&before, rows_before, open_before)
                .map_err(|what| format!("{what} after step {step}"))?;
        }
        Ok(())
    }

    /// Nothing is above its limit but by what was there before and what the venue did on its own.
    fn check(
        &mut self,
        before: &Reach,
        rows_before: [i128; STRATEGY_COUNT],
        open_before: i128,
    ) -> Result<(), String> {
        let within = |name: &str, now: i128, limit: i128, allowed: i128| {
            if now <= limit.max(allowed) {
                return Ok(());
            }
            Err(format!("{name} is {now}, the limit {limit}, before and hostile {allowed}"))
        };
        let now = self.reach(|_| true);
        let hostile: i128 = self.hostile.iter().flatten().sum();
        for ((sides, before), hostile) in now.iter().zip(before).zip(&self.hostile) {
            for side in 0..2 {
                let allowed = before[side] + hostile[side];
                within("a position", sides[side], POSITION_MAX, allowed)?;
                let worth = sides[side] * MID;
                within("a notional", worth, POSITION_NOTIONAL_MAX, allowed * MID)?;
                if hostile[side] == 0 && sides[side] <= POSITION_MAX {
                    self.tally.position_highest = self.tally.position_highest.max(sides[side]);
                }
            }
        }
        let gross = Run::gross(&now);
        within("the gross", gross, GROSS_MAX, Run::gross(before) + hostile * MID)?;
        if gross <= GROSS_MAX {
            self.tally.gross_highest = self.tally.gross_highest.max(gross);
        }
        for (row, before) in rows_before.into_iter().enumerate() {
            let gross = Run::gross(&self.reach(|own| own == row));
            within("a strategy", gross, STRATEGY_GROSS_MAX, before + hostile * MID)?;
        }
        let open = i128::try_from(self.oms.open_count()).unwrap_or(i128::MAX);
        within("open orders", open, ORDERS_OPEN_MAX, open_before)?;
        // The gate's own numbers are those of the books, and reserve at least what works.
        for (index, sides) in (0..).zip(&now) {
            let Some(own) = self.gate.exposure(index) else { continue };
            let held = [own.position + own.working_buy, own.working_sell - own.position];
            for side in 0..2 {
                if i128::from(held[side]) < sides[side] {
                    return Err(format!("the gate holds {held:?}, {sides:?} may be reached"));
                }
            }
        }
        Ok(())
    }
}
