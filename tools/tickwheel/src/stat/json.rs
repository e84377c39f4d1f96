//! The stats for machines. Keys are stable: add, never rename.

use engine::stats::{
    CounterRow, ErrorRow, HopRow, InstrumentRow, Kind, Liveness, Stall, StrategyRow, ThreadRow,
    Unit,
};
use serde_json::{Map, Value, json};

use super::Reading;
use super::numbers::decimal;

/// Decimal places of money.
const MONEY_SCALE: u32 = 8;

/// Everything as one object. Prices, quantities and money are decimal texts, exact.
pub(super) fn report(reading: &Reading) -> Value {
    let snapshot = &reading.snapshot;
    let engine = &snapshot.engine;
    let rows = |values: Vec<Value>| Value::Array(values);
    let counters: Map<String, Value> = snapshot.counters.iter().map(counter).collect();
    json!({
        "instance": engine.instance,
        "mode": engine.mode,
        "state": engine.state.name(),
        "liveness": reading.liveness.name(),
        "liveness_thread": blamed_thread(&reading.liveness),
        "pid": engine.process.pid,
        "version": engine.engine_version,
        "commit": engine.commit,
        "journal_dir": engine.journal_dir,
        "start_ns": engine.start_ns,
        "end_ns": engine.end_ns,
        "now_ns": reading.now_ns,
        "uptime_ns": reading.uptime_ns(),
        "last_beat_ns": snapshot.last_beat_ns(),
        "beat_age_ns": reading.beat_age_ns(),
        "counters": counters,
        "hops": rows(snapshot.hops.iter().map(hop).collect()),
        "threads": rows(snapshot.threads.iter().map(|row| thread(row, reading.now_ns)).collect()),
        "instruments": rows(snapshot.instruments.iter().map(instrument).collect()),
        "strategies": rows(snapshot.strategies.iter().map(strategy).collect()),
        "errors": rows(snapshot.errors.iter().map(error).collect()),
        "errors_dropped": snapshot.errors_dropped,
        "stalls": rows(snapshot.stalls.iter().map(stall).collect()),
        "stall_count": snapshot.stall_count,
    })
}

fn blamed_thread(liveness: &Liveness) -> Option<&str> {
    match liveness {
        Liveness::Stalled { thread, .. } | Liveness::ThreadDead { thread } => Some(thread),
        Liveness::Alive | Liveness::Stopped | Liveness::Failed | Liveness::Dead => None,
    }
}

fn counter(row: &CounterRow) -> (String, Value) {
    let unit = row.id.unit();
    let number = |value: u64| {
        if unit == Unit::MoneyE8 { json!(value.cast_signed()) } else { json!(value) }
    };
    let kind = match row.id.kind() {
        Kind::Total => "total",
        Kind::Gauge => "gauge",
    };
    let value = json!({
        "value": number(row.value),
        "limit": row.limit.map(number),
        "unit": unit.name(),
        "kind": kind,
    });
    (row.id.name().to_owned(), value)
}

fn hop(row: &HopRow) -> Value {
    let counts = &row.counts;
    json!({
        "name": row.id.name(),
        "count": counts.count(),
        "mean_ns": counts.mean_ns(),
        "p50_ns": counts.value_at_ppm(500_000),
        "p90_ns": counts.value_at_ppm(900_000),
        "p99_ns": counts.value_at_ppm(990_000),
        "p999_ns": counts.value_at_ppm(999_000),
        "p9999_ns": counts.value_at_ppm(999_900),
        "max_ns": counts.max_ns,
        "clamped_count": counts.clamped_count,
    })
}

fn thread(row: &ThreadRow, now_ns: u64) -> Value {
    json!({
        "name": row.name,
        "state": row.state.name(),
        "last_beat_ns": row.last_beat_ns,
        "beat_age_ns": now_ns.saturating_sub(row.last_beat_ns),
        "beat_age_ns_max": row.beat_age_ns_max,
        "beat_count": row.beat_count,
        "tid": row.tid,
        "pinned_cpu": row.pinned_cpu,
    })
}

fn instrument(row: &InstrumentRow) -> Value {
    let values = &row.values;
    let price = |value, quantity: i64| (quantity != 0).then(|| decimal(value, row.price_scale));
    let quantity = |value| decimal(value, row.quantity_scale);
    json!({
        "index": row.index,
        "symbol": row.symbol,
        "venue": row.venue,
        "state": values.state.name(),
        "bid_price": price(values.bid_price, values.bid_quantity),
        "bid_quantity": quantity(values.bid_quantity),
        "ask_price": price(values.ask_price, values.ask_quantity),
        "ask_quantity": quantity(values.ask_quantity),
        "last_price": price(values.last_price, values.last_quantity),
        "last_quantity": quantity(values.last_quantity),
        "position": quantity(values.position),
        "average_price": price(values.average_price, values.position),
        "realised": decimal(values.realised_e8, MONEY_SCALE),
        "unrealised": decimal(values.unrealised_e8, MONEY_SCALE),
        "orders_open": values.orders_open,
        "updated_ns": values.updated_ns,
        "is_whole": row.is_whole,
    })
}

fn strategy(row: &StrategyRow) -> Value {
    let values = &row.values;
    json!({
        "index": row.index,
        "name": row.name,
        "state": values.state.name(),
        "intents": values.intents,
        "refused": values.refused,
        "orders": values.orders,
        "fills": values.fills,
        "realised": decimal(values.realised_e8, MONEY_SCALE),
        "unrealised": decimal(values.unrealised_e8, MONEY_SCALE),
        "fees": decimal(values.fees_e8, MONEY_SCALE),
        "is_whole": row.is_whole,
    })
}

fn error(row: &ErrorRow) -> Value {
    json!({
        "code": row.code,
        "text": row.text,
        "count": row.count,
        "similar_count": row.similar_count,
        "first_ns": row.first_ns,
        "last_ns": row.last_ns,
    })
}

fn stall(row: &Stall) -> Value {
    json!({
        "at_ns": row.at_ns,
        "sequence": row.sequence,
        "stage": row.stage.map(engine::stats::HopId::name),
        "duration_ns": row.duration_ns,
        "batch_count": row.batch_count,
        "minor_faults": row.minor_faults,
        "major_faults": row.major_faults,
        "switches_involuntary": row.switches_involuntary,
        "cause": row.cause.name(),
    })
}
