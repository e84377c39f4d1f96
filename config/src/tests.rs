//! Tests of the configuration: profiles are sound, mistakes are named.

use super::*;

fn generated() -> &'static str {
    profile("generated").unwrap()
}

#[test]
fn every_built_in_profile_is_sound_and_comes_back_from_its_text() {
    for (name, text) in PROFILES {
        let config = Config::parse(text, name).unwrap();
        assert_eq!(Config::parse(&config.to_toml(), name).unwrap(), config, "{name}");
        config.pipeline(name).unwrap();
    }
}

/// Lines: what to replace in the generated profile, by what, and words that the error must hold.
#[track_caller]
fn check(from: &str, to: &str, words: &[&str]) {
    let text = generated().replacen(from, to, 1);
    assert_ne!(text, generated(), "\"{from}\" is not in the profile");
    let error = Config::parse(&text, "generated.toml").unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "\"{word}\" is not in: {error}");
    }
}

#[test]
fn a_mistake_is_named_with_file_key_value_and_range() {
    check(
        "mode = \"paper\"",
        "mode = \"papper\"",
        &["generated.toml", "engine.mode", "papper", "dry-run"],
    );
    check("number = 1", "number = 1\nnubmer = 2", &["nubmer"]);
    check(
        "[journal]",
        "[journal]\nsegment_mib = 63",
        &["journal.segment_mib", "63", "power of two"],
    );
    check("tick = \"0.01\"", "tick = \"0.001\"", &["BTCUSD.tick", "0.001", "2 decimal places"]);
    check("tick = \"0.01\"", "tick = 0.01", &["quotes"]);
    check("tick = \"0.01\"", "tick = \"1e-2\"", &["1e-2"]);
    check("symbol = \"BTCUSD\"", "symbol = \"BTC\"", &["market.instrument BTC", "synthetic"]);
    check("idle = \"auto\"", "idle = \"sleepy\"", &["engine.idle", "sleepy", "park"]);
}

#[test]
fn a_missing_limit_is_not_filled_in() {
    let cut = generated().split("[[risk.instrument]]").next().unwrap().to_string();
    let rest = generated().split("# Strategies.").nth(1).unwrap();
    let config = Config::parse(&format!("{cut}{rest}"), "cut").unwrap();
    let table = config.instruments("cut").unwrap();
    let limits = config.limits(&table, "cut").unwrap();
    assert!(limits.instruments.iter().all(Option::is_none));
}

/// As [`check`], of the paper profile, which goes over sockets.
#[track_caller]
fn check_wire(from: &str, to: &str, words: &[&str]) {
    let paper = profile("paper").unwrap();
    let text = paper.replacen(from, to, 1);
    assert_ne!(text, paper, "\"{from}\" is not in the profile");
    let error = Config::parse(&text, "paper.toml").unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "\"{word}\" is not in: {error}");
    }
}

#[test]
fn a_mistake_in_the_wire_is_named() {
    check_wire("network = \"local\"", "network = \"lokal\"", &["wire.network", "lokal", "testnet"]);
    check_wire("network = \"local\"", "network = \"url\"", &["wire.rest_url", "url"]);
    check_wire("network = \"local\"", "network = \"testnet\"", &["wire.key_file", "testnet"]);
    check_wire("policy = \"better\"", "policy = \"best\"", &["wire.feed.policy", "failover"]);
    check_wire("connections = 2", "connections = 5", &["wire.feed.connections", "1 to 4"]);
    check_wire("fee_ppm = 100", "fee_ppm = 1000", &["BTCUSDT", "0.0001", "0.001"]);
    check_wire("request_ms_max = 2000", "request_s_max = 2", &["request_s_max"]);
    check_wire("venue = \"binance-spot\"", "venue = \"binance-usdm\"", &["binance-spot"]);
    check_wire(
        "interval_ms = 10000",
        "interval_ms = 10000\ntolerance_quote = \"0.000000001\"",
        &["wire.reconcile.tolerance_quote", "0.000000001"],
    );
}
