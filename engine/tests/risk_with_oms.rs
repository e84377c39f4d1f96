//! The gate beside the real OMS: reservations follow its orders through random lives, and the
//! position limit and every parent hold even if everything that works fills.

use std::collections::BTreeMap;

use engine::event::order::{Execution, ReportCode, fill_report, report};
use engine::event::{BookState, Event, Kind, Mode, OrderState, OrderTerms, Side, flags, session};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::Money;
use engine::oms::{Oms, OmsConfig, OmsTimes, Order};
use engine::ring::{Emitter, Ring};
use engine::risk::{AccountLimits, Gate, InstrumentLimits, Limits};
use proptest::collection::vec;
use proptest::prelude::*;

const ORDERS_MAX: usize = 64;
const POSITION_MAX: i64 = 100;

fn table() -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue: Venue::Synthetic,
        symbol: "PLAIN".to_string(),
        price_scale: 0,
        quantity_scale: 0,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .expect("the table is sound")
}

fn limits() -> Limits {
    let much = Money(10_000_000 * Money::ONE.0);
    Limits {
        instruments: vec![Some(InstrumentLimits {
            order_quantity_max: 1_000,
            order_notional_max: much,
            position_quantity_max: POSITION_MAX,
            position_notional_max: much,
            collar_bps: 1_000,
            passive_bps: 1_000,
            reference_age_ns_max: 10_000_000_000,
            restricted: false,
        })],
        account: Some(AccountLimits {
            order_rate_count_max: 100_000,
            order_rate_window_ns: 1,
            orders_open_max: 32,
            loss_daily_max: much,
            drawdown_max: much,
            gross_notional_max: much,
            day_start_ns_utc: 0,
        }),
        ..Limits::none()
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    New { sell: bool, quantity: i64, price: i64, is_child: bool },
    Parents { total: i64 },
    Change { pick: usize, quantity: i64, price: i64 },
    Cancel { pick: usize },
    Report { pick: usize, code: ReportCode },
    Fill { pick: usize, quantity: i64 },
    Clock,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let code = prop::sample::select(vec![
        ReportCode::Acked,
        ReportCode::Acked,
        ReportCode::Acked,
        ReportCode::Rejected,
        ReportCode::Cancelled,
        ReportCode::Expired,
        ReportCode::CancelRejected,
        ReportCode::Replaced,
        ReportCode::Replaced,
        ReportCode::ReplaceRejected,
        ReportCode::NotFound,
        ReportCode::Working,
        ReportCode::OutcomeUnknown,
    ]);
    prop_oneof![
        5 => (any::<bool>(), 1i64..70, 950i64..1050, any::<bool>())
            .prop_map(|(sell, quantity, price, is_child)| Op::New { sell, quantity, price, is_child }),
        1 => (20i64..90).prop_map(|total| Op::Parents { total }),
        4 => (any::<usize>(), 1i64..120, 950i64..1050)
            .prop_map(|(pick, quantity, price)| Op::Change { pick, quantity, price }),
        2 => any::<usize>().prop_map(|pick| Op::Cancel { pick }),
        10 => (any::<usize>(), code).prop_map(|(pick, code)| Op::Report { pick, code }),
        4 => (any::<usize>(), 1i64..60).prop_map(|(pick, quantity)| Op::Fill { pick, quantity }),
        1 => Just(Op::Clock),
        1 => Just(Op::Restart),
    ]
}

fn place_of(id: u64) -> usize {
    usize::try_from(id).expect("a few") - 1
}

struct Desk {
    gate: Gate,
    oms: Oms,
    market: Market,
    ring: Ring,
    execution_id: u64,
    session: u64,
    position: i64,
    /// By id from 1, a buy and a sell in turn: total and what children traded.
    parents: Vec<(i64, i64)>,
    /// By order: id of its parent.
    child_of: BTreeMap<u64, u64>,
}

impl Desk {
    fn new() -> Desk {
        let mut market = Market::new(1);
        let own = market.get_mut(0).expect("there is one instrument");
        own.state = BookState::Live;
        own.top =
            Top { bid_price: 999, bid_quantity: 1, ask_price: 1001, ask_quantity: 1, update_id: 1 };
        let config = OmsConfig {
            engine: 1,
            orders_max: ORDERS_MAX,
            strategy_count: 1,
            instruments: table(),
            times: OmsTimes::default(),
        };
        let mut desk = Desk {
            gate: Gate::new(limits(), table(), 1, ORDERS_MAX),
            oms: Oms::new(config),
            market,
            ring: Ring::new(1024, 0),
            execution_id: 0,
            session: 0,
            position: 0,
            parents: Vec::new(),
            child_of: BTreeMap::new(),
        };
        desk.restart();
        desk.declare(80);
        desk
    }

    /// Runs an event and everything that follows from it through both stages, to completion.
    fn run(&mut self, event: Event) {
        let mut sequence = self.ring.begin(event);
        while sequence <= self.ring.head() {
            let event = *self.ring.get(sequence);
            let mut out = Emitter::new(&mut self.ring, &event);
            self.gate.apply(&event, &self.market, &mut out);
            self.oms.apply(&event, &mut out);
            let cause = if event.cause == 0 { event } else { *self.ring.get(event.cause) };
            if event.kind == Kind::ORDER && cause.kind == Kind::APPROVED && cause.id != 0 {
                self.child_of.insert(event.id, cause.id);
            }
            if event.kind == Kind::FILL {
                if let Some(id) = self.child_of.get(&event.id) {
                    self.parents[place_of(*id)].1 += event.quantity;
                }
                self.position += event.side().sign() * event.quantity;
            }
            sequence += 1;
        }
        assert!(!self.ring.overflowed());
    }

    /// Closes the newest two parents and declares two others, a buy and a sell.
    fn declare(&mut self, total: i64) {
        let count = u64::try_from(self.parents.len()).expect("a few");
        let closed = count.saturating_sub(2) + 1..=count;
        for (id, quantity) in
            closed.map(|id| (id, 0)).chain([(count + 1, total), (count + 2, total)])
        {
            let event = Desk::intent(id % 2 == 0, quantity, 0);
            self.run(Event { kind: Kind::PARENT, id, ..event });
            assert_eq!(self.ring.get(self.ring.head()).kind, Kind::PARENT, "it is not refused");
        }
        self.parents.extend([(total, 0); 2]);
    }

    fn restart(&mut self) {
        self.session += 1;
        self.run(session::session_start(self.session, Mode::Paper));
    }

    fn pick(&self, pick: usize) -> Option<Order> {
        self.oms.open_orders().nth(pick % self.oms.open_count().max(1)).copied()
    }

    fn intent(sell: bool, quantity: i64, price: i64) -> Event {
        let mut event = Event::new(Kind::INTENT);
        event.instrument = 0;
        event.source = 0;
        event.price = price;
        event.quantity = quantity;
        event.code = OrderTerms::LIMIT_GTC.code();
        event.flags = flags::LAST | if sell { Side::Sell.flag() } else { 0 };
        event
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::New { sell, quantity, price, is_child } => {
                let newest = u64::try_from(self.parents.len()).expect("a few");
                let id = if is_child { newest - u64::from(!sell) } else { 0 };
                self.run(Event { id, ..Desk::intent(sell, quantity, price) });
            }
            Op::Parents { total } => self.declare(total),
            Op::Change { pick, quantity, price } => {
                let Some(order) = self.pick(pick) else { return };
                let event = Desk::intent(order.flags & flags::SELL != 0, quantity, price);
                self.run(Event { kind: Kind::INTENT_REPLACE, id: order.id, ..event });
            }
            Op::Cancel { pick } => {
                let Some(order) = self.pick(pick) else { return };
                let event = Desk::intent(false, 0, 0);
                self.run(Event { kind: Kind::INTENT_CANCEL, id: order.id, ..event });
            }
            Op::Report { pick, code } => {
                let Some(order) = self.pick(pick) else { return };
                let mut event = report(0, order.id, code, 0);
                if code == ReportCode::Replaced {
                    // A venue tells the terms that it was asked for, and only while it was asked.
                    let asked = order.state == OrderState::PendingReplace
                        && order.filled < order.asked_quantity;
                    if !asked {
                        return;
                    }
                    (event.price, event.quantity) = (order.asked_price, order.asked_quantity);
                }
                if code == ReportCode::Working {
                    event.quantity = order.filled;
                }
                self.run(event);
            }
            Op::Fill { pick, quantity } => {
                let Some(order) = self.pick(pick) else { return };
                let quantity = quantity.min(order.leaves());
                if 0 < quantity {
                    self.fill(&order, quantity);
                }
            }
            Op::Clock => self.run(session::clock()),
            Op::Restart => self.restart(),
        }
    }

    fn fill(&mut self, order: &Order, quantity: i64) {
        self.execution_id += 1;
        let side = if order.flags & flags::SELL == 0 { Side::Buy } else { Side::Sell };
        let execution = Execution {
            order_id: order.id,
            side,
            price: order.price,
            quantity,
            cumulative_quantity: order.filled + quantity,
            fee_e8: 5,
            execution_id: self.execution_id,
            maker: true,
        };
        for event in fill_report(0, &execution) {
            self.run(event);
        }
    }

    /// What the OMS's orders of a side can still trade; the larger terms while a change is on its way.
    fn reach(&self, side: Side) -> i64 {
        self.oms
            .open_orders()
            .filter(|order| (order.flags & flags::SELL != 0) == (side == Side::Sell))
            .map(Order::leaves)
            .sum()
    }

    #[track_caller]
    fn check(&self, after: &str) {
        let exposure = self.gate.exposure(0).expect("there is one instrument");
        assert_eq!(exposure.position, self.position, "after {after}");
        assert_eq!(self.gate.orders_open_count(), self.oms.open_count(), "after {after}");
        assert_eq!(self.gate.dropped_count(), 0, "after {after}");
        let reach = [self.reach(Side::Buy), self.reach(Side::Sell)];
        assert!(reach[0] <= exposure.working_buy, "{reach:?} {exposure:?} after {after}");
        assert!(reach[1] <= exposure.working_sell, "{reach:?} {exposure:?} after {after}");
        // Nothing is held back for longer than there is a doubt.
        let settled = [OrderState::Pending, OrderState::Acked, OrderState::PartiallyFilled];
        if self.oms.open_orders().all(|order| settled.contains(&order.state)) {
            assert_eq!(reach, [exposure.working_buy, exposure.working_sell], "after {after}");
        }
        for (place, (total, executed)) in self.parents.iter().enumerate() {
            let is_child = |order: &&Order| {
                self.child_of.get(&order.id).is_some_and(|id| place_of(*id) == place)
            };
            let working: i64 = self.oms.open_orders().filter(is_child).map(Order::leaves).sum();
            assert!(executed + working <= *total, "{executed}, {working} of {total} after {after}");
        }
        assert!(self.position + exposure.working_buy <= POSITION_MAX, "{exposure:?} after {after}");
        assert!(
            exposure.working_sell - self.position <= POSITION_MAX,
            "{exposure:?} after {after}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reservations_follow_the_orders_of_the_oms(ops in vec(op(), 1..150)) {
        let mut desk = Desk::new();
        for op in ops {
            desk.act(op);
            desk.check(&format!("{op:?}"));
        }
        while let Some(order) = desk.pick(0) {
            desk.run(report(0, order.id, ReportCode::Cancelled, 0));
        }
        desk.check("the end");
        let exposure = desk.gate.exposure(0).expect("there is one instrument");
        prop_assert_eq!((exposure.working_buy, exposure.working_sell), (0, 0));
        prop_assert_eq!(desk.gate.orders_open_count(), 0);
    }
}
