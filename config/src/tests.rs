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

#[test]
fn a_mistake_in_the_monitor_is_named() {
    check("capital = \"100000\"", "capital = \"-1\"", &["monitor.capital", "-1", "zero or more"]);
    check("samples = 600", "samples = 19", &["monitor.samples", "19", "20 to 4096"]);
    check("samples = 600", "samples = 4097", &["monitor.samples", "4097"]);
    check("swing_samples = 60", "swing_samples = 601", &["monitor.swing_samples", "1 to 600"]);
    check("decay_ppm = 940000", "decay_ppm = 1000000", &["monitor.decay_ppm", "0 to 999999"]);
    check("report_samples = 10", "report_samples = 0", &["monitor.report_samples"]);
    check("stop_bps = 100", "stop_bps = 10001", &["monitor.stop_bps", "1 to 10000"]);
    check("[10, 15, 20]", "[10, 20, 15]", &["monitor.drawdown_percent", "above the one before"]);
    check("[10, 15, 20]", "[0, 20]", &["monitor.drawdown_percent", "above zero"]);
    check("[5, 10]", "[1, 2, 3, 4, 5]", &["monitor.losses_in_a_row", "at most 4"]);
    check("[\"250\", \"500\"]", "[\"250\", \"0.000\"]", &["monitor.swing"]);
    let named = "[[monitor.strategy]]\nname = \"nobody\"\nstop_bps = 5\n\n# Strategies.";
    check("# Strategies.", named, &["monitor.strategy", "nobody"]);
}

#[test]
fn the_monitor_is_absent_without_its_section_and_knows_the_stops_of_strategies() {
    let own = "[[monitor.strategy]]\nname = \"maker-eth\"\nstop_bps = 7\n\n# Strategies.";
    let text = generated().replacen("# Strategies.", own, 1);
    let told = Config::parse(&text, "stops").unwrap().pipeline("stops").unwrap().monitor;
    assert_eq!(told.strategy_stop_bps, [None, Some(7), None]);
    assert_eq!(told.sample_interval_ns, 1_000_000_000);
    assert_eq!(told.drawdown_ppm.values(), [100_000, 150_000, 200_000]);
    assert_eq!(told.loss_single_e8.values(), [100_000_000_000, 500_000_000_000]);
    let (before, after) = generated().split_once("[monitor]").unwrap();
    let (_, after) = after.split_once("# Strategies.").unwrap();
    let absent = Config::parse(&format!("{before}{after}"), "absent").unwrap();
    assert_eq!(absent.monitor, None);
    assert_eq!(absent.pipeline("absent").unwrap().monitor.sample_interval_ns, 0);
}
