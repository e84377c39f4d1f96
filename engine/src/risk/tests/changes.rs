//! Limits changed by command, and the gate's own state after a recovery or a rearm.

use crate::event::{
    AnswerCode, BreakerState, CommandCode, Event, Kind, Scope, Side, TripReason, session,
};
use crate::risk::change::{Changes, Target};
use crate::risk::{LimitKey, Limits, RiskState};

use super::desk::{Desk, currency, intent, limits};

fn set(key: LimitKey, owner: u16, value: i64, number: u64, operator: u16) -> Event {
    let mut event = session::command(CommandCode::LimitSet, u32::from(key.code()));
    (event.instrument, event.price, event.quantity) = (owner, i64::from(owner), value);
    (event.id, event.source) = (number, operator);
    event
}

fn confirm(of: u64, number: u64, operator: u16) -> Event {
    let mut event = session::command(CommandCode::Confirm, 0);
    (event.price, event.id, event.source) = (of.cast_signed(), number, operator);
    event
}

/// `LIMIT` as `key before now`, `ANSWER` as `command number answer detail`.
fn told(got: &[Event]) -> Vec<String> {
    got.iter()
        .map(|event| match event.kind {
            Kind::LIMIT => {
                let key = LimitKey::from_code(event.code).unwrap();
                format!("{} {} {}", key.name(), event.price, event.quantity)
            }
            Kind::ANSWER => {
                let command = CommandCode::from_code(event.code).unwrap();
                let code = AnswerCode::from_code(u16::try_from(event.price).unwrap()).unwrap();
                format!("{} {} {} {}", command.name(), event.id, code.name(), event.quantity)
            }
            _ => panic!("neither a limit nor an answer: {event:?}"),
        })
        .collect()
}

#[track_caller]
fn check(desk: &mut Desk, command: Event, want: &[&str]) {
    assert_eq!(told(&desk.send(command, 0)), want);
}

fn two_persons() -> Limits {
    let mut limits = limits();
    limits.controls.two_person = true;
    limits
}

#[test]
fn a_tighter_limit_holds_at_once_and_is_loosened_at_most_to_what_is_configured() {
    let mut desk = Desk::new(limits());
    let key = LimitKey::OrderQuantity;
    check(&mut desk, set(key, 0, 10, 7, 1), &["order_quantity_max 1000 10", "limit-set 7 done 10"]);
    assert_eq!(desk.judge(intent(0, Side::Buy, 11, 1000)).kind, Kind::REFUSED);
    assert_eq!(desk.judge(intent(0, Side::Buy, 10, 1000)).kind, Kind::APPROVED);
    // Another instrument keeps its own.
    assert_eq!(desk.judge(intent(2, Side::Buy, 11, 1000)).kind, Kind::APPROVED);
    check(&mut desk, set(key, 0, 10, 8, 1), &["limit-set 8 already-so 10"]);
    check(&mut desk, set(key, 0, 0, 9, 1), &["limit-set 9 out-of-range 1"]);
    check(&mut desk, set(key, 0, 1_001, 10, 1), &["limit-set 10 above-ceiling 1000"]);
    let back = ["order_quantity_max 10 1000", "limit-set 11 done 1000"];
    check(&mut desk, set(key, 0, 1_000, 11, 1), &back);
    assert_eq!(desk.judge(intent(0, Side::Buy, 11, 1000)).kind, Kind::APPROVED);
    check(&mut desk, set(key, 3, 10, 12, 1), &["limit-set 12 no-such-target 0"]);
    check(&mut desk, set(key, 900, 10, 13, 1), &["limit-set 13 no-such-target 0"]);
    let mut unknown = set(key, 0, 10, 14, 1);
    unknown.tag = 19;
    check(&mut desk, unknown, &["limit-set 14 no-such-target 0"]);
    // Without a number: done, not answered.
    check(&mut desk, set(key, 0, 10, 0, 0), &["order_quantity_max 1000 10"]);
}

#[test]
fn every_key_is_set_read_and_refused_beyond_what_is_configured() {
    for (number, key) in (1..).zip(LimitKey::ALL) {
        if key.is_tabled() {
            continue;
        }
        let mut desk = Desk::new(limits());
        let hard = desk.gate.limit(*key, 0).unwrap();
        let (tighter, looser) =
            if *key == LimitKey::Restricted { (1, None) } else { (hard - 1, hard.checked_add(1)) };
        let tighter = tighter.max(key.least());
        if tighter != hard {
            desk.send(set(*key, 0, tighter, number, 1), 0);
            assert_eq!(desk.gate.limit(*key, 0), Some(tighter), "{}", key.name());
            desk.split(limits());
            let loaded = desk.twin.as_ref().unwrap();
            assert_eq!(loaded.limit(*key, 0), Some(tighter), "{}", key.name());
        }
        if let Some(looser) = looser {
            let got = desk.send(set(*key, 0, looser, number, 1), 0);
            assert_eq!(got.len(), 1, "{}", key.name());
            assert_eq!(got[0].price, i64::from(AnswerCode::AboveCeiling.code()), "{}", key.name());
        }
    }
}

pub(super) fn with_everything() -> Limits {
    let mut limits = limits();
    let controls = &mut limits.controls;
    controls.instruments = vec![crate::risk::InstrumentControls::default(); 4];
    controls.strategies = vec![crate::risk::StrategyControls::default(); 2];
    controls.capital = Some(currency(1_000));
    controls.message_rate_window_ns = 1;
    controls.duplicate_window_ns = 1;
    controls.execution_window_ns = 1;
    controls.reference_window_ns = 1;
    for key in LimitKey::ALL.iter().filter(|key| key.is_tabled()) {
        for owner in 0..4 {
            limits.set_value(*key, owner, 8);
        }
    }
    limits
}

#[test]
fn every_key_that_is_off_unless_configured_is_set_and_read() {
    for (number, key) in (1..).zip(LimitKey::ALL.iter().filter(|key| key.is_tabled())) {
        let mut desk = Desk::new(with_everything());
        let name = key.name();
        desk.send(set(*key, 1, 7, number, 1), 0);
        assert_eq!(desk.gate.limit(*key, 1), Some(7), "{name}");
        let is_shared = key.owner() == crate::risk::LimitOwner::Account;
        assert_eq!(desk.gate.limit(*key, 0), Some(if is_shared { 7 } else { 8 }), "{name}");
        desk.split(with_everything());
        assert_eq!(desk.twin.as_ref().unwrap().limit(*key, 1), Some(7), "{name}");
        check(
            &mut desk,
            set(*key, 1, 9, number, 1),
            &[&format!("limit-set {number} above-ceiling 8")],
        );
        // Where nothing is configured, what needs a window or a capital cannot be set; the rest can.
        let mut bare = Desk::new(limits());
        let got = told(&bare.send(set(*key, 1, 7, number, 1), 0));
        if key.needs_more() {
            assert_eq!(got, [format!("limit-set {number} no-such-target 0")]);
        } else {
            let set = format!("{name} {} 7", i64::MAX);
            assert_eq!(got, [set, format!("limit-set {number} done 7")]);
        }
    }
}

#[test]
fn a_loosened_limit_waits_for_another_person_where_two_are_asked_for() {
    let mut desk = Desk::new(two_persons());
    let key = LimitKey::OrdersOpen;
    check(&mut desk, set(key, 0, 5, 1, 1), &["orders_open_max 64 5", "limit-set 1 done 5"]);
    check(&mut desk, set(key, 0, 6, 2, 1), &["limit-set 2 needs-confirm 6"]);
    assert_eq!(desk.gate.limit(key, 0), Some(5));
    check(&mut desk, confirm(2, 3, 1), &["confirm 3 same-person 2"]);
    check(&mut desk, confirm(2, 4, 0), &["confirm 4 same-person 2"]);
    // Not a change of a limit: others answer.
    check(&mut desk, confirm(99, 5, 2), &[]);
    desk.split(two_persons());
    let done = ["orders_open_max 5 6", "limit-set 2 done 6", "confirm 6 done 2"];
    check(&mut desk, confirm(2, 6, 2), &done);
    check(&mut desk, confirm(2, 7, 2), &[]);
    // What nobody confirms is dropped.
    check(&mut desk, set(key, 0, 7, 8, 1), &["limit-set 8 needs-confirm 7"]);
    desk.time_ns += 300_000_000_000 - 1;
    assert_eq!(told(&desk.clock()), [""; 0]);
    desk.time_ns += 1;
    assert_eq!(told(&desk.clock()), ["limit-set 8 expired 7"]);
    check(&mut desk, confirm(8, 9, 2), &[]);
    check(&mut desk, set(key, 0, 7, 0, 1), &[]);
    assert_eq!(desk.gate.limit(key, 0), Some(6));
}

#[test]
fn more_changes_than_may_wait_are_refused() {
    let mut desk = Desk::new(two_persons());
    desk.send(set(LimitKey::OrdersOpen, 0, 5, 1, 1), 0);
    for number in 2..18 {
        let want = format!("limit-set {number} needs-confirm 6");
        check(&mut desk, set(LimitKey::OrdersOpen, 0, 6, number, 1), &[&want]);
    }
    check(&mut desk, set(LimitKey::OrdersOpen, 0, 6, 18, 1), &["limit-set 18 wrong-state 0"]);
}

#[test]
fn a_changed_limit_is_brought_back_only_as_far_as_the_configuration_allows() {
    let mut desk = Desk::new(limits());
    desk.send(set(LimitKey::LossDaily, 0, 90_000_000_000_000, 1, 1), 0);
    let mut tighter = limits();
    tighter.account.as_mut().unwrap().loss_daily_max = currency(500);
    let mut saver = crate::state::Saver::new();
    crate::state::State::save(&desk.gate, &mut saver);
    let bytes = saver.into_bytes();
    let mut gate = crate::risk::Gate::new(tighter, super::desk::table(), 2, 64);
    crate::state::State::load(&mut gate, &mut crate::state::Loader::new(&bytes)).unwrap();
    assert_eq!(gate.limit(LimitKey::LossDaily, 0), Some(50_000_000_000));
}

#[test]
fn a_tighter_rate_counts_what_was_sent_before() {
    let mut desk = Desk::new(limits());
    for _ in 0..3 {
        desk.judge(intent(0, Side::Buy, 1, 1000));
    }
    desk.send(set(LimitKey::OrderRate, 0, 4, 1, 1), 0);
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::REFUSED);
    desk.time_ns += 1_000;
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
}

#[test]
fn a_recovery_of_the_whole_engine_makes_the_gate_active_and_of_a_part_does_not() {
    let normal = BreakerState::Normal;
    for (reason, by) in
        [(TripReason::Recovered, CommandCode::Approve), (TripReason::Rearmed, CommandCode::Rearm)]
    {
        let mut desk = Desk::new(limits());
        desk.command(CommandCode::Halt);
        assert_eq!(desk.breaker(Scope::Strategy(0), normal, reason, 0), []);
        assert_eq!(desk.breaker(Scope::All, normal, TripReason::Operator, 0), []);
        assert_eq!(desk.breaker(Scope::All, BreakerState::Safe, reason, 0), []);
        assert_eq!(desk.gate.state(), RiskState::Halted);
        let got = desk.breaker(Scope::All, normal, reason, 0);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].kind, got[0].tag), (Kind::RISK_STATE, by as u32));
        assert_eq!(desk.gate.state(), RiskState::Active);
    }
}

#[test]
fn a_rearm_with_a_new_peak_forgets_a_drawdown_and_without_one_it_halts_again() {
    for (detail, state) in [(0, RiskState::Halted), (1, RiskState::Active)] {
        let mut limits = limits();
        limits.account.as_mut().unwrap().drawdown_max = currency(100);
        let mut desk = Desk::new(limits);
        desk.trade(0, Side::Buy, [10, 1020, 0], (1, 0));
        assert_eq!(desk.gate.state(), RiskState::Halted);
        desk.breaker(Scope::All, BreakerState::Normal, TripReason::Rearmed, detail);
        assert_eq!(desk.gate.state(), state);
        desk.clock();
        assert_eq!(desk.gate.state(), state);
    }
}

#[test]
fn breakers_are_part_of_what_is_saved() {
    let mut desk = Desk::new(limits());
    let before = desk.gate.digest();
    desk.breaker(Scope::Instrument(0), BreakerState::Safe, TripReason::Staleness, 0);
    assert_ne!(desk.gate.digest(), before);
    assert_eq!(desk.gate.breaker_state(0, 0), BreakerState::Safe);
    assert_eq!(desk.gate.breaker_state(0, 2), BreakerState::Normal);
    desk.split(limits());
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::REFUSED);
    desk.breaker(Scope::Instrument(0), BreakerState::Normal, TripReason::Recovered, 0);
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
    // Scopes and states that do not exist change nothing.
    for (code, tag) in [(9, 0), (2, 7 << 16), (2, (2 << 16) | 0x999), (2, (1 << 16) | 0x99)] {
        let mut event = Event::new(Kind::BREAKER);
        (event.code, event.tag) = (code, tag);
        desk.send(event, 0);
    }
    assert_eq!(desk.judge(intent(0, Side::Buy, 1, 1000)).kind, Kind::APPROVED);
}

#[test]
fn an_operator_who_enables_a_latched_strategy_is_answered_by_the_gate() {
    let mut limits = with_everything();
    limits.set_value(LimitKey::StrategyExecutions, 0, 1);
    let mut desk = Desk::new(limits);
    let mut enable = session::command(CommandCode::StrategyEnable, 0);
    (enable.id, enable.source) = (7, 1);
    check(&mut desk, enable, &[]);
    desk.trade_source = 0;
    desk.trade(0, Side::Buy, [1, 1000, 0], (1, 0));
    check(&mut desk, Event { source: 0, ..enable }, &[]);
    check(&mut desk, Event { tag: 2, ..enable }, &[]);
    check(&mut desk, enable, &["strategy-enable 7 done 136"]);
    check(&mut desk, enable, &[]);
}

#[test]
fn the_least_value_of_a_limit_is_taken_and_a_list_takes_yes_and_no() {
    let mut desk = Desk::new(limits());
    let key = LimitKey::OrderQuantity;
    check(&mut desk, set(key, 0, 1, 7, 1), &["order_quantity_max 1000 1", "limit-set 7 done 1"]);
    check(&mut desk, set(key, 0, 0, 8, 1), &["limit-set 8 out-of-range 1"]);
    let key = LimitKey::Restricted;
    check(&mut desk, set(key, 0, 0, 9, 1), &["limit-set 9 already-so 0"]);
    check(&mut desk, set(key, 0, 2, 10, 1), &["limit-set 10 out-of-range 0"]);
    check(&mut desk, set(key, 0, -1, 11, 1), &["limit-set 11 out-of-range 0"]);
    check(&mut desk, set(key, 0, 1, 12, 1), &["restricted 0 1", "limit-set 12 done 1"]);
    check(&mut desk, set(key, 0, 0, 13, 1), &["restricted 1 0", "limit-set 13 done 0"]);
}

#[test]
fn what_was_changed_to_what_is_part_of_the_digest() {
    let mut changes = Changes::new();
    assert_eq!(changes.mix_into(7), 7);
    changes.note(Target { key: LimitKey::OrdersOpen, owner: 3 }, 50);
    // Journals hold hashes of it.
    assert_eq!(changes.mix_into(7), 9_537_887_850_335_190_252);
    let digest = |key: LimitKey, owner: u16, value: i64| {
        let mut desk = Desk::new(limits());
        let got = desk.send(set(key, owner, value, 7, 1), 0);
        assert_eq!(got[0].kind, Kind::LIMIT);
        desk.gate.digest()
    };
    let mut seen = vec![Desk::new(limits()).gate.digest()];
    for (key, owner, value) in [
        (LimitKey::OrderQuantity, 0, 50),
        (LimitKey::OrderQuantity, 0, 51),
        (LimitKey::OrderQuantity, 2, 50),
        (LimitKey::PositionQuantity, 0, 50),
    ] {
        let digest = digest(key, owner, value);
        assert!(!seen.contains(&digest), "{key:?} of {owner} to {value}");
        seen.push(digest);
    }
    // One that waits is part of it too.
    let mut desk = Desk::new(two_persons());
    desk.send(set(LimitKey::OrdersOpen, 0, 5, 1, 1), 0);
    let before = desk.gate.digest();
    desk.send(set(LimitKey::OrdersOpen, 0, 6, 2, 1), 0);
    assert_ne!(desk.gate.digest(), before);
}

#[test]
fn a_limit_needs_more_when_it_is_of_a_window_or_of_the_capital() {
    let names: Vec<&str> =
        LimitKey::ALL.iter().filter(|key| key.needs_more()).map(|key| key.name()).collect();
    let want = [
        "collar_window_bps",
        "jump_bps_max",
        "exposure_bps_max",
        "message_rate_count_max",
        "duplicate_count_max",
        "strategy_order_rate_count_max",
        "strategy_execution_count_max",
    ];
    assert_eq!(names, want);
}
