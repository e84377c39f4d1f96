//! The gate allocates nothing after it was made: a counting allocator watches a day of its life.
#![expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; it only counts and delegates"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine::event::{
    BookState, CommandCode, Event, Kind, OrderState, OrderTerms, Side, flags, session,
};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::Money;
use engine::ring::{Emitter, Ring};
use engine::risk::{
    AccountLimits, Controls, Gate, Hours, InstrumentControls, InstrumentLimits, LimitKey,
    LimitTable, Limits, StrategyControls,
};

thread_local! {
    static ALLOCATION_COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator; counting touches a
// thread-local integer that needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ORDERS_MAX: usize = 64;

fn table() -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue: Venue::Synthetic,
        symbol: "PLAIN".to_string(),
        price_scale: 2,
        quantity_scale: 3,
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
    let much = Money(1_000_000 * Money::ONE.0);
    Limits {
        instruments: vec![Some(InstrumentLimits {
            order_quantity_max: 1_000,
            order_notional_max: much,
            position_quantity_max: 5_000,
            position_notional_max: much,
            collar_bps: 100,
            passive_bps: 100,
            reference_age_ns_max: 1_000_000_000,
            restricted: false,
        })],
        account: Some(AccountLimits {
            order_rate_count_max: 50,
            order_rate_window_ns: 1_000,
            orders_open_max: 40,
            loss_daily_max: much,
            drawdown_max: much,
            gross_notional_max: much,
            day_start_ns_utc: 0,
        }),
        ..Limits::none()
    }
}

/// The same with every control that is off unless configured.
fn with_controls() -> Limits {
    let mut limits = limits();
    let hours = Hours { days: 0x7f, from_ns: 0, to_ns: 86_400_000_000_000, holidays: vec![9] };
    limits.controls = Controls {
        two_person: true,
        alerts: true,
        soft_percent: Some(80),
        capital: Some(Money(1_000_000 * Money::ONE.0)),
        message_rate_window_ns: 1_000,
        duplicate_window_ns: 100,
        execution_window_ns: 1_000,
        reference_window_ns: 1_000,
        self_match: true,
        instruments: vec![InstrumentControls {
            hours: Some(hours),
            ..InstrumentControls::default()
        }],
        strategies: vec![StrategyControls {
            limits: LimitTable::default(),
            allowed: Some(vec![0]),
        }],
        ..Controls::default()
    };
    for key in LimitKey::ALL.iter().filter(|key| key.is_tabled()) {
        limits.set_value(*key, 0, i64::from(u16::MAX));
    }
    limits.set_value(LimitKey::Duplicate, 0, 8);
    limits.set_value(LimitKey::MessageRate, 0, 200);
    for key in [
        LimitKey::BatchNotional,
        LimitKey::NotionalDaily,
        LimitKey::StrategyPosition,
        LimitKey::StrategyGross,
        LimitKey::StrategyLossDaily,
    ] {
        limits.set_value(key, 0, i64::MAX / 2);
    }
    limits
}

struct Desk {
    gate: Gate,
    market: Market,
    ring: Ring,
    approved_count: u64,
    refused_count: u64,
}

impl Desk {
    fn send(&mut self, event: Event, cause: u64) -> Event {
        let sequence = self.ring.begin(event);
        let event = self.ring.get(sequence).caused_by(cause);
        self.gate.apply(&event, &self.market, &mut Emitter::new(&mut self.ring, &event));
        let last = *self.ring.get(self.ring.head());
        self.approved_count += u64::from(last.kind == Kind::APPROVED);
        self.refused_count += u64::from(last.kind == Kind::REFUSED);
        last
    }
}

fn order(intent: &Event, id: u64, state: OrderState, leaves: i64) -> Event {
    Event { kind: Kind::ORDER, id, code: u16::from(state.code()), quantity: leaves, ..*intent }
}

/// One order's life: approved, bound, changed, partly filled, mostly cancelled.
fn live(desk: &mut Desk, round: u64) {
    let mut intent = Event::new(Kind::INTENT).at(round * 10);
    intent.instrument = 0;
    intent.source = 0;
    intent.price = 10_000;
    intent.quantity = 100;
    intent.code = OrderTerms::LIMIT_GTC.code();
    intent.flags = flags::LAST | if round.is_multiple_of(2) { Side::Sell.flag() } else { 0 };
    // Every other order is a child of a parent of its own.
    let parent = Event { kind: Kind::PARENT, id: round + 1, quantity: 150, ..intent };
    if round % 4 < 2 {
        desk.send(parent, 0);
        intent.id = parent.id;
    }
    let approved = desk.send(intent, 0);
    if approved.kind != Kind::APPROVED {
        return;
    }
    let id = round + 1;
    desk.send(order(&intent, id, OrderState::New, 100), approved.sequence);
    desk.send(order(&intent, id, OrderState::Acked, 100), 0);
    desk.send(Event { kind: Kind::INTENT_REPLACE, id, quantity: 120, ..intent }, 0);
    desk.send(Event { quantity: 0, ..parent }, 0);
    desk.send(Event { kind: Kind::FILL, id, quantity: 40, ..intent }, 0);
    desk.send(Event { kind: Kind::FEE, quantity: 3, ..intent }, 0);
    desk.send(order(&intent, id, OrderState::PartiallyFilled, 60), 0);
    desk.send(Event { kind: Kind::INTENT_CANCEL, id, ..intent }, 0);
    if !round.is_multiple_of(50) {
        desk.send(order(&intent, id, OrderState::Cancelled, 0), 0);
    }
    desk.send(session::clock().at(round * 10), 0);
}

/// Changes of limits, told and confirmed.
fn change_limits(desk: &mut Desk) {
    for number in 1..20 {
        let mut set =
            session::command(CommandCode::LimitSet, u32::from(LimitKey::OrdersOpen.code()));
        (set.id, set.source) = (number, 1);
        set.quantity = if number % 2 == 0 { 39 } else { 38 };
        desk.send(set, 0);
        let mut confirm = session::command(CommandCode::Confirm, 0);
        (confirm.id, confirm.source, confirm.price) = (100 + number, 2, number.cast_signed());
        desk.send(confirm, 0);
    }
}

#[test]
fn the_gate_allocates_nothing_after_it_was_made() {
    check(limits());
}

#[test]
fn the_gate_with_every_control_allocates_nothing_either() {
    check(with_controls());
}

fn check(limits: Limits) {
    let gate = Gate::new(limits, table(), 1, ORDERS_MAX);
    let mut market = Market::new(1);
    let own = market.get_mut(0).expect("there is one instrument");
    own.state = BookState::Live;
    own.top =
        Top { bid_price: 9_999, bid_quantity: 1, ask_price: 10_001, ask_quantity: 1, update_id: 1 };
    let ring = Ring::new(64, 0);
    let mut desk = Desk { gate, market, ring, approved_count: 0, refused_count: 0 };
    let before = ALLOCATION_COUNT.with(Cell::get);
    for round in 0..2_000 {
        live(&mut desk, round);
    }
    change_limits(&mut desk);
    // Orders from elsewhere fill the spill list to its end and beyond.
    let stranger = Event { instrument: 0, source: 0, price: 10_000, ..Event::new(Kind::ORDER) };
    for id in 1_000_000..1_000_200 {
        desk.send(order(&stranger, id, OrderState::Acked, 1), 0);
    }
    let digest = desk.gate.digest();
    let after = ALLOCATION_COUNT.with(Cell::get);
    assert_eq!(after - before, 0);
    assert!(100 < desk.approved_count, "{} approved", desk.approved_count);
    assert!(100 < desk.refused_count, "{} refused", desk.refused_count);
    assert_ne!(digest, 0);
    // The counter counts, or the test could not fail.
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(ALLOCATION_COUNT.with(Cell::get) - after, 1);
}
