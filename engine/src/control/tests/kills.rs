//! Kill and flatten, step by step.

use super::desk::{Desk, MS_NS, OWN, S_NS};
use crate::control::{CLOSE_TAG, ControlConfig, KillTimes};
use crate::event::session::command;
use crate::event::{
    BookState, BreakerState, CommandCode, Event, KillPhase, Kind, LinkCode, OrderState, OrderTerms,
    Scope, Side, flags, link,
};
use crate::instrument::Venue;

fn config() -> ControlConfig {
    let kill =
        KillTimes { retry_ns: S_NS, late_ns: 10 * S_NS, pace_ns: 200 * MS_NS, collar_bps: 50 };
    ControlConfig { is_configured: true, kill, ..ControlConfig::default() }
}

fn kill(desk: &mut Desk, scope: Scope, closes: bool) -> Vec<String> {
    desk.command_of(1, CommandCode::Kill, scope, (0, i64::from(closes)))
}

#[test]
fn a_kill_blocks_cancels_closes_and_is_done() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    let first = desk.order(0, 0, Side::Buy, 50);
    let second = desk.order(1, 2, Side::Sell, 50);
    let told = kill(&mut desk, Scope::All, true);
    assert_eq!(
        told,
        [
            "all NORMAL>KILLED operator #1",
            "all blocked: 0 cancelled, 3 left",
            "all cancelling: 0 cancelled, 3 left",
            "#1 done 1",
        ]
    );
    assert_eq!(desk.cancels, [first, second]);
    assert_eq!(desk.state(second, OrderState::Cancelled), [""; 0]);
    let told = desk.state(first, OrderState::Cancelled);
    // 10,000 is the mid; 50 bps below it.
    assert_eq!(
        told,
        ["all flattening: 2 cancelled, 1 left", "sell 300 @ 9950 of 0 for 0 to reduce"]
    );
    let closer = desk.closer().order.id;
    desk.state(closer, OrderState::Acked);
    assert_eq!(desk.trade(closer, 300), ["all done: 2 cancelled, 0 left"]);
    assert_eq!(desk.control.state(), BreakerState::Killed, "latched");
    assert_eq!(desk.clock(), [""; 0]);
    let status = desk.control.last_job();
    assert_eq!((status.phase, status.orders_cancelled, status.orders_left), (4, 2, 0));
    assert!(status.job_start_ns < status.job_end_ns);
    assert_eq!(desk.control.positions_open_count(), 0);
}

#[test]
fn a_kill_without_orders_and_positions_is_done_at_once() {
    let mut desk = Desk::new(config());
    let told = kill(&mut desk, Scope::All, true);
    assert_eq!(told[3], "all done: 0 cancelled, 0 left");
    assert_eq!(told[4], "#1 done 1");
    // Asked again: it looks again.
    let told = kill(&mut desk, Scope::All, true);
    assert_eq!(told[0], "all blocked: 0 cancelled, 0 left");
    assert_eq!(told.last().unwrap(), "#2 already-so 1");
}

#[test]
fn a_kill_that_only_cancels_leaves_positions_and_can_close_them_later() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    let told = kill(&mut desk, Scope::All, false);
    assert_eq!(told[1], "all blocked: 0 cancelled, 0 left");
    assert_eq!(told[3], "all done: 0 cancelled, 0 left");
    let told = desk.command(CommandCode::Flatten, Scope::All);
    assert!(told.contains(&"sell 300 @ 9950 of 0 for 0 to reduce".to_string()), "{told:?}");
    assert_eq!(desk.command(CommandCode::Flatten, Scope::All), ["#3 already-so 0"]);
    let closer = desk.closer().order.id;
    desk.trade(closer, 300);
    assert_eq!(desk.control.state(), BreakerState::Killed);
}

#[test]
fn a_kill_asked_again_closes_what_either_asked_for_while_it_lasts() {
    for (first, second, is_open, closes) in [
        (false, true, true, true),
        (true, false, true, true),
        (false, false, true, false),
        (false, true, false, true),
        // Done: what was asked for then is no part of what is asked for now.
        (true, false, false, false),
    ] {
        let mut desk = Desk::new(config());
        let order = desk.order(0, 1, Side::Buy, 50);
        kill(&mut desk, Scope::All, first);
        if !is_open {
            desk.state(order, OrderState::Cancelled);
            assert_eq!(desk.control.last_job().phase, 4);
        }
        kill(&mut desk, Scope::All, second);
        desk.hold_late(0, 0, 300);
        if is_open {
            desk.state(order, OrderState::Cancelled);
        }
        desk.clock();
        let is_closing = desk.orders.iter().any(|order| order.order.tag == CLOSE_TAG);
        assert_eq!(is_closing, closes, "{first} {second} {is_open}");
    }
}

#[test]
fn what_still_works_is_cancelled_again_and_a_returned_link_is_not_waited_for() {
    let mut desk = Desk::new(config());
    let order = desk.order(0, 0, Side::Buy, 50);
    kill(&mut desk, Scope::All, true);
    desk.state(order, OrderState::Acked); // The cancel was rejected.
    assert_eq!(desk.after(S_NS / 2), [""; 0]);
    let told = desk.after(S_NS / 2);
    assert_eq!(told, ["all cancelling: 0 cancelled, 1 left"]);
    assert_eq!(desk.cancels, [order]);
    assert_eq!(desk.clock(), [""; 0]);
    desk.hear(link::link(Venue::BinanceSpot, LinkCode::Down, 0));
    assert_eq!(desk.clock(), [""; 0]);
    desk.hear(link::link(Venue::BinanceSpot, LinkCode::Up, 0));
    assert_eq!(desk.clock(), ["all cancelling: 0 cancelled, 1 left"]);
    assert_eq!(desk.cancels, [order], "again, though the cancel was on its way");
    assert_eq!(desk.state(order, OrderState::Cancelled), ["all done: 1 cancelled, 0 left"]);
}

#[test]
fn a_fill_that_races_the_cancel_is_closed_too() {
    let mut desk = Desk::new(config());
    let order = desk.order(0, 0, Side::Buy, 150);
    kill(&mut desk, Scope::All, true);
    let told = desk.trade(order, 150);
    assert_eq!(
        told,
        ["all flattening: 0 cancelled, 1 left", "sell 150 @ 9950 of 0 for 0 to reduce"]
    );
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 150), ["all done: 0 cancelled, 0 left"]);
}

#[test]
fn a_kill_concerns_its_scope_alone() {
    let cases = [
        (Scope::All, vec![1, 2, 3]),
        (Scope::Venue(2), vec![1, 2]),
        (Scope::Venue(3), vec![3]),
        (Scope::Strategy(0), vec![1]),
        (Scope::Strategy(OWN), vec![3]),
        (Scope::Instrument(1), vec![2]),
        (Scope::Venue(1), vec![]),
    ];
    for (scope, cancelled) in cases {
        let mut desk = Desk::new(config());
        desk.order(0, 0, Side::Buy, 50);
        desk.order(1, 1, Side::Buy, 50);
        desk.order(OWN, 2, Side::Buy, 50);
        let told = kill(&mut desk, scope, true);
        let left = cancelled.len();
        assert!(told[1].ends_with(&format!("blocked: 0 cancelled, {left} left")), "{told:?}");
        assert_eq!(desk.cancels, cancelled, "{scope:?}");
        let others: Vec<u64> = (1..=3).filter(|id| !cancelled.contains(id)).collect();
        for id in others {
            desk.state(id, OrderState::Cancelled);
        }
        for id in &cancelled {
            desk.state(*id, OrderState::Cancelled);
        }
        let job = desk.control.last_job();
        let count = u32::try_from(left).unwrap();
        assert_eq!((job.orders_cancelled, job.orders_left, job.phase), (count, 0, 4), "{scope:?}");
    }
}

#[test]
fn a_kill_closes_the_positions_of_its_scope_alone() {
    let rows = [(0, 0, 300), (1, 1, 300), (OWN, 2, -300)];
    for (scope, closed) in [
        (Scope::All, vec![0, 1, 2]),
        (Scope::Venue(2), vec![0, 1]),
        (Scope::Strategy(1), vec![1]),
        (Scope::Strategy(OWN), vec![2]),
        (Scope::Instrument(0), vec![0]),
    ] {
        let mut desk = Desk::new(config());
        for (source, instrument, position) in rows {
            desk.hold(source, instrument, position);
        }
        kill(&mut desk, scope, true);
        let closing: Vec<u16> = desk.orders.iter().map(|order| order.order.instrument).collect();
        assert_eq!(closing, closed, "{scope:?}");
    }
}

#[test]
fn a_job_that_is_over_leaves_its_rows_alone() {
    // What the venue does not take is left; when it grows it is a strategy's again.
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 95);
    let told = desk.command(CommandCode::Flatten, Scope::Strategy(0));
    assert!(told.contains(&"strategy 0 done: 0 cancelled, 1 left".to_string()), "{told:?}");
    desk.hold(0, 0, 200);
    desk.command(CommandCode::Trip, Scope::Venue(3));
    assert_eq!(desk.after(S_NS), [""; 0]);
    // A kill that was lifted while it was late.
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    desk.book(0, BookState::Gap);
    kill(&mut desk, Scope::Strategy(0), true);
    desk.after(10 * S_NS);
    let told = desk.command_of(1, CommandCode::Rearm, Scope::Strategy(0), (1, 0));
    assert_eq!(told.last().unwrap(), "#2 done 1");
    desk.command(CommandCode::Trip, Scope::Venue(3));
    desk.book(0, BookState::Live);
    assert_eq!(desk.after(S_NS), [""; 0]);
}

#[test]
fn to_lift_one_kill_leaves_the_others() {
    let mut desk = Desk::new(config());
    let orders = [desk.order(0, 0, Side::Buy, 50), desk.order(1, 1, Side::Buy, 50)];
    kill(&mut desk, Scope::Strategy(0), true);
    kill(&mut desk, Scope::Strategy(1), true);
    desk.after(10 * S_NS);
    let told = desk.command_of(1, CommandCode::Rearm, Scope::Strategy(0), (1, 0));
    assert_eq!(told, ["strategy 0 KILLED>NORMAL rearmed #1", "#3 done 1"]);
    assert_eq!(desk.after(S_NS), ["strategy 1 cancelling: 0 cancelled, 1 left"]);
    assert_eq!(desk.cancels, [orders[1]]);
    let told = desk.state(orders[1], OrderState::Cancelled);
    assert_eq!(told, ["strategy 1 done: 1 cancelled, 0 left"]);
}

#[test]
fn a_kill_that_takes_too_long_is_told_once_and_closes_where_orders_still_work() {
    let mut desk = Desk::new(config());
    desk.hold(1, 1, -200);
    let order = desk.order(0, 0, Side::Buy, 50);
    kill(&mut desk, Scope::All, true);
    // The command stood one event before; late after exactly 10 seconds.
    desk.after(10 * S_NS - 1);
    assert_ne!(desk.control.last_job().phase, 5);
    let told = desk.clock();
    assert_eq!(
        told,
        [
            "all late: 0 cancelled, 2 left",
            "alert 401 10000000000/10000000000",
            "buy 200 @ 10050 of 1 for 1 to reduce",
        ]
    );
    assert_eq!(desk.control.last_job().phase, 5);
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 200), [""; 0], "an order still works");
    let told = desk.after(S_NS);
    assert_eq!(told, ["all cancelling: 0 cancelled, 1 left"], "late is told once");
    assert_eq!(desk.state(order, OrderState::Cancelled), ["all done: 1 cancelled, 0 left"]);
    assert_eq!(desk.control.last_job().phase, 4);
}

#[test]
fn what_comes_up_in_a_killed_scope_is_cancelled_and_closed_too() {
    let mut desk = Desk::new(config());
    kill(&mut desk, Scope::Strategy(0), true);
    assert_eq!(desk.control.last_job().phase, 4);
    // A fill of an order that was thought to be over.
    desk.hold_late(0, 0, 300);
    let told = desk.clock();
    assert_eq!(
        told,
        ["strategy 0 flattening: 0 cancelled, 1 left", "sell 300 @ 9950 of 0 for 0 to reduce"]
    );
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 300), ["strategy 0 done: 0 cancelled, 0 left"]);
    // An order that nobody should have made.
    let order = desk.order(0, 1, Side::Buy, 50);
    assert_eq!(desk.control.last_job().orders_left, 1);
    assert_eq!(desk.after(S_NS), ["strategy 0 cancelling: 0 cancelled, 1 left"]);
    assert_eq!(desk.cancels, [order]);
    assert_eq!(desk.state(order, OrderState::Cancelled), ["strategy 0 done: 1 cancelled, 0 left"]);
    // What is not in the scope is not its affair.
    desk.order(1, 1, Side::Buy, 50);
    assert_eq!(desk.control.last_job().phase, 4);
}

#[test]
fn an_order_of_the_operator_is_counted_like_any_other_and_begins_no_kill_anew() {
    let mut desk = Desk::new(config());
    let mut manual = command(CommandCode::OrderNew, u32::from(OrderTerms::LIMIT_GTC.code()));
    (manual.instrument, manual.price, manual.quantity) = (1, 9_900, 50);
    manual.flags |= flags::REDUCE_ONLY;
    desk.hear(manual);
    let told = kill(&mut desk, Scope::All, true);
    assert_eq!(told[1], "all blocked: 0 cancelled, 1 left");
    let order = desk.orders[0].order.id;
    assert_eq!(desk.state(order, OrderState::Cancelled), ["all done: 1 cancelled, 0 left"]);
    // The gate lets the operator close by hand what a kill has left.
    desk.hear(manual);
    assert_eq!(desk.orders.len(), 1);
    assert_eq!(desk.control.last_job().phase, 4);
    assert_eq!(desk.after(2 * S_NS), [""; 0]);
}

#[test]
fn an_order_of_a_strategy_is_no_closing_order_whatever_its_tag() {
    let mut desk = Desk::new(config());
    let mut intent = Event::new(Kind::INTENT);
    (intent.source, intent.instrument, intent.quantity) = (1, 0, 10);
    (intent.flags, intent.tag) = (flags::LAST, CLOSE_TAG);
    desk.decide(intent);
    let told = kill(&mut desk, Scope::Strategy(1), true);
    assert_eq!(told[1], "strategy 1 blocked: 0 cancelled, 1 left");
}

#[test]
fn the_status_of_a_scope_says_what_holds_it_and_how_far_its_job_is() {
    let mut desk = Desk::new(config());
    let scope = Scope::Strategy(1);
    let status = |desk: &Desk| desk.control.scopes().find(|status| status.scope == scope);
    assert_eq!(status(&desk), None, "nothing ever happened to it");
    assert_eq!(desk.control.last_job().phase, 0);
    let order = desk.order(1, 0, Side::Buy, 50);
    desk.command(CommandCode::Flatten, scope);
    let start_ns = desk.time_ns;
    let flattened = status(&desk).unwrap();
    assert_eq!((flattened.state, flattened.is_latched), (BreakerState::Killed, false));
    assert_eq!((flattened.phase, flattened.orders_left), (KillPhase::Cancelling.code(), 1));
    assert_eq!((flattened.job_start_ns, flattened.job_end_ns), (start_ns, 0));
    desk.after(10 * S_NS);
    assert_eq!(status(&desk).unwrap().phase, KillPhase::Late.code());
    desk.state(order, OrderState::Cancelled);
    let done = status(&desk).unwrap();
    assert_eq!((done.state, done.phase), (BreakerState::Normal, KillPhase::Done.code()));
    assert_eq!((done.job_start_ns, done.job_end_ns), (start_ns, desk.time_ns));
    desk.command(CommandCode::Pause, scope);
    assert!(status(&desk).unwrap().is_paused);
    desk.command(CommandCode::Trip, scope);
    assert!(!status(&desk).unwrap().is_approved);
    desk.command_of(1, CommandCode::Approve, scope, (1, 0));
    assert!(status(&desk).unwrap().is_approved);
    kill(&mut desk, scope, false);
    let killed = status(&desk).unwrap();
    assert_eq!((killed.is_latched, killed.is_approved, killed.trip), (true, false, 2));
    assert_eq!((killed.tripped_ns, killed.phase), (desk.time_ns, KillPhase::Done.code()));
    let all = desk.control.scopes().next().unwrap();
    assert_eq!((all.scope, all.is_latched, all.is_paused, all.trip), (Scope::All, false, false, 0));
}

#[test]
fn rows_with_a_position_are_counted() {
    let mut desk = Desk::new(config());
    assert_eq!(desk.control.positions_open_count(), 0);
    desk.hold(0, 0, 300);
    assert_eq!(desk.control.positions_open_count(), 1);
    desk.hold(1, 0, -300);
    desk.hold(OWN, 2, 10);
    assert_eq!(desk.control.positions_open_count(), 3);
    desk.hold(1, 0, 300);
    assert_eq!(desk.control.positions_open_count(), 2);
}

#[test]
fn a_rearm_waits_for_the_kill_unless_it_is_late() {
    let mut desk = Desk::new(config());
    desk.order(0, 0, Side::Buy, 50);
    desk.hold(0, 1, 200);
    kill(&mut desk, Scope::All, true);
    let rearm = |desk: &mut Desk| {
        desk.command_of(1, CommandCode::Rearm, Scope::All, (1, 0)).last().unwrap().clone()
    };
    assert_eq!(rearm(&mut desk), "#2 not-clear 1");
    desk.after(10 * S_NS);
    let closer = desk.closer().order.id;
    assert_eq!(rearm(&mut desk), "#3 done 1");
    assert_eq!(desk.control.state(), BreakerState::Normal);
    desk.state(closer, OrderState::Expired);
    assert_eq!(desk.after(20 * S_NS), [""; 0], "nothing goes on");
}

#[test]
fn a_flatten_blocks_its_scope_while_it_lasts_and_leaves_no_latch() {
    let mut desk = Desk::new(config());
    desk.hold(1, 0, 300);
    let order = desk.order(1, 0, Side::Sell, 300);
    let told = desk.command(CommandCode::Flatten, Scope::Strategy(1));
    assert_eq!(
        told,
        [
            "strategy 1 NORMAL>KILLED flatten #0",
            "strategy 1 blocked: 0 cancelled, 2 left",
            "strategy 1 cancelling: 0 cancelled, 2 left",
            "#1 done 0",
        ]
    );
    assert_eq!(desk.cancels, [order]);
    let rearm = desk.command_of(1, CommandCode::Rearm, Scope::Strategy(1), (0, 0));
    assert_eq!(rearm, ["#2 wrong-state 0"], "there is no latch to lift");
    desk.state(order, OrderState::Cancelled);
    let closer = desk.closer().order.id;
    assert_eq!(
        desk.trade(closer, 300),
        ["strategy 1 done: 1 cancelled, 0 left", "strategy 1 KILLED>NORMAL operator #0"]
    );
    assert_eq!(desk.control.held_counts(), (0, 0));
}

#[test]
fn a_flatten_of_a_tripped_or_paused_scope_leaves_it_as_it_was() {
    let mut desk = Desk::new(config());
    desk.hold(1, 0, 300);
    desk.command(CommandCode::Trip, Scope::Strategy(1));
    desk.command(CommandCode::Flatten, Scope::Strategy(1));
    let closer = desk.closer().order.id;
    let told = desk.trade(closer, 300);
    assert_eq!(told[1], "strategy 1 KILLED>SAFE operator #1");
}

#[test]
fn a_kill_takes_a_flatten_over() {
    let mut desk = Desk::new(config());
    desk.hold(1, 0, 300);
    let order = desk.order(1, 0, Side::Sell, 10);
    desk.command(CommandCode::Flatten, Scope::Strategy(1));
    let told = kill(&mut desk, Scope::Strategy(1), true);
    assert_eq!(told[0], "strategy 1 KILLED>KILLED operator #1");
    desk.state(order, OrderState::Cancelled);
    let closer = desk.closer().order.id;
    assert_eq!(desk.trade(closer, 300), ["strategy 1 done: 1 cancelled, 0 left"]);
    assert_eq!(desk.control.held_counts(), (0, 1));
}

#[test]
fn the_supervisor_says_why_and_is_not_answered() {
    for (source, price, reason) in [
        (0, 14, "flag"),
        (0, 15, "signal"),
        (0, 0, "operator"),
        (0, 99, "operator"),
        (1, 14, "operator"),
    ] {
        let mut desk = Desk::new(config());
        let mut event = command(CommandCode::Kill, 0);
        (event.source, event.price, event.quantity) = (source, price, 1);
        let told = desk.hear(event);
        assert_eq!(told[0], format!("all NORMAL>KILLED {reason} #1"));
        assert!(told.iter().all(|line| !line.starts_with('#')), "{told:?}");
    }
}

#[test]
fn a_book_that_is_not_live_is_waited_for() {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    desk.book(0, BookState::Gap);
    let told = kill(&mut desk, Scope::All, true);
    assert_eq!(told[3], "all flattening: 0 cancelled, 1 left");
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(desk.after(S_NS), [""; 0]);
    desk.book(0, BookState::Live);
    assert_eq!(desk.clock(), ["sell 300 @ 9950 of 0 for 0 to reduce"]);
}
