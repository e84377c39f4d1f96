//! Each trigger: just below what trips, and at it; what it trips, and how long it keeps the quiet period away.

use super::desk::{Desk, S_NS, trigger};
use crate::control::{Action, ControlConfig, HoldLimits, Trigger, Triggers};
use crate::event::session::command;
use crate::event::{
    BookState, BreakerState, CommandCode, Event, Kind, LockReason, OrderState, Scope, Side,
};
use crate::instrument::Venue;

const SAFE: Action = Action::Safe;

fn desk(set: impl Fn(&mut Triggers)) -> Desk {
    let mut triggers = Triggers::default();
    set(&mut triggers);
    Desk::new(ControlConfig {
        is_configured: true,
        quiet_ns: 100 * S_NS,
        triggers,
        ..ControlConfig::default()
    })
}

fn wide(action: Action) -> Trigger {
    Trigger { is_wide: true, ..trigger(action) }
}

fn reject(desk: &mut Desk, index: u16) -> Vec<String> {
    let id = desk.order(0, index, Side::Buy, 10);
    desk.state(id, OrderState::Rejected)
}

#[test]
fn so_many_rejects_of_a_venue_trip_it() {
    let mut desk = desk(|triggers| triggers.reject_rate = trigger(SAFE));
    assert_eq!(reject(&mut desk, 0), [""; 0]);
    assert_eq!(reject(&mut desk, 1), [""; 0]);
    assert_eq!(reject(&mut desk, 2), [""; 0], "another venue");
    assert_eq!(reject(&mut desk, 0), ["venue 2 NORMAL>SAFE reject-rate #1 3/3"]);
}

#[test]
fn rejects_count_within_their_window_and_over_all_venues_where_that_is_meant() {
    let mut first = desk(|triggers| triggers.reject_rate = trigger(SAFE));
    reject(&mut first, 0);
    reject(&mut first, 0);
    first.after(10 * S_NS);
    assert_eq!(reject(&mut first, 0), [""; 0]);
    let mut first = desk(|triggers| triggers.reject_rate = wide(SAFE));
    reject(&mut first, 0);
    reject(&mut first, 1);
    assert_eq!(reject(&mut first, 2), ["all NORMAL>SAFE reject-rate #1 3/3"]);
    let mut first = desk(|_| {});
    let told: Vec<String> = (0..10).flat_map(|_| reject(&mut first, 0)).collect();
    assert_eq!(told, [""; 0], "off");
}

#[test]
fn an_order_that_the_order_stage_rejects_is_no_word_of_a_venue() {
    let mut desk = desk(|triggers| triggers.reject_rate = trigger(SAFE));
    desk.refuses = Some(101);
    for _ in 0..5 {
        // What an approval without room ends in: rejected because of the approval.
        let mut order = Event::new(Kind::ORDER);
        (order.instrument, order.source) = (0, 0);
        order.code =
            u16::from(OrderState::Rejected.code()) | u16::from(OrderState::New.code()) << 8;
        let mut approved = Event::new(Kind::APPROVED);
        approved.instrument = 0;
        assert_eq!(desk.decide_because(approved, order), [""; 0]);
    }
}

#[test]
fn unknown_outcomes_and_anomalies_are_errors_and_harmless_ones_are_not() {
    let mut desk = desk(|triggers| triggers.error_rate = trigger(SAFE));
    let anomaly = |desk: &mut Desk, code, instrument| {
        let mut event = Event::new(Kind::ANOMALY);
        (event.code, event.instrument) = (code, instrument);
        desk.decide(event)
    };
    for code in [104, 107, 114, 115, 123] {
        for _ in 0..3 {
            assert_eq!(anomaly(&mut desk, code, 0), [""; 0], "{code}");
        }
    }
    let id = desk.order(0, 0, Side::Buy, 10);
    assert_eq!(desk.state(id, OrderState::Unknown), [""; 0]);
    assert_eq!(desk.state(id, OrderState::Unknown), [""; 0], "told again");
    assert_eq!(anomaly(&mut desk, 109, 1), [""; 0]);
    assert_eq!(anomaly(&mut desk, 100, 0), ["venue 2 NORMAL>SAFE error-rate #1 3/3"]);
    let nowhere = crate::event::NO_INSTRUMENT;
    anomaly(&mut desk, 10, nowhere);
    anomaly(&mut desk, 10, nowhere);
    assert_eq!(anomaly(&mut desk, 10, nowhere), ["all NORMAL>SAFE error-rate #2 3/3"]);
}

#[test]
fn first_answers_that_take_too_long_trip_and_later_words_do_not_count() {
    let mut desk = desk(|triggers| triggers.latency = trigger(SAFE));
    let slow = |desk: &mut Desk, ns: u64| {
        let id = desk.order_unanswered(0, 0);
        // The word itself takes one.
        desk.time_ns += ns - 1;
        let told = desk.state(id, OrderState::Acked);
        desk.time_ns += 100;
        desk.state(id, OrderState::Cancelled);
        told
    };
    for _ in 0..5 {
        assert_eq!(slow(&mut desk, 5 * S_NS), [""; 0]);
    }
    desk.after(20 * S_NS);
    let desk_of = |limit| {
        let mut desk = self::desk(|triggers| {
            triggers.latency = Trigger { window_ns: 60 * S_NS, ..trigger(SAFE) };
        });
        let told: Vec<Vec<String>> = (0..3).map(|_| slow(&mut desk, limit)).collect();
        told
    };
    assert_eq!(desk_of(5 * S_NS), [const { Vec::<String>::new() }; 3]);
    let told = desk_of(5 * S_NS + 1);
    assert_eq!(told[1], [""; 0]);
    assert_eq!(told[2], ["venue 2 NORMAL>SAFE latency #1 3/3"]);
}

/// Orders with these numbers wait for their first answers at the same time, and get them too late.
fn late_answers(ids: &[u64]) -> Vec<String> {
    let mut desk = desk(|triggers| triggers.latency = trigger(SAFE));
    let order = |id: u64, state: OrderState, before: OrderState| {
        let mut order = Event::new(Kind::ORDER);
        (order.instrument, order.id) = (0, id);
        order.code = u16::from(state.code()) | u16::from(before.code()) << 8;
        order
    };
    for id in ids {
        desk.decide(order(*id, OrderState::Pending, OrderState::New));
    }
    desk.time_ns += 5 * S_NS;
    let answer = |id: &u64| desk.decide(order(*id, OrderState::Acked, OrderState::Pending));
    ids.iter().flat_map(answer).collect()
}

#[test]
fn every_order_of_the_newest_thousand_waits_for_its_own_answer() {
    let tripped = ["venue 2 NORMAL>SAFE latency #1 3/3"];
    assert_eq!(late_answers(&[1, 2, 3]), tripped);
    assert_eq!(late_answers(&[1_024, 2_047, 1_500]), tripped);
    assert_eq!(late_answers(&[1, 2, 1_026]), [""; 0], "the place of the second is taken");
    assert_eq!(late_answers(&[1, 2, 1_026, 5]), tripped);
}

#[test]
fn a_book_that_is_not_live_for_too_long_trips_its_instrument_and_keeps_it() {
    let mut desk = desk(|triggers| triggers.staleness = trigger(SAFE));
    desk.book(1, BookState::Stale);
    desk.book(1, BookState::Gap);
    assert_eq!(desk.after(5 * S_NS - 1), [""; 0], "since it was stale, not since the gap");
    let told = desk.clock();
    assert_eq!(told, ["instrument 1 NORMAL>SAFE staleness #1 5000000001/5000000000"]);
    let approve =
        |desk: &mut Desk| desk.command_of(1, CommandCode::Approve, Scope::Instrument(1), (1, 0));
    desk.after(50 * S_NS);
    assert!(approve(&mut desk)[0].starts_with("#1 done"));
    assert_eq!(desk.after(100 * S_NS), [""; 0], "the cause is there");
    desk.book(1, BookState::Live);
    assert_eq!(desk.after(100 * S_NS - 3), [""; 0]);
    assert_eq!(desk.after(2), ["instrument 1 SAFE>NORMAL recovered #1"]);
    assert_eq!(desk.after(50 * S_NS), [""; 0]);
}

#[test]
fn a_venue_that_is_locked_for_too_long_trips() {
    let mut desk = desk(|triggers| triggers.reconcile = trigger(SAFE));
    desk.lock(Venue::BinanceUsdm, LockReason::Start);
    desk.lock(Venue::BinanceUsdm, LockReason::Balances);
    assert_eq!(desk.after(5 * S_NS - 1), [""; 0]);
    assert_eq!(desk.clock(), ["venue 3 NORMAL>SAFE reconcile #1 5000000001/5000000000"]);
    desk.lock(Venue::BinanceUsdm, LockReason::None);
    desk.lock(Venue::BinanceSpot, LockReason::LinkDown);
    desk.lock(Venue::BinanceSpot, LockReason::None);
    assert_eq!(desk.after(50 * S_NS), [""; 0]);
}

#[test]
fn a_jump_of_time_trips() {
    let mut desk = desk(|triggers| triggers.clock = trigger(SAFE));
    assert_eq!(desk.after(1_000 * S_NS), [""; 0], "the first clock of a session");
    assert_eq!(desk.after(5 * S_NS), [""; 0]);
    let told = desk.after(5 * S_NS + 1);
    assert_eq!(told, ["all NORMAL>SAFE clock #1 5000000001/5000000000"]);
    let mut off = self::desk(|_| {});
    off.clock();
    assert_eq!(off.after(1_000 * S_NS), [""; 0]);
}

#[test]
fn dead_threads_trip_by_what_they_are() {
    for (thread, wanted) in [(1, "thread-dead"), (2, "journal"), (5, "thread-dead")] {
        let mut desk = desk(|triggers| {
            triggers.journal = Trigger::plain(SAFE);
            triggers.thread_dead = Trigger::plain(SAFE);
        });
        let told = desk.hear(command(CommandCode::ThreadDead, thread));
        assert_eq!(told, [format!("all NORMAL>SAFE {wanted} #1 {thread}/0")]);
    }
    let mut only_journal = desk(|triggers| triggers.journal = Trigger::plain(SAFE));
    assert_eq!(only_journal.hear(command(CommandCode::ThreadDead, 1)), [""; 0]);
}

#[test]
fn silence_of_the_dead_man_kills_and_every_sign_of_life_begins_anew() {
    let mut desk = desk(|triggers| triggers.dead_man = trigger(Action::Kill));
    let alive = command(CommandCode::Alive, 0);
    desk.hear(alive);
    assert_eq!(desk.after(5 * S_NS), [""; 0]);
    desk.hear(alive);
    assert_eq!(desk.after(5 * S_NS), [""; 0]);
    let told = desk.clock();
    assert_eq!(told[0], "all NORMAL>KILLED dead-man #1 5000000001/5000000000");
    assert_eq!(told.last().unwrap(), "all done: 0 cancelled, 0 left");
    desk.hear(alive);
    assert_eq!(desk.control.state(), BreakerState::Killed, "too late");
}

#[test]
fn a_panic_and_repeated_executions_trip_the_strategy() {
    let mut desk = desk(|triggers| {
        triggers.strategy_panic = trigger(SAFE);
        triggers.repeated_execution = trigger(SAFE);
    });
    let mut state = Event::new(Kind::STRATEGY_STATE);
    (state.source, state.tag) = (1, 2);
    assert_eq!(desk.decide(state), [""; 0], "an operator did it");
    state.tag = 1;
    assert_eq!(desk.decide(state), ["strategy 1 NORMAL>SAFE strategy-panic #1"]);
    let mut alert = Event::new(Kind::ALERT);
    alert.code = crate::control::watch::RULE_REPEATED_EXECUTION;
    (alert.source, alert.tag, alert.price, alert.quantity) = (0, 90, 9, 10);
    assert_eq!(desk.decide(alert).len(), 1, "the alert itself");
    (alert.tag, alert.price) = (100, 10);
    let told = desk.decide(alert);
    assert_eq!(told[1], "strategy 0 NORMAL>SAFE repeated-execution #2 10/10");
}

#[test]
fn the_monitors_limits_trip_and_its_warnings_do_not() {
    let alert = |code, percent| {
        let mut desk = desk(|triggers| triggers.monitor = trigger(SAFE));
        let mut alert = Event::new(Kind::ALERT);
        (alert.code, alert.tag, alert.price, alert.quantity) = (code, percent, 7, 5);
        desk.decide(alert).len() == 2
    };
    for (code, percent, trips) in [
        (301, 100, true),
        (399, 100, true),
        (300, 100, false),
        (400, 100, false),
        (301, 90, false),
        (301, 0, false),
    ] {
        assert_eq!(alert(code, percent), trips, "{code} at {percent}");
    }
}

fn holding(set: impl Fn(&mut HoldLimits), action: Action) -> Desk {
    let mut hold = HoldLimits { instruments: vec![0; 3], strategies: vec![0; 2] };
    set(&mut hold);
    let triggers = Triggers { hold_time: trigger(action), ..Triggers::default() };
    Desk::new(ControlConfig {
        is_configured: true,
        quiet_ns: 100 * S_NS,
        triggers,
        hold,
        ..ControlConfig::default()
    })
}

#[test]
fn a_position_that_is_held_too_long_is_closed_and_its_strategy_blocked_meanwhile() {
    let mut desk = holding(|hold| hold.instruments[0] = 60 * S_NS, Action::Off);
    desk.hold(1, 0, 300);
    desk.hold(1, 2, 300);
    let order = desk.order(1, 2, Side::Buy, 10);
    // The fill was five events before.
    assert_eq!(desk.after(60 * S_NS - 5), [""; 0], "exactly the limit");
    let told = desk.clock();
    assert_eq!(
        told,
        [
            "alert 402 60000000001/60000000000",
            "strategy 1 NORMAL>KILLED hold-time #0",
            "strategy 1 blocked: 0 cancelled, 2 left",
            "strategy 1 cancelling: 0 cancelled, 2 left",
        ]
    );
    assert_eq!(desk.clock(), [""; 0]);
    assert_eq!(
        desk.state(order, OrderState::Cancelled),
        ["strategy 1 flattening: 1 cancelled, 1 left", "sell 300 @ 9950 of 0 for 1 to reduce",]
    );
    let closer = desk.closer().order.id;
    assert_eq!(
        desk.trade(closer, 300),
        ["strategy 1 done: 1 cancelled, 0 left", "strategy 1 KILLED>NORMAL operator #0"]
    );
    assert_eq!(desk.after(1_000 * S_NS), [""; 0], "the other instrument has no limit");
}

#[test]
fn a_second_position_that_is_held_too_long_joins_the_exit_under_way() {
    let mut desk = holding(|hold| hold.instruments = vec![60 * S_NS, 0, 70 * S_NS], Action::Off);
    desk.hold(1, 0, 300);
    desk.hold(1, 2, 300);
    let told = desk.after(60 * S_NS);
    assert_eq!(told[1], "strategy 1 NORMAL>KILLED hold-time #0");
    assert_eq!(desk.closer().order.instrument, 0);
    let told = desk.after(10 * S_NS + 5);
    assert!(told[0].starts_with("alert 402 70"), "{told:?}");
    assert_eq!(told[1..], ["sell 300 @ 9950 of 2 for 1 to reduce"]);
    assert_eq!(desk.clock(), [""; 0]);
}

#[test]
fn a_position_that_is_held_too_long_in_a_killed_scope_is_closed_under_the_kill() {
    let mut desk = holding(|hold| hold.strategies[1] = 60 * S_NS, SAFE);
    desk.hold(1, 0, 300);
    desk.command_of(1, CommandCode::Kill, Scope::Strategy(1), (0, 0));
    assert_eq!(desk.control.last_job().phase, 4, "it was not asked to close");
    let told = desk.after(60 * S_NS);
    assert!(told[0].starts_with("alert 402 60"), "{told:?}");
    assert_eq!(told[1..], ["sell 300 @ 9950 of 0 for 1 to reduce"]);
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 300), [""; 0]);
    assert_eq!(desk.control.held_counts(), (0, 1));
}

#[test]
fn the_stricter_hold_time_counts_and_a_change_of_side_begins_anew() {
    let mut desk = holding(
        |hold| {
            hold.instruments[0] = 60 * S_NS;
            hold.strategies[1] = 30 * S_NS;
        },
        SAFE,
    );
    desk.hold(1, 0, 300);
    desk.after(20 * S_NS);
    desk.hold(1, 0, 100);
    assert_eq!(desk.after(5 * S_NS), [""; 0]);
    desk.hold(1, 0, -500);
    assert_eq!(desk.after(30 * S_NS), [""; 0], "short since then");
    let told = desk.clock();
    assert_eq!(told[0], "alert 402 30000000001/30000000000");
    assert!(told.contains(&"buy 100 @ 10050 of 0 for 1 to reduce".to_string()), "{told:?}");
    let trip = "strategy 1 KILLED>KILLED hold-time #1 30000000001/30000000000";
    assert!(told.contains(&trip.to_string()), "{told:?}");
    let closer = desk.closer().order.id;
    let told = desk.trade(closer, 100);
    assert_eq!(told[1], "strategy 1 KILLED>SAFE operator #1", "and waits for an approval");
}

#[test]
fn a_hold_time_that_a_command_has_set_counts_from_then_on() {
    let mut desk = holding(|_| {}, Action::Off);
    desk.hold(1, 0, 300);
    assert_eq!(desk.after(100 * S_NS), [""; 0]);
    let mut limit = Event::new(Kind::LIMIT);
    (limit.code, limit.instrument, limit.quantity) = (37, 0, 60_000);
    desk.decide(limit);
    assert_eq!(desk.clock(), [""; 0], "another limit");
    limit.code = 38;
    desk.decide(limit);
    let told = desk.clock();
    assert!(told[0].starts_with("alert 402 1000000000"), "{told:?}");
    assert!(told[0].ends_with("/60000000000"), "{told:?}");
}

#[test]
fn limits_of_the_gate_make_a_hold_time_stricter_and_never_looser() {
    let mut limits = HoldLimits::default();
    limits.tighten_instrument(2, 60);
    assert_eq!(limits.instruments, [0, 0, 60]);
    limits.tighten_instrument(2, 70);
    assert_eq!(limits.instruments, [0, 0, 60]);
    limits.tighten_instrument(2, 50);
    limits.tighten_instrument(0, 9);
    assert_eq!(limits.instruments, [9, 0, 50]);
    assert_eq!((limits.of(0, 0, 0), limits.of(0, 1, 0), limits.of(0, 2, 55)), (9, 0, 55));
}

#[test]
fn a_session_that_was_cut_off_trips_where_that_is_wanted() {
    for (ends_in_order, action, wanted) in [
        (true, SAFE, None),
        (false, Action::Off, None),
        (false, SAFE, Some("all NORMAL>SAFE restart #1")),
    ] {
        let config = ControlConfig {
            is_configured: true,
            triggers: Triggers { restart: Trigger::plain(action), ..Triggers::default() },
            ..ControlConfig::default()
        };
        let mut desk = Desk::new(config.clone());
        let told = desk.restart(config, ends_in_order);
        assert_eq!(told.first().map(String::as_str), wanted);
    }
}
