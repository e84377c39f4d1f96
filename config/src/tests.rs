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
    let capital = "[monitor]\ncapital = \"100000\"";
    let wrong = "[monitor]\ncapital = \"-1\"";
    check(capital, wrong, &["monitor.capital = -1", "risk.capital is 100000"]);
    check("capital = \"100000\"", "capital = \"-1\"", &["risk.capital", "-1", "zero or more"]);
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
    let other = "capital = \"99999\"";
    check("capital = \"100000\"", other, &["monitor.capital = 100000", "risk.capital is 99999"]);
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

/// As [`check`], of the owner profile, which has every control.
#[track_caller]
fn check_owner(from: &str, to: &str, words: &[&str]) {
    let owner = profile("owner").unwrap();
    let text = owner.replacen(from, to, 1);
    assert_ne!(text, owner, "\"{from}\" is not in the profile");
    let error = Config::parse(&text, "owner.toml").unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "\"{word}\" is not in: {error}");
    }
}

#[test]
fn a_limit_above_a_ceiling_is_an_error_that_names_both() {
    let of = |key: &str, value: &str, limit: &str| {
        let words = [key, value, limit, "ceilings = \"owner\""];
        let owner = profile("owner").unwrap();
        let line = owner.lines().find(|line| line.starts_with(key)).unwrap();
        let quote = if line.contains('"') { "\"" } else { "" };
        check_owner(line, &format!("{key} = {quote}{value}{quote}"), &words);
    };
    of("order_notional_max", "10000.01", "10000");
    of("position_notional_max", "10000.01", "10000");
    of("loss_daily_max", "500.01", "500");
    of("drawdown_max", "1001", "1000");
    of("exposure_bps_max", "2501", "2500");
    of("hold_time_ms_max", "60001", "60000");
    check_owner("hold_time_ms_max = 60000\n", "", &["hold_time_ms_max", "missing", "60000"]);
    check_owner(
        "\nceilings = \"owner\"",
        "\nceilings = \"starter\"",
        &["loss_daily_max is 500", "50", "ceilings = \"starter\""],
    );
    check_owner("\nceilings = \"owner\"", "\nceilings = \"all\"", &["risk.ceilings", "starter"]);
}

#[test]
fn a_mistake_in_a_control_is_named() {
    check_owner("capital = \"40000\"\n", "", &["capital", "exposure_bps_max"]);
    check_owner(
        "name = \"maker-eth\"\nallow",
        "name = \"maker\"\nallow",
        &["risk.strategy", "maker"],
    );
    check_owner(
        "name = \"maker-eth\"\nallow",
        "name = \"maker-btc\"\nallow",
        &["maker-btc", "twice"],
    );
    check_owner("allow = [\"ETHUSD\"]", "allow = [\"ETH\"]", &["maker-eth.allow", "ETH"]);
    check_owner("execution_window_ms = 60000\n", "", &["execution_window_ms", "strategy 0"]);
    check_owner(
        "duplicate_count_max = 5",
        "duplicate_count_max = 9",
        &["duplicate_count_max", "9"],
    );
    check_owner("duplicate_window_ms = 1000\n", "", &["duplicate_window_ms"]);
    check_owner("message_rate_window_ms = 1000\n", "", &["message_rate_window_ms"]);
    check_owner("reference_window_ms = 5000\n", "", &["reference_window_ms", "instrument 0"]);
    check_owner("soft_percent = 80", "soft_percent = 101", &["soft_percent", "101"]);
    let drawdown = "drawdown_max = \"1000\"";
    for soft in ["1000", "1000.01", "0", "-1"] {
        let with = format!("{drawdown}\ndrawdown_soft = \"{soft}\"");
        check_owner(drawdown, &with, &["drawdown_soft", "below drawdown_max"]);
    }
    let open = "orders_open_max = 64";
    let with = format!("{open}\norders_open_soft = 64");
    check_owner(open, &with, &["orders_open_soft", "64", "below orders_open_max"]);
    let quantity = "position_quantity_max = \"0.16\"";
    let with = format!("{quantity}\nposition_quantity_soft = \"0.17\"");
    check_owner(quantity, &with, &["position_quantity_soft", "instrument 0"]);
    let with = format!("{quantity}\nposition_quantity_soft = \"0.0000001\"");
    check_owner(quantity, &with, &["position_quantity_soft"]);
    let hours = |text: &str| format!("hold_time_ms_max = 60000\nhours = {{ {text} }}");
    let from = "hold_time_ms_max = 60000";
    let good = "days = [\"mon\"], from = \"08:00\", to = \"16:30\", holidays = [\"2026-12-25\"]";
    let text = profile("owner").unwrap().replacen(from, &hours(good), 1);
    let config = Config::parse(&text, "owner.toml").unwrap();
    assert_eq!(Config::parse(&config.to_toml(), "again").unwrap(), config);
    let limits = config.limits(&config.instruments("owner").unwrap(), "owner").unwrap();
    let read = limits.controls.instruments[0].hours.clone().unwrap();
    assert_eq!((read.days, read.from_ns, read.holidays), (1, 28_800_000_000_000, vec![20_812]));
    check_owner(from, &hours(&good.replace("mon", "someday")), &["hours.days", "someday"]);
    check_owner(from, &hours(&good.replace("08:00", "8")), &["hours.from", "8", "HH:MM"]);
    check_owner(from, &hours(&good.replace("16:30", "25:00")), &["hours.to", "25:00"]);
    check_owner(from, &hours(&good.replace("12-25", "13-25")), &["hours.holidays", "2026-13-25"]);
    check_owner(from, &hours(&good.replace("\"mon\"", "")), &["hours", "at least one"]);
}

#[test]
fn soft_limits_reach_the_gate_in_its_units() {
    use engine::risk::LimitKey;
    let mut text = profile("owner").unwrap().to_string();
    for (from, with) in [
        ("loss_daily_max = \"500\"", "loss_daily_soft = \"300.5\""),
        ("orders_open_max = 64", "orders_open_soft = 40"),
        ("position_quantity_max = \"0.16\"", "position_quantity_soft = \"0.1\""),
        ("position_notional_max = \"10000\"", "position_notional_soft = \"7500\""),
    ] {
        text = text.replacen(from, &format!("{from}\n{with}"), 1);
    }
    let config = Config::parse(&text, "owner.toml").unwrap();
    assert_eq!(Config::parse(&config.to_toml(), "again").unwrap(), config);
    let table = config.instruments("owner").unwrap();
    let controls = config.limits(&table, "owner").unwrap().controls;
    let account = |key| controls.soft.value(key);
    assert_eq!(account(LimitKey::LossDaily), Some(30_050_000_000));
    assert_eq!(account(LimitKey::OrdersOpen), Some(40));
    assert_eq!(account(LimitKey::Drawdown), None);
    let own = &controls.instruments[0].soft;
    let tenth = 10_i64.pow(u32::from(table.get(0).unwrap().quantity_scale) - 1);
    assert_eq!(own.value(LimitKey::PositionQuantity), Some(tenth));
    assert_eq!(own.value(LimitKey::PositionNotional), Some(750_000_000_000));
    assert_eq!(controls.instruments[1].soft.value(LimitKey::PositionNotional), None);
}

#[test]
fn controls_reach_the_gate_in_its_units() {
    use engine::risk::LimitKey;
    let config = Config::parse(profile("owner").unwrap(), "owner").unwrap();
    let mut limits = config.limits(&config.instruments("owner").unwrap(), "owner").unwrap();
    for (key, owner, want) in [
        (LimitKey::CollarTrade, 0, 100),
        (LimitKey::CollarWindow, 0, 50),
        (LimitKey::Spread, 1, 100),
        (LimitKey::Jump, 1, 200),
        (LimitKey::ExposureShare, 2, 2_500),
        (LimitKey::HoldTime, 2, 60_000),
        (LimitKey::Short, 0, engine::risk::UNLIMITED),
        (LimitKey::BatchNotional, 0, 2_000_000_000_000),
        (LimitKey::MessageRate, 0, 400),
        (LimitKey::Duplicate, 0, 5),
        (LimitKey::OrdersDaily, 0, engine::risk::UNLIMITED),
        (LimitKey::StrategyPosition, 0, 1_000_000_000_000),
        (LimitKey::StrategyGross, 1, 1_000_000_000_000),
        (LimitKey::StrategyOrdersOpen, 1, 16),
        (LimitKey::StrategyOrderRate, 1, 100),
        (LimitKey::StrategyLossDaily, 2, 25_000_000_000),
        (LimitKey::StrategyExecutions, 2, 1_200),
    ] {
        assert_eq!(limits.value(key, owner), Some(want), "{}", key.name());
    }
    assert_eq!(limits.controls.strategies[1].allowed, Some(vec![1]));
    assert!(limits.controls.alerts && limits.controls.self_match && limits.controls.two_person);
}

#[test]
fn the_hold_time_of_an_instrument_reaches_the_control_stage() {
    let config = Config::parse(profile("owner").unwrap(), "owner").unwrap();
    let control = config.pipeline("owner").unwrap().control;
    assert!(control.is_configured);
    assert_eq!(control.hold.instruments, vec![60_000_000_000; 3]);
}
