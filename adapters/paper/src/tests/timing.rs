//! Latency, order of delivery, waiting, restored orders.

use engine::event::market::{DepthIds, depth, level};
use engine::event::{Event, Kind, OrderTerms, Side};
use engine::gateway::Outlet;

use super::{AT_ONCE, Reader, check, check_with, venue};
use crate::{PaperConfig, PaperVenue};

const LATE: PaperConfig = PaperConfig { latency_out_ns: 100, latency_in_ns: 40, ..AT_ONCE };

#[test]
fn a_request_meets_the_market_of_its_arrival_and_its_report_comes_later() {
    // Sent at 20, at the venue at 120, heard of at 160; the ask at 101 is gone by then.
    check_with(
        LATE,
        "10 book 99x5 | 101x4 105x4
         20 new 1 buy 4@105 ioc
         110 level ask 101x0
         119 clock
         159 clock
         160 clock
         = 160 1 acked
         = 160 1 filled 4@105 taker cum 4 fee 4200",
    );
}

#[test]
fn a_market_event_of_the_same_nanosecond_is_after_the_request_that_advance_has_matched() {
    check_with(
        LATE,
        "10 book 99x5 | 101x4 105x4
         20 new 1 buy 4@105 ioc
         120 level ask 101x0
         160 clock
         = 160 1 acked
         = 160 1 filled 4@101 taker cum 4 fee 4040",
    );
}

#[test]
fn more_latency_shifts_every_report_by_that_much() {
    let script = |extra: u64| {
        let mut venue = venue(PaperConfig { latency_in_ns: 40 + extra, ..AT_ONCE });
        let mut times = Vec::new();
        open(&mut venue, 10);
        for id in 1..=20 {
            let order = order(id, 100 + i64::try_from(id).unwrap() % 3, 1);
            venue.on_request(&order, 10 + id * 7);
        }
        venue.advance(1_000_000, &mut |event| times.push((event.id, event.time_ns)));
        times
    };
    let (near, far) = (script(0), script(1_000));
    assert!(20 <= near.len());
    assert_eq!(near.len(), far.len());
    for (near, far) in near.iter().zip(&far) {
        assert_eq!((near.0, near.1 + 1_000), *far);
    }
}

#[test]
fn a_cancel_that_comes_too_late_is_refused_and_the_fill_is_told_first() {
    check_with(
        LATE,
        "10 book 99x1 | 103x4
         20 new 1 buy 2@100 gtc
         165 clock
         = 160 1 acked
         170 cancel 1
         200 trade sell 2@100
         400 clock
         = 240 1 filled 2@100 maker cum 2 fee -200
         = 310 1 cancel-rejected unknown-order",
    );
}

fn order(id: u64, price: i64, quantity: i64) -> Event {
    let mut order = Event::new(Kind::SEND_NEW);
    (order.instrument, order.id, order.price, order.quantity) = (0, id, price, quantity);
    order.code = OrderTerms::LIMIT_GTC.code();
    order
}

fn open(venue: &mut PaperVenue, time_ns: u64) {
    let ids = DepthIds { first: 1, last: 1, previous: DepthIds::NO_PREVIOUS };
    venue.on_market(&depth(0, ids, 2, true).at(time_ns));
    venue.on_market(&level(0, Side::Buy, 99, 5, false).at(time_ns));
    venue.on_market(&level(0, Side::Sell, 101, 4, true).at(time_ns));
}

#[test]
fn jitter_delays_within_its_bound_and_nothing_overtakes() {
    let config = PaperConfig { latency_jitter_ns: 1_000, ..LATE };
    let mut venue = venue(config);
    open(&mut venue, 10);
    for id in 1..=50 {
        venue.on_request(&order(id, 90, 1), 10 * id);
    }
    let mut told = Vec::new();
    venue.advance(1_000_000, &mut |event| told.push((event.id, event.time_ns)));
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert!(told.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    for (id, time_ns) in &told {
        // Whatever holds one up was sent before it, so the bound is that of its own way.
        assert!((10 * id + 140..=10 * id + 2_140).contains(time_ns), "seed 1: {id} at {time_ns}");
    }
    assert!(told.iter().any(|(id, time_ns)| 10 * id + 500 < *time_ns), "seed 1: no jitter");
}

#[test]
fn next_due_says_when_something_happens_and_nothing_happens_before() {
    let mut venue = venue(LATE);
    open(&mut venue, 10);
    assert_eq!(venue.next_due_ns(), None);
    venue.on_request(&order(1, 90, 1), 20);
    let mut times = Vec::new();
    let mut told = Vec::new();
    while let Some(due_ns) = venue.next_due_ns() {
        times.push(due_ns);
        venue.advance(due_ns - 1, &mut |event| panic!("too early: {event:?}"));
        venue.advance(due_ns, &mut |event| told.push(event.time_ns));
    }
    assert_eq!((times, told), (vec![120, 160], vec![160]));
}

#[test]
fn requests_wait_for_the_end_of_a_depth_update_unless_it_does_not_come() {
    let mut venue = venue(AT_ONCE);
    open(&mut venue, 10);
    let ids = DepthIds { first: 2, last: 2, previous: DepthIds::NO_PREVIOUS };
    venue.on_market(&depth(0, ids, 2, false).at(20));
    venue.on_market(&level(0, Side::Sell, 101, 0, false).at(20));
    venue.on_request(&order(1, 102, 1), 21);
    let mut reader = Reader::default();
    venue.advance(30, &mut |event| reader.read(event));
    assert_eq!(reader.lines, Vec::<String>::new());
    assert_eq!(venue.next_due_ns(), Some(10 + AT_ONCE.quiet_ns_max + 1));
    venue.on_market(&level(0, Side::Sell, 102, 3, true).at(31));
    venue.advance(31, &mut |event| reader.read(event));
    assert_eq!(reader.lines, ["31 1 acked", "31 1 filled 1@102 taker cum 1 fee 1020"]);
    let ids = DepthIds { first: 3, last: 3, previous: DepthIds::NO_PREVIOUS };
    venue.on_market(&depth(0, ids, 2, false).at(40));
    venue.on_request(&order(2, 102, 1), 50);
    reader.lines.clear();
    venue.advance(5_000_000, &mut |event| reader.read(event));
    assert_eq!(reader.lines, ["1000032 2 rejected quiet-market"]);
}

#[test]
fn a_restored_order_can_be_asked_for_cancelled_and_filled_from_the_end_of_the_queue() {
    let mut venue = venue(AT_ONCE);
    assert!(venue.restore(&order(1, 99, 6), 2));
    assert!(venue.restore(&order(2, 98, 6), 0));
    assert!(!venue.restore(&order(2, 98, 6), 0), "known already");
    assert!(!venue.restore(&order(3, 98, 6), 6), "nothing left");
    let mut immediate = order(4, 98, 6);
    immediate.code = OrderTerms::LIMIT_IOC.code();
    assert!(!venue.restore(&immediate, 0), "does not rest");
    let request = |kind, id, time_ns| {
        let mut event = Event::new(kind).at(time_ns);
        (event.instrument, event.id) = (0, id);
        event
    };
    let mut reader = Reader::default();
    assert!(venue.offer(&request(Kind::SEND_QUERY, 1, 5)));
    assert!(venue.offer(&request(Kind::SEND_CANCEL, 2, 5)));
    venue.advance(5, &mut |event| reader.read(event));
    assert_eq!(reader.lines, ["5 1 working 2", "5 2 cancelled"]);
    open(&mut venue, 10);
    let trade = |quantity| engine::event::market::trade(0, Side::Sell, 99, quantity, 1).at(20);
    venue.on_market(&trade(5));
    venue.on_market(&trade(3));
    reader.lines.clear();
    venue.advance(20, &mut |event| reader.read(event));
    assert_eq!(reader.lines, ["20 1 filled 3@99 maker cum 5 fee -297"]);
    assert_eq!(venue.working_count(), 1);
}

#[test]
fn reports_never_come_before_the_present() {
    // The caller has seen time 500 before it asks; what was due at 160 comes at 500.
    let mut venue = venue(LATE);
    open(&mut venue, 10);
    venue.on_request(&order(1, 90, 1), 20);
    venue.on_market(&engine::event::market::trade(0, Side::Sell, 99, 1, 1).at(500));
    let mut times = Vec::new();
    venue.advance(500, &mut |event| times.push(event.time_ns));
    assert_eq!(times, [500]);
}

#[test]
fn execution_ids_rise_even_within_one_nanosecond() {
    let mut venue = check("10 book 99x5 | 101x4 102x4");
    let mut ids = Vec::new();
    venue.on_request(&order(1, 102, 8), 20);
    venue.advance(20, &mut |event| {
        if event.kind == Kind::REPORT_DETAIL {
            ids.push(event.id);
        }
    });
    assert_eq!(ids, [20, 21]);
}
