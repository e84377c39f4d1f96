//! Orders that take: walking, limits, times in force, what was taken stays taken.

use super::check;

#[test]
fn a_taker_walks_the_book_within_its_limit_and_the_rest_works() {
    // Fees: 0.1 % of 101 x 4 and of 102 x 6, in 1e-8 (one unit of price x quantity is 10,000 of them).
    check(
        "10 book 99x5 | 101x4 102x6 103x9
         20 new 1 buy 12@102 gtc
         = 20 1 acked
         = 20 1 filled 4@101 taker cum 4 fee 4040
         = 20 1 filled 6@102 taker cum 10 fee 6120
         30 query 1
         = 30 1 working 10",
    );
}

#[test]
fn a_seller_walks_the_bids() {
    check(
        "10 book 99x5 98x10 | 101x4
         20 new 1 sell 8@98 ioc
         = 20 1 acked
         = 20 1 filled 5@99 taker cum 5 fee 4950
         = 20 1 filled 3@98 taker cum 8 fee 2940",
    );
}

#[test]
fn an_immediate_order_expires_with_what_is_left() {
    check(
        "10 book 99x5 | 101x4 102x6
         20 new 1 buy 5@101 ioc
         = 20 1 acked
         = 20 1 filled 4@101 taker cum 4 fee 4040
         = 20 1 expired not-immediate
         30 new 2 buy 5@100 ioc
         = 30 2 acked
         = 30 2 expired not-immediate",
    );
}

#[test]
fn fill_or_kill_trades_all_or_nothing() {
    check(
        "10 book 99x5 | 101x4 102x6
         20 new 1 buy 11@102 fok
         = 20 1 acked
         = 20 1 expired not-whole
         30 new 2 buy 10@102 fok
         = 30 2 acked
         = 30 2 filled 4@101 taker cum 4 fee 4040
         = 30 2 filled 6@102 taker cum 10 fee 6120",
    );
}

#[test]
fn a_market_order_stops_at_its_protection() {
    // 2 % of 1000 is 20: 1020 is within, 1021 is not.
    check(
        "10 book 990x5 | 1000x4 1020x6 1021x9
         20 new 1 buy 15@0 market
         = 20 1 acked
         = 20 1 filled 4@1000 taker cum 4 fee 40000
         = 20 1 filled 6@1020 taker cum 10 fee 61200
         = 20 1 expired not-immediate
         29 level ask 1000x0 ask 1020x0
         30 new 2 buy 1@0 market-fok
         = 30 2 acked
         = 30 2 filled 1@1021 taker cum 1 fee 10210
         40 new 3 buy 9@0 market-fok
         = 40 3 acked
         = 40 3 expired not-whole",
    );
}

#[test]
fn what_was_taken_stays_taken_until_the_level_changes() {
    check(
        "10 book 99x5 | 101x10 103x9
         20 new 1 buy 6@101 ioc
         = 20 1 acked
         = 20 1 filled 6@101 taker cum 6 fee 6060
         30 new 2 buy 6@101 ioc
         = 30 2 acked
         = 30 2 filled 4@101 taker cum 4 fee 4040
         = 30 2 expired not-immediate
         40 trade buy 1@103
         50 new 3 buy 1@101 ioc
         = 50 3 acked
         = 50 3 expired not-immediate",
    );
}

#[test]
fn of_a_level_that_shrinks_our_part_shrinks_and_what_is_added_is_new() {
    // 6 of 10 taken; the level falls to 5: 3 of them are ours, 2 are left. It grows by 4: 6 are left.
    check(
        "10 book 99x5 | 101x10
         20 new 1 buy 6@101 ioc
         = 20 1 acked
         = 20 1 filled 6@101 taker cum 6 fee 6060
         30 level ask 101x5
         40 level ask 101x9
         50 new 2 buy 9@101 ioc
         = 50 2 acked
         = 50 2 filled 6@101 taker cum 6 fee 6060
         = 50 2 expired not-immediate
         60 level ask 101x0 ask 102x1
         70 level ask 101x3
         80 new 3 buy 9@101 ioc
         = 80 3 acked
         = 80 3 filled 3@101 taker cum 3 fee 3030
         = 80 3 expired not-immediate",
    );
}

#[test]
fn a_newer_quote_is_believed_before_the_depth() {
    check(
        "10 book 99x5 | 101x4 102x6 103x5
         20 quote 99x5 102x2
         30 new 1 buy 20@103 ioc
         = 30 1 acked
         = 30 1 filled 2@102 taker cum 2 fee 2040
         = 30 1 filled 5@103 taker cum 7 fee 5150
         = 30 1 expired not-immediate",
    );
}

#[test]
fn a_post_only_order_never_takes() {
    check(
        "10 book 99x5 | 101x4
         20 new 1 buy 1@101 gtc post
         = 20 1 rejected would-take
         30 new 2 buy 1@100 gtc post
         = 30 2 acked
         40 new 3 sell 1@99 gtc post
         = 40 3 rejected would-take
         50 new 4 sell 1@100 gtc post
         = 50 4 rejected self-trade",
    );
}

#[test]
fn two_orders_of_ours_never_trade_with_each_other() {
    check(
        "10 book 99x5 | 103x4 104x9
         20 new 1 sell 2@104 gtc
         = 20 1 acked
         30 new 2 buy 10@104 gtc
         = 30 2 acked
         = 30 2 filled 4@103 taker cum 4 fee 4120
         = 30 2 expired self-trade
         40 new 3 sell 2@102 gtc
         = 40 3 acked
         50 new 4 buy 1@105 fok
         = 50 4 acked
         = 50 4 expired not-whole
         60 new 5 buy 1@0 market
         = 60 5 acked
         = 60 5 expired self-trade
         70 query 1
         = 70 1 working 0",
    );
}

#[test]
fn a_market_order_against_nobody_expires() {
    check(
        "10 book 99x5 98x5 | 101x1
         20 level ask 101x0
         30 new 1 buy 1@0 market
         = 30 1 acked
         = 30 1 expired not-immediate
         40 new 2 buy 1@98 gtc
         = 40 2 acked",
    );
}
