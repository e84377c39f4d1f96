//! The market maker: monotone prices, caps, pulling, few amendments, every order state.

use engine::event::{Event, Kind, OrderState, flags};
use engine::instrument::Instrument;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::pricing::PRICE_BITS;
use super::*;
use crate::harness::{Answer, Desk, instruments};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// A maker that quotes from the first event on, 10 at a time, up to 30.
fn config() -> MarketMakerConfig {
    MarketMakerConfig {
        warmup_ns: 0,
        spread_ticks_max: 1_000,
        sigma_ticks_start: 1.0,
        requote_ticks: 2,
        ..MarketMakerConfig::new("maker", 0, 10, 30)
    }
}

fn desk_of(config: MarketMakerConfig) -> Desk {
    let table = instruments(5);
    Desk::new(Box::new(MarketMaker::new(config, &table).unwrap()), table)
}

fn desk() -> Desk {
    desk_of(config())
}

/// A desk with both quotes working around 10,000.
fn quoting() -> Desk {
    let mut desk = desk();
    desk.book(9_990, 10_010);
    assert_eq!((desk.open(Side::Buy).len(), desk.open(Side::Sell).len()), (1, 1));
    desk.pass(S);
    desk.forget();
    desk
}

fn instrument(tick: i64) -> Instrument {
    instruments(tick).get(0).unwrap().clone()
}

fn inputs(bid: i64, width: i64, variance: i64, inventory: i64) -> Inputs {
    let top = Top {
        bid_price: bid,
        bid_quantity: 50,
        ask_price: bid + width,
        ask_quantity: 50,
        update_id: 1,
    };
    Inputs { top, variance, inventory, toxic_points: 0 }
}

fn prices(targets: &Targets) -> (i64, i64) {
    (targets.sides[0].map_or(i64::MIN, |t| t.price), targets.sides[1].map_or(i64::MAX, |t| t.price))
}

prop_compose! {
    fn any_pricer()(
        gamma in 1.0e-4..2.0, k in 0.01..10.0, horizon_s in 1_u64..1_000, tick in 1_i64..50,
        spread_min in 1_i64..20, spread_more in 0_i64..500, widen in 0_i64..20,
    ) -> (Pricer, i64) {
        let config = MarketMakerConfig {
            gamma,
            k,
            horizon_ns: horizon_s * S,
            spread_ticks_min: spread_min,
            spread_ticks_max: spread_min + spread_more,
            toxic_widen_ticks: widen,
            ..MarketMakerConfig::new("maker", 0, 10, 100)
        };
        config.validate().unwrap();
        (Pricer::new(&config, &instrument(tick)).unwrap(), tick)
    }
}

proptest! {
    #[test]
    fn more_inventory_never_raises_a_quote(
        (pricer, tick) in any_pricer(), bid in 2_000_i64..1_000_000, width in 1_i64..100,
        variance in 0_i64..(1 << 40), inventory in -90_i64..90, more in 1_i64..10,
    ) {
        let (bid, width) = (bid * tick, width * tick);
        let less = prices(&pricer.targets(&inputs(bid, width, variance, inventory)));
        let more = prices(&pricer.targets(&inputs(bid, width, variance, inventory + more)));
        prop_assert!(more.0 <= less.0 && more.1 <= less.1, "{:?} {:?}", less, more);
    }

    #[test]
    fn more_variance_never_narrows_the_spread(
        (pricer, tick) in any_pricer(), bid in 2_000_i64..1_000_000, width in 1_i64..100,
        variance in 0_i64..(1 << 40), more in 0_i64..(1 << 40),
    ) {
        let (bid, width) = (bid * tick, width * tick);
        let calm = pricer.targets(&inputs(bid, width, variance, 0));
        let wild = pricer.targets(&inputs(bid, width, variance + more, 0));
        prop_assert!(calm.half <= wild.half);
        let (calm, wild) = (prices(&calm), prices(&wild));
        prop_assert!(wild.0 <= calm.0 && calm.1 <= wild.1, "{:?} {:?}", calm, wild);
    }

    #[test]
    fn toxic_points_never_narrow_the_spread(
        (pricer, tick) in any_pricer(), bid in 2_000_i64..1_000_000, points in 0_i64..1_000,
    ) {
        let calm = pricer.targets(&inputs(bid * tick, tick, 1 << 20, 0));
        let toxic = Inputs { toxic_points: points, ..inputs(bid * tick, tick, 1 << 20, 0) };
        let (calm, toxic) = (prices(&calm), prices(&pricer.targets(&toxic)));
        prop_assert!(toxic.0 <= calm.0 && calm.1 <= toxic.1);
    }

    #[test]
    fn quotes_are_on_tick_apart_and_never_cross_the_touch(
        (pricer, tick) in any_pricer(), bid in 1_i64..1_000_000, width in 1_i64..100,
        variance in 0_i64..i64::MAX, inventory in -200_i64..200,
    ) {
        let (bid, width) = (bid * tick, width * tick);
        let targets = pricer.targets(&inputs(bid, width, variance, inventory));
        if let Some(target) = targets.sides[0] {
            prop_assert!(target.price % tick == 0 && 0 < target.price);
            prop_assert!(target.price <= bid + width - tick);
            prop_assert!(0 < target.quantity && target.quantity <= pricer.room(Side::Buy, inventory));
        }
        if let Some(target) = targets.sides[1] {
            prop_assert!(target.price % tick == 0);
            prop_assert!(bid + tick <= target.price);
            prop_assert!(0 < target.quantity && target.quantity <= pricer.room(Side::Sell, inventory));
        }
        let (low, high) = prices(&targets);
        prop_assert!(low < high);
    }

    #[test]
    fn at_the_cap_the_side_that_adds_risk_is_absent(
        (pricer, tick) in any_pricer(), bid in 2_000_i64..1_000_000, beyond in 0_i64..50,
    ) {
        let long = pricer.targets(&inputs(bid * tick, tick, 1 << 20, 100 + beyond));
        prop_assert!(long.sides[0].is_none() && long.sides[1].is_some());
        let short = pricer.targets(&inputs(bid * tick, tick, 1 << 20, -100 - beyond));
        prop_assert!(short.sides[0].is_some() && short.sides[1].is_none());
    }
}

#[test]
fn prices_are_those_of_the_formulas_rounded_to_the_passive_side() {
    let config = MarketMakerConfig {
        gamma: 0.1,
        k: 1.5,
        horizon_ns: S,
        spread_ticks_min: 1,
        ..MarketMakerConfig::new("maker", 0, 10, 100)
    };
    let pricer = Pricer::new(&config, &instrument(1)).unwrap();
    // sigma 2 ticks, inventory 5 quotes: r = 1000 - 5 x 0.1 x 4, half = 1.69077 / 2.
    let targets = pricer.targets(&inputs(990, 20, 4 << 20, 50));
    assert_eq!(targets.reservation, 998);
    let half = crate::numeric::quantise::to_fixed(
        0.845_385_211_375_711_7,
        PRICE_BITS,
        crate::numeric::quantise::Rounding::NearestHalfEven,
    );
    assert!((targets.half - half.unwrap()).abs() <= 1, "{}", targets.half);
    // 998 - 0.845 and 998 + 0.845, down and up to the tick; 991 and 1009 are the post-only limits.
    assert_eq!(prices(&targets), (997, 999));
}

#[test]
fn a_strong_side_moves_the_quote_on_the_thin_side_away() {
    let config = MarketMakerConfig { imbalance_widen_ticks: 3, ..config() };
    let pricer = Pricer::new(&config, &instrument(1)).unwrap();
    let calm = prices(&pricer.targets(&inputs(990, 20, 1 << 20, 0)));
    let mut strong_bid = inputs(990, 20, 1 << 20, 0);
    strong_bid.top.ask_quantity = 5;
    assert_eq!(prices(&pricer.targets(&strong_bid)), (calm.0, calm.1 + 3));
    let mut strong_ask = inputs(990, 20, 1 << 20, 0);
    strong_ask.top.bid_quantity = 5;
    assert_eq!(prices(&pricer.targets(&strong_ask)), (calm.0 - 3, calm.1));
}

#[test]
fn the_variance_estimate_finds_the_variance_of_a_walk() {
    let config = MarketMakerConfig {
        sigma_half_life_ns: 20 * S,
        sigma_sample_ns: 0,
        sigma_ticks_start: 900.0,
        ..config()
    };
    let mut volatility = Volatility::new(&config, 5).unwrap();
    // One tick (5 units, 10 in twice the mid) up or down every 10 ms: 100 ticks squared per second.
    let (mut mid_twice, mut word) = (20_000, 7_u64);
    for step in 0..40_000_u64 {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        mid_twice += if word >> 63 == 0 { 10 } else { -10 };
        volatility.on_mid(S + step * 10 * MS, mid_twice);
    }
    let variance = volatility.variance() >> 20;
    assert!((98..=102).contains(&variance), "{variance}");
    for step in 0..10_000_u64 {
        volatility.on_mid(500 * S + step * 100 * MS, mid_twice);
    }
    assert_eq!(volatility.variance(), 1 << 18, "the floor of 0.5 squared");
}

#[test]
fn changes_inside_the_band_cause_no_amendment() {
    let mut desk = quoting();
    for step in 0..10_000 {
        desk.pass(100 * MS);
        // One tick to and fro, while the band is two ticks.
        let shift = if step % 2 == 0 { 5 } else { 0 };
        desk.book(9_990 + shift, 10_010 + shift);
        desk.clock();
    }
    assert_eq!(desk.amendments(), 0, "{:?}", desk.sent.first());
}

#[test]
fn a_moved_market_costs_one_replace_a_side() {
    let mut desk = quoting();
    let (bid, ask) = (desk.only(Side::Buy), desk.only(Side::Sell));
    let before = (desk.order(bid).price, desk.order(ask).price);
    desk.book(10_090, 10_110);
    assert_eq!((desk.count(Kind::INTENT_REPLACE), desk.amendments()), (2, 2));
    assert_eq!((desk.only(Side::Buy), desk.only(Side::Sell)), (bid, ask));
    assert_eq!((desk.order(bid).price, desk.order(ask).price), (before.0 + 100, before.1 + 100));
}

#[test]
fn amendments_keep_their_pace() {
    let mut desk = quoting();
    for step in 1..=100 {
        desk.book(9_990 + step * 50, 10_010 + step * 50);
        desk.pass(MS);
    }
    // 100 moves within 100 ms, at most one amendment every 50 ms and side.
    assert!(desk.amendments() <= 6, "{}", desk.amendments());
    desk.pass(S);
    desk.clock();
    desk.clock();
    assert!(14_900 < desk.order(desk.only(Side::Buy)).price, "the last move is not forgotten");
}

#[test]
fn every_state_but_live_pulls_all_quotes_in_the_same_call() {
    for state in BookState::ALL.into_iter().filter(|state| *state != BookState::Live) {
        let mut desk = quoting();
        desk.answer = Answer::Wait;
        desk.state(state);
        assert_eq!(desk.count(Kind::INTENT_CANCEL), 2, "{state:?}");
        assert_eq!(desk.amendments(), 2);
        for step in 0..100 {
            desk.pass(100 * MS);
            if step == 50 {
                for side in [Side::Buy, Side::Sell] {
                    desk.agree(desk.only(side));
                }
            }
            desk.state(state);
            desk.clock();
        }
        assert_eq!(desk.amendments(), 2, "asked once, nothing new while {state:?}");
        desk.answer = Answer::Agree;
        desk.book(9_990, 10_010);
        assert_eq!((desk.open(Side::Buy).len(), desk.open(Side::Sell).len()), (1, 1));
    }
}

#[test]
fn a_book_that_goes_unsound_pulls_as_well() {
    let mut desk = quoting();
    desk.touch(10_010, 1, 10_000, 1);
    assert_eq!(desk.count(Kind::INTENT_CANCEL), 2);
    assert!(desk.open(Side::Buy).is_empty() && desk.open(Side::Sell).is_empty());
}

#[test]
fn quotes_in_every_state_are_pulled_and_replaced_ones_too() {
    for state in [
        OrderState::New,
        OrderState::Pending,
        OrderState::Acked,
        OrderState::PartiallyFilled,
        OrderState::Unknown,
        OrderState::PendingReplace,
    ] {
        let mut desk = quoting();
        desk.answer = Answer::Wait;
        let bid = desk.only(Side::Buy);
        desk.become_state(bid, state);
        desk.forget();
        desk.state(BookState::Stale);
        assert_eq!(desk.count(Kind::INTENT_CANCEL), 2, "{state:?}");
        assert_eq!(desk.order(bid).state, OrderState::PendingCancel);
    }
}

#[test]
fn an_order_without_an_id_is_pulled_when_the_id_comes() {
    let mut desk = desk();
    desk.answer = Answer::Wait;
    desk.book(9_990, 10_010);
    let bid = desk.only(Side::Buy);
    desk.state(BookState::Gap);
    assert_eq!(desk.order(bid).state, OrderState::PendingCancel);
}

#[test]
fn a_refused_cancel_is_asked_for_again_after_the_back_off_only() {
    let mut desk = quoting();
    desk.answer = Answer::Wait;
    desk.state(BookState::Stale);
    let bid = desk.only(Side::Buy);
    desk.deny(bid);
    desk.state(BookState::Stale);
    assert_eq!(desk.count(Kind::INTENT_CANCEL), 2);
    desk.pass(S);
    desk.clock();
    assert_eq!(desk.count(Kind::INTENT_CANCEL), 3);
    assert_eq!(desk.order(bid).state, OrderState::PendingCancel);
}

#[test]
fn an_order_of_unknown_fate_keeps_its_side_empty_until_it_is_known() {
    let mut desk = quoting();
    let bid = desk.only(Side::Buy);
    desk.become_state(bid, OrderState::Unknown);
    for step in 1..50 {
        desk.pass(S);
        desk.book(9_990 + step * 20, 10_010 + step * 20);
    }
    assert_eq!(desk.only(Side::Buy), bid, "no second bid beside one that may still work");
    let sells = desk.sent.iter().filter(|event| event.side() == Side::Buy);
    assert_eq!(sells.filter(|event| event.kind != Kind::SIGNAL).count(), 0);
    desk.become_state(bid, OrderState::Cancelled);
    assert_ne!(desk.only(Side::Buy), bid);
}

#[test]
fn a_rejected_quote_waits_for_another_touch_and_never_loops() {
    let mut desk = desk();
    desk.answer = Answer::Reject;
    desk.book(9_990, 10_010);
    assert_eq!(desk.count(Kind::INTENT), 2);
    for _ in 0..1_000 {
        desk.pass(100 * MS);
        desk.book(9_990, 10_010);
        desk.clock();
    }
    assert_eq!(desk.count(Kind::INTENT), 2, "the same touch, the same answer");
    // Another touch every 100 ms; three rejects in a row cost a second.
    for step in 1..=100 {
        desk.pass(100 * MS);
        desk.book(9_990 + step * 5, 10_010 + step * 5);
    }
    let tries = desk.count(Kind::INTENT);
    assert!((12..=28).contains(&tries), "{tries}");
    desk.answer = Answer::Agree;
    desk.pass(2 * S);
    desk.book(9_990, 10_010);
    assert_eq!((desk.open(Side::Buy).len(), desk.open(Side::Sell).len()), (1, 1));
}

#[test]
fn a_refusal_by_risk_backs_off() {
    let mut desk = desk();
    desk.answer = Answer::Refuse;
    for step in 0..100 {
        desk.pass(100 * MS);
        desk.book(9_990 + step * 50, 10_010 + step * 50);
    }
    // Ten seconds, a second's silence after each refusal; the first call asks for both sides.
    assert!(desk.count(Kind::INTENT) <= 22, "{}", desk.count(Kind::INTENT));
    assert!(10 <= desk.count(Kind::INTENT));
}

#[test]
fn a_quote_that_may_not_be_changed_is_taken_out() {
    let mut desk = quoting();
    desk.answer = Answer::Refuse;
    // The ask goes first; the bid would cross it and waits for an answer that is no.
    desk.book(10_490, 10_510);
    assert_eq!(desk.count(Kind::INTENT_REPLACE), 1);
    desk.pass(100 * MS);
    desk.clock();
    assert_eq!(desk.count(Kind::INTENT_CANCEL), 2);
    assert!(desk.open(Side::Buy).is_empty() && desk.open(Side::Sell).is_empty());
}

#[test]
fn a_partly_filled_quote_is_topped_up_with_the_right_total() {
    let mut desk = quoting();
    let bid = desk.only(Side::Buy);
    desk.fill(bid, 3);
    assert_eq!(desk.amendments(), 0, "70 percent left is enough");
    desk.pass(S);
    desk.fill(bid, 4);
    desk.pass(S);
    desk.clock();
    let order = desk.order(bid);
    assert_eq!((order.total, order.filled, order.leaves()), (17, 7, 10));
    assert_eq!(desk.positions[0], 7);
}

#[test]
fn a_fill_leans_the_other_quote_against_the_position() {
    let config = MarketMakerConfig { gamma: 0.5, sigma_ticks_start: 3.0, ..config() };
    let mut desk = desk_of(config);
    desk.book(9_900, 10_100);
    desk.pass(S);
    let (bid, ask) = (desk.only(Side::Buy), desk.only(Side::Sell));
    let before = desk.order(ask).price;
    desk.fill(bid, 10);
    assert!(desk.order(ask).price < before, "the ask comes down after a buy");
}

#[test]
fn at_the_cap_only_the_side_that_reduces_quotes() {
    let mut desk = quoting();
    for _ in 0..3 {
        desk.fill(desk.only(Side::Buy), 10);
        desk.pass(S);
        desk.clock();
    }
    assert_eq!(desk.positions[0], 30);
    assert!(desk.open(Side::Buy).is_empty());
    assert_eq!(desk.open(Side::Sell).len(), 1);
    desk.fill(desk.only(Side::Sell), 4);
    desk.pass(S);
    desk.clock();
    assert_eq!(desk.order(desk.only(Side::Buy)).leaves(), 4, "as much as the cap leaves room for");
}

#[test]
fn sweeps_widen_first_and_then_pull_for_a_while() {
    let mut desk = quoting();
    let before = desk.order(desk.only(Side::Buy)).price;
    desk.trade(9_950, Side::Sell);
    assert_eq!(desk.count(Kind::SIGNAL), 1 + 2, "one toxic, two requoted");
    let after = desk.order(desk.only(Side::Buy)).price;
    assert_eq!(before - after, 2 * 5, "two ticks a point");
    desk.trade(9_970, Side::Sell);
    desk.trade(10_020, Side::Buy);
    assert_eq!(desk.sent.iter().filter(|e| e.code == signal::TOXIC).count(), 1, "those are near");
    for _ in 0..4 {
        desk.trade(10_050, Side::Buy);
    }
    assert!(desk.open(Side::Buy).is_empty() && desk.open(Side::Sell).is_empty());
    desk.pass(4 * S);
    desk.clock();
    assert!(desk.open(Side::Buy).is_empty());
    desk.pass(2 * S);
    desk.clock();
    assert_eq!(desk.open(Side::Buy).len(), 1);
}

#[test]
fn fills_that_the_market_runs_over_are_toxic() {
    let mut desk = quoting();
    let toxic = |desk: &Desk| {
        let is = |e: &&Event| e.kind == Kind::SIGNAL && e.code == signal::TOXIC;
        desk.sent.iter().filter(is).count()
    };
    let bid = desk.only(Side::Buy);
    let price = desk.order(bid).price;
    desk.fill(bid, 10);
    desk.pass(S - 1);
    desk.book(price - 60, price - 40);
    assert_eq!(toxic(&desk), 0, "not yet");
    desk.pass(1);
    desk.book(price - 60, price - 40);
    assert_eq!(toxic(&desk), 1);
    desk.pass(S);
    desk.book(price - 60, price - 40);
    assert_eq!(toxic(&desk), 1, "a fill is judged once");
}

#[test]
fn no_quote_before_the_book_was_live_long_enough() {
    let mut desk = desk_of(MarketMakerConfig { warmup_ns: 2 * S, ..config() });
    desk.book(9_990, 10_010);
    desk.pass(2 * S - 1);
    desk.book(9_990, 10_010);
    assert_eq!(desk.amendments(), 0);
    desk.pass(1);
    desk.clock();
    assert_eq!(desk.count(Kind::INTENT), 2);
    assert!(desk.sent.iter().filter(|e| e.kind == Kind::INTENT).all(|e| e.has(flags::POST_ONLY)));
}

#[test]
fn fields_outside_their_range_are_named_with_value_and_range() {
    type Spoil = fn(&mut MarketMakerConfig);
    let cases: [(&str, Spoil); 14] = [
        ("gamma is 0,", |c| c.gamma = 0.0),
        ("gamma is NaN,", |c| c.gamma = f64::NAN),
        ("k is inf,", |c| c.k = f64::INFINITY),
        ("horizon_ns is 0,", |c| c.horizon_ns = 0),
        ("quote_quantity is 0,", |c| c.quote_quantity = 0),
        ("inventory_max is 9,", |c| c.inventory_max = 9),
        ("spread_ticks_min is 0,", |c| c.spread_ticks_min = 0),
        ("spread_ticks_max is 1,", |c| c.spread_ticks_max = 1),
        ("requote_ticks is 0,", |c| c.requote_ticks = 0),
        ("requote_interval_ns_min is 0,", |c| c.requote_interval_ns_min = 0),
        ("sigma_ticks_min is -1,", |c| c.sigma_ticks_min = -1.0),
        ("sigma_ticks_start is 2000000,", |c| c.sigma_ticks_start = 2.0e6),
        ("imbalance_percent is 50,", |c| c.imbalance_percent = 50),
        ("instrument is 1,", |c| c.instrument = 1),
    ];
    for (text, spoil) in cases {
        let mut config = config();
        spoil(&mut config);
        let error = MarketMaker::new(config, &instruments(5)).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("must be"), "{text}: {error}");
    }
}

#[test]
fn a_position_that_others_changed_takes_a_quote_out_that_is_too_large_for_the_cap() {
    let mut desk = quoting();
    desk.positions[0] = 25;
    desk.clock();
    assert!(desk.open(Side::Buy).is_empty(), "10 more would make 35 of 30");
    desk.pass(S);
    desk.clock();
    assert_eq!(desk.order(desk.only(Side::Buy)).leaves(), 5);
}

#[test]
fn what_nobody_heard_is_asked_again_after_the_back_off() {
    let mut desk = desk();
    desk.answer = Answer::Lose;
    desk.book(9_990, 10_010);
    desk.answer = Answer::Agree;
    desk.pass(S);
    desk.clock();
    assert_eq!(desk.count(Kind::INTENT), 2);
    desk.pass(1);
    desk.clock();
    assert_eq!((desk.count(Kind::INTENT), desk.orders.len()), (4, 2));
}

#[test]
fn a_replace_on_its_way_counts_at_the_larger_terms_and_outlives_older_news() {
    let mut slot = Slot::EMPTY;
    slot.ask(1, 8, 100, 10);
    let told = |state, price, leaves| Told { order_id: 5, tag: 8, state, price, leaves };
    assert_eq!(slot.on_state(&told(OrderState::Acked, 100, 10)), Heard::Changed);
    slot.on_fill(8, 7);
    assert_eq!((slot.remaining(), slot.replace(2, 105, 10), slot.remaining()), (3, 17, 10));
    // Told by the OMS before it saw the replace.
    slot.on_state(&told(OrderState::PartiallyFilled, 100, 3));
    assert_eq!((slot.phase, slot.remaining()), (Phase::Replacing, 10));
    slot.on_state(&told(OrderState::PendingReplace, 100, 3));
    assert_eq!(slot.on_state(&told(OrderState::PartiallyFilled, 105, 10)), Heard::Changed);
    assert_eq!(
        (slot.phase, slot.price, slot.total, slot.remaining()),
        (Phase::Working, 105, 17, 10)
    );
}

/// One move of a random script.
#[derive(Clone, Copy, Debug)]
enum Move {
    Book(i64),
    Touch(i64, i64, i64),
    Trade(i64, bool),
    State(usize),
    Clock,
    Agree(usize),
    Deny(usize),
    Fill(usize, i64),
    Lose(usize),
    Answer(u8),
}

fn any_move() -> impl Generator<Value = Move> {
    prop_oneof![
        6 => (-40_i64..40).prop_map(Move::Book),
        2 => (-40_i64..40, 1_i64..100, 1_i64..100).prop_map(|(a, b, c)| Move::Touch(a, b, c)),
        2 => (-60_i64..60, any::<bool>()).prop_map(|(a, b)| Move::Trade(a, b)),
        1 => (0_usize..6).prop_map(Move::State),
        2 => Just(Move::Clock),
        4 => (0_usize..4).prop_map(Move::Agree),
        1 => (0_usize..4).prop_map(Move::Deny),
        5 => (0_usize..4, 1_i64..12).prop_map(|(a, b)| Move::Fill(a, b)),
        1 => (0_usize..4).prop_map(Move::Lose),
        2 => (0_u8..8).prop_map(Move::Answer),
    ]
}

fn play(desk: &mut Desk, step: Move) {
    let live: Vec<u64> = [desk.open(Side::Buy), desk.open(Side::Sell)].concat();
    let pick = |index: usize| live.get(index % live.len().max(1)).copied();
    match step {
        Move::Book(shift) => desk.book(9_990 + shift * 5, 10_010 + shift * 5),
        Move::Touch(shift, bid, ask) => desk.touch(9_995 + shift * 5, bid, 10_000 + shift * 5, ask),
        Move::Trade(shift, buy) => {
            desk.trade(10_000 + shift * 5, if buy { Side::Buy } else { Side::Sell });
        }
        Move::State(index) => desk.state(BookState::ALL[index]),
        Move::Clock => desk.clock(),
        Move::Agree(index) => {
            if let Some(id) = pick(index) {
                desk.agree(id);
            }
        }
        Move::Deny(index) => {
            let pending =
                [OrderState::PendingCancel, OrderState::PendingReplace, OrderState::Unknown];
            if let Some(id) = pick(index).filter(|id| pending.contains(&desk.order(*id).state)) {
                desk.deny(id);
            }
        }
        Move::Fill(index, quantity) => {
            if let Some(id) = pick(index) {
                desk.fill(id, quantity);
            }
        }
        Move::Lose(index) => {
            if let Some(id) = pick(index) {
                desk.become_state(id, OrderState::Unknown);
            }
        }
        Move::Answer(answer) => {
            desk.answer = match answer {
                0 => Answer::Refuse,
                1 => Answer::Reject,
                2..=4 => Answer::Wait,
                _ => Answer::Agree,
            };
        }
    }
}

/// The most that can be held if every live order of the desk trades in full, whichever terms hold.
fn exposure(desk: &Desk, side: Side) -> i64 {
    let open: i64 = desk
        .open(side)
        .into_iter()
        .map(|id| {
            let order = desk.order(id);
            let total = order.next.map_or(order.total, |next| order.total.max(next.1));
            total - order.filled
        })
        .sum();
    side.sign() * desk.positions[0] + open
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn inventory_stays_within_the_cap_and_a_dead_book_has_no_quotes(
        script in proptest::collection::vec((any_move(), 0_u64..400), 1..150),
    ) {
        let mut desk = desk();
        for (step, pause_ms) in script {
            desk.pass(pause_ms * MS);
            play(&mut desk, step);
            for side in [Side::Buy, Side::Sell] {
                prop_assert!(desk.open(side).len() <= 1);
                prop_assert!(exposure(&desk, side) <= 30, "{:?} {:?}", step, desk.orders);
            }
            prop_assert!(desk.positions[0].abs() <= 30);
            if let Move::State(index) = step
                && BookState::ALL[index] != BookState::Live
            {
                for id in [desk.open(Side::Buy), desk.open(Side::Sell)].concat() {
                    let asked = desk.sent.iter().any(|e| e.kind == Kind::INTENT_CANCEL && e.id == id);
                    prop_assert!(asked, "order {id} was never cancelled");
                }
            }
        }
    }

    #[test]
    fn a_maker_that_was_saved_and_loaded_has_the_same_future(
        script in proptest::collection::vec((any_move(), 0_u64..400), 1..60),
    ) {
        let (mut one, mut other) = (desk(), desk());
        for (step, pause_ms) in script {
            other.swap(Box::new(MarketMaker::new(config(), &instruments(5)).unwrap()));
            for desk in [&mut one, &mut other] {
                desk.pass(pause_ms * MS);
                play(desk, step);
            }
            prop_assert_eq!(&one.sent, &other.sent);
            prop_assert_eq!(one.saved(), other.saved());
        }
    }
}
