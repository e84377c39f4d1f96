//! What pulls, links, silence and fees in other assets mean for orders.

use super::*;
use crate::event::LinkCode;
use crate::event::link::{VenueOrder, link, venue_order};

/// The events of an input line about links, pulls and fees; `None` for others.
pub(super) fn events(words: &[&str]) -> Option<Vec<Event>> {
    let told = match words[..] {
        ["link", what] => {
            let code = if what == "up" { LinkCode::Up } else { LinkCode::Down };
            vec![link(Venue::BinanceSpot, code, 0)]
        }
        ["pull", what, pull] => {
            let code = match what {
                "begin" => LinkCode::PullBegin,
                "end" => LinkCode::PullEnd,
                _ => LinkCode::PullFailed,
            };
            vec![link(Venue::BinanceSpot, code, number(pull))]
        }
        ["completed", id, quantity] => {
            let told = report(0, id_of(id), ReportCode::Completed, 0);
            vec![Event { quantity: number(quantity), ..told }]
        }
        ["row", id, quantity, price] => {
            let row = VenueOrder {
                instrument: 0,
                side: Side::Buy,
                price: number(price),
                quantity: number(quantity),
                id: if id.contains('.') { id_of(id) } else { number(id) },
                ours: id.contains('.'),
            };
            vec![venue_order(&row)]
        }
        ["fill", ref rest @ .., "fee", fee, "in", asset] => {
            let mut both = super::events(&format!("fill {}", rest.join(" ")));
            both[1].quantity = number(fee);
            both[1].code = if asset == "kind" { FeeCode::InKind } else { FeeCode::Foreign } as u16;
            both
        }
        _ => return None,
    };
    Some(told)
}

#[test]
fn what_a_pull_confirms_stays_and_what_it_misses_is_asked_for() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > buy 20 @ 100
         order 1.2 new -> new 20 @ 100
         order 1.2 new -> pending 20 @ 100
         send-new 1.2 20 @ 100
         > acked 1.2
         order 1.2 pending -> acked 20 @ 100
         > buy 30 @ 100
         order 1.3 new -> new 30 @ 100
         order 1.3 new -> pending 30 @ 100
         send-new 1.3 30 @ 100
         > acked 1.3
         order 1.3 pending -> acked 30 @ 100
         > pull begin 1
         > row 1.1 10 @ 100
         > save
         > working 1.1 0
         > fill 1.3 5 @ 100 cum 5 exec 1
         fill 1.3 5 @ 100
         fee 5 exec 1
         order 1.3 acked -> partially-filled 25 @ 100
         > pull end 2
         > pull end 1
         order-missing 1.2 ours 20 theirs 0
         order 1.2 acked -> unknown 20 @ 100
         send-query 1.2
         > pull end 1
         > cancelled 1.2
         order 1.2 unknown -> cancelled 0 @ 100",
    );
}

#[test]
fn an_order_on_its_way_when_the_pull_began_is_not_missed_in_it() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > pull begin 1
         > buy 20 @ 100
         order 1.2 new -> new 20 @ 100
         order 1.2 new -> pending 20 @ 100
         send-new 1.2 20 @ 100
         > pull end 1
         > pull begin 2
         > pull end 2
         order-missing 1.1 ours 10 theirs 0
         order 1.1 pending -> unknown 10 @ 100
         send-query 1.1
         order-missing 1.2 ours 20 theirs 0
         order 1.2 pending -> unknown 20 @ 100
         send-query 1.2
         > not-found 1.1
         order 1.1 unknown -> rejected 0 @ 100
         > acked 1.2
         order 1.2 unknown -> acked 20 @ 100",
    );
}

#[test]
fn a_pull_that_fails_or_a_link_that_is_lost_misses_nothing() {
    for end in ["pull failed 1", "link down", "link up", "pull begin 2", "session 2"] {
        let mut bench = Bench::new();
        bench.input("session 1");
        bench.input("buy 10 @ 100");
        bench.input("acked 1.1");
        bench.input("pull begin 1");
        bench.input(end);
        let said = bench.input("pull end 1");
        assert_eq!(said, "", "{end}");
    }
}

#[test]
fn a_lost_answer_to_a_cancel_is_no_difference() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > cancel 1.1
         order 1.1 acked -> pending-cancel 10 @ 100
         send-cancel 1.1
         > pull begin 1
         > pull end 1
         order 1.1 pending-cancel -> unknown 10 @ 100
         send-query 1.1
         > cancelled 1.1
         order 1.1 unknown -> cancelled 0 @ 100",
    );
}

#[test]
fn terms_that_differ_are_told_and_the_venues_are_taken_over() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > row 1.1 8 @ 99
         > pull begin 1
         > row 1.1 8 @ 99
         order-price 1.1 ours 100 theirs 99
         order-quantity 1.1 ours 10 theirs 8
         order 1.1 acked -> acked 8 @ 99
         > row 1.1 7 @ 99
         > working 1.1 0
         > pull end 1",
    );
}

#[test]
fn a_change_on_its_way_is_not_compared_and_a_row_settles_one_of_unknown_outcome() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > replace 1.1 15 @ 101
         order 1.1 acked -> pending-replace 15 @ 100
         send-replace 1.1 15 @ 101
         > pull begin 1
         > row 1.1 10 @ 100
         > outcome-unknown 1.1
         order 1.1 pending-replace -> unknown 15 @ 100
         send-query 1.1
         > row 1.1 15 @ 101
         order 1.1 unknown -> acked 15 @ 101
         > working 1.1 0
         > pull end 1",
    );
}

#[test]
fn more_traded_than_told_is_asked_for_and_never_booked_by_a_number() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > pull begin 1
         > row 1.1 10 @ 100
         > working 1.1 4
         anomaly 106 4 0
         order-traded 1.1 ours 0 theirs 4
         order 1.1 acked -> unknown 10 @ 100
         send-query 1.1
         > pull end 1
         > fill 1.1 4 @ 100 cum 4 exec 1
         fill 1.1 4 @ 100
         fee 5 exec 1
         order 1.1 unknown -> unknown 6 @ 100
         > working 1.1 4
         order 1.1 unknown -> partially-filled 6 @ 100",
    );
}

#[test]
fn strange_and_forgotten_orders_are_told_once_a_pull_and_left_alone() {
    check(
        "> row 77 5 @ 100
         > pull begin 1
         > row 77 5 @ 100
         order-strange 77 ours 0 theirs 5
         > row 1.4 5 @ 100
         order-forgotten 1.4 ours 0 theirs 5
         > pull end 1
         > row 77 5 @ 100",
    );
    let mut bench = Bench::new();
    bench.input("session 1");
    bench.input("pull begin 1");
    let told: Vec<bool> = (0..300).map(|_| !bench.input("row 77 5 @ 100").is_empty()).collect();
    let told_count = told.iter().filter(|told| **told).count();
    assert_eq!(told_count, usize::try_from(pull::DIFFERENCE_COUNT_MAX).unwrap());
}

#[test]
fn a_link_that_is_down_is_not_asked_and_one_that_is_up_is() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > link down
         > outcome-unknown 1.1
         order 1.1 pending -> unknown 10 @ 100
         send-query 1.1
         > clock
         > clock
         > clock
         > save
         > link up
         > clock
         send-query 1.1",
    );
}

fn sweeping() -> OmsTimes {
    OmsTimes {
        stale_order_ns: 900_000_000_000,
        sweep_interval_ns: 1_000_000_000,
        ..OmsTimes::default()
    }
}

#[test]
fn an_order_without_a_word_for_fifteen_minutes_is_asked_for_and_cancelled_if_it_works() {
    check_with(
        sweeping(),
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > pull begin 1
         > working 1.1 0
         > pull end 1
         > wait 898
         > clock
         > save
         > wait 2
         > clock
         order 1.1 acked -> unknown 10 @ 100
         send-query 1.1
         > save
         > working 1.1 0
         order 1.1 unknown -> pending-cancel 10 @ 100
         send-cancel 1.1
         > cancelled 1.1
         order 1.1 pending-cancel -> cancelled 0 @ 100
         > wait 1000
         > clock",
    );
}

#[test]
fn a_stale_order_is_stale_from_its_limit_on_and_a_word_makes_it_young_again() {
    // A line is half a second after the one before it, a wait to the second sharp.
    for (seconds, is_stale) in [("899", false), ("900", true), ("901", true)] {
        let mut bench = Bench::of(OmsConfig { times: sweeping(), ..config() });
        bench.input("session 1");
        bench.input("buy 10 @ 100");
        bench.input("acked 1.1");
        bench.input(&format!("wait {seconds}"));
        let said = bench.input("clock");
        assert_eq!(said.contains("send-query 1.1"), is_stale, "{seconds} s: {said}");
    }
    for word in ["fill 1.1 1 @ 100 cum 1 exec 1", "acked 1.1", "cancel-rejected 1.1"] {
        let mut bench = Bench::of(OmsConfig { times: sweeping(), ..config() });
        bench.input("session 1");
        bench.input("buy 10 @ 100");
        bench.input("acked 1.1");
        bench.input("wait 800");
        bench.input(word);
        bench.input("wait 899");
        assert_eq!(bench.input("clock"), "", "{word}");
        bench.input("wait 2");
        assert!(bench.input("clock").contains("send-query 1.1"), "{word}");
    }
}

#[test]
fn a_fill_that_meets_the_cancel_of_a_stale_order_is_booked() {
    check_with(
        sweeping(),
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > wait 900
         > clock
         order 1.1 acked -> unknown 10 @ 100
         send-query 1.1
         > working 1.1 0
         order 1.1 unknown -> pending-cancel 10 @ 100
         send-cancel 1.1
         > fill 1.1 10 @ 100 cum 10 exec 1
         fill 1.1 10 @ 100
         fee 5 exec 1
         order 1.1 pending-cancel -> filled 0 @ 100
         > cancel-rejected 1.1",
    );
}

#[test]
fn a_fee_in_kind_is_a_sale_at_the_fills_price_that_fills_nothing() {
    check(
        "> buy 100000 @ 6183763
         order 1.1 new -> new 100000 @ 6183763
         order 1.1 new -> pending 100000 @ 6183763
         send-new 1.1 100000 @ 6183763
         > fill 1.1 50000 @ 6183763 cum 50000 exec 1 fee 50 in kind
         fill 1.1 50000 @ 6183763
         fill 1.1 50 @ 6183763 kept
         fee 3091881500 exec 1
         order 1.1 pending -> partially-filled 50000 @ 6183763
         > fill 1.1 1000 @ 6183763 cum 51000 exec 2 fee 0 in kind
         fill 1.1 1000 @ 6183763
         fee 0 exec 2
         order 1.1 partially-filled -> partially-filled 49000 @ 6183763
         > fill 1.1 1000 @ 6183763 cum 52000 exec 3 fee -1 in kind
         fill 1.1 1000 @ 6183763
         fill 1.1 1 @ 6183763 given
         fee -61837630 exec 3
         order 1.1 partially-filled -> partially-filled 48000 @ 6183763
         > fill 1.1 48000 @ 6183763 cum 100000 exec 4 fee 77 in bnb
         fill 1.1 48000 @ 6183763
         fee 0 exec 4
         anomaly 123 77 0
         order 1.1 partially-filled -> filled 0 @ 6183763
         > fill 1.1 48000 @ 6183763 cum 100000 exec 4 fee 77 in kind
         anomaly 104 48000 0",
    );
}

#[test]
fn an_order_that_is_complete_at_terms_nobody_told_is_filled_when_its_fills_are_booked() {
    check(
        "> buy 10 @ 100
         order 1.1 new -> new 10 @ 100
         order 1.1 new -> pending 10 @ 100
         send-new 1.1 10 @ 100
         > acked 1.1
         order 1.1 pending -> acked 10 @ 100
         > replace 1.1 6 @ 101
         order 1.1 acked -> pending-replace 10 @ 100
         send-replace 1.1 6 @ 101
         > outcome-unknown 1.1
         order 1.1 pending-replace -> unknown 10 @ 100
         send-query 1.1
         > completed 1.1 6
         anomaly 106 6 0
         > fill 1.1 6 @ 101 cum 6 exec 1
         fill 1.1 6 @ 101
         fee 5 exec 1
         order 1.1 unknown -> unknown 4 @ 100
         > completed 1.1 0
         anomaly 101 0 0
         > completed 1.1 6
         order 1.1 unknown -> filled 0 @ 100
         > completed 1.1 6
         > buy 10 @ 100
         order 1.2 new -> new 10 @ 100
         order 1.2 new -> pending 10 @ 100
         send-new 1.2 10 @ 100
         > completed 1.2 10
         order 1.2 pending -> unknown 10 @ 100
         send-query 1.2
         anomaly 106 10 0",
    );
}
