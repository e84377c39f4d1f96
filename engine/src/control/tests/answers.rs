//! Every command with a number is answered exactly once; two persons where that is configured.

use super::desk::{Desk, OWN, S_NS};
use crate::control::ControlConfig;
use crate::event::session::command;
use crate::event::{
    CommandCode, Event, Kind, NO_STRATEGY, OrderState, OrderTerms, Scope, Side, flags,
};

fn config() -> ControlConfig {
    ControlConfig { is_configured: true, ..ControlConfig::default() }
}

fn of(code: CommandCode, tag: u32) -> Event {
    let mut event = command(code, tag);
    (event.source, event.id) = (1, 77);
    event
}

/// The answer of the command, when the stages behind decide that on it.
#[track_caller]
fn check(command: Event, then: &[Event], answer: &str) {
    let mut desk = Desk::new(config());
    let told = desk.hear_and(command, then);
    let answers: Vec<&String> = told.iter().filter(|line| line.starts_with('#')).collect();
    assert_eq!(answers, [answer], "{command:?}");
}

fn decision(kind: Kind, source: u16, code: u16, tag: u32) -> Event {
    let mut event = Event::new(kind);
    (event.source, event.code, event.tag) = (source, code, tag);
    event
}

#[test]
fn commands_of_other_stages_are_answered_by_what_those_tell() {
    let state = |tag| decision(Kind::RISK_STATE, NO_STRATEGY, 1, tag);
    let refused = |tag, source| decision(Kind::REFUSED, source, 124, tag);
    for (code, tag) in [(CommandCode::Halt, 1), (CommandCode::Reduce, 2), (CommandCode::Resume, 3)]
    {
        check(of(code, 0), &[state(tag)], "#77 done 1");
        check(of(code, 0), &[], "#77 already-so 0");
        check(of(code, 0), &[state(124)], "#77 already-so 0");
    }
    check(of(CommandCode::Resume, 0), &[refused(3, NO_STRATEGY)], "#77 refused 124");
    check(of(CommandCode::Resume, 0), &[refused(3, 0)], "#77 already-so 0");
    check(of(CommandCode::Halt, 0), &[refused(1, NO_STRATEGY)], "#77 already-so 0");
    let switched = |source| decision(Kind::STRATEGY_STATE, source, 2, 2);
    for code in [CommandCode::StrategyDisable, CommandCode::StrategyEnable] {
        check(of(code, 1), &[switched(1)], "#77 done 2");
        check(of(code, 1), &[switched(0)], "#77 wrong-state 1");
        check(of(code, 1), &[], "#77 wrong-state 1");
        check(of(code, 2), &[], "#77 no-such-target 2");
    }
    for code in [
        CommandCode::CancelAll,
        CommandCode::Stop,
        CommandCode::AcceptBalances,
        CommandCode::ThreadDead,
        CommandCode::Acknowledge,
        CommandCode::Alive,
    ] {
        check(of(code, 0), &[], "#77 done 0");
    }
    check(Event { price: 5, ..of(CommandCode::Acknowledge, 0) }, &[], "#77 done 5");
    check(of(CommandCode::LimitSet, 0), &[], "#77 wrong-state 0");
    check(of(CommandCode::Confirm, 0), &[], "#77 no-such-target 0");
    check(Event { code: 999, ..of(CommandCode::Halt, 0) }, &[], "#77 out-of-range 999");
}

#[test]
fn a_command_that_another_stage_answers_is_not_answered_twice() {
    let mut answer = decision(Kind::ANSWER, NO_STRATEGY, CommandCode::LimitSet as u16, 0);
    (answer.id, answer.price) = (77, 1);
    check(of(CommandCode::LimitSet, 0), &[answer], "#77 done 0");
    check(of(CommandCode::Confirm, 0), &[answer], "#77 done 0");
    // The answer of another command is not this one's.
    let mut desk = Desk::new(config());
    answer.id = 76;
    let told = desk.hear_and(of(CommandCode::LimitSet, 0), &[answer]);
    assert_eq!(told, ["#76 done 0", "#77 wrong-state 0"]);
}

fn new_order(owner: u32, terms: OrderTerms) -> Event {
    let mut event = of(CommandCode::OrderNew, (owner << 16) | u32::from(terms.code()));
    (event.instrument, event.price, event.quantity) = (1, 9_900, 50);
    event
}

#[test]
fn a_manual_order_is_an_intent_of_the_operator_and_answered_with_its_id_or_the_rule() {
    let mut desk = Desk::new(config());
    let own = new_order(65_535, OrderTerms::LIMIT_GTC);
    assert_eq!(desk.hear(own), ["buy 50 @ 9900 of 1 for 2", "#77 done 1"]);
    let order = desk.orders[0].order;
    assert!(order.has(flags::OPERATOR));
    assert_eq!(order.tag, crate::control::MANUAL_TAG);
    let mut selling = new_order(1, OrderTerms::LIMIT_IOC);
    selling.flags |= flags::SELL | flags::REDUCE_ONLY | flags::MAKER;
    assert_eq!(desk.hear(selling), ["sell 50 @ 9900 of 1 for 1 to reduce", "#77 done 2"]);
    let order = desk.orders[1].order;
    assert!(!order.has(flags::MAKER));
    assert_eq!(order.code, OrderTerms::LIMIT_IOC.code());
    desk.refuses = Some(118);
    assert_eq!(desk.hear(selling)[1], "#77 refused 118");
    let unknown = new_order(3, OrderTerms::LIMIT_GTC);
    assert_eq!(desk.hear(unknown), ["#77 no-such-target 3"]);
    assert_eq!(desk.hear(new_order(2, OrderTerms::LIMIT_GTC))[0], "buy 50 @ 9900 of 1 for 2");
    for (event, answer) in [
        (Event { instrument: 3, ..own }, "#77 no-such-target 2"),
        (Event { price: 0, ..own }, "#77 out-of-range 257"),
        (Event { quantity: 0, ..own }, "#77 out-of-range 257"),
        (Event { tag: 65_535 << 16, ..own }, "#77 out-of-range 0"),
    ] {
        assert_eq!(desk.hear(event), [answer]);
    }
}

#[test]
fn a_refusal_of_a_strategy_is_not_taken_for_one_of_the_operator() {
    let mut desk = Desk::new(config());
    let mut refused = decision(Kind::REFUSED, 0, 118, crate::control::MANUAL_TAG);
    let told = desk.hear_and(new_order(65_535, OrderTerms::LIMIT_GTC), &[refused]);
    assert_eq!(told.last().unwrap(), "#77 done 1");
    refused.flags |= flags::OPERATOR;
    check(of(CommandCode::Halt, 0), &[refused], "#77 already-so 0");
}

#[test]
fn an_order_that_ends_in_its_own_cascade_was_not_possible() {
    let mut desk = Desk::new(config());
    desk.is_silent = true;
    let manual = crate::control::MANUAL_TAG;
    for (state, flag, tag, answer) in [
        (OrderState::Rejected, flags::OPERATOR, manual, "#77 wrong-state 9"),
        (OrderState::Pending, flags::OPERATOR, manual, "#77 done 9"),
        // Orders that are not the command's.
        (OrderState::Pending, flags::OPERATOR, crate::control::CLOSE_TAG, "#77 wrong-state 0"),
        (OrderState::Pending, 0, manual, "#77 wrong-state 0"),
    ] {
        let mut order = told_order(9, state, OrderState::New);
        (order.flags, order.tag) = (flag, tag);
        let told = desk.hear_and(new_order(65_535, OrderTerms::LIMIT_GTC), &[order]);
        assert_eq!(told.last().unwrap(), answer, "{state:?} {flag} {tag}");
    }
}

/// What the order stage tells of an order.
fn told_order(id: u64, state: OrderState, before: OrderState) -> Event {
    let mut order = Event::new(Kind::ORDER);
    (order.instrument, order.source, order.id) = (1, OWN, id);
    order.code = u16::from(state.code()) | u16::from(before.code()) << 8;
    order
}

#[test]
fn a_cancel_is_answered_by_what_becomes_of_the_order() {
    let mut desk = Desk::new(config());
    let id = desk.order(1, 0, Side::Buy, 50);
    let cancel = Event { quantity: id.cast_signed(), ..of(CommandCode::OrderCancel, 0) };
    assert_eq!(desk.hear(cancel), ["cancel 1", "#77 done 1"]);
    assert_eq!(desk.hear(cancel), ["cancel 1", "#77 already-so 1"]);
    desk.state(id, OrderState::Cancelled);
    assert_eq!(desk.hear(cancel), ["cancel 1", "#77 no-such-target 122"]);
    let mut anomaly = decision(Kind::ANOMALY, NO_STRATEGY, 114, 0);
    anomaly.id = 5;
    let other = Event { quantity: 6, ..cancel };
    let told = desk.hear_and(other, &[anomaly]);
    assert_eq!(told.last().unwrap(), "#77 no-such-target 122");
    anomaly.id = 6;
    let told = desk.hear_and(other, &[anomaly]);
    assert_eq!(told.last().unwrap(), "#77 wrong-state 114", "the first word counts");
}

#[test]
fn only_the_order_that_a_cancel_names_answers_it() {
    let pending = |id| told_order(id, OrderState::PendingCancel, OrderState::Acked);
    let cancel = Event { quantity: 6, ..of(CommandCode::OrderCancel, 0) };
    check(cancel, &[pending(6)], "#77 done 6");
    check(cancel, &[pending(7)], "#77 no-such-target 122");
    let acked = told_order(6, OrderState::Acked, OrderState::Pending);
    check(cancel, &[acked], "#77 no-such-target 122");
    // Another command is not answered by a cancel, whatever number it carries.
    for id in [6, 7] {
        let halt = Event { quantity: 6, ..of(CommandCode::Halt, 0) };
        check(halt, &[pending(id)], "#77 already-so 0");
    }
}

#[test]
fn a_cancel_by_hand_is_the_operators_and_stands_alone() {
    let mut desk = Desk::new(config());
    desk.hear(Event { quantity: 6, ..of(CommandCode::OrderCancel, 0) });
    let cancel = desk.cascade.iter().find(|event| event.kind == Kind::INTENT_CANCEL).unwrap();
    assert_eq!((cancel.id, cancel.flags), (6, flags::OPERATOR | flags::LAST));
}

fn two_persons() -> Desk {
    let config =
        ControlConfig { is_two_person: true, confirm_ns_max: 60 * S_NS, quiet_ns: 0, ..config() };
    Desk::new(config)
}

#[test]
fn a_second_person_confirms_and_both_commands_are_answered() {
    let mut desk = two_persons();
    desk.command(CommandCode::Kill, Scope::All);
    let told = desk.command_of(1, CommandCode::Rearm, Scope::All, (1, 0));
    assert!(told[0].starts_with("#2 needs-confirm "), "{told:?}");
    assert_eq!(told.len(), 1);
    let confirm = |desk: &mut Desk, source, number| {
        desk.command_of(source, CommandCode::Confirm, Scope::All, (number, 0))
    };
    assert_eq!(confirm(&mut desk, 1, 2), ["#3 same-person 1"]);
    assert_eq!(confirm(&mut desk, 0, 2), ["#4 not-permitted 0"]);
    assert_eq!(confirm(&mut desk, 2, 1), ["#5 no-such-target 0"]);
    assert_eq!(
        confirm(&mut desk, 2, 2),
        ["all KILLED>NORMAL rearmed #1", "#2 done 1", "#6 done 2"]
    );
    assert_eq!(confirm(&mut desk, 2, 2), ["#7 no-such-target 0"], "used");
}

#[test]
fn a_command_that_waits_too_long_expires() {
    let mut desk = two_persons();
    desk.command(CommandCode::Trip, Scope::All);
    desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(desk.after(60 * S_NS - 1), [""; 0]);
    assert_eq!(desk.clock(), ["#2 expired 0"]);
    let told = desk.command_of(2, CommandCode::Confirm, Scope::All, (2, 0));
    assert_eq!(told, ["#3 no-such-target 0"]);
}

#[test]
fn what_is_confirmed_is_judged_anew() {
    let mut desk = two_persons();
    desk.command(CommandCode::Trip, Scope::All);
    desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    desk.command(CommandCode::Kill, Scope::All);
    let told = desk.command_of(2, CommandCode::Confirm, Scope::All, (2, 0));
    assert_eq!(told, ["#2 wrong-state 2", "#4 done 2"]);
}

#[test]
fn what_would_be_refused_anyhow_waits_for_nobody() {
    let mut desk = two_persons();
    desk.command(CommandCode::Trip, Scope::All);
    let told = desk.command_of(1, CommandCode::Approve, Scope::All, (9, 0));
    assert_eq!(told, ["#2 wrong-trip 1"]);
    let told = desk.command_of(1, CommandCode::Rearm, Scope::All, (1, 0));
    assert_eq!(told, ["#3 wrong-state 1"]);
    // The supervisor's own have no number: nobody could confirm them.
    let mut approve = command(CommandCode::Approve, 0);
    approve.price = 1;
    desk.hear(approve);
    assert_eq!(desk.clock(), ["all SAFE>NORMAL recovered #1"]);
}

#[test]
fn so_many_commands_may_wait_and_a_new_session_forgets_them() {
    let mut desk = two_persons();
    desk.command(CommandCode::Trip, Scope::All);
    for _ in 0..16 {
        let told = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
        assert!(told[0].contains("needs-confirm"), "{told:?}");
    }
    let told = desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
    assert_eq!(told, ["#18 wrong-state 0"]);
    let told = desk.hear(crate::event::session::session_start(2, crate::event::Mode::Paper));
    let expired = told.iter().filter(|line| line.contains("expired")).count();
    assert_eq!(expired, 16);
}
