//! Refusals: rules of the instrument, state of the market, bounds of the venue, live mode.

use engine::event::{Event, Kind, Mode, OrderTerms};

use super::{AT_ONCE, Reader, check, check_with, table, venue};
use crate::{PaperConfig, PaperError, PaperPermit, PaperVenue, code};

#[test]
fn rules_of_the_instrument_are_enforced_with_their_codes() {
    check(
        "10 #1 book 1000x50 | 1100x50
         20 #1 new 1 buy 10@1001 gtc
         = 20 1 rejected bad-price
         21 #1 new 2 buy 11@1000 gtc
         = 21 2 rejected bad-quantity
         22 #1 new 3 buy 0@1000 gtc
         = 22 3 rejected bad-quantity
         23 #1 new 4 buy -10@1000 gtc
         = 23 4 rejected bad-quantity
         24 #1 new 5 buy 10@-5 gtc
         = 24 5 rejected bad-price
         25 #1 new 6 buy 10@995 gtc
         = 25 6 rejected notional-too-small
         26 #1 new 7 buy 10@1000 gtc
         = 26 7 acked
         27 #1 replace 7 10@995
         = 27 7 replace-rejected notional-too-small
         28 #1 replace 7 10@1001
         = 28 7 replace-rejected bad-price
         29 #9 new 8 buy 10@1000 gtc
         = 29 8 rejected unknown-instrument
         30 #9 cancel 8
         = 30 8 cancel-rejected unknown-instrument
         31 #1 new 9 buy 10@1000 ioc post
         = 31 9 rejected bad-terms
         32 #1 new 7 buy 10@1000 gtc
         = 32 7 rejected duplicate-id
         33 #1 new 1 buy 10@1000 gtc
         = 33 1 rejected duplicate-id
         34 #1 query 7
         = 34 7 working 0
         35 #1 query 1
         = 35 1 rejected bad-price
         36 #1 query 99
         = 36 99 not-found",
    );
}

#[test]
fn nothing_is_settled_without_a_whole_market() {
    check(
        "5 new 1 buy 1@100 gtc
         = 5 1 rejected no-market
         6 feed connected
         7 new 2 buy 1@0 market
         = 7 2 rejected no-market
         10 book 99x5 | 101x5
         20 new 3 buy 1@99 gtc
         = 20 3 acked
         30 feed disconnected
         31 new 4 buy 1@101 ioc
         = 31 4 rejected no-market
         32 replace 3 1@100
         = 32 3 replace-rejected no-market
         33 query 3
         = 33 3 working 0
         34 cancel 3
         = 34 3 cancelled
         40 book 99x5 | 101x5
         41 feed dropped
         42 new 5 buy 1@101 ioc
         = 42 5 rejected no-market
         50 book 99x5 | 101x5
         51 level bid 101x3
         52 new 6 buy 1@101 ioc
         = 52 6 rejected crossed-market
         53 level bid 101x0
         54 new 7 buy 1@101 ioc
         = 54 7 acked
         = 54 7 filled 1@101 taker cum 1 fee 1010",
    );
}

#[test]
fn a_market_order_delayed_into_a_silent_market_is_refused_instead_of_filled_at_an_old_price() {
    // The market is silent from 10 on; requests arrive half a millisecond after they were sent.
    let config = PaperConfig { latency_out_ns: 500_000, ..AT_ONCE };
    check_with(
        config,
        "10 book 99x5 | 101x5
         500009 new 1 buy 1@0 market
         500010 new 2 buy 1@0 market
         500011 new 3 buy 1@0 market
         9000000 clock
         = 1000009 1 acked
         = 1000009 1 filled 1@101 taker cum 1 fee 1010
         = 1000010 2 acked
         = 1000010 2 filled 1@101 taker cum 1 fee 1010
         = 1000011 3 rejected quiet-market",
    );
}

#[test]
fn a_gap_in_the_depth_is_no_market_until_the_next_snapshot() {
    let mut venue = check("10 book 99x5 | 101x5");
    let ids = engine::event::market::DepthIds { first: 9, last: 9, previous: -1 };
    venue.on_market(&engine::event::market::depth(0, ids, 0, false).at(20));
    let mut order = Event::new(Kind::SEND_NEW);
    (order.instrument, order.id, order.price, order.quantity) = (0, 1, 101, 1);
    order.code = OrderTerms::LIMIT_IOC.code();
    venue.on_request(&order, 30);
    let mut reader = Reader::default();
    venue.advance(40, &mut |event| reader.read(event));
    assert_eq!(reader.lines, ["30 1 rejected no-market"]);
}

#[test]
fn working_orders_and_requests_are_bounded() {
    let config = PaperConfig { orders_max: 1, latency_out_ns: 5, ..AT_ONCE };
    check_with(
        config,
        "10 book 99x5 | 101x5
         20 new 1 buy 1@99 gtc
         25 new 2 buy 1@99 gtc
         = 25 1 acked
         30 clock
         = 30 2 rejected too-many-orders
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         31 query 1
         = 31 1 outcome-unknown too-many-requests
         31 cancel 1
         = 31 1 cancel-rejected too-many-requests
         31 replace 1 2@99
         = 31 1 replace-rejected too-many-requests
         31 new 3 buy 1@99 gtc
         = 31 3 rejected too-many-requests
         32 clock",
    );
}

#[test]
fn orders_are_refused_by_chance_as_often_as_configured_and_the_same_ones_every_time() {
    let rejects = |seed| {
        let mut venue = venue(PaperConfig { seed, reject_per_million: 250_000, ..AT_ONCE });
        let ids = engine::event::market::DepthIds { first: 1, last: 1, previous: -1 };
        venue.on_market(&engine::event::market::depth(0, ids, 2, true).at(1));
        for (side, price) in [(engine::event::Side::Buy, 99), (engine::event::Side::Sell, 101)] {
            let last = price == 101;
            venue.on_market(&engine::event::market::level(0, side, price, 9, last).at(1));
        }
        let mut refused = Vec::new();
        for id in 1..=2_000 {
            let mut order = Event::new(Kind::SEND_NEW);
            (order.instrument, order.id, order.price, order.quantity) = (0, id, 99, 1);
            order.code = OrderTerms::LIMIT_IOC.code();
            venue.on_request(&order, 2);
            venue.advance(2, &mut |event| {
                if event.tag == code::CHANCE {
                    refused.push(event.id);
                }
            });
        }
        refused
    };
    let first = rejects(5);
    assert!((430..570).contains(&first.len()), "seed 5: {}", first.len());
    assert_eq!(first, rejects(5));
    assert_ne!(first, rejects(6));
}

#[test]
fn there_is_no_paper_venue_and_no_permit_in_live_mode() {
    let refused = PaperVenue::new(AT_ONCE, table(), Mode::Live);
    assert_eq!(refused.err(), Some(PaperError::LiveMode));
    assert_eq!(PaperPermit::for_mode(Mode::Live), Err(PaperError::LiveMode));
    for mode in [Mode::Backtest, Mode::Paper, Mode::DryRun] {
        let permit = PaperPermit::for_mode(mode).unwrap();
        let venue = PaperVenue::with_permit(AT_ONCE, table(), permit).unwrap();
        assert_eq!(venue.mode(), mode);
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let day_and_more = 86_400_000_000_001;
    for (config, field) in [
        (PaperConfig { orders_max: 0, ..AT_ONCE }, "orders_max"),
        (PaperConfig { latency_out_ns: day_and_more, ..AT_ONCE }, "latency_out_ns"),
        (PaperConfig { latency_in_ns: day_and_more, ..AT_ONCE }, "latency_in_ns"),
        (PaperConfig { latency_jitter_ns: day_and_more, ..AT_ONCE }, "latency_jitter_ns"),
        (PaperConfig { quiet_ns_max: day_and_more, ..AT_ONCE }, "quiet_ns_max"),
        (PaperConfig { reject_per_million: 1_000_001, ..AT_ONCE }, "reject_per_million"),
        (PaperConfig { protection_ppm: 1_000_001, ..AT_ONCE }, "protection_ppm"),
    ] {
        let error = PaperVenue::new(config, table(), Mode::Paper).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn every_code_has_a_name_of_its_own() {
    for (place, (number, name)) in code::ALL.iter().enumerate() {
        assert_eq!(code::name(*number), *name);
        assert!(!code::ALL[place + 1..].iter().any(|(n, t)| n == number || t == name));
    }
    assert_eq!(code::name(0), "none");
}
