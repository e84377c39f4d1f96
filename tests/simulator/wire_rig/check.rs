//! The invariant of every scenario: engine, venue and journal say the same.
//!
//! Read from the journal's records and from the venue's own books, sharing no code with OMS, ledger or
//! adapter:
//! - every intent became one approval or one refusal with a rule; every approval one order;
//! - every order of the engine is at the venue once for each of its generations, or was refused with a
//!   reason and is not there at all; the venue has no order of ours that the engine does not know;
//! - the same executions, by the venue's number: order, side, price, quantity, fee;
//! - orders ended alike; balances are what they were plus what the fills did to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use binance::orders::client_id::ClientId;
use engine::event::{Event, Kind, OrderState, ReportCode, Side, flags};
use engine::pipeline::Pipeline;
use venue::exchange::{FillView, Inspection, OrderView};
use venue::order::Status;
use venue::{AccountIndex, Side as VenueSide};

/// Records at the end of a story.
const STORY_COUNT: usize = 400;
/// The venue's units in one 1e-8 of a price with two places: none is lost.
const PRICE_FACTOR: i64 = 1_000_000;
/// Units of 1e-12 in one of 1e-8.
const MONEY_FACTOR: i128 = 10_000;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The whole journal.
    pub events: &'a [Event],
    /// The engine at its end.
    pub pipeline: &'a Pipeline,
    /// The venue before the engine came.
    pub before: &'a Inspection,
    /// The venue at the end.
    pub after: &'a Inspection,
}

/// What happened in a scenario that ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Orders that got an id.
    pub order_count: u64,
    /// Executions.
    pub fill_count: u64,
    /// Outcomes that became unknown and were settled.
    pub unknown_count: u64,
    /// Orders that the venue refused, or that never reached it.
    pub rejected_count: u64,
    /// Intents that the risk gate refused.
    pub refused_count: u64,
    /// Replaced generations.
    pub replaced_count: u64,
    /// Faults that fired.
    pub fault_count: u64,
    /// Differences that pulls found.
    pub difference_count: u64,
    /// Anomalies.
    pub anomaly_count: u64,
    /// Sessions.
    pub session_count: u64,
    /// Orders at the venue that are not ours.
    pub stranger_count: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ordered {
    state: Option<OrderState>,
    filled: i64,
}

/// An execution: instrument and the venue's number.
type ExecutionId = (usize, u64);
/// Order, side, price, quantity.
type Execution = (u64, Side, i64, i64);

/// What the records say.
#[derive(Debug, Default)]
struct Told {
    orders: BTreeMap<u64, Ordered>,
    executions: BTreeMap<ExecutionId, Execution>,
    counts: BTreeMap<Kind, u64>,
    refused_new_count: u64,
    twice: Vec<ExecutionId>,
}

impl Told {
    fn of(events: &[Event]) -> Told {
        let mut told = Told::default();
        let mut filled: Option<Event> = None;
        for event in events {
            *told.counts.entry(event.kind).or_default() += 1;
            match event.kind {
                Kind::REFUSED if event.id == 0 => told.refused_new_count += 1,
                Kind::ORDER => {
                    let [state, _] = event.code.to_le_bytes();
                    let order = told.orders.entry(event.id).or_default();
                    order.state = OrderState::from_code(state);
                }
                Kind::FILL if !event.has(flags::IN_KIND) => {
                    told.orders.entry(event.id).or_default().filled += event.quantity;
                    filled = Some(*event);
                }
                Kind::FEE => {
                    let Some(fill) = filled.take() else { continue };
                    let id = (usize::from(fill.instrument), event.id);
                    let execution = (fill.id, fill.side(), fill.price, fill.quantity);
                    if told.executions.insert(id, execution).is_some() {
                        told.twice.push(id);
                    }
                }
                _ => {}
            }
        }
        told
    }

    fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }
}

/// Orders of account 0 by our id, each generation.
struct Placed<'a> {
    ours: BTreeMap<u64, Vec<(u16, &'a OrderView)>>,
    names: BTreeMap<(usize, u64), u64>,
    strangers: u64,
}

impl<'a> Placed<'a> {
    fn of(view: &'a Inspection) -> Placed<'a> {
        let mut placed = Placed { ours: BTreeMap::new(), names: BTreeMap::new(), strangers: 0 };
        for order in view.orders.iter().filter(|order| order.account == AccountIndex(0)) {
            let Some(name) = ClientId::parse(&order.client_id_first) else {
                placed.strangers += 1;
                continue;
            };
            placed.names.insert((order.symbol.0, order.order_id), name.order_id);
            // The venue remembers what it refused; such an order was never there.
            if order.status != Status::Rejected {
                placed.ours.entry(name.order_id).or_default().push((name.generation, order));
            }
        }
        for generations in placed.ours.values_mut() {
            generations.sort_by_key(|(generation, order)| (*generation, order.order_id));
        }
        placed
    }
}

/// Compares everything; the first differences in words.
pub fn check(given: &Given<'_>) -> Result<Summary, String> {
    let told = Told::of(given.events);
    let placed = Placed::of(given.after);
    let mut wrong = Vec::new();
    check_intents(&told, &mut wrong);
    check_orders(&told, &placed, &mut wrong);
    check_fills(&told, &placed, given.after, &mut wrong);
    check_balances(given, &told, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let rejected = |order: &&Ordered| order.state == Some(OrderState::Rejected);
    let replaced = given
        .events
        .iter()
        .filter(|event| event.kind == Kind::REPORT && event.code == ReportCode::Replaced as u16);
    Ok(Summary {
        order_count: count(told.orders.len()),
        fill_count: count(told.executions.len()),
        rejected_count: count(told.orders.values().filter(rejected).count()),
        refused_count: told.count(Kind::REFUSED),
        replaced_count: count(replaced.count()),
        difference_count: told.count(Kind::DIFFERENCE),
        anomaly_count: told.count(Kind::ANOMALY),
        session_count: told.count(Kind::SESSION_START),
        stranger_count: placed.strangers,
        ..Summary::default()
    })
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn check_intents(told: &Told, wrong: &mut Vec<String>) {
    let (intents, approved) = (told.count(Kind::INTENT), told.count(Kind::APPROVED));
    if intents != approved + told.refused_new_count {
        let refused = told.refused_new_count;
        wrong.push(format!("{intents} intents, but {approved} approved and {refused} refused"));
    }
    let (orders, sent) = (count(told.orders.len()), told.count(Kind::SEND_NEW));
    if orders != approved || sent != approved {
        wrong.push(format!("{approved} approved, but {orders} orders and {sent} sent"));
    }
}

fn is_open(order: &OrderView) -> bool {
    matches!(order.status, Status::New | Status::PartiallyFilled)
}

fn check_orders(told: &Told, placed: &Placed<'_>, wrong: &mut Vec<String>) {
    for (id, order) in &told.orders {
        let none = Vec::new();
        let generations = placed.ours.get(id).unwrap_or(&none);
        for pair in generations.windows(2) {
            if pair[0].0 == pair[1].0 {
                wrong.push(format!("order {id:x} is doubled at the venue: {pair:?}"));
            }
            if is_open(pair[0].1) {
                wrong.push(format!("order {id:x} was left behind at the venue: {pair:?}"));
            }
        }
        let executed: i64 = generations.iter().map(|(_, order)| order.executed).sum();
        if executed != order.filled {
            wrong.push(format!("order {id:x}: {} filled here, {executed} there", order.filled));
        }
        let Some(state) = order.state else {
            wrong.push(format!("order {id:x} traded and was never told"));
            continue;
        };
        let last = generations.last().map(|(_, order)| order.status);
        if !agrees(state, last) {
            wrong.push(format!("order {id:x} is {} here, {last:?} there", state.name()));
        }
    }
    for (id, generations) in &placed.ours {
        if !told.orders.contains_key(id) {
            wrong.push(format!(
                "the venue has an order that we do not know: {id:x} {generations:?}"
            ));
        }
    }
}

/// Whether the last generation at the venue ended as the engine believes.
fn agrees(state: OrderState, last: Option<Status>) -> bool {
    match state {
        OrderState::Rejected => last.is_none(),
        OrderState::Filled => last == Some(Status::Filled),
        // A replace that was filled in its first part and cancelled in its second ends as cancelled.
        OrderState::Cancelled => last == Some(Status::Canceled),
        OrderState::Expired => matches!(last, Some(Status::Expired | Status::ExpiredInMatch)),
        OrderState::Acked => last == Some(Status::New),
        OrderState::PartiallyFilled => last == Some(Status::PartiallyFilled),
        OrderState::New
        | OrderState::Pending
        | OrderState::PendingCancel
        | OrderState::PendingReplace
        | OrderState::Unknown => false,
    }
}

fn execution(fill: &FillView, placed: &Placed<'_>) -> Option<(ExecutionId, Execution)> {
    let order = *placed.names.get(&(fill.symbol.0, fill.order_id))?;
    let side = if fill.is_buyer { Side::Buy } else { Side::Sell };
    let terms = (order, side, fill.price / PRICE_FACTOR, fill.quantity);
    Some(((fill.symbol.0, fill.trade_id), terms))
}

fn check_fills(told: &Told, placed: &Placed<'_>, view: &Inspection, wrong: &mut Vec<String>) {
    let ours = view.fills.iter().filter(|fill| fill.account == AccountIndex(0));
    let there: BTreeMap<ExecutionId, Execution> =
        ours.filter_map(|fill| execution(fill, placed)).collect();
    for id in &told.twice {
        wrong.push(format!("execution {id:?} was booked twice"));
    }
    for (id, execution) in &there {
        match told.executions.get(id) {
            Some(here) if here == execution => {}
            here => wrong.push(format!("execution {id:?}: {here:?} here, {execution:?} there")),
        }
    }
    for (id, execution) in told.executions.iter().filter(|(id, _)| !there.contains_key(id)) {
        wrong.push(format!("execution {id:?} is not the venue's: {execution:?}"));
    }
}

fn total(view: &Inspection, asset: &str) -> i128 {
    let account = view.accounts.first();
    let balance = account.and_then(|a| a.balances.iter().find(|balance| balance.asset == asset));
    balance.map_or(0, |balance| balance.free + balance.locked)
}

/// Positions and cash against the venue's balances. All of a rig's quantities have eight places.
fn check_balances(given: &Given<'_>, told: &Told, wrong: &mut Vec<String>) {
    let pipeline = given.pipeline;
    let mut bases: BTreeMap<&str, i128> = BTreeMap::new();
    let mut cash = 0_i128;
    for row in pipeline.ledger().rows() {
        let Some(instrument) = pipeline.instruments().get(row.instrument) else { continue };
        let base = instrument.symbol.trim_end_matches("USDT");
        *bases.entry(base).or_default() += i128::from(row.position.quantity);
        cash += row.position.cash_flow().minus(row.position.fees).0;
    }
    for (base, position) in bases {
        let moved = total(given.after, base) - total(given.before, base);
        if moved != position {
            wrong.push(format!("{base}: position {position}, the venue's balance moved {moved}"));
        }
    }
    let moved = total(given.after, "USDT") - total(given.before, "USDT");
    let cash = cash.div_euclid(MONEY_FACTOR);
    // Each fill is rounded to 1e-8 once for its notional and once for its fee, here and there.
    let slack = 4 * i128::try_from(told.executions.len()).unwrap_or(0) + 1;
    if slack < (cash - moved).abs() {
        wrong.push(format!("USDT: cash {cash}, the venue's balance moved {moved}"));
    }
}

/// Which side, as the venue says it.
pub const fn venue_side(side: Side) -> VenueSide {
    match side {
        Side::Buy => VenueSide::Buy,
        Side::Sell => VenueSide::Sell,
    }
}

/// The end of the records but for market data, and the venue's orders and fills, in lines.
pub fn story(events: &[Event], view: &Inspection) -> String {
    let mut text = String::new();
    let is_told = |event: &&Event| {
        !matches!(
            event.kind,
            Kind::DEPTH
                | Kind::LEVEL
                | Kind::TRADE
                | Kind::QUOTE
                | Kind::CLOCK
                | Kind::STATE_HASH
                | Kind::TEXT
                | Kind::INSTRUMENT
                | Kind::POSITION
                | Kind::VENUE_BALANCE
        )
    };
    let told: Vec<&Event> = events.iter().filter(is_told).collect();
    for event in &told[told.len().saturating_sub(STORY_COUNT)..] {
        writeln!(text, "{}", line(event)).expect("writing to a string cannot fail");
    }
    for order in view.orders.iter().filter(|order| order.account == AccountIndex(0)) {
        writeln!(
            text,
            "venue order {} {} (first {}) {:?} {:?} price {} quantity {} executed {}",
            order.order_id,
            order.client_id,
            order.client_id_first,
            order.side,
            order.status,
            order.price,
            order.quantity,
            order.executed
        )
        .expect("writing to a string cannot fail");
    }
    for fill in view.fills.iter().filter(|fill| fill.account == AccountIndex(0)) {
        writeln!(
            text,
            "venue fill {} of order {} price {} quantity {}",
            fill.trade_id, fill.order_id, fill.price, fill.quantity
        )
        .expect("writing to a string cannot fail");
    }
    text
}

fn line(event: &Event) -> String {
    let name = Kind::ALL.iter().find(|(kind, _)| *kind == event.kind).map_or("?", |(_, name)| name);
    let what = match event.kind {
        Kind::ORDER => {
            let [state, before] = event.code.to_le_bytes().map(OrderState::from_code);
            let name = |state: Option<OrderState>| state.map_or("?", OrderState::name);
            format!("{} <- {}", name(state), name(before))
        }
        Kind::REPORT => ReportCode::from_code(event.code).map_or("?", ReportCode::name).to_string(),
        _ => event.code.to_string(),
    };
    format!(
        "{:>9} {:>6} us  {name} {what} price {} quantity {} id {:x} tag {} flags {:x} source {}",
        event.sequence,
        event.time_ns / 1_000 % 1_000_000,
        event.price,
        event.quantity,
        event.id,
        event.tag,
        event.flags,
        event.source
    )
}
