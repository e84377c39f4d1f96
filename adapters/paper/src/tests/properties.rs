//! Properties that hold whatever market and orders come.

use std::collections::BTreeMap;

use engine::event::market::{DepthIds, depth, feed, level, quote, trade};
use engine::event::order::execution;
use engine::event::{Event, FeedCode, Kind, OrderTerms, ReportCode, Side, flags};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::{AT_ONCE, table, venue};
use crate::PaperConfig;

/// One step of a random session; every number is small, so that things meet.
#[derive(Clone, Debug)]
enum Op {
    Level { ask: bool, offset: i64, quantity: i64 },
    Shift { by: i64 },
    Trade { sell: bool, offset: i64, quantity: i64 },
    Quote { quantity: i64 },
    New { sell: bool, offset: i64, quantity: i64, terms: usize, post: bool },
    Cancel { order: u64 },
    Replace { order: u64, offset: i64, quantity: i64 },
    Query { order: u64 },
    Feed { code: u16 },
    Snapshot,
    Wait { ns: u64 },
}

/// Hungry takers and makers in a market that displays little that is new.
fn scarce_display() -> impl Strategy<Value = Op> {
    let new =
        |sell, offset, quantity, terms| Op::New { sell, offset, quantity, terms, post: false };
    prop_oneof![
        2 => (any::<bool>(), 0..8i64, 0..20i64)
            .prop_map(|(ask, offset, quantity)| Op::Level { ask, offset, quantity }),
        1 => (-3..4i64).prop_map(|by| Op::Shift { by }),
        8 => (any::<bool>(), -9..10i64, 1..30i64, 0..5usize)
            .prop_map(move |(sell, offset, quantity, terms)| new(sell, offset, quantity, terms)),
        2 => (1..60u64).prop_map(|order| Op::Cancel { order }),
    ]
}

/// Many resting orders at the touch, a book that stays as it is, and small trades.
fn scarce_trades() -> impl Strategy<Value = Op> {
    let new = |sell, offset: i64, quantity| {
        let offset = if sell { offset } else { -offset };
        Op::New { sell, offset, quantity, terms: 0, post: true }
    };
    prop_oneof![
        4 => (any::<bool>(), 0..3i64, 1..9i64)
            .prop_map(move |(sell, offset, quantity)| new(sell, offset, quantity)),
        6 => (any::<bool>(), -3..4i64, 1..9i64)
            .prop_map(|(sell, offset, quantity)| Op::Trade { sell, offset, quantity }),
    ]
}

const TERMS: [u16; 5] = [0x0101, 0x0101, 0x0201, 0x0301, 0x0202];

fn op() -> impl Strategy<Value = Op> {
    let offset = -6..7i64;
    let quantity = 1..20i64;
    prop_oneof![
        8 => (any::<bool>(), 0..8i64, 0..20i64)
            .prop_map(|(ask, offset, quantity)| Op::Level { ask, offset, quantity }),
        2 => (-3..4i64).prop_map(|by| Op::Shift { by }),
        5 => (any::<bool>(), offset.clone(), quantity.clone())
            .prop_map(|(sell, offset, quantity)| Op::Trade { sell, offset, quantity }),
        2 => quantity.clone().prop_map(|quantity| Op::Quote { quantity }),
        8 => (any::<bool>(), offset.clone(), quantity.clone(), 0..5usize, any::<bool>())
            .prop_map(|(sell, offset, quantity, terms, post)| {
                Op::New { sell, offset, quantity, terms, post: post && terms < 2 }
            }),
        2 => (1..60u64).prop_map(|order| Op::Cancel { order }),
        3 => (1..60u64, offset, quantity)
            .prop_map(|(order, offset, quantity)| Op::Replace { order, offset, quantity }),
        1 => (1..60u64).prop_map(|order| Op::Query { order }),
        1 => (1..5u16).prop_map(|code| Op::Feed { code }),
        2 => Just(Op::Snapshot),
        3 => (0..400_000u64).prop_map(|ns| Op::Wait { ns }),
    ]
}

/// Turns steps into events and keeps the books of what may be filled.
struct Session {
    mid: i64,
    book: [BTreeMap<i64, i64>; 2],
    /// A quote as last told: it may show more than the depth does.
    update_id: i64,
    time_ns: u64,
    order_id: u64,
    /// Everything that was ever displayed anew, and everything that traded.
    supply: i64,
    sent: BTreeMap<u64, Event>,
    /// Quantity of the public trade of a time.
    traded: BTreeMap<u64, i64>,
}

impl Session {
    fn new() -> Session {
        Session {
            mid: 1_000,
            book: Default::default(),
            update_id: 0,
            time_ns: 1,
            order_id: 0,
            supply: 0,
            sent: BTreeMap::new(),
            traded: BTreeMap::new(),
        }
    }

    fn run(&mut self, levels: &[(Side, i64, i64)], snapshot: bool) -> Vec<Event> {
        self.update_id += 1;
        let first = self.update_id;
        let ids = DepthIds { first, last: first, previous: DepthIds::NO_PREVIOUS };
        let count = u32::try_from(levels.len()).unwrap();
        let mut run = vec![depth(0, ids, count, snapshot)];
        for (place, (side, price, quantity)) in levels.iter().enumerate() {
            run.push(level(0, *side, *price, *quantity, place + 1 == levels.len()));
        }
        run
    }

    fn set(&mut self, side: Side, price: i64, quantity: i64) {
        let old = self.book[side.index()].insert(price, quantity).unwrap_or(0);
        self.supply += (quantity - old).max(0);
    }

    fn snapshot(&mut self) -> Vec<Event> {
        let levels: Vec<_> = [Side::Buy, Side::Sell]
            .into_iter()
            .flat_map(|side| self.book[side.index()].iter().map(move |(p, q)| (side, *p, *q)))
            .filter(|(_, _, quantity)| 0 < *quantity)
            .collect();
        // What is displayed again after a break may fill again.
        self.supply += levels.iter().map(|(_, _, quantity)| quantity).sum::<i64>();
        self.run(&levels, true)
    }

    /// Moves the touch; levels in the way are removed, so that the book does not stay crossed.
    fn shift(&mut self, by: i64) -> Vec<Event> {
        self.mid += by;
        let mid = self.mid;
        let mut gone = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            for (price, quantity) in &mut self.book[side.index()] {
                let in_the_way = match side {
                    Side::Buy => mid <= *price,
                    Side::Sell => *price <= mid,
                };
                if in_the_way && *quantity != 0 {
                    *quantity = 0;
                    gone.push((side, *price, 0));
                }
            }
        }
        if gone.is_empty() { Vec::new() } else { self.run(&gone, false) }
    }

    fn market(&mut self, op: &Op) -> Vec<Event> {
        match *op {
            Op::Level { ask, offset, quantity } => {
                let side = if ask { Side::Sell } else { Side::Buy };
                let price = self.mid - side.sign() * (1 + offset);
                self.set(side, price, quantity);
                self.run(&[(side, price, quantity)], false)
            }
            Op::Shift { by } => self.shift(by),
            Op::Trade { sell, offset, quantity } => {
                self.supply += quantity;
                self.traded.insert(self.time_ns, quantity);
                let aggressor = if sell { Side::Sell } else { Side::Buy };
                vec![trade(0, aggressor, self.mid + offset, quantity, 1)]
            }
            Op::Quote { quantity } => {
                self.update_id += 1;
                self.supply += 2 * quantity;
                // Whatever was displayed beyond the quote may come back with the next depth.
                self.supply += self.book.iter().flat_map(BTreeMap::values).sum::<i64>();
                let id = self.update_id.cast_unsigned();
                let side = |side: Side| quote(0, side, self.mid - side.sign(), quantity, id);
                vec![side(Side::Buy), side(Side::Sell)]
            }
            Op::Feed { code } => vec![feed(0, FeedCode::from_code(code).unwrap(), 1)],
            Op::Snapshot => self.snapshot(),
            Op::Wait { ns } => {
                self.time_ns += ns;
                Vec::new()
            }
            Op::New { .. } | Op::Cancel { .. } | Op::Replace { .. } | Op::Query { .. } => {
                Vec::new()
            }
        }
    }

    fn request(&mut self, op: &Op) -> Option<Event> {
        let kind = match op {
            Op::New { .. } => Kind::SEND_NEW,
            Op::Cancel { .. } => Kind::SEND_CANCEL,
            Op::Replace { .. } => Kind::SEND_REPLACE,
            Op::Query { .. } => Kind::SEND_QUERY,
            Op::Level { .. }
            | Op::Shift { .. }
            | Op::Trade { .. }
            | Op::Quote { .. }
            | Op::Feed { .. }
            | Op::Snapshot
            | Op::Wait { .. } => return None,
        };
        let mut event = Event::new(kind);
        event.instrument = 0;
        match *op {
            Op::New { sell, offset, quantity, terms, post } => {
                self.order_id += 1;
                event.id = self.order_id;
                event.flags = if sell { flags::SELL } else { 0 };
                event.flags |= if post { flags::POST_ONLY } else { 0 };
                event.code = TERMS[terms];
                event.price = self.mid + offset;
                event.quantity = quantity;
                self.sent.insert(event.id, event);
            }
            Op::Cancel { order } | Op::Query { order } => event.id = order,
            Op::Replace { order, offset, quantity } => {
                event.id = order;
                event.price = self.mid + offset;
                event.quantity = quantity;
            }
            Op::Level { .. }
            | Op::Shift { .. }
            | Op::Trade { .. }
            | Op::Quote { .. }
            | Op::Feed { .. }
            | Op::Snapshot
            | Op::Wait { .. } => {}
        }
        Some(event)
    }
}

/// What is known of an order from its reports alone.
#[derive(Clone, Copy, Debug)]
struct Told {
    sell: bool,
    is_market: bool,
    price: i64,
    quantity: i64,
    filled: i64,
    is_over: bool,
}

/// Judges every report by what the client can know.
#[derive(Default)]
struct Judge {
    orders: BTreeMap<u64, Told>,
    half: Option<Event>,
    last_ns: u64,
    last_execution: u64,
    filled: i64,
    /// Quantity of the fills of a time.
    filled_at: BTreeMap<u64, i64>,
    position: i64,
    cash: i128,
    fees: i64,
    fills: u64,
}

impl Judge {
    fn hear(&mut self, event: &Event, sent: &BTreeMap<u64, Event>) {
        assert!(self.last_ns <= event.time_ns, "time runs backwards");
        self.last_ns = event.time_ns;
        if event.kind == Kind::REPORT_DETAIL {
            return self.fill(event);
        }
        assert!(self.half.is_none());
        match ReportCode::from_code(event.code).unwrap() {
            ReportCode::Acked => {
                let order = sent[&event.id];
                let told = Told {
                    sell: order.has(flags::SELL),
                    is_market: order.code & 0xff == 2,
                    price: order.price,
                    quantity: order.quantity,
                    filled: 0,
                    is_over: false,
                };
                assert!(self.orders.insert(event.id, told).is_none(), "acked twice");
            }
            ReportCode::Filled => self.half = Some(*event),
            ReportCode::Replaced => {
                let order = self.live(event.id);
                (order.price, order.quantity) = (event.price, event.quantity);
                assert!(order.filled < order.quantity);
            }
            ReportCode::Cancelled | ReportCode::Expired => {
                // A query may be answered by the end of an order, again.
                self.orders.get_mut(&event.id).expect("acked before").is_over = true;
            }
            ReportCode::Working => assert_eq!(self.orders[&event.id].filled, event.quantity),
            ReportCode::Rejected | ReportCode::NotFound => {
                assert!(!self.orders.contains_key(&event.id), "was acked");
            }
            ReportCode::CancelRejected => {
                assert!(self.orders.get(&event.id).is_none_or(|order| order.is_over));
            }
            ReportCode::ReplaceRejected => {}
            ReportCode::OutcomeUnknown | ReportCode::Completed => {
                panic!("the venue knows its outcomes, and each fill is an answer of its own")
            }
        }
    }

    fn live(&mut self, id: u64) -> &mut Told {
        let order = self.orders.get_mut(&id).expect("acked before");
        assert!(!order.is_over, "{id} was over");
        order
    }

    fn fill(&mut self, detail: &Event) {
        let first = self.half.take().expect("two halves");
        let told = execution(&first, detail);
        assert!(self.last_execution < told.execution_id);
        self.last_execution = told.execution_id;
        let order = self.live(told.order_id);
        order.filled += told.quantity;
        assert!(0 < told.quantity);
        assert_eq!(told.cumulative_quantity, order.filled);
        assert!(order.filled <= order.quantity, "over-filled");
        assert_eq!(told.side == Side::Sell, order.sell);
        let is_worse =
            (order.sell && told.price < order.price) || (!order.sell && order.price < told.price);
        assert!(order.is_market || !is_worse, "beyond the limit: {told:?} {order:?}");
        assert!(!told.maker || told.price == order.price);
        order.is_over = order.filled == order.quantity;
        let table = table();
        let fee = table.get(0).unwrap().fee_e8(told.price, told.quantity, told.maker);
        assert_eq!(told.fee_e8, fee);
        self.filled += told.quantity;
        *self.filled_at.entry(detail.time_ns).or_default() += told.quantity;
        self.position += told.side.sign() * told.quantity;
        self.cash -=
            i128::from(told.side.sign()) * i128::from(told.price) * i128::from(told.quantity);
        self.fees += told.fee_e8;
        self.fills += 1;
    }
}

fn play(config: PaperConfig, ops: &[Op]) -> (Judge, Session, Vec<Event>, u64) {
    let mut venue = venue(config);
    let (mut session, mut judge, mut reports) = (Session::new(), Judge::default(), Vec::new());
    for offset in 0..4 {
        for side in [Side::Buy, Side::Sell] {
            session.set(side, session.mid - side.sign() * (1 + offset), 10);
        }
    }
    let snapshot = session.snapshot();
    for event in &snapshot {
        venue.on_market(event);
    }
    for op in ops {
        session.time_ns += 1_000;
        let market = session.market(op);
        let time_ns = session.time_ns;
        venue.advance(time_ns, &mut |event| reports.push(event));
        for event in &market {
            venue.on_market(&event.at(time_ns));
        }
        if let Some(request) = session.request(op) {
            venue.on_request(&request, time_ns);
        }
    }
    venue.advance(session.time_ns + 10_000_000, &mut |event| reports.push(event));
    for report in &reports {
        judge.hear(report, &session.sent);
    }
    assert!(judge.half.is_none());
    let working = judge.orders.values().filter(|order| !order.is_over).count();
    assert_eq!(working, venue.working_count(), "an order is lost");
    assert_eq!(judge.fills, venue.counters().fills);
    (judge, session, reports, venue.digest())
}

/// What the first snapshot displays: four levels of 10 on two sides.
const SNAPSHOT_SUPPLY: i64 = 80;

const JITTERY: PaperConfig = PaperConfig {
    latency_out_ns: 3_000,
    latency_in_ns: 2_000,
    latency_jitter_ns: 5_000,
    ..AT_ONCE
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_report_is_consistent_and_fills_never_exceed_what_was_there(
        ops in proptest::collection::vec(op(), 1..250),
        late in any::<bool>(),
    ) {
        let (judge, session, _, _) = play(if late { JITTERY } else { AT_ONCE }, &ops);
        prop_assert!(judge.filled <= session.supply, "{} of {}", judge.filled, session.supply);
        // Bought and sold are what the orders say, and cash is what the prices say: nothing is made or lost.
        let by_orders: i64 = judge
            .orders
            .values()
            .map(|order| if order.sell { -order.filled } else { order.filled })
            .sum();
        prop_assert_eq!(judge.position, by_orders);
        // Working orders of ours never stand crossed.
        let live = |sell| move |order: &&Told| !order.is_over && order.sell == sell;
        let bid = judge.orders.values().filter(live(false)).map(|order| order.price).max();
        let ask = judge.orders.values().filter(live(true)).map(|order| order.price).min();
        if let (Some(bid), Some(ask)) = (bid, ask) {
            prop_assert!(bid < ask, "our bid {bid} meets our ask {ask}");
        }
    }

    #[test]
    fn takers_and_crossings_together_never_get_more_than_was_displayed(
        ops in proptest::collection::vec(scarce_display(), 1..200),
    ) {
        let (judge, session, _, _) = play(AT_ONCE, &ops);
        // The snapshot at the start displays what was counted when it was set.
        let supply = session.supply - SNAPSHOT_SUPPLY;
        prop_assert!(judge.filled <= supply, "{} of {supply}", judge.filled);
    }

    #[test]
    fn resting_orders_together_never_get_more_than_was_traded(
        ops in proptest::collection::vec(scarce_trades(), 1..200),
    ) {
        let (judge, session, _, _) = play(AT_ONCE, &ops);
        for (time_ns, filled) in &judge.filled_at {
            let traded = session.traded.get(time_ns).copied().unwrap_or(0);
            prop_assert!(*filled <= traded, "{filled} of {traded} at {time_ns}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_reports(
        ops in proptest::collection::vec(op(), 1..150),
        seed in any::<u64>(),
    ) {
        let config = PaperConfig { seed, reject_per_million: 100_000, ..JITTERY };
        let (_, _, first, first_digest) = play(config, &ops);
        let (_, _, second, second_digest) = play(config, &ops);
        prop_assert_eq!(first, second);
        prop_assert_eq!(first_digest, second_digest);
    }

    #[test]
    fn any_event_is_survived(
        words in proptest::collection::vec(
            (any::<u8>(), any::<u8>(), 0..4u16, any::<u16>(), extreme(), extreme(), any::<u64>(), any::<u32>()),
            1..80,
        ),
    ) {
        let mut venue = venue(AT_ONCE);
        let mut time_ns = 0;
        for (kind, flag, instrument, code, price, quantity, id, tag) in words {
            let all = Kind::ALL;
            let mut event = Event::new(all[usize::from(kind) % all.len()].0);
            (event.flags, event.instrument, event.code) = (flag, instrument, code % 0x0400);
            (event.price, event.quantity, event.id, event.tag) = (price, quantity, id % 8, tag % 4);
            event.time_ns = id;
            venue.on_market(&event);
            venue.on_request(&event, id);
            time_ns = id.max(time_ns);
            venue.advance(time_ns, &mut |report| assert!(!report.kind.is_outbound()));
        }
    }
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![0..12i64, Just(i64::MAX), Just(i64::MIN), Just(-1i64), any::<i64>()]
}

#[test]
fn random_sessions_do_trade() {
    // Guards the properties above against being true of nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut fills, mut makers) = (0, 0);
    for _ in 0..50 {
        let tree = proptest::collection::vec(op(), 200..201).new_tree(&mut runner).unwrap();
        let (judge, _, reports, _) = play(AT_ONCE, &tree.current());
        fills += judge.fills;
        makers += reports.iter().filter(|report| report.has(flags::MAKER)).count();
        assert_eq!(judge.cash == 0, judge.fills == 0);
    }
    assert!(500 < fills, "{fills}");
    assert!(100 < makers, "{makers}");
    assert_eq!(OrderTerms::from_code(TERMS[0]), Some(OrderTerms::LIMIT_GTC));
}
