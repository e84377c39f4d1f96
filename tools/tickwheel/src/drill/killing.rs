//! The kill drill: the kill switch of an engine that trades, by the command that an operator would use.
//!
//! ```text
//!   engine trades --ctl kill--> no order at the venue, flat, KILLED --end, start--> still KILLED, still no order
//! ```

use std::time::Duration;

use anyhow::Context as _;
use engine::clock::Clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Findings;
use super::scene::{Actor, Scene};

/// Orders that must be open at the kill.
const ORDERS_MIN: u64 = 2;
/// How long an engine may take until it answers commands.
const ANSWER_WAIT_NS_MAX: u64 = 60_000_000_000;
/// How long the killed engine is watched after its restart.
const WATCH_NS: u64 = 3_000_000_000;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Does the drill.
pub(super) fn drill(scene: &mut Scene, clock: &Clock) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut engine = scene.start_engine(1)?;
    let open_before = scene.wait_for_orders(&mut engine, (ORDERS_MIN, true), clock)?;
    let start_ns = clock.now_ns();
    let words = ["ctl", "kill", "--reason", "kill drill", "--yes", "--json"];
    let (code, killed) = scene.ask_engine(&words).context("the kill command")?;
    let command_ns = clock.now_ns() - start_ns;
    findings.check(code == Some(0), || format!("ctl kill ended with {code:?}: {killed}"));
    findings.check(killed["state"] == "KILLED", || {
        format!("state after the kill: {}", killed["state"])
    });
    let held = held(scene, &scene.ask_engine(&["ctl", "status", "--json"])?.1)?;
    findings.check(held.is_empty(), || format!("positions are not flat: {}", held.join(", ")));
    let left = scene.open_orders(clock)?;
    findings.check(left == 0, || format!("{left} orders are open at the venue after the kill"));
    engine.end(clock)?;

    let mut engine = scene.start_engine(2)?;
    let status = wait_for_status(scene, &mut engine, clock)?;
    findings.check(status["state"] == "KILLED", || {
        format!("after a restart the state is {}", status["state"])
    });
    let (open, held_after) = watch_restarted(scene, &mut engine, clock)?;
    findings.check(open == 0, || format!("the killed engine has {open} orders after its restart"));
    findings.check(held_after.is_empty(), || {
        format!("positions are not flat after the restart: {}", held_after.join(", "))
    });
    engine.end(clock)?;
    findings.figures = json!({
        "open_orders_before": open_before,
        "orders_cancelled": killed["orders_cancelled"],
        "positions_flat": killed["positions_flat"],
        "elapsed_us": killed["elapsed_us"],
        "command_us": command_ns / 1_000,
        "state_after_restart": status["state"],
    });
    Ok(findings)
}

/// The status of an engine that has just been started.
fn wait_for_status(scene: &Scene, engine: &mut Actor, clock: &Clock) -> anyhow::Result<Value> {
    let start_ns = clock.now_ns();
    loop {
        engine.check_running()?;
        match scene.ask_engine(&["ctl", "status", "--json"]) {
            Ok((Some(0), status)) => return Ok(status),
            Ok((code, status)) if ANSWER_WAIT_NS_MAX < clock.now_ns() - start_ns => {
                anyhow::bail!("ctl status ends with {code:?}: {status}")
            }
            Err(error) if ANSWER_WAIT_NS_MAX < clock.now_ns() - start_ns => {
                return Err(error.context("the restarted engine does not answer"));
            }
            Ok(_) | Err(_) => std::thread::park_timeout(PAUSE),
        }
    }
}

/// Most open orders while the restarted engine is watched, and what it holds at the end.
fn watch_restarted(
    scene: &mut Scene,
    engine: &mut Actor,
    clock: &Clock,
) -> anyhow::Result<(usize, Vec<String>)> {
    let start_ns = clock.now_ns();
    let mut open_max = 0;
    while clock.now_ns() - start_ns < WATCH_NS {
        engine.check_running()?;
        open_max = open_max.max(scene.open_orders(clock)?);
        std::thread::park_timeout(PAUSE * 5);
    }
    let (_, status) = scene.ask_engine(&["ctl", "status", "--json"])?;
    Ok((open_max, held(scene, &status)?))
}

/// Positions that an order could close. What is smaller than the smallest order (fees are kept in kind, in steps finer
/// than a lot) nobody can close, and it counts as flat.
fn held(scene: &Scene, status: &Value) -> anyhow::Result<Vec<String>> {
    let positions = status["positions"].as_array().context("positions in the status")?;
    let mut held = Vec::new();
    for position in positions {
        let text =
            |key: &str| position[key].as_str().with_context(|| format!("{key} of a position"));
        let symbol = text("instrument")?;
        let size = Decimal::from_str_exact(text("quantity")?)?.abs();
        let notional = Decimal::from_str_exact(text("notional")?)?.abs();
        if !scene.is_dust(symbol, size, notional) {
            held.push(format!("{symbol} {size}"));
        }
    }
    Ok(held)
}
