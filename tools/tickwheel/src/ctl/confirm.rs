//! Asking back before something that cannot be undone: what it would do, how unusual that is, and a word to be typed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use operator::Verb;
use serde_json::Value;

use super::ask::Asking;
use crate::exit;
use crate::session::Coded;

/// An order of so many per cent of the session's median order is told as unusual.
const UNUSUAL_PERCENT: i128 = 300;

/// Whether a command is asked back for.
pub(super) fn is_needed(verb: Verb) -> bool {
    matches!(verb, Verb::Kill | Verb::Flatten | Verb::Order | Verb::Rearm | Verb::LimitsSet)
}

/// The word that must be typed.
fn word(verb: Verb) -> &'static str {
    if verb == Verb::LimitsSet { "set" } else { verb.name() }
}

/// Nobody can be asked where there is no terminal.
pub(super) fn require_terminal(verb: Verb) -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    let text = format!("{} asks back, and there is no terminal: say --yes", verb.name());
    Err(Coded::new(exit::USAGE, text).into())
}

/// Shows what would be done and waits for the word. The question goes to standard error, so that `--json` stays clean.
pub(super) fn ask(asking: &Asking, picture: &Value) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    write!(err, "{}", question(asking, picture))?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == word(asking.verb))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// What would be done, in words.
fn question(asking: &Asking, picture: &Value) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other is asked back for")]
    let mut lines = match asking.verb {
        Verb::Order => order(picture),
        Verb::LimitsSet => limit(asking, picture),
        Verb::Rearm => rearm(asking, picture),
        _ => stop(asking, picture),
    };
    lines.push(format!("Type {} to do it: ", word(asking.verb)));
    lines.join("\n")
}

/// Of a kill or a flatten: what there is.
fn stop(asking: &Asking, picture: &Value) -> Vec<String> {
    let scope = asking.arguments.scope.as_deref().unwrap_or("all");
    let closes = asking.verb == Verb::Flatten || asking.arguments.flatten.unwrap_or(true);
    let mut lines = vec![format!(
        "{} of {scope}; the engine is {} and works {} orders{}",
        asking.verb.name(),
        text(picture, "state"),
        picture["open_orders"],
        if closes { ". These positions would be closed:" } else { ". Positions stay:" }
    )];
    let positions = picture["positions"].as_array().map_or(&[][..], Vec::as_slice);
    lines.extend(positions.iter().map(|row| {
        format!(
            "  {} of {}: {}, worth {}",
            text(row, "instrument"),
            text(row, "strategy"),
            text(row, "quantity"),
            text(row, "notional")
        )
    }));
    if positions.is_empty() {
        lines.push("  none".to_string());
    }
    lines
}

fn rearm(asking: &Asking, picture: &Value) -> Vec<String> {
    let scope = asking.arguments.scope.as_deref().unwrap_or("all");
    let scopes = picture["scopes"].as_array().map_or(&[][..], Vec::as_slice);
    let found = scopes.iter().find(|it| text(it, "scope") == scope);
    let Some(found) = found else {
        return vec![format!("Nothing has tripped in {scope}.")];
    };
    let mut lines = vec![format!(
        "{scope} is {} since trip {} ({}); strategies would trade again.",
        text(found, "state"),
        found["trip"],
        text(found, "reason")
    )];
    if let (Some(by), Some(why)) = (found["by"].as_str(), found["why"].as_str()) {
        lines.push(format!("{by} said: {why}"));
    }
    lines
}

fn limit(asking: &Asking, picture: &Value) -> Vec<String> {
    let arguments = &asking.arguments;
    let name = arguments.limit.as_deref().unwrap_or("");
    let of = arguments.instrument.as_deref().or(arguments.strategy.as_deref());
    let rows = picture["limits"].as_array().map_or(&[][..], Vec::as_slice);
    let mut found = rows
        .iter()
        .filter(|row| text(row, "limit") == name && of.is_none_or(|of| text(row, "of") == of));
    match (found.next(), found.next()) {
        (Some(row), None) => vec![format!(
            "{name} of {}: now {}, would be {}; configured {} ({}), used {}.",
            text(row, "of"),
            text(row, "now"),
            arguments.value.as_deref().unwrap_or("-"),
            text(row, "configured"),
            text(row, "unit"),
            text(row, "used")
        )],
        _ => vec![format!("{name} would be {}.", arguments.value.as_deref().unwrap_or("-"))],
    }
}

fn order(picture: &Value) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} {} {} @ {}: worth {}",
            text(picture, "side"),
            text(picture, "quantity"),
            text(picture, "instrument"),
            text(picture, "price"),
            text(picture, "notional")
        ),
        format!(
            "  position {} -> {}; {} bps beyond the middle of the book",
            text(picture, "position_before"),
            text(picture, "position_after"),
            text(picture, "beyond_mid_bps")
        ),
    ];
    for row in picture["limits"].as_array().map_or(&[][..], Vec::as_slice) {
        let Some(percent) = row["percent"].as_i64() else { continue };
        let beyond = if 100 < percent { ": BEYOND the limit, the gate will refuse it" } else { "" };
        lines.push(format!(
            "  {percent} % of {} ({} of {}){beyond}",
            text(row, "limit"),
            text(row, "value"),
            text(row, "now")
        ));
    }
    let percent: Option<i128> =
        picture["percent_of_median"].as_str().and_then(|text| text.parse().ok());
    match percent {
        None => {
            lines.push("  the first order of this session: nothing to compare with".to_string());
        }
        Some(percent) => {
            lines.push(format!(
                "  {percent} % of the median of {} orders ({}); the largest was {}",
                picture["orders_before"],
                text(picture, "median_notional"),
                text(picture, "largest_notional")
            ));
            if picture["is_largest"] == true {
                lines.push("  UNUSUAL: larger than every order of this session".to_string());
            } else if UNUSUAL_PERCENT <= percent {
                lines.push("  UNUSUAL: far above the median".to_string());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use operator::Arguments;
    use serde_json::json;

    #[track_caller]
    fn check(verb: Verb, arguments: Arguments, picture: &Value, words: &[&str]) {
        let question = question(&Asking { verb, arguments }, picture);
        for word in words {
            assert!(question.contains(word), "\"{word}\" is not in:\n{question}");
        }
    }

    fn appraisal(percent: Option<&str>, is_largest: bool) -> Value {
        json!({
            "side": "buy", "quantity": "0.1", "instrument": "BTCUSDT", "price": "60000",
            "notional": "6000", "position_before": "0", "position_after": "0.1",
            "beyond_mid_bps": "-3", "orders_before": 12, "median_notional": "1000",
            "largest_notional": "5000", "percent_of_median": percent, "is_largest": is_largest,
            "limits": [
                {"limit": "order_quantity_max", "value": "0.1", "now": "0.2", "percent": 50},
                {"limit": "order_notional_max", "value": "6000", "now": "5000", "percent": 120},
                {"limit": "position_quantity_max", "value": "0.1", "now": "unlimited", "percent": null},
            ],
        })
    }

    #[test]
    fn an_order_shows_its_worth_and_how_unusual_it_is() {
        let none = Arguments::default;
        let worth = "buy 0.1 BTCUSDT @ 60000: worth 6000";
        let picture = appraisal(Some("600"), true);
        check(
            Verb::Order,
            none(),
            &picture,
            &[worth, "600 % of the median", "UNUSUAL: larger", "Type order"],
        );
        let picture = appraisal(Some("300"), false);
        check(Verb::Order, none(), &picture, &["UNUSUAL: far above"]);
        let usual = question(
            &Asking { verb: Verb::Order, arguments: none() },
            &appraisal(Some("299"), false),
        );
        assert!(!usual.contains("UNUSUAL"), "{usual}");
        assert!(usual.contains("50 % of order_quantity_max (0.1 of 0.2)\n"), "{usual}");
        assert!(usual.contains("120 % of order_notional_max (6000 of 5000): BEYOND"), "{usual}");
        assert!(!usual.contains("position_quantity_max"), "{usual}");
        check(Verb::Order, none(), &appraisal(None, true), &["nothing to compare with"]);
    }

    #[test]
    fn a_kill_shows_what_it_would_close() {
        let picture = json!({
            "state": "NORMAL", "open_orders": 3,
            "positions": [{"strategy": "maker", "instrument": "BTCUSDT", "quantity": "-0.2", "notional": "12000"}],
        });
        let words = ["works 3 orders", "BTCUSDT of maker: -0.2, worth 12000", "Type kill"];
        check(Verb::Kill, Arguments::default(), &picture, &words);
        let stay = Arguments { flatten: Some(false), ..Arguments::default() };
        check(Verb::Kill, stay, &picture, &["Positions stay"]);
        let flat = json!({"state": "NORMAL", "open_orders": 0, "positions": []});
        check(Verb::Flatten, Arguments::default(), &flat, &["none", "Type flatten"]);
    }

    #[test]
    fn a_rearm_shows_who_killed_and_why() {
        let picture = json!({"scopes": [{"scope": "all", "state": "KILLED", "trip": 7,
            "reason": "operator", "by": "ann", "why": "a test"}]});
        let words = ["KILLED since trip 7 (operator)", "ann said: a test", "Type rearm"];
        check(Verb::Rearm, Arguments::default(), &picture, &words);
        let words = ["Nothing has tripped in strategy:maker"];
        let of = Arguments { scope: Some("strategy:maker".to_string()), ..Arguments::default() };
        check(Verb::Rearm, of, &picture, &words);
    }

    #[test]
    fn a_limit_shows_what_it_is_and_would_be() {
        let picture = json!({"limits": [
            {"limit": "orders_open_max", "of": "account", "now": "64", "configured": "64", "unit": "count", "used": "3"},
            {"limit": "collar_bps", "of": "BTCUSDT", "now": "50", "configured": "50", "unit": "bps", "used": null},
            {"limit": "collar_bps", "of": "ETHUSDT", "now": "40", "configured": "50", "unit": "bps", "used": null},
        ]});
        let set = |limit: &str, instrument: Option<&str>| Arguments {
            limit: Some(limit.to_string()),
            value: Some("20".to_string()),
            instrument: instrument.map(ToString::to_string),
            ..Arguments::default()
        };
        let words = ["orders_open_max of account: now 64, would be 20; configured 64", "Type set"];
        check(Verb::LimitsSet, set("orders_open_max", None), &picture, &words);
        let words = ["collar_bps of ETHUSDT: now 40, would be 20"];
        check(Verb::LimitsSet, set("collar_bps", Some("ETHUSDT")), &picture, &words);
        check(Verb::LimitsSet, set("other", None), &picture, &["other would be 20."]);
    }
}
