//! The matrix: each fault of the wire at each moment of an order's life, over real sockets.
//!
//! Whatever happens, at the end engine and venue have the same orders, fills and balances, the order
//! exists once or was refused with a reason, and the journal replays to the same hash.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::event::OrderState;
use simulator::wire_rig::faults::{Blow, FaultKind, KINDS, Moment};
use simulator::wire_rig::puppet::Move;
use simulator::wire_rig::{BOUND_NS, MS_NS, Rig, RigConfig};
use venue::Side;
use venue::fault::FaultId;
use venue::money::ONE;

/// Cells that run at once: most of each is waiting.
const WORKER_COUNT: usize = 4;
/// Where the puppet's order rests, as the venue writes it.
const PRICE: i64 = 61_790 * ONE;
const PART: i64 = ONE / 200;

/// Lets the fault happen, or lies in wait.
fn strike(rig: &mut Rig, kind: &FaultKind, moment: Moment) -> Vec<FaultId> {
    let mut rules = Vec::new();
    for blow in (kind.blows)(moment) {
        match blow {
            Blow::Now(action) => rig.affect(&action),
            Blow::Rule(fault) => rules.push(rig.fault(fault)),
        }
    }
    rules
}

/// Turns until the order rests, or until it is clear that it never will.
fn until_it_rests(rig: &mut Rig) -> Result<(), String> {
    rig.until("the order rests", BOUND_NS, |rig| {
        rig.newest_state().is_some_and(|state| state == OrderState::Acked || state.is_terminal())
    })
}

/// One life of an order with the fault at its moment.
fn live(rig: &mut Rig, kind: &FaultKind, moment: Moment) -> Result<(), String> {
    rig.until_ready()?;
    let mut rules = Vec::new();
    if moment == Moment::BeforeSend {
        rules.extend(strike(rig, kind, moment));
        rig.turn();
    }
    rig.puppet(Move::Buy);
    if moment == Moment::BeforeAck {
        rules.extend(strike(rig, kind, moment));
    }
    rig.run_for(3 * MS_NS)?;
    match moment {
        Moment::BeforeSend | Moment::BeforeAck => {}
        Moment::AfterAck => {
            until_it_rests(rig)?;
            rules.extend(strike(rig, kind, moment));
            rig.run_for(3 * MS_NS)?;
            rig.take(Side::Sell, PRICE, PART);
        }
        Moment::BetweenFills => {
            until_it_rests(rig)?;
            rig.take(Side::Sell, PRICE, PART);
            rig.run_for(3 * MS_NS)?;
            rules.extend(strike(rig, kind, moment));
            rig.take(Side::Sell, PRICE, PART);
        }
        Moment::DuringReplace => {
            until_it_rests(rig)?;
            rules.extend(strike(rig, kind, moment));
            rig.puppet(Move::Replace);
            rig.run_for(3 * MS_NS)?;
        }
        Moment::DuringCancel => {
            until_it_rests(rig)?;
            rules.extend(strike(rig, kind, moment));
        }
    }
    rig.puppet(Move::Cancel);
    // Long enough for deadlines to pass and for queries to be answered while the fault is still there.
    rig.run_for(40 * MS_NS)?;
    rig.until("the fault has struck", BOUND_NS, |rig| {
        rules.is_empty() || rules.iter().any(|id| 0 < rig.venue.handle.fired(*id))
    })
}

fn cell(number: usize, kind: &FaultKind, moment: Moment) -> Result<String, String> {
    let name = format!("{} at {moment:?}", kind.name);
    let seed = u64::try_from(number).unwrap();
    let mut rig = Rig::start(RigConfig::puppet(seed));
    live(&mut rig, kind, moment).map_err(|why| format!("{name}: {why}"))?;
    let summary = rig.finish().map_err(|why| format!("{name}: {why}"))?;
    if summary.order_count + summary.refused_count == 0 {
        return Err(format!("{name}: nothing was asked for"));
    }
    Ok(format!(
        "{name}: {} order, {} rejected, {} refused, {} fills, {} unknown, {} faults",
        summary.order_count,
        summary.rejected_count,
        summary.refused_count,
        summary.fill_count,
        summary.unknown_count,
        summary.fault_count
    ))
}

#[test]
fn no_fault_at_any_moment_loses_or_doubles_an_order() {
    let only = std::env::var("TICKWHEEL_CELL").unwrap_or_default();
    let cells: Vec<(&FaultKind, Moment)> =
        KINDS.iter().flat_map(|kind| Moment::ALL.map(|moment| (kind, moment))).collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKER_COUNT {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((kind, moment)) = cells.get(number) else { return };
                    if !format!("{} at {moment:?}", kind.name).contains(&only) {
                        continue;
                    }
                    match cell(number, kind, *moment) {
                        Ok(line) => println!("{line}"),
                        Err(why) => {
                            println!("FAILED {why}");
                            failures.lock().unwrap().push(why);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let names: Vec<&str> = failures.iter().filter_map(|why| why.lines().next()).collect();
    assert!(failures.is_empty(), "{} cells failed:\n{}", failures.len(), names.join("\n"));
}
