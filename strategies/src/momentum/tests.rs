//! The momentum taker: entries, exits, pace, caps, and that it comes back from its saved state.

use engine::event::{Event, Kind, TimeInForce};
use engine::instrument::InstrumentTable;
use engine::money::Money;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::harness::{Answer, Desk, instruments};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn config() -> MomentumConfig {
    MomentumConfig {
        entry_ticks: 3.0,
        warmup_ns: S,
        imbalance_percent_min: 20,
        ..MomentumConfig::new("taker", 0, 10, 20)
    }
}

fn desk_of(config: MomentumConfig) -> Desk {
    desk_at(instruments(5), config)
}

fn desk_at(table: InstrumentTable, config: MomentumConfig) -> Desk {
    let mut desk = Desk::new(Box::new(Momentum::new(config, &table).unwrap()), table);
    desk.answer = Answer::Wait;
    desk
}

/// Stands still long enough to be warm.
fn warm(config: MomentumConfig) -> Desk {
    warmed(desk_of(config))
}

fn warmed(mut desk: Desk) -> Desk {
    for _ in 0..20 {
        desk.book(9_995, 10_005);
        desk.pass(100 * MS);
    }
    assert_eq!(desk.sent.len(), 0);
    desk
}

/// The mid walks `count` ticks up (or down), one every 100 ms, with a touch that leans along.
fn walk(desk: &mut Desk, from: i64, count: i64) {
    for step in 1..=count.abs() {
        let shift = 5 * step * count.signum();
        lean(desk, from + shift, count.signum());
        desk.pass(100 * MS);
    }
}

fn lean(desk: &mut Desk, mid: i64, direction: i64) {
    let (bid, ask) = if 0 < direction { (90, 10) } else { (10, 90) };
    desk.touch(mid - 5, bid, mid + 5, ask);
}

fn intents(desk: &Desk) -> Vec<Event> {
    desk.sent.iter().filter(|event| event.kind == Kind::INTENT).copied().collect()
}

/// A desk that is long 10, bought at `price`, which it returns.
fn long(config: MomentumConfig) -> (Desk, i64) {
    let mut desk = warm(config);
    walk(&mut desk, 10_000, 20);
    let id = desk.only(Side::Buy);
    let price = desk.order(id).price;
    desk.fill(id, 10);
    assert_eq!(desk.positions[0], 10);
    desk.forget();
    (desk, price)
}

#[test]
fn a_trend_with_the_touch_behind_it_is_followed_once_with_an_ioc_beyond_the_touch() {
    for direction in [1, -1] {
        let mut desk = warm(config());
        walk(&mut desk, 10_000, 20 * direction);
        let sent = intents(&desk);
        assert_eq!(sent.len(), 1, "one order in flight");
        let order = sent[0];
        let terms = OrderTerms::from_code(order.code).unwrap();
        assert_eq!(terms.time_in_force, TimeInForce::Ioc);
        assert_eq!((order.side().sign(), order.quantity), (direction, 10));
        let signal = desk.sent[0];
        assert_eq!(
            (signal.kind, signal.code, signal.tag),
            (Kind::SIGNAL, signal::ENTER, order.tag)
        );
        assert!((3 << 20) <= signal.price.abs(), "the signal that it decided on");
        assert_eq!(signal.quantity, 80 * direction);
        let mid = signal.id.cast_signed() / 2;
        assert_eq!(order.price, mid + 10 * direction, "touch and one tick of slip");
    }
}

#[test]
fn a_trend_against_the_touch_is_left_alone() {
    let mut desk = warm(config());
    for step in 1..=40 {
        lean(&mut desk, 10_000 + 5 * step, -1);
        desk.pass(100 * MS);
    }
    assert_eq!(desk.sent.len(), 0);
}

#[test]
fn nothing_happens_while_the_book_is_not_live_and_averages_begin_anew_after_it() {
    let (mut desk, price) = long(config());
    for state in BookState::ALL.into_iter().filter(|state| *state != BookState::Live) {
        desk.pass(100 * S);
        desk.state(state);
        desk.clock();
        desk.trade(price - 5_000, Side::Sell);
    }
    assert_eq!(desk.sent.len(), 0, "not even the exit that is long due");
    desk.book(10_995, 11_005);
    let sent = intents(&desk);
    assert_eq!((sent.len(), sent[0].side()), (1, Side::Sell), "held too long");
    let signal = desk.sent[0];
    assert_eq!((signal.code, signal.price, signal.quantity), (signal::EXIT, 0, 3));
}

#[test]
fn a_position_is_closed_at_the_stop() {
    let (mut desk, price) = long(config());
    desk.pass(2 * S);
    // 19 ticks below the entry price is not enough, 20 are.
    lean(&mut desk, price - 95, 1);
    assert_eq!(desk.sent.len(), 0);
    lean(&mut desk, price - 100, 1);
    let sent = intents(&desk);
    assert_eq!((sent.len(), sent[0].side(), sent[0].quantity), (1, Side::Sell, 10));
    assert_eq!(desk.sent[0].quantity, i64::from(ExitReason::Stop as u8));
}

#[test]
fn a_position_is_closed_when_the_signal_turns() {
    let (mut desk, price) = long(MomentumConfig { stop_ticks: 10_000, ..config() });
    desk.pass(2 * S);
    walk(&mut desk, price, -40);
    assert_eq!(desk.sent[0].quantity, i64::from(ExitReason::Opposite as u8));
    assert_eq!(intents(&desk)[0].side(), Side::Sell);
}

#[test]
fn what_an_exit_left_is_asked_for_again_after_the_cool_down() {
    let (mut desk, price) = long(config());
    desk.pass(2 * S);
    lean(&mut desk, price - 200, 1);
    let id = desk.only(Side::Sell);
    desk.fill(id, 4);
    desk.become_state(id, OrderState::Expired);
    desk.clock();
    assert_eq!(intents(&desk).len(), 1);
    desk.pass(S);
    desk.clock();
    let sent = intents(&desk);
    assert_eq!((sent.len(), sent[1].quantity), (2, 6));
}

#[test]
fn less_than_a_lot_or_than_the_smallest_order_is_left_and_not_asked_for_again_and_again() {
    // The venue keeps its fee from what was bought: 9 of 10 are held, one lot of 5 can be sold, 4 cannot.
    for (notional_min, sold) in [(Money::ZERO, 5), (Money::ONE, 0)] {
        let mut instrument = instruments(5).get(0).unwrap().clone();
        (instrument.lot, instrument.notional_min) = (5, notional_min);
        let table = InstrumentTable::new(vec![instrument]).unwrap();
        let mut desk = warmed(desk_at(table, config()));
        walk(&mut desk, 10_000, 20);
        let id = desk.only(Side::Buy);
        let price = desk.order(id).price;
        desk.fill(id, 10);
        desk.positions[0] = 9;
        desk.forget();
        desk.pass(2 * S);
        lean(&mut desk, price - 200, 1);
        let quantities =
            |desk: &Desk| -> Vec<i64> { intents(desk).iter().map(|sent| sent.quantity).collect() };
        if sold == 0 {
            // 5 x 10^-3 at 100 are worth less than one.
            assert_eq!(quantities(&desk), [0; 0]);
            continue;
        }
        assert_eq!(quantities(&desk), [sold]);
        let id = desk.only(Side::Sell);
        desk.fill(id, sold);
        desk.become_state(id, OrderState::Filled);
        for _ in 0..100 {
            desk.pass(S);
            desk.clock();
        }
        assert_eq!(quantities(&desk), [sold], "4 are less than a lot");
    }
}

#[test]
fn another_entry_needs_a_signal_that_was_inside_the_band_and_room_under_the_cap() {
    let (mut desk, price) =
        long(MomentumConfig { stop_ticks: 10_000, hold_ns_max: 10_000 * S, ..config() });
    desk.pass(2 * S);
    walk(&mut desk, price, 60);
    assert_eq!(desk.sent.len(), 0, "still the same move");
    let mut mid = price + 300;
    for round in 0..3 {
        // Waits until fast and slow have met (but not crossed), then moves again.
        for _ in 0..300 {
            lean(&mut desk, mid, 1);
            desk.pass(200 * MS);
        }
        walk(&mut desk, mid, 60);
        mid += 300;
        if let Some(id) = desk.open(Side::Buy).first() {
            desk.fill(*id, 10);
        }
        assert_eq!(desk.positions[0], 20, "round {round}: one more unit, then the cap");
        desk.pass(2 * S);
    }
    assert_eq!(intents(&desk).len(), 1);
}

#[test]
fn a_refusal_or_a_reject_backs_off_and_an_unknown_order_is_waited_for() {
    for answer in [Answer::Refuse, Answer::Reject] {
        let mut desk = warm(config());
        desk.answer = answer;
        walk(&mut desk, 10_000, 20);
        assert_eq!(intents(&desk).len(), 1, "{answer:?}");
    }
    let mut desk = warm(config());
    walk(&mut desk, 10_000, 20);
    let id = desk.only(Side::Buy);
    desk.become_state(id, OrderState::Unknown);
    desk.forget();
    for _ in 0..10 {
        walk(&mut desk, 10_100, 40);
        walk(&mut desk, 10_300, -40);
    }
    assert_eq!(desk.sent.len(), 0);
}

fn sliced() -> MomentumConfig {
    MomentumConfig { child_quantity_max: 4, ..config() }
}

fn children(desk: &Desk) -> Vec<(u64, i64)> {
    intents(desk).iter().map(|event| (event.id, event.quantity)).collect()
}

/// Parents that were declared, and closed (0).
fn parents(desk: &Desk) -> Vec<(u64, i64)> {
    let told = desk.sent.iter().filter(|event| event.kind == Kind::PARENT);
    told.map(|event| (event.id, event.quantity)).collect()
}

/// Everything of the order in flight trades, and the market is looked at again.
fn trade_all(desk: &mut Desk, side: Side) {
    let id = desk.only(side);
    desk.fill(id, i64::MAX);
    desk.clock();
}

#[test]
fn a_large_change_is_a_parent_that_is_worked_in_children_and_closed() {
    let mut desk = warm(sliced());
    walk(&mut desk, 10_000, 20);
    assert_eq!((parents(&desk), children(&desk)), (vec![(1, 10)], vec![(1, 4)]));
    trade_all(&mut desk, Side::Buy);
    trade_all(&mut desk, Side::Buy);
    assert_eq!(children(&desk), [(1, 4), (1, 4), (1, 2)], "no pause between children");
    assert_eq!(desk.parents.len(), 1);
    trade_all(&mut desk, Side::Buy);
    assert_eq!((desk.positions[0], parents(&desk)), (10, vec![(1, 10), (1, 0)]));
    // The exit is another one.
    desk.forget();
    desk.pass(100 * S);
    desk.clock();
    for _ in 0..3 {
        trade_all(&mut desk, Side::Sell);
    }
    assert_eq!(children(&desk), [(2, 4), (2, 4), (2, 2)]);
    assert_eq!((desk.positions[0], parents(&desk)), (0, vec![(2, 10), (2, 0)]));
}

#[test]
fn a_change_that_one_order_can_make_has_no_parent() {
    let mut desk = warm(MomentumConfig { child_quantity_max: 10, ..config() });
    walk(&mut desk, 10_000, 20);
    assert_eq!((parents(&desk), children(&desk)), (vec![], vec![(0, 10)]));
}

#[test]
fn a_child_that_found_nobody_or_was_refused_is_the_last() {
    for ending in [OrderState::Expired, OrderState::Rejected] {
        let mut desk = warm(sliced());
        walk(&mut desk, 10_000, 20);
        trade_all(&mut desk, Side::Buy);
        let id = desk.only(Side::Buy);
        desk.become_state(id, ending);
        desk.clock();
        assert_eq!(parents(&desk), [(1, 10), (1, 0)], "{ending:?}");
        assert_eq!((children(&desk).len(), desk.positions[0]), (2, 4), "{ending:?}");
    }
    let mut desk = warm(sliced());
    walk(&mut desk, 10_000, 20);
    desk.answer = Answer::Refuse;
    trade_all(&mut desk, Side::Buy);
    desk.clock();
    assert_eq!(parents(&desk), [(1, 10), (1, 0)]);
}

#[test]
fn what_is_worked_is_given_up_after_a_gap_a_long_silence_and_at_a_stop() {
    let half = || {
        let mut desk = warm(sliced());
        let mut mid = 10_000;
        while desk.open(Side::Buy).is_empty() {
            desk.pass(100 * MS);
            mid += 5;
            lean(&mut desk, mid, 1);
        }
        let id = desk.only(Side::Buy);
        (desk, id)
    };
    let (mut desk, id) = half();
    desk.state(BookState::Gap);
    desk.fill(id, 4);
    desk.book(10_095, 10_105);
    assert_eq!(parents(&desk), [(1, 10), (1, 0)], "a gap");
    assert_eq!(children(&desk), [(1, 4)]);
    for (pause_ns, count) in [(5 * S, 2), (5 * S + 1, 1)] {
        let (mut desk, id) = half();
        desk.pass(pause_ns);
        desk.fill(id, 4);
        desk.clock();
        assert_eq!(children(&desk).len(), count, "{pause_ns}");
    }
    let (mut desk, id) = half();
    let price = desk.order(id).price;
    desk.fill(id, 4);
    lean(&mut desk, price - 100, 1);
    let last = *intents(&desk).last().unwrap();
    assert_eq!((last.side(), last.quantity, last.id), (Side::Sell, 4, 0), "one order closes it");
    assert_eq!(parents(&desk), [(1, 10), (1, 0)]);
}

#[test]
fn fields_outside_their_range_are_named_with_value_and_range() {
    type Spoil = fn(&mut MomentumConfig);
    let cases: [(&str, Spoil); 9] = [
        ("entry_ticks is 0,", |c| c.entry_ticks = 0.0),
        ("exit_ticks is NaN,", |c| c.exit_ticks = f64::NAN),
        ("slow_half_life_ns is 1000000000,", |c| c.slow_half_life_ns = S),
        ("quantity is -1,", |c| c.quantity = -1),
        ("child_quantity_max is -1,", |c| c.child_quantity_max = -1),
        ("position_max is 9,", |c| c.position_max = 9),
        ("stop_ticks is 0,", |c| c.stop_ticks = 0),
        ("cooldown_ns is 0,", |c| c.cooldown_ns = 0),
        ("instrument is 7,", |c| c.instrument = 7),
    ];
    for (text, spoil) in cases {
        let mut config = config();
        spoil(&mut config);
        let error = Momentum::new(config, &instruments(5)).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("must be"), "{text}: {error}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Walk(i64),
    Clock,
    State(usize),
    Fill(i64),
    End,
    Lose,
    Answer(u8),
}

fn any_move() -> impl Generator<Value = Move> {
    prop_oneof![
        8 => (-30_i64..30).prop_map(Move::Walk),
        1 => Just(Move::Clock),
        1 => (0_usize..6).prop_map(Move::State),
        5 => (1_i64..12).prop_map(Move::Fill),
        3 => Just(Move::End),
        1 => Just(Move::Lose),
        1 => (0_u8..6).prop_map(Move::Answer),
    ]
}

fn play(desk: &mut Desk, mid: &mut i64, step: Move) {
    let live = [desk.open(Side::Buy), desk.open(Side::Sell)].concat().first().copied();
    match (step, live) {
        (Move::Walk(count), _) => {
            walk(desk, *mid, count);
            *mid += 5 * count;
        }
        (Move::Clock, _) => desk.clock(),
        (Move::State(index), _) => desk.state(BookState::ALL[index]),
        (Move::Fill(quantity), Some(id)) => desk.fill(id, quantity),
        (Move::End, Some(id)) => desk.become_state(id, OrderState::Expired),
        (Move::Lose, Some(id)) => desk.become_state(id, OrderState::Unknown),
        (Move::Answer(answer), _) => {
            desk.answer = match answer {
                0 => Answer::Refuse,
                1 => Answer::Reject,
                _ => Answer::Wait,
            };
        }
        (Move::Fill(_) | Move::End | Move::Lose, None) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_position_stays_within_the_cap_and_one_order_is_in_flight(
        script in proptest::collection::vec((any_move(), 0_u64..3_000), 1..80),
        is_sliced in any::<bool>(),
    ) {
        let mut desk = warm(if is_sliced { sliced() } else { config() });
        let mut mid = 10_000;
        for (step, pause_ms) in script {
            desk.pass(pause_ms * MS);
            play(&mut desk, &mut mid, step);
            prop_assert!(desk.positions[0].abs() <= 20);
            prop_assert!(desk.open(Side::Buy).len() + desk.open(Side::Sell).len() <= 1);
            for event in intents(&desk) {
                prop_assert!(event.quantity <= 20);
            }
        }
    }

    #[test]
    fn a_taker_that_was_saved_and_loaded_has_the_same_future(
        script in proptest::collection::vec((any_move(), 0_u64..3_000), 1..40),
        is_sliced in any::<bool>(),
    ) {
        let config = || if is_sliced { sliced() } else { config() };
        let (mut one, mut other) = (warm(config()), warm(config()));
        let (mut mid, mut mid_other) = (10_000, 10_000);
        for (step, pause_ms) in script {
            other.swap(Box::new(Momentum::new(config(), &instruments(5)).unwrap()));
            one.pass(pause_ms * MS);
            other.pass(pause_ms * MS);
            play(&mut one, &mut mid, step);
            play(&mut other, &mut mid_other, step);
            prop_assert_eq!(&one.sent, &other.sent);
            prop_assert_eq!(one.saved(), other.saved());
        }
    }
}
