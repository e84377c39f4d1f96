//! An independent bookkeeper: reads records only, keeps positions and orders its own way, and knows
//! what must never be.
//!
//! It shares no code with the OMS, the ledger or the gate. What it finds wrong is a panic that names the
//! record, so that a scenario fails at the first wrong record and not at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::event::{Event, Kind, OrderState, ReportCode, Side, flags};
use engine::pipeline::Pipeline;
use engine::risk::Limits;

use crate::world::Observer;

/// An order as the records tell it.
#[derive(Clone, Copy, Debug)]
struct Order {
    instrument: u16,
    side: Side,
    quantity: i64,
    /// Total asked for by a change on its way.
    asked: Option<i64>,
    filled: i64,
    open: bool,
    /// Strategy and id of its parent; the id 0 for none.
    parent: (u16, u64),
}

impl Order {
    /// Most that may still trade, whatever becomes of a change on its way.
    fn leaves(&self) -> i64 {
        if !self.open {
            return 0;
        }
        (self.quantity.max(self.asked.unwrap_or(0)) - self.filled).max(0)
    }
}

/// Who and what a position belongs to: strategy and instrument.
type Holder = (u16, u16);

/// What the records came to.
#[derive(Debug, Default)]
pub struct Bookkeeper {
    positions: BTreeMap<Holder, i64>,
    orders: BTreeMap<u64, Order>,
    /// By strategy and id: what a parent declared first; it can only become less.
    parents: BTreeMap<(u16, u64), i64>,
    /// Approvals of the present cascade, by sequence.
    approvals: BTreeMap<u64, Event>,
    last: u64,
    last_ns: u64,
    /// Cause of each record of the present cascade.
    causes: BTreeMap<u64, u64>,
    /// Order whose change the venue has answered in the present cascade.
    answered: Option<u64>,
    sent_ns: VecDeque<u64>,
    released: BTreeSet<u64>,
    /// Fills so far.
    pub fill_count: u64,
    /// New orders sent so far.
    pub sent_count: u64,
    /// Sessions begun so far.
    pub session_count: u64,
    /// Inbound records so far.
    pub inbound_count: u64,
}

impl Bookkeeper {
    /// Reads all of `events`.
    pub fn of(events: &[Event]) -> Bookkeeper {
        let mut keeper = Bookkeeper::default();
        for event in events {
            keeper.take(event);
        }
        keeper
    }

    /// Reads the next record.
    pub fn take(&mut self, event: &Event) {
        assert_eq!(event.sequence, self.last + 1, "{event:?}: out of sequence");
        assert!(
            self.last_ns <= event.time_ns || !event.kind.is_inbound(),
            "{event:?}: time ran back"
        );
        self.last = event.sequence;
        if event.kind.is_inbound() {
            self.last_ns = event.time_ns;
            self.inbound_count += 1;
            self.approvals.clear();
            self.causes.clear();
            let answer = ReportCode::from_code(event.code).filter(|_| event.kind == Kind::REPORT);
            let answers =
                matches!(answer, Some(ReportCode::Replaced | ReportCode::ReplaceRejected));
            self.answered = answers.then_some(event.id);
        } else {
            assert!(0 < event.cause && event.cause < event.sequence, "{event:?}: no cause");
            assert_eq!(event.time_ns, self.last_ns, "{event:?}: a decision has its input's time");
        }
        self.causes.insert(event.sequence, event.cause);
        match event.kind {
            Kind::SESSION_START => {
                assert_eq!(event.id, self.session_count + 1, "{event:?}: sessions count from 1");
                self.session_count = event.id;
            }
            Kind::APPROVED | Kind::APPROVED_REPLACE => {
                self.approvals.insert(event.sequence, *event);
            }
            Kind::PARENT => {
                self.parents.entry((event.source, event.id)).or_insert(event.quantity);
            }
            Kind::SEND_NEW => self.send_new(event),
            Kind::SEND_REPLACE => self.send_replace(event),
            Kind::FILL => self.fill(event),
            Kind::POSITION => {
                let known = self.position(event.source, event.instrument);
                assert_eq!(event.quantity, known, "{event:?}: the fills say otherwise");
            }
            Kind::ORDER => self.order(event),
            _ => {}
        }
    }

    /// The approval that led to `event`, in the same cascade.
    fn approval(&self, event: &Event) -> Event {
        let mut at = event.cause;
        while at != 0 {
            if let Some(approval) = self.approvals.get(&at) {
                return *approval;
            }
            at = self.causes.get(&at).copied().unwrap_or(0);
        }
        panic!("{event:?}: sent without an approval before it");
    }

    fn send_new(&mut self, event: &Event) {
        let approval = self.approval(event);
        assert_eq!(approval.kind, Kind::APPROVED, "{event:?}");
        let terms = |e: &Event| (e.instrument, e.price, e.quantity, e.code, e.side(), e.source);
        assert_eq!(terms(&approval), terms(event), "{event:?}: not what was approved");
        let order = Order {
            instrument: event.instrument,
            side: event.side(),
            quantity: event.quantity,
            asked: None,
            filled: 0,
            open: true,
            parent: (event.source, approval.id),
        };
        self.check_parent(&order, order.quantity, event);
        let before = self.orders.insert(event.id, order);
        assert!(before.is_none(), "{event:?}: this id was used before");
        self.sent_count += 1;
        self.sent_ns.push_back(event.time_ns);
    }

    /// What is sent leaves its parent within what was declared, also if every child that works fills.
    fn check_parent(&self, order: &Order, more: i64, event: &Event) {
        if order.parent.1 == 0 {
            return;
        }
        let total = self.parents.get(&order.parent).copied().expect("a parent is declared first");
        let children = self.orders.values().filter(|other| other.parent == order.parent);
        let used: i64 = children.map(|child| child.filled + child.leaves()).sum();
        assert!(used + more <= total, "{event:?}: {used} and {more} of {total}");
    }

    fn send_replace(&mut self, event: &Event) {
        let approval = self.approval(event);
        assert_eq!(approval.kind, Kind::APPROVED_REPLACE, "{event:?}");
        assert_eq!(
            (approval.id, approval.price, approval.quantity),
            (event.id, event.price, event.quantity),
            "{event:?}: not what was approved"
        );
        let order = self.orders.get_mut(&event.id).expect("only known orders are changed");
        let (before, left) = (order.leaves(), event.quantity - order.filled);
        order.asked = Some(event.quantity);
        let order = *order;
        if before < left {
            self.check_parent(&order, 0, event);
        }
        self.sent_ns.push_back(event.time_ns);
    }

    fn fill(&mut self, event: &Event) {
        assert!(0 < event.quantity, "{event:?}");
        let position = self.positions.entry((event.source, event.instrument)).or_insert(0);
        *position += event.side().sign() * event.quantity;
        if event.has(flags::IN_KIND) {
            return; // Kept by the venue: no order traded.
        }
        self.fill_count += 1;
        let order = self.orders.get_mut(&event.id).expect("only known orders trade");
        assert_eq!((order.side, order.instrument), (event.side(), event.instrument), "{event:?}");
        order.filled += event.quantity;
        let bound = order.quantity.max(order.asked.unwrap_or(0));
        assert!(order.filled <= bound, "{event:?}: more than was ordered");
    }

    fn order(&mut self, event: &Event) {
        let state = |code: u16| OrderState::from_code(u8::try_from(code).expect("masked"));
        let now = state(event.code & 0xff).expect("a known state");
        let Some(order) = self.orders.get_mut(&event.id) else { return };
        order.open = !now.is_terminal();
        // The venue's word settles a change, also when a cancel has overtaken it.
        if self.answered == Some(event.id) && order.open && now != OrderState::PendingReplace {
            order.quantity = event.quantity + order.filled;
            order.asked = None;
        }
        // What the OMS says may still trade covers what the records say may still trade.
        assert!(order.leaves() <= event.quantity, "{event:?}: {order:?}");
    }

    /// Net position of a strategy.
    pub fn position(&self, source: u16, instrument: u16) -> i64 {
        self.positions.get(&(source, instrument)).copied().unwrap_or(0)
    }

    /// Net position of all strategies.
    pub fn net(&self, instrument: u16) -> i64 {
        self.positions.iter().filter(|((_, i), _)| *i == instrument).map(|(_, value)| value).sum()
    }

    /// How far the position may reach to `side` if every open order of that side trades in full.
    pub fn reach(&self, instrument: u16, side: Side) -> i64 {
        let open = self.orders.values().filter(|o| o.instrument == instrument && o.side == side);
        side.sign() * self.net(instrument) + open.map(Order::leaves).sum::<i64>()
    }

    /// Orders that are not over.
    pub fn open_count(&self) -> usize {
        self.orders.values().filter(|order| order.open).count()
    }

    /// Compares positions and orders with the engine's own.
    pub fn agrees_with(&self, pipeline: &Pipeline) {
        let mut rows = BTreeMap::new();
        for row in pipeline.ledger().rows() {
            rows.insert((row.source, row.instrument), row.position.quantity);
        }
        for ((source, instrument), quantity) in &self.positions {
            let row = rows.get(&(*source, *instrument)).copied().unwrap_or(0);
            assert_eq!(row, *quantity, "ledger, strategy {source}, instrument {instrument}");
        }
        assert_eq!(rows.values().sum::<i64>(), self.positions.values().sum::<i64>());
        for (source, (_, _, positions)) in pipeline.host().strategies().enumerate() {
            for (instrument, position) in positions.iter().enumerate() {
                let (source, instrument) = (index(source), index(instrument));
                assert_eq!(*position, self.position(source, instrument), "host");
            }
        }
        for (instrument, _) in pipeline.instruments().iter() {
            let exposure = pipeline.gate().exposure(instrument).expect("a known instrument");
            assert_eq!(exposure.position, self.net(instrument), "gate");
        }
        assert_eq!(pipeline.oms().open_count(), self.open_count(), "open orders");
    }
}

fn index(value: usize) -> u16 {
    u16::try_from(value).expect("tables are small")
}

/// A bookkeeper that looks over the engine's shoulder, with the limits in its hand.
#[derive(Debug)]
pub struct Watchdog {
    /// What the records say.
    pub books: Bookkeeper,
    limits: Limits,
    /// Times when an exposure reached at least half of its limit: a test that never gets near proves little.
    pub near_count: u64,
    /// Events that left.
    pub outbound_count: u64,
}

impl Watchdog {
    /// One that holds the engine to `limits`.
    pub fn new(limits: Limits) -> Watchdog {
        Watchdog { books: Bookkeeper::default(), limits, near_count: 0, outbound_count: 0 }
    }

    /// No exposure is above its limit, even if every working order fills.
    fn check_reach(&mut self) {
        for (instrument, limits) in (0_u16..).zip(&self.limits.instruments) {
            let Some(limits) = limits else { continue };
            for side in [Side::Buy, Side::Sell] {
                let reach = self.books.reach(instrument, side);
                let most = limits.position_quantity_max;
                assert!(
                    reach <= most,
                    "instrument {instrument} reaches {reach} of {most} to {side:?}"
                );
                self.near_count += u64::from(most / 2 < reach);
            }
        }
        let account = self.limits.account.as_ref().expect("the desk has limits");
        let open = u64::try_from(self.books.open_count()).unwrap_or(u64::MAX);
        assert!(open <= u64::from(account.orders_open_max), "{open} open orders");
    }

    /// No order is larger than one order may be; no window has more than it may.
    fn check_order(&mut self, event: &Event, pipeline: &Pipeline) {
        let limits = self.limits.instruments[usize::from(event.instrument)].as_ref();
        let limits = limits.unwrap_or_else(|| panic!("{event:?}: not configured"));
        assert!(event.quantity <= limits.order_quantity_max, "{event:?}: too large");
        let instrument = pipeline.instruments().get(event.instrument).expect("known");
        let notional = instrument.notional(event.price, event.quantity);
        assert!(notional <= limits.order_notional_max, "{event:?}: too much money");
        let account = self.limits.account.as_ref().expect("the desk has limits");
        let window = &mut self.books.sent_ns;
        while window.front().is_some_and(|ns| ns + account.order_rate_window_ns <= event.time_ns) {
            window.pop_front();
        }
        let count = u64::try_from(window.len()).unwrap_or(u64::MAX);
        assert!(count <= u64::from(account.order_rate_count_max), "{event:?}: {count} in a window");
    }
}

impl Observer for Watchdog {
    fn after(&mut self, pipeline: &Pipeline, cascade: &[Event], outbound: &[Event]) {
        for event in cascade {
            self.books.take(event);
            if event.kind == Kind::SEND_NEW || event.kind == Kind::SEND_REPLACE {
                self.check_order(event, pipeline);
            }
        }
        if cascade.iter().any(|event| matches!(event.kind, Kind::ORDER | Kind::FILL)) {
            self.check_reach();
        }
        for event in outbound {
            let recorded = event.sequence <= self.books.last;
            assert!(recorded, "{event:?}: left before it was recorded");
            assert!(self.books.released.insert(event.sequence), "{event:?}: left twice");
            self.outbound_count += 1;
        }
    }
}
