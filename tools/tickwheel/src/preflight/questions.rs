//! What a preflight asks the venue: the account, the key and the clock.

use anyhow::Context as _;
use binance::request::Method;
use config::wire::WireSection;
use engine::clock::Clock;
use guard::line::{Line, LineConfig, Offset};
use serde_json::Value;
use wire::http::HttpConfig;

use crate::run::connected;
use crate::secrets::{self, Credentials};

use super::Subject;
use super::items::Item;
use super::kernel_clock::{self, KernelClock};

/// Questions for the time; the one with the shortest way counts.
const TIME_QUESTION_COUNT: u32 = 16;
/// Longest wait for an answer.
const REQUEST_NS_MAX: u64 = 5_000_000_000;
/// Networks with real money.
const REAL: [&str; 2] = ["production", "us"];

/// The items that need a venue. A venue that cannot be asked fails all of them.
pub(super) fn ask(subject: &Subject<'_>, clock: &Clock) -> Vec<Item> {
    match open(subject) {
        Ok(mut line) => {
            let is_real = subject
                .config
                .wire
                .as_ref()
                .is_some_and(|wire| REAL.contains(&wire.network.as_str()));
            vec![
                account(&mut line, clock),
                api_key(&mut line, is_real, clock),
                time(&mut line, subject, is_real, clock),
            ]
        }
        Err(error) => {
            let text = crate::chain(&error);
            ["account", "api-key", "clock"].map(|name| Item::fail(name, text.clone())).to_vec()
        }
    }
}

fn open(subject: &Subject<'_>) -> anyhow::Result<Line> {
    let wire: &WireSection = subject
        .config
        .wire
        .as_ref()
        .context("the configuration has no [wire]: there is no venue")?;
    let endpoints = connected::endpoints_of(wire, None, subject.origin)?;
    let rest = endpoints.rest.first().context("a venue has a REST address")?;
    let mode = subject.config.mode(subject.origin)?;
    let (Credentials { api_key, signer }, _) =
        secrets::configured_key(subject.config, mode, &Clock::new())?;
    let tls = if rest.starts_with("https://") {
        Some(secrets::client_config(wire.ca_file.as_ref(), "wire.ca_file")?)
    } else {
        None
    };
    Ok(Line::open(LineConfig {
        rest_url: rest,
        http: HttpConfig { tls, ..HttpConfig::default() },
        credentials: Some(guard::line::Credentials { api_key, signer }),
        request_ns_max: REQUEST_NS_MAX,
        recv_window_ms: u64::from(wire.orders.recv_window_ms),
    })?)
}

fn account(line: &mut Line, clock: &Clock) -> Item {
    let name = "account";
    let asked = Method::Account
        .rest()
        .context("the account has a REST request")
        // The venue's time first: a signature with a wrong one says nothing of the account.
        .and_then(|rest| line.measure(1, clock).map(|_| rest).map_err(anyhow::Error::from))
        .and_then(|rest| Ok(line.ask(rest, true, clock, |_| {})?))
        .and_then(|body| Ok(serde_json::from_slice::<Value>(&body)?));
    let account = match asked {
        Ok(account) => account,
        Err(error) => return Item::fail(name, crate::chain(&error)),
    };
    judge_account(&account)
}

/// What an account must be.
fn judge_account(account: &Value) -> Item {
    let can_trade = account["canTrade"] == true;
    let permissions: Vec<&str> =
        account["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // Venues name groups of symbols (TRD_GRP_005) beside SPOT.
    let is_spot = account["accountType"] == "SPOT" || permissions.contains(&"SPOT");
    let balances: Vec<String> = account["balances"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|balance| {
            let (asset, free) = (balance["asset"].as_str()?, balance["free"].as_str()?);
            let locked = balance["locked"].as_str()?;
            let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            (!is_zero(free) || !is_zero(locked)).then(|| format!("{asset} {free}"))
        })
        .take(8)
        .collect();
    let told = format!(
        "canTrade {}, accountType {}, permissions {}, free: {}",
        account["canTrade"],
        account["accountType"],
        permissions.join(" "),
        if balances.is_empty() { "nothing".to_string() } else { balances.join(", ") },
    );
    Item::new("account", can_trade && is_spot && !balances.is_empty(), told)
}

fn api_key(line: &mut Line, is_real: bool, clock: &Clock) -> Item {
    let name = "api-key";
    match line.ask(("GET", "/sapi/v1/account/apiRestrictions"), true, clock, |_| {}) {
        Ok(body) => match serde_json::from_slice::<Value>(&body) {
            Ok(told) => judge_key(&told),
            Err(error) => Item::fail(name, format!("restrictions of the key: {error}")),
        },
        Err(error) if is_real => Item::fail(name, format!("the venue does not tell: {error}")),
        Err(_) => {
            Item::pass(name, "play money: this venue has no restrictions of keys".to_string())
        }
    }
}

/// What a key must be: it trades, it cannot take money away, and it works from named addresses only.
fn judge_key(told: &Value) -> Item {
    let is = |key: &str| told[key] == true;
    let mut wrong = Vec::new();
    if !is("enableSpotAndMarginTrading") {
        wrong.push("it cannot trade");
    }
    if is("enableWithdrawals") {
        wrong.push("it can withdraw");
    }
    if is("enableInternalTransfer") || is("permitsUniversalTransfer") {
        wrong.push("it can transfer");
    }
    if !is("ipRestrict") {
        wrong.push("it works from every address");
    }
    let evidence = if wrong.is_empty() {
        "it trades, cannot withdraw or transfer, and is bound to addresses".to_string()
    } else {
        wrong.join(", ")
    };
    Item::new("api-key", wrong.is_empty(), evidence)
}

fn time(line: &mut Line, subject: &Subject<'_>, is_real: bool, clock: &Clock) -> Item {
    let bound_us = subject.config.live.as_ref().map_or(100, |live| live.clock_offset_us_max);
    let kernel = kernel_clock::judge(&KernelClock::read(), is_real);
    match line.measure(TIME_QUESTION_COUNT, clock) {
        Ok(offset) => judge_clock(offset, bound_us, kernel),
        Err(error) => Item::fail("clock", error.to_string()),
    }
}

/// The clock fails when its offset is certainly beyond the bound: what is known of it is the offset, give or take half
/// of the way there and back. It fails too when the kernel says that nobody steers it.
fn judge_clock(offset: Offset, bound_us: u32, (is_steered, steered): (bool, String)) -> Item {
    let size_ns = offset.offset_ns.unsigned_abs();
    let is_near = size_ns.saturating_sub(offset.error_ns) <= u64::from(bound_us) * 1_000;
    let told = format!(
        "{} us from the venue's, give or take {} us, bound {bound_us} us; {steered}",
        offset.offset_ns / 1_000,
        offset.error_ns / 1_000,
    );
    Item::new("clock", is_near && is_steered, told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::items::Verdict;
    use super::*;

    #[track_caller]
    fn check(item: &Item, holds: bool, words: &[&str]) {
        assert_eq!(item.verdict == Verdict::Pass, holds, "{item:?}");
        for word in words {
            assert!(item.evidence.contains(word), "\"{word}\" is not in {item:?}");
        }
    }

    #[test]
    fn the_clock_fails_when_it_is_certainly_beyond_the_bound() {
        let offset = |offset_ns, error_ns| Offset { offset_ns, error_ns };
        let steered = || (true, "steered".to_string());
        for sign in [1, -1] {
            let judge = |size_ns: i64, error_ns| {
                judge_clock(offset(sign * size_ns, error_ns), 100, steered())
            };
            check(&judge(99_999, 0), true, &["bound 100 us", "steered"]);
            check(&judge(100_000, 0), true, &[]);
            check(&judge(100_001, 0), false, &["100 us from"]);
            check(&judge(600_000, 500_000), true, &["give or take 500 us"]);
            check(&judge(600_001, 500_000), false, &[]);
        }
        check(&judge_clock(offset(i64::MIN, 0), 1, steered()), false, &["bound 1 us"]);
        let unsteered = (false, "nobody steers it".to_string());
        check(&judge_clock(offset(0, 0), 100, unsteered), false, &["nobody steers it"]);
    }

    #[test]
    fn an_account_must_be_able_to_trade_spot_and_hold_something() {
        let account = |can_trade: bool, kind: &str, free: &str| {
            json!({
                "canTrade": can_trade, "accountType": kind, "permissions": [kind],
                "balances": [{"asset": "BTC", "free": "0.00", "locked": "0.00"},
                             {"asset": "USDT", "free": free, "locked": "0.00"}],
            })
        };
        check(
            &judge_account(&account(true, "SPOT", "500.00")),
            true,
            &["USDT 500.00", "canTrade true"],
        );
        check(&judge_account(&account(false, "SPOT", "500.00")), false, &["canTrade false"]);
        check(&judge_account(&account(true, "MARGIN", "500.00")), false, &["MARGIN"]);
        check(&judge_account(&account(true, "SPOT", "0.00")), false, &["free: nothing"]);
        check(&judge_account(&json!([])), false, &["canTrade null"]);
    }

    #[test]
    fn a_key_that_can_take_money_away_or_works_everywhere_fails() {
        let good = json!({
            "ipRestrict": true, "enableWithdrawals": false, "enableInternalTransfer": false,
            "permitsUniversalTransfer": false, "enableSpotAndMarginTrading": true,
        });
        check(&judge_key(&good), true, &["bound to addresses"]);
        for (key, value, words) in [
            ("ipRestrict", false, "every address"),
            ("enableWithdrawals", true, "withdraw"),
            ("enableInternalTransfer", true, "transfer"),
            ("permitsUniversalTransfer", true, "transfer"),
            ("enableSpotAndMarginTrading", false, "cannot trade"),
        ] {
            let mut told = good.clone();
            told[key] = json!(value);
            check(&judge_key(&told), false, &[words]);
        }
        check(&judge_key(&json!({})), false, &["cannot trade", "every address"]);
    }
}
