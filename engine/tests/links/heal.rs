//! One table of what can be wrong between engine and venue, and what heals it.

use engine::event::session::command;
use engine::event::{CommandCode, DifferenceCode, Kind, OrderState};
use engine::ids;

use super::venue::{Faults, Order};
use super::{Run, VENUE};

/// An engine and a venue that agree, with orders that work; nobody wants anything new.
fn agreed() -> Run {
    for seed in 1..100 {
        let mut run = Run::new(seed, Faults::default(), 0);
        run.connect();
        for _ in 0..300 {
            run.step();
        }
        run.settle();
        let open_count = run.world.orders.values().filter(|order| order.is_open()).count();
        let has_room = |order: &Order| order.is_open() && order.filled + 1 < order.quantity;
        if 2 < open_count && run.world.orders.values().any(has_room) {
            run.check();
            return run;
        }
    }
    unreachable!("some seed leaves orders");
}

/// Everything under way comes to an end, with at least `pull_count` more pulls.
fn wait(run: &mut Run, pull_count: u64) {
    let pull = |run: &Run| run.pipeline.reconcile().venues().next().unwrap().pull;
    let enough = pull(run) + pull_count;
    for _ in 0..50_000 {
        run.world.take_request();
        run.listen();
        if run.world.below(4) == 0 {
            run.tick();
        }
        if enough <= pull(run) && run.world.is_quiet() && run.is_settled() {
            return;
        }
    }
    panic!("never quiet: {:?}", run.pipeline.reconcile().venues().next());
}

fn an_open(run: &mut Run) -> &mut Order {
    run.world.orders.values_mut().find(|order| order.is_open()).unwrap()
}

struct Case {
    name: &'static str,
    /// What goes wrong.
    breaks: fn(&mut Run),
    /// What is told of it, each at least once, and nothing else.
    told: &'static [DifferenceCode],
    /// Whether the venue is locked in the end.
    is_locked: bool,
    /// Whether engine and venue are equal in the end.
    is_equal: bool,
}

#[track_caller]
fn check(case: &Case) {
    let mut run = agreed();
    let from = run.recorder.events.len();
    (case.breaks)(&mut run);
    wait(&mut run, 8);
    let told: Vec<_> = run.recorder.events[from..]
        .iter()
        .filter(|event| event.kind == Kind::DIFFERENCE)
        .map(|event| DifferenceCode::from_code(event.code).unwrap())
        .collect();
    for code in case.told {
        assert!(told.contains(code), "{}: {} was not told: {told:?}", case.name, code.name());
    }
    assert!(told.iter().all(|code| case.told.contains(code)), "{}: {told:?}", case.name);
    assert_eq!(run.pipeline.gate().is_locked(VENUE), case.is_locked, "{}", case.name);
    if case.is_equal {
        run.check();
    }
    run.replay();
}

const CASES: [Case; 12] = [
    Case { name: "nothing", breaks: |_| {}, told: &[], is_locked: false, is_equal: true },
    Case {
        name: "a missed fill",
        breaks: |run| {
            run.world.trade();
            run.world.stream.clear();
        },
        told: &[],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "a duplicated fill",
        breaks: |run| {
            run.world.trade();
            let again = run.world.stream.front().unwrap().clone();
            run.world.stream.push_back(again.clone());
            run.world.stream.push_back(again);
        },
        told: &[],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "an orphan order",
        breaks: |run| run.world.strange_count = 2,
        told: &[DifferenceCode::OrderStrange],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "an order of a journal that is lost",
        breaks: |run| {
            let order = an_open(run).clone();
            run.world.orders.insert(ids::order_id(1, 900, 5), order);
        },
        told: &[DifferenceCode::OrderForgotten],
        is_locked: false,
        is_equal: false,
    },
    Case {
        name: "a lost answer to a cancel",
        breaks: |run| {
            run.hear(command(CommandCode::CancelAll, 0));
            while !run.world.requests.is_empty() {
                run.world.take_request();
            }
            run.world.answers.clear();
            run.world.stream.clear();
        },
        told: &[],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "an order cancelled by hand",
        breaks: |run| an_open(run).state = OrderState::Cancelled,
        told: &[DifferenceCode::OrderMissing],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "an order changed by hand",
        breaks: |run| {
            let order = an_open(run);
            order.price += 3;
            order.quantity += 5;
        },
        told: &[DifferenceCode::OrderPrice, DifferenceCode::OrderQuantity],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "an external trade by hand",
        breaks: |run| {
            run.world.base += 500;
            run.world.quote_e8 -= 5_000_000;
        },
        told: &[DifferenceCode::BalanceBase, DifferenceCode::BalanceQuote],
        is_locked: true,
        is_equal: false,
    },
    Case {
        name: "balances edited and edited back",
        breaks: |run| {
            run.world.quote_e8 -= 5_000_000;
            wait(run, 6);
            assert!(run.pipeline.gate().is_locked(VENUE));
            run.world.quote_e8 += 5_000_000;
        },
        told: &[DifferenceCode::BalanceQuote],
        is_locked: false,
        is_equal: true,
    },
    Case {
        name: "a deposit that an operator accepts",
        breaks: |run| {
            run.world.quote_e8 += 5_000_000;
            wait(run, 6);
            assert!(run.pipeline.gate().is_locked(VENUE));
            run.hear(command(CommandCode::AcceptBalances, 0));
        },
        told: &[DifferenceCode::BalanceQuote],
        is_locked: false,
        is_equal: false,
    },
    Case {
        name: "a deposit and a restart: the lock comes back with it",
        breaks: |run| {
            run.world.quote_e8 += 5_000_000;
            wait(run, 6);
            run.restart();
            run.connect();
        },
        told: &[DifferenceCode::BalanceQuote],
        is_locked: true,
        is_equal: false,
    },
];

#[test]
fn each_disagreement_is_told_and_healed_by_its_rule() {
    for case in &CASES {
        check(case);
    }
}
