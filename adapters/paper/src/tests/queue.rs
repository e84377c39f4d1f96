//! Orders that rest: place in the queue, trades, crossings, changes.

use super::check;

#[test]
fn trades_at_our_price_use_up_the_queue_and_then_fill_us_in_parts() {
    check(
        "10 book 99x5 | 101x4
         20 new 1 buy 3@99 gtc
         = 20 1 acked
         30 trade sell 4@99
         40 trade sell 2@99
         = 40 1 filled 1@99 maker cum 1 fee -99
         50 trade sell 9@99
         = 50 1 filled 2@99 maker cum 3 fee -198
         60 cancel 1
         = 60 1 cancel-rejected unknown-order
         70 query 1
         = 70 1 working 3",
    );
}

#[test]
fn trades_of_the_wrong_aggressor_or_beyond_our_price_do_not_fill_us() {
    check(
        "10 book 99x5 | 101x4
         20 new 1 buy 3@98 gtc
         = 20 1 acked
         30 trade buy 9@98
         40 trade sell 9@99
         50 trade buy 9@101",
    );
}

#[test]
fn a_trade_through_our_price_fills_us_without_a_queue_but_not_beyond_its_quantity() {
    check(
        "10 book 99x5 | 101x4
         20 new 1 buy 3@99 gtc
         = 20 1 acked
         30 trade sell 2@98
         = 30 1 filled 2@99 maker cum 2 fee -198
         40 trade sell 9@97
         = 40 1 filled 1@99 maker cum 3 fee -99",
    );
}

#[test]
fn our_orders_share_one_trade_by_price_and_then_by_time() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         21 new 2 buy 2@100 gtc
         = 21 2 acked
         22 new 3 buy 2@100 gtc
         = 22 3 acked
         30 trade sell 3@100
         = 30 2 filled 2@100 maker cum 2 fee -200
         = 30 3 filled 1@100 maker cum 1 fee -100
         40 trade sell 7@99
         = 40 3 filled 1@100 maker cum 2 fee -100
         = 40 1 filled 1@99 maker cum 1 fee -99",
    );
}

#[test]
fn strangers_between_two_of_our_orders_keep_their_place() {
    // 5 before order 1; then 3 strangers more; then order 2 with all 8 before it.
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         21 level bid 99x8
         22 new 2 buy 2@99 gtc
         = 22 2 acked
         30 trade sell 2@99
         31 trade sell 4@99
         = 31 1 filled 1@99 maker cum 1 fee -99
         32 trade sell 3@99
         = 32 1 filled 1@99 maker cum 2 fee -99
         33 trade sell 3@99
         = 33 2 filled 2@99 maker cum 2 fee -198",
    );
}

#[test]
fn a_strangers_cancel_gives_us_no_more_than_the_display_proves() {
    // 10 before us, 6 join behind. A cancel of 6 may have been behind us: still 10 before us.
    // Only when less than 10 is displayed do we move up.
    check(
        "10 book 99x10 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 level bid 99x16
         40 level bid 99x10
         2000 trade sell 10@99
         2010 trade sell 1@99
         = 2010 1 filled 1@99 maker cum 1 fee -99
         2020 cancel 1
         = 2020 1 cancelled",
    );
    check(
        "10 book 99x10 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 level bid 99x3
         400000000 clock
         400000001 trade sell 4@99
         = 400000001 1 filled 1@99 maker cum 1 fee -99",
    );
}

#[test]
fn a_shrink_told_before_its_trade_moves_the_queue_once() {
    // The level falls by 4 because 4 traded, and the trade is told afterwards: 6 are still before us.
    check(
        "10 book 99x10 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 level bid 99x6
         31 trade sell 4@99
         40 trade sell 6@99
         50 trade sell 1@99
         = 50 1 filled 1@99 maker cum 1 fee -99",
    );
    // Told the other way round it is the same.
    check(
        "10 book 99x10 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 trade sell 4@99
         31 level bid 99x6
         40 trade sell 6@99
         50 trade sell 1@99
         = 50 1 filled 1@99 maker cum 1 fee -99",
    );
}

#[test]
fn a_level_that_vanished_leaves_us_first() {
    check(
        "10 book 99x10 98x5 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 level bid 99x0
         40 level bid 99x7
         400000000 clock
         400000001 trade sell 1@99
         = 400000001 1 filled 1@99 maker cum 1 fee -99",
    );
}

#[test]
fn a_market_that_crosses_us_fills_us_at_our_price_up_to_what_it_shows() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 9@101 gtc
         = 20 1 acked
         30 level ask 100x2 ask 101x3 ask 102x50
         = 30 1 filled 5@101 maker cum 5 fee -505
         40 level ask 102x60
         50 level ask 101x4
         = 50 1 filled 1@101 maker cum 6 fee -101
         60 level bid 99x6
         70 level ask 100x0 ask 101x0
         80 quote 99x5 101x2
         = 80 1 filled 2@101 maker cum 8 fee -202",
    );
}

#[test]
fn what_crossed_us_is_taken_and_fills_no_one_else() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 2@101 gtc
         = 20 1 acked
         30 level ask 101x3
         = 30 1 filled 2@101 maker cum 2 fee -202
         40 new 2 buy 5@101 ioc
         = 40 2 acked
         = 40 2 filled 1@101 taker cum 1 fee 1010
         = 40 2 expired not-immediate",
    );
}

#[test]
fn a_smaller_quantity_keeps_the_place_and_everything_else_loses_it() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 4@99 gtc
         = 20 1 acked
         21 trade sell 3@99
         30 replace 1 2@99
         = 30 1 replaced 2@99
         31 level bid 99x12
         40 trade sell 3@99
         = 40 1 filled 1@99 maker cum 1 fee -99
         50 replace 1 3@99
         = 50 1 replaced 3@99
         60 trade sell 9@99
         70 trade sell 4@99
         = 70 1 filled 1@99 maker cum 2 fee -99
         80 query 1
         = 80 1 working 2",
    );
}

#[test]
fn a_change_to_a_price_that_crosses_takes() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 6@99 gtc
         = 20 1 acked
         30 replace 1 6@103
         = 30 1 replaced 6@103
         = 30 1 filled 4@103 taker cum 4 fee 4120
         40 query 1
         = 40 1 working 4
         50 new 2 buy 1@98 gtc post
         = 50 2 acked
         60 replace 2 1@103
         = 60 2 replace-rejected would-take
         70 cancel 2
         = 70 2 cancelled",
    );
}

#[test]
fn a_change_that_makes_no_sense_is_refused_and_the_order_stays() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 6@102 gtc
         = 20 1 acked
         30 trade sell 2@102
         = 30 1 filled 2@102 maker cum 2 fee -204
         40 replace 1 2@102
         = 40 1 replace-rejected bad-quantity
         41 replace 1 0@102
         = 41 1 replace-rejected bad-quantity
         42 replace 1 5@0
         = 42 1 replace-rejected bad-price
         43 replace 9 5@100
         = 43 9 replace-rejected unknown-order
         50 trade sell 9@102
         = 50 1 filled 4@102 maker cum 6 fee -408",
    );
}

#[test]
fn a_change_into_our_own_order_expires_what_is_left() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 sell 2@102 gtc
         = 20 1 acked
         30 new 2 buy 2@100 gtc
         = 30 2 acked
         40 replace 2 2@102
         = 40 2 replaced 2@102
         = 40 2 expired self-trade",
    );
}

#[test]
fn a_new_snapshot_keeps_working_orders_and_the_conservative_place() {
    check(
        "10 book 99x5 | 103x4
         20 new 1 buy 2@99 gtc
         = 20 1 acked
         30 book 99x9 | 103x4
         40 trade sell 5@99
         50 trade sell 1@99
         = 50 1 filled 1@99 maker cum 1 fee -99",
    );
}
