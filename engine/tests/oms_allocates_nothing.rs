//! OMS, ledger and reconciler allocate nothing once they are made: proved by a counting allocator.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine::event::link::{VenueOrder, link, venue_balance, venue_order};
use engine::event::order::{Execution, fill_report, report};
use engine::event::session::{clock, command, session_start};
use engine::event::{
    BalanceCode, CommandCode, Event, FeeCode, Kind, LinkCode, Mode, OrderTerms, ReportCode, Side,
};
use engine::ids;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::ledger::Ledger;
use engine::money::Money;
use engine::oms::{Oms, OmsConfig, OmsTimes};
use engine::reconcile::{Reconcile, ReconcileConfig};
use engine::ring::{Emitter, Ring};

thread_local! {
    // Only this thread's: the test harness may allocate on its own while the test runs.
    static ALLOCATION_COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.set(ALLOCATION_COUNT.get() + 1);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATION_COUNT.set(ALLOCATION_COUNT.get() + 1);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn instruments() -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue: Venue::Synthetic,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .unwrap()
}

struct Desk {
    oms: Oms,
    ledger: Ledger,
    reconcile: Reconcile,
    ring: Ring,
    said_count: u64,
}

impl Desk {
    /// One inbound event and everything it leads to, as the pipeline does it.
    fn hear(&mut self, event: Event) {
        let mut sequence = self.ring.begin(event);
        while sequence <= self.ring.head() {
            let event = *self.ring.get(sequence);
            if Oms::INTEREST.contains(event.kind) {
                self.oms.apply(&event, &mut Emitter::new(&mut self.ring, &event));
            }
            if Ledger::INTEREST.contains(event.kind) {
                self.ledger.apply(&event, &mut Emitter::new(&mut self.ring, &event));
            }
            if Reconcile::INTEREST.contains(event.kind) {
                self.reconcile.apply(&event, &mut Emitter::new(&mut self.ring, &event));
            }
            if sequence == self.ring.head()
                && let Some(due) = self.reconcile.take_due()
            {
                self.reconcile.settle(&mut Emitter::new(&mut self.ring, &due));
            }
            self.said_count += 1;
            sequence += 1;
        }
    }

    /// A link comes up; the pull tells of our order at another price, of a strange one and of a balance
    /// that differs, and misses every other order.
    fn pull(&mut self, id: u64, counter: u64) {
        let venue = Venue::Synthetic;
        self.hear(link(venue, LinkCode::Up, 0));
        let number = self.reconcile.venues().next().unwrap().pull;
        self.hear(link(venue, LinkCode::PullBegin, number));
        for (id, ours) in [(id, true), (7, false)] {
            let side = Side::Buy;
            let row = VenueOrder { instrument: 0, side, price: 99, quantity: 20, id, ours };
            self.hear(venue_order(&row));
        }
        self.hear(Event { quantity: 5, ..report(0, id, ReportCode::Working, 0) });
        let total = i64::try_from(counter).unwrap() * 900;
        self.hear(venue_balance(venue, 0, BalanceCode::Base, total, (1, true)));
        self.hear(link(venue, LinkCode::PullEnd, number));
        self.hear(command(CommandCode::AcceptBalances, 0));
    }

    fn round(&mut self, counter: u64) {
        let id = ids::order_id(1, 1, counter);
        let mut approved = Event::new(Kind::APPROVED);
        approved.instrument = 0;
        approved.source = 0;
        approved.code = OrderTerms::LIMIT_GTC.code();
        approved.price = 100;
        approved.quantity = 10;
        self.hear(approved);
        self.hear(report(0, id, ReportCode::Acked, 0));
        self.hear(Event { kind: Kind::APPROVED_REPLACE, id, quantity: 20, ..approved });
        let replaced = report(0, id, ReportCode::Replaced, 0);
        self.hear(Event { price: 101, quantity: 20, ..replaced });
        let told = Execution {
            order_id: id,
            side: Side::Buy,
            price: 101,
            quantity: 5,
            cumulative_quantity: 5,
            fee_e8: 3,
            execution_id: counter,
            maker: true,
        };
        for _ in 0..2 {
            let [first, mut detail] = fill_report(0, &told);
            detail.code = FeeCode::InKind as u16;
            self.hear(first);
            self.hear(detail);
        }
        self.pull(id, counter);
        self.hear(report(0, id, ReportCode::OutcomeUnknown, 0));
        self.hear(clock().at(counter * 2_000_000_000));
        self.hear(report(0, id, ReportCode::NotFound, 0));
        self.hear(report(0, id + 1, ReportCode::Acked, 0));
        self.hear(command(CommandCode::CancelAll, 0));
        if counter.is_multiple_of(3) {
            // Not above the present session, so the ids go on where they are.
            self.hear(session_start(1, Mode::Paper));
        }
    }
}

#[test]
fn oms_and_ledger_allocate_nothing_after_they_are_made() {
    let config = OmsConfig {
        engine: 1,
        orders_max: 64,
        strategy_count: 1,
        instruments: instruments(),
        times: OmsTimes::default(),
    };
    let mut desk = Desk {
        oms: Oms::new(config),
        ledger: Ledger::new(1, instruments()),
        reconcile: Reconcile::new(
            ReconcileConfig { venues: vec![Venue::Synthetic], ..ReconcileConfig::default() },
            instruments(),
        ),
        ring: Ring::new(4096, 0),
        said_count: 0,
    };
    desk.hear(session_start(1, Mode::Paper));
    let before = ALLOCATION_COUNT.get();
    for counter in 1..=20_000 {
        desk.round(counter);
    }
    let digest = desk.oms.digest() ^ desk.ledger.digest();
    let after = ALLOCATION_COUNT.get();
    assert_eq!(after - before, 0, "allocations in 20,000 orders (digest {digest})");
    let counters = desk.oms.counters();
    assert_eq!((counters.fills, counters.duplicate_executions), (20_000, 20_000));
    assert_eq!(desk.ledger.position(0, 0).unwrap().quantity, 40_000, "less the fees in kind");
    let venue = desk.reconcile.venues().next().unwrap();
    assert!(40_000 <= venue.pull, "one for each link, one for what is accepted: {venue:?}");
    assert!(300_000 < desk.said_count);
    drop(std::hint::black_box(vec![1u8]));
    assert!(after < ALLOCATION_COUNT.get(), "the counter counts");
}
