//! Pictures of the state for people: status, flags, limits.

use serde_json::Value;

use crate::report;

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Text of a value without quotes; `-` for nothing.
fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::Null => "-".to_string(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    }
}

fn add(out: &mut String, text: &str) {
    out.push_str(text);
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Columns padded to their widest cell; the first row is the head.
fn table(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for cells in lines {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let joined: Vec<String> = cells.collect();
        line(&mut out, &format!("  {}", joined.join("  ").trim_end()));
    }
    out
}

fn table_of(value: &Value, key: &str, columns: &[&str]) -> String {
    let mut lines = vec![columns.iter().map(ToString::to_string).collect::<Vec<String>>()];
    let body = rows(value, key).iter();
    lines.extend(body.map(|row| columns.iter().map(|column| text(row, column)).collect()));
    if lines.len() == 1 { String::new() } else { table(&lines) }
}

/// What stops trading, line by line; empty when nothing does.
fn trouble(value: &Value) -> String {
    let mut out = String::new();
    for row in rows(value, "scopes") {
        let mut words = format!(
            "  {} is {} (trip {}, {})",
            text(row, "scope"),
            text(row, "state"),
            text(row, "trip"),
            text(row, "reason")
        );
        if !row["by"].is_null() {
            words = format!("{words} by {}: {}", text(row, "by"), text(row, "why"));
        }
        line(&mut out, &words);
    }
    if value["risk_state"] != "active" {
        line(&mut out, &format!("  the gate is {}", text(value, "risk_state")));
    }
    for row in rows(value, "venues_locked") {
        line(&mut out, &format!("  {} is locked", text(row, "venue")));
    }
    for row in rows(value, "strategies").iter().filter(|row| row["enabled"] == false) {
        line(&mut out, &format!("  {} is switched off", text(row, "strategy")));
    }
    for row in rows(value, "commands_waiting") {
        line(
            &mut out,
            &format!(
                "  {} of {} waits for a second person: tickwheel ctl confirm {} ({})",
                text(row, "verb"),
                text(row, "actor"),
                text(row, "command"),
                text(row, "reason")
            ),
        );
    }
    out
}

/// Human form of `status`.
pub(super) fn status(value: &Value) -> String {
    let mut out = text(value, "state");
    add(
        &mut out,
        &format!(
            "  engine {} {}, {}, session {}{}",
            text(value, "instance"),
            text(value, "engine"),
            text(value, "mode"),
            text(value, "session"),
            if value["session_ended"] == true { " (ended)" } else { "" }
        ),
    );
    if value["answered"] == false {
        let age =
            value["beat_age_ns"].as_u64().map_or_else(|| "-".to_string(), report::duration_text);
        add(
            &mut out,
            &format!("\nnobody answers; last beat {age} ago: this is what stats and journal say"),
        );
    }
    out.push('\n');
    out.push_str(&trouble(value));
    let is_over = value["state"] == "NORMAL" && value["kill_phase"] == "done";
    if let Some(phase) = value["kill_phase"].as_str().filter(|_| !is_over) {
        let kill = &value["kill"];
        line(
            &mut out,
            &format!(
                "  kill of {}: {phase}, {} orders cancelled, {} left",
                text(kill, "scope"),
                text(kill, "orders_cancelled"),
                text(kill, "left")
            ),
        );
    }
    line(
        &mut out,
        &format!(
            "realised {}  unrealised {}  fees {}  loss of the day {}  drawdown {}  gross {}",
            text(value, "pnl_realised"),
            text(value, "pnl_unrealised"),
            text(value, "fees"),
            text(value, "daily_loss"),
            text(value, "drawdown"),
            text(value, "gross_notional")
        ),
    );
    let positions =
        table_of(value, "positions", &["strategy", "instrument", "quantity", "notional"]);
    out.push_str(if positions.is_empty() { "no positions\n" } else { "positions\n" });
    out.push_str(&positions);
    line(&mut out, &format!("{} working orders", text(value, "open_orders")));
    out.push_str(&table_of(
        value,
        "orders",
        &["order", "strategy", "instrument", "side", "leaves", "price", "state"],
    ));
    out
}

/// Human form of `flags`.
pub(super) fn flags(value: &Value) -> String {
    let mut out = format!("{}  gate {}\n", text(value, "state"), text(value, "risk_state"));
    let found = trouble(value);
    out.push_str(if found.is_empty() { "  nothing stops trading\n" } else { &found });
    out.push_str("strategies\n");
    out.push_str(&table_of(value, "strategies", &["strategy", "enabled"]));
    if value["alarms"].is_array() {
        let alarms = table_of(value, "alarms", &["alarm", "severity", "name", "count", "runbook"]);
        out.push_str(if alarms.is_empty() { "no alarms wait\n" } else { "alarms\n" });
        out.push_str(&alarms);
    }
    out
}

/// Human form of `limits show`.
pub(super) fn limits(value: &Value) -> String {
    let columns =
        ["of", "limit", "now", "used", "percent", "soft", "configured", "ceiling", "unit"];
    table_of(value, "limits", &columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_readable_without_anything_in_it() {
        let picture = status(&json!({"state": "NORMAL", "answered": true}));
        assert!(picture.starts_with("NORMAL  engine"), "{picture}");
        assert!(picture.contains("no positions") && !picture.contains("nobody answers"));
    }

    #[test]
    fn what_stops_trading_is_told_with_who_and_why() {
        let value = json!({
            "state": "KILLED", "risk_state": "halted", "answered": false, "beat_age_ns": 2_000_000_000_u64,
            "scopes": [{"scope": "all", "state": "KILLED", "trip": 7, "reason": "operator", "by": "ann", "why": "test"}],
            "venues_locked": [{"venue": "binance-spot", "since_ns": 1}],
            "strategies": [{"strategy": "maker", "enabled": false}],
            "commands_waiting": [{"command": 9, "verb": "rearm", "actor": "bob", "reason": "fixed"}],
            "kill_phase": "done", "kill": {"scope": "all", "orders_cancelled": 3, "left": 0},
            "open_orders": 1,
            "orders": [{"order": "00000000000000aa", "strategy": "maker", "instrument": "BTCUSDT", "side": "buy",
                        "leaves": "0.1", "price": "60000", "state": "acked"}],
            "positions": [{"strategy": "maker", "instrument": "BTCUSDT", "quantity": "-0.2", "notional": null}],
        });
        let picture = status(&value);
        for words in [
            "all is KILLED (trip 7, operator) by ann: test",
            "the gate is halted",
            "binance-spot is locked",
            "maker is switched off",
            "rearm of bob waits for a second person: tickwheel ctl confirm 9 (fixed)",
            "kill of all: done, 3 orders cancelled, 0 left",
            "nobody answers",
            "maker     BTCUSDT     -0.2      -",
            "00000000000000aa",
        ] {
            assert!(picture.contains(words), "\"{words}\" is not in:\n{picture}");
        }
        let flags = flags(&value);
        assert!(flags.contains("maker     false"), "{flags}");
    }

    #[test]
    fn limits_are_a_table() {
        let value = json!({"limits": [{"of": "account", "limit": "orders_open_max", "now": "64", "used": "3",
            "percent": 4, "soft": null, "configured": "64", "ceiling": "100", "unit": "count"}]});
        let picture = limits(&value);
        assert!(
            picture.contains(
                "account  orders_open_max  64   3     4        -     64          100      count"
            ),
            "{picture}"
        );
    }
}
