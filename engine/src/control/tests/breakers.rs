//! Trips, approvals, recovery, pauses, rearming: what moves a scope and what does not.

use super::desk::{Desk, MS_NS, S_NS, trigger};
use crate::control::breaker::Breakers;
use crate::control::{Action, ControlConfig, Trigger, Triggers};
use crate::event::{
    BreakerState, CommandCode, Event, Kind, NO_STRATEGY, OrderState, Scope, Side, flags,
};

const QUIET_NS: u64 = 600 * S_NS;

fn config() -> ControlConfig {
    ControlConfig { is_configured: true, quiet_ns: QUIET_NS, ..ControlConfig::default() }
}

/// The gate tells that a limit of the account is reached.
fn breach(desk: &mut Desk, rule: u32) -> Vec<String> {
    let mut event = Event::new(Kind::RISK_STATE);
    (event.code, event.tag, event.price, event.quantity) = (2, rule, 501, 500);
    desk.decide(event)
}

fn tripped() -> Desk {
    let mut desk = Desk::new(config());
    let told = desk.command(CommandCode::Trip, Scope::All);
    assert_eq!(told, ["all NORMAL>SAFE operator #1", "#1 done 1"]);
    desk
}

#[test]
fn a_trip_tells_state_reason_number_and_time_in_one_event() {
    let mut desk = tripped();
    assert_eq!(desk.control.state(), BreakerState::Safe);
    let trip = desk.control.last_trip();
    assert_eq!((trip.trip, trip.scope), (1, Scope::All));
    // D-04: a trip without its time could never recover.
    let told = desk.cascade.iter().find(|event| event.kind == Kind::BREAKER).unwrap();
    assert_eq!(trip.tripped_ns, told.time_ns);
    assert_eq!(desk.command(CommandCode::Trip, Scope::All), ["#2 already-so 1"]);
    assert_eq!(desk.control.held_counts(), (1, 0));
}

#[test]
fn recovery_needs_an_approval_and_the_whole_quiet_period() {
    let mut desk = tripped();
    // Neither alone.
    assert_eq!(desk.after(2 * QUIET_NS), [""; 0]);
    let told = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(told, ["#2 done 0"]);
    assert_eq!(desk.clock(), ["all SAFE>NORMAL recovered #1"]);
    assert_eq!(desk.control.held_counts(), (0, 0));

    let mut desk = tripped();
    desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    // 9 minutes 59 seconds and a bit: not yet. The trip was two events before.
    assert_eq!(desk.after(QUIET_NS - 2), [""; 0]);
    assert_eq!(desk.control.state(), BreakerState::Safe);
    assert_eq!(desk.clock(), ["all SAFE>NORMAL recovered #1"]);
    assert_eq!(desk.control.state(), BreakerState::Normal);
}

#[test]
fn an_approval_says_how_long_the_quiet_period_still_is() {
    let mut desk = tripped();
    desk.after(S_NS);
    let told = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(told, [format!("#2 done {}", QUIET_NS - S_NS - 1)]);
}

#[test]
fn an_approval_names_the_present_trip_and_is_used_once() {
    let mut desk = tripped();
    let approve = |desk: &mut Desk, trip| {
        desk.command_of(1, CommandCode::Approve, Scope::All, (trip, 0)).remove(0)
    };
    assert_eq!(approve(&mut desk, 0), "#2 wrong-trip 1");
    assert_eq!(approve(&mut desk, 2), "#3 wrong-trip 1");
    assert!(approve(&mut desk, 1).starts_with("#4 done"));
    assert_eq!(approve(&mut desk, 1), "#5 already-so 1");
    assert_eq!(desk.after(QUIET_NS), ["all SAFE>NORMAL recovered #1"]);
    assert_eq!(approve(&mut desk, 1), "#6 wrong-trip 1", "used");
    assert_eq!(approve(&mut desk, 2), "#7 wrong-state 1");
    // The next trip does not profit from it.
    assert_eq!(desk.command(CommandCode::Trip, Scope::All)[0], "all NORMAL>SAFE operator #2");
    assert_eq!(desk.after(2 * QUIET_NS), [""; 0]);
    assert_eq!(approve(&mut desk, 1), "#9 wrong-trip 2");
    let untripped = desk.command_of(1, CommandCode::Approve, Scope::Venue(2), (0, 0));
    assert_eq!(untripped, ["#10 wrong-state 0"]);
}

#[test]
fn a_cause_that_comes_again_begins_the_quiet_period_anew_and_voids_the_approval() {
    let triggers = Triggers { loss_daily: Trigger::plain(Action::Safe), ..Triggers::default() };
    let mut desk = Desk::new(ControlConfig { triggers, ..config() });
    assert_eq!(breach(&mut desk, 124), ["all NORMAL>SAFE loss-daily #1 501/500"]);
    desk.after(QUIET_NS / 2);
    // Not approved: the trip stays the same one, the period begins anew.
    assert_eq!(breach(&mut desk, 124), [""; 0]);
    desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(desk.after(QUIET_NS - 2), [""; 0]);
    // Approved: what is approved is another trip.
    assert_eq!(breach(&mut desk, 124), ["all SAFE>SAFE loss-daily #2 501/500"]);
    assert_eq!(desk.after(2 * QUIET_NS), [""; 0]);
    let stale = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(stale, ["#2 wrong-trip 2"]);
    // Another reason is another trip as well.
    assert_eq!(desk.command(CommandCode::Trip, Scope::All)[0], "all SAFE>SAFE operator #3");
}

#[test]
fn the_gates_limits_trip_by_what_is_configured_for_each() {
    let triggers = Triggers {
        loss_daily: Trigger::plain(Action::Safe),
        drawdown: Trigger::plain(Action::Kill),
        ..Triggers::default()
    };
    let mut desk = Desk::new(ControlConfig { triggers, ..config() });
    assert_eq!(breach(&mut desk, 3), [""; 0], "a command, no limit");
    assert_eq!(breach(&mut desk, 124), ["all NORMAL>SAFE loss-daily #1 501/500"]);
    let told = breach(&mut desk, 125);
    assert_eq!(told[0], "all SAFE>KILLED drawdown #2 501/500");
    assert_eq!(told[1], "all blocked: 0 cancelled, 0 left");
    assert_eq!(breach(&mut desk, 124), [""; 0], "killed is stricter");
    assert_eq!(breach(&mut desk, 125), [""; 0]);
    let mut desk = Desk::new(config());
    assert_eq!(breach(&mut desk, 124), [""; 0], "off");
    assert_eq!(desk.control.state(), BreakerState::Normal);
}

#[test]
fn scopes_are_tripped_for_themselves() {
    let mut desk = Desk::new(config());
    let scopes = [
        (Scope::Venue(2), "venue 2 NORMAL>SAFE operator #1"),
        (Scope::Strategy(0), "strategy 0 NORMAL>SAFE operator #2"),
        (Scope::Strategy(2), "strategy 2 NORMAL>SAFE operator #3"),
        (Scope::Instrument(2), "instrument 2 NORMAL>SAFE operator #4"),
    ];
    for (scope, told) in scopes {
        assert_eq!(desk.command(CommandCode::Trip, scope)[0], told);
    }
    assert_eq!(desk.control.state(), BreakerState::Normal);
    assert_eq!(desk.control.held_counts(), (4, 0));
    for scope in [Scope::Venue(0), Scope::Venue(4), Scope::Strategy(3), Scope::Instrument(3)] {
        let told = desk.command(CommandCode::Trip, scope);
        assert!(told[0].contains("no-such-target"), "{scope:?}: {told:?}");
        assert_eq!(told.len(), 1);
    }
    let listed: Vec<Scope> = desk.control.scopes().map(|status| status.scope).collect();
    let all = [Scope::All].into_iter().chain(scopes.map(|(scope, _)| scope));
    assert_eq!(listed, all.collect::<Vec<Scope>>());
}

#[test]
fn every_scope_has_a_place_of_its_own() {
    let breakers = Breakers::new(2, 3);
    let venues = (1..4).map(Scope::Venue);
    let strategies = (0..3).map(Scope::Strategy);
    let instruments = (0..3).map(Scope::Instrument);
    let scopes: Vec<Scope> =
        [Scope::All].into_iter().chain(venues).chain(strategies).chain(instruments).collect();
    let mut places: Vec<usize> =
        scopes.iter().map(|scope| breakers.index(*scope).unwrap()).collect();
    for (scope, place) in scopes.iter().zip(&places) {
        assert_eq!(breakers.scope(*place), *scope);
        assert!(*place < breakers.count());
    }
    places.dedup();
    assert_eq!(places.len(), scopes.len());
    for scope in [Scope::Venue(0), Scope::Venue(4), Scope::Strategy(3), Scope::Instrument(3)] {
        assert_eq!(breakers.index(scope), None, "{scope:?}");
    }
}

#[test]
fn a_pause_is_lifted_by_its_end_alone_and_hides_no_trip() {
    let mut desk = Desk::new(config());
    let strategy = Scope::Strategy(1);
    let pause = |desk: &mut Desk| desk.command(CommandCode::Pause, strategy);
    let go_on = |desk: &mut Desk| desk.command(CommandCode::Continue, strategy);
    assert_eq!(go_on(&mut desk), ["#1 already-so 0"]);
    assert_eq!(pause(&mut desk), ["strategy 1 NORMAL>SAFE paused #0 1/0", "#2 done 0"]);
    assert_eq!(pause(&mut desk), ["#3 already-so 0"]);
    let told = desk.command(CommandCode::Trip, strategy);
    assert_eq!(told[0], "strategy 1 SAFE>SAFE operator #1");
    assert_eq!(go_on(&mut desk)[0], "strategy 1 SAFE>SAFE paused #1");
    desk.command_of(1, CommandCode::Approve, strategy, (1, 0));
    pause(&mut desk);
    let told = desk.after(QUIET_NS);
    assert_eq!(told, ["strategy 1 SAFE>SAFE recovered #1"], "still paused");
    assert_eq!(go_on(&mut desk)[0], "strategy 1 SAFE>NORMAL paused #1");
    assert_eq!(desk.control.held_counts(), (0, 0));
}

#[test]
fn a_kill_is_latched_until_it_is_rearmed() {
    let mut desk = Desk::new(config());
    let told = desk.command(CommandCode::Kill, Scope::All);
    assert_eq!(told[0], "all NORMAL>KILLED operator #1");
    assert_eq!(told.last().unwrap(), "#1 done 1");
    assert_eq!(desk.control.held_counts(), (0, 1));
    let told = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(told, ["#2 wrong-state 1"]);
    assert_eq!(desk.after(100 * QUIET_NS), [""; 0]);
    assert_eq!(desk.command(CommandCode::Trip, Scope::All), ["#3 already-so 1"]);
    let rearm =
        |desk: &mut Desk, price| desk.command_of(1, CommandCode::Rearm, Scope::All, (price, 1));
    assert_eq!(rearm(&mut desk, 0), ["#4 wrong-trip 1"]);
    assert_eq!(rearm(&mut desk, 1), ["all KILLED>NORMAL rearmed #1 0/1", "#5 done 1"]);
    assert_eq!(rearm(&mut desk, 1), ["#6 wrong-state 1"]);
    assert_eq!(desk.control.state(), BreakerState::Normal);
}

#[test]
fn what_was_judged_before_the_trip_in_the_same_cascade_is_cancelled_again() {
    // A strategy's intent stands before the breach in the ring: the gate judged it before it heard of the trip.
    let overtaken = |action, intent_flags| {
        let triggers = Triggers { strategy_panic: trigger(action), ..Triggers::default() };
        let mut desk = Desk::new(ControlConfig { triggers, ..config() });
        let mut intent = Event::new(Kind::INTENT);
        (intent.source, intent.instrument, intent.quantity) = (1, 0, 10);
        intent.flags = flags::LAST | intent_flags;
        desk.overtake(intent, (1, 1))
    };
    let told = overtaken(Action::Safe, 0);
    assert_eq!(told[1..], ["strategy 1 NORMAL>SAFE strategy-panic #1", "cancel 1"]);
    let told = overtaken(Action::Safe, flags::OPERATOR);
    assert_eq!(told[1..], ["strategy 1 NORMAL>SAFE strategy-panic #1"], "the operator's own");
    let told = overtaken(Action::Safe, flags::REDUCE_ONLY);
    assert_eq!(told[1..], ["strategy 1 NORMAL>SAFE strategy-panic #1"], "it may work");
    let told = overtaken(Action::Kill, flags::REDUCE_ONLY);
    assert_eq!(told.last().unwrap(), "cancel 1", "{told:?}");
    let told = overtaken(Action::Off, 0);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_cancel_of_what_was_judged_before_the_trip_is_the_operators_and_of_an_order_that_works() {
    for is_full in [false, true] {
        let triggers = Triggers { strategy_panic: trigger(Action::Safe), ..Triggers::default() };
        let mut desk = Desk::new(ControlConfig { triggers, ..config() });
        desk.is_full = is_full;
        let mut intent = Event::new(Kind::INTENT);
        (intent.source, intent.instrument, intent.quantity) = (1, 2, 10);
        intent.flags = flags::LAST;
        desk.overtake(intent, (1, 1));
        let cancel = desk.cascade.iter().find(|event| event.kind == Kind::INTENT_CANCEL);
        let found =
            cancel.map(|cancel| (cancel.instrument, cancel.id, cancel.source, cancel.flags));
        let wanted = (2, 1, NO_STRATEGY, flags::OPERATOR | flags::LAST);
        assert_eq!(found, (!is_full).then_some(wanted));
    }
}

#[test]
fn what_was_judged_by_a_state_is_not_cancelled_when_another_reason_is_told_for_it() {
    let triggers = Triggers { strategy_panic: trigger(Action::Safe), ..Triggers::default() };
    let mut desk = Desk::new(ControlConfig { triggers, ..config() });
    desk.command(CommandCode::Trip, Scope::Strategy(1));
    let mut intent = Event::new(Kind::INTENT);
    (intent.source, intent.instrument, intent.quantity) = (1, 0, 10);
    intent.flags = flags::LAST;
    let told = desk.overtake(intent, (1, 1));
    assert_eq!(told[1..], ["strategy 1 SAFE>SAFE strategy-panic #2"]);
    assert_eq!(desk.orders[0].state, OrderState::Pending);
}

#[test]
fn an_order_after_the_trip_is_the_gates_affair() {
    let mut desk = tripped();
    desk.order(0, 0, Side::Buy, 10);
    assert_eq!(desk.cancels, [0_u64; 0]);
    assert_eq!(desk.orders[0].state, OrderState::Acked);
}

#[test]
fn only_a_configured_or_used_stage_is_part_of_the_state() {
    let mut desk = Desk::new(ControlConfig::default());
    assert!(!desk.control.is_active());
    desk.order(0, 0, Side::Buy, 10);
    desk.after(100 * MS_NS);
    assert!(!desk.control.is_active());
    desk.command(CommandCode::Alive, Scope::All);
    assert!(desk.control.is_active(), "answered once");
    assert!(Desk::new(config()).control.is_active());
    let mut desk = Desk::new(ControlConfig::default());
    let mut kill = crate::event::session::command(CommandCode::Kill, 0);
    kill.source = 0;
    desk.hear(kill);
    assert!(desk.control.is_active(), "killed without a number");
}
