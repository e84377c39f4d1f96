//! Wrong use is exit code 2, and the message names the file, the key and the value.

use simulator::binary::{Place, tickwheel};
use simulator::compose;

/// Runs with the text of a good configuration changed from `old` to `new`; the message must have `wanted`.
#[track_caller]
fn check(old: &str, new: &str, wanted: &[&str]) {
    let place = Place::new(141, |_| {});
    let text = std::fs::read_to_string(&place.config).unwrap();
    assert!(text.contains(old), "no {old} in the configuration");
    std::fs::write(&place.config, text.replacen(old, new, 1)).unwrap();
    let ended = place.run(&["--duration", "200ms"]).expect(2);
    for word in wanted {
        assert!(ended.stderr.contains(word), "no {word} in {}", ended.stderr);
    }
    assert!(ended.stderr.contains("engine.toml"), "no file name in {}", ended.stderr);
    assert!(!place.journal().exists(), "a wrong configuration leaves no journal");
}

#[test]
fn unknown_keys_bad_numbers_and_wrong_words_are_named() {
    check("number = 1", "number = 1\nturbo = true", &["turbo"]);
    check("number = 1", "number = 1000", &["number"]);
    check("ring_slots = 4096", "ring_slots = 4095", &["ring_slots", "4095"]);
    check("mode = \"paper\"", "mode = \"papre\"", &["mode", "papre"]);
    check("durability = \"process\"", "durability = \"none\"", &["durability", "none"]);
    check("tick = \"0.01\"", "tick = \"0.001\"", &["tick", "0.001"]);
    check("tick = \"0.01\"", "tick = \"ten\"", &["tick", "ten"]);
    check("symbol = \"BTCUSD\"", "symbol = \"DOGEUSD\"", &["DOGEUSD"]);
    check("seed = 141", "seed = ", &["seed"]);
}

#[test]
fn files_and_arguments_that_are_not_there_are_named() {
    let missing = "no-such-file.toml";
    let ended = tickwheel(&["run", "--config", missing, "--duration", "1s"]).expect(2);
    assert!(ended.stderr.contains(missing), "{}", ended.stderr);
    let ended = tickwheel(&["run", "--profile", "yacht"]).expect(2);
    assert!(ended.stderr.contains("yacht"), "{}", ended.stderr);
    let ended = tickwheel(&["run", "--duration", "fast"]).expect(2);
    assert!(ended.stderr.contains("fast"), "{}", ended.stderr);
    let ended = tickwheel(&["fly"]).expect(2);
    assert!(ended.stderr.contains("fly"), "{}", ended.stderr);
    let ended = tickwheel(&[
        "backtest",
        "--venue",
        "binance-spot",
        "--capture",
        "absent.gz",
        "--out",
        "absent",
    ]);
    let ended = ended.expect(2);
    assert!(ended.stderr.contains("absent.gz"), "{}", ended.stderr);
    let ended = tickwheel(&["backtest", "--venue", "moon", "--capture", "x", "--out", "y"]);
    assert!(ended.expect(2).stderr.contains("moon"));
}

#[test]
fn live_mode_and_a_market_without_instruments_are_refused() {
    let place = Place::new(143, |config| config.engine.mode = "live".to_string());
    let ended = place.run(&["--duration", "200ms"]).expect(2);
    assert!(ended.stderr.contains("live"), "{}", ended.stderr);
    let place = Place::new(145, |config| config.market.instrument.clear());
    let ended = place.run(&["--duration", "200ms"]).expect(2);
    assert!(ended.stderr.contains("market"), "{}", ended.stderr);
    // The profile that everything here rests on is itself good.
    assert_eq!(compose::lively(1).market.instrument.len(), 3);
}
