//! Twice and ten times the fastest minute of the capture: bounded, marked, made good; reports come in time.

use std::path::PathBuf;

use simulator::wire_rig::storm::{StormConfig, StormReport, storm};
use simulator::wire_rig::{MS_NS, RigConfig};
use venue::flow::FlowConfig;
use venue::serve::MarketConfig;

/// The capture's fastest minute has twice the frames a second of its beginning, which is what a storm replays.
const FASTEST_PERCENT: u32 = 195;
/// What may be added to memory: rings, buffers and books are all there before the storm begins.
const GROWTH_SIZE_BYTES_MAX: u64 = 64 << 20;
/// What a storm may add to the time of a report; a busy machine alone adds some.
const DELAY_NS_MAX: u64 = 50 * MS_NS;

/// The recorded market, or the generated one as many times faster than usual.
fn market(percent: u32) -> MarketConfig {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../shared/data/binance/spot_btcusdt_20240808.gz");
    if path.exists() {
        let speed_percent = FASTEST_PERCENT * percent / 100;
        return MarketConfig::Capture { path, symbol: "BTCUSDT".to_string(), speed_percent };
    }
    simulator::skipped("the recorded market", "no capture beside the repository");
    MarketConfig::Generated(FlowConfig { speed_percent: 10 * percent, ..FlowConfig::usual(7) })
}

/// The recorded market has one symbol.
fn one_symbol(config: &mut config::Config) {
    config.instrument.retain(|instrument| instrument.symbol == "BTCUSDT");
    config.risk.instrument.retain(|limits| limits.symbol == "BTCUSDT");
    config.strategy.retain(|strategy| strategy.symbol() == "BTCUSDT");
    let kept: Vec<String> = config.strategy.iter().map(|kept| kept.name().to_string()).collect();
    config.risk.strategy.retain(|limits| kept.contains(&limits.name));
}

fn blow(what: &str, market: MarketConfig, stall_ns: u64) -> StormReport {
    let rig = RigConfig { adjust: one_symbol, ..RigConfig::puppet(130) };
    let span_ns = 1_200 * MS_NS;
    let report = storm(&StormConfig { rig, market, span_ns, stall_ns });
    println!(
        "{what}: {} market events, {} reports p50 {} us p99 {} us, lost {}, gaps {}, ring {} at most, \
         {} KiB more, recovered in {} us",
        report.market_count,
        report.report_ns.len(),
        report.report_at(500) / 1_000,
        report.report_at(990) / 1_000,
        report.lost_count,
        report.gap_count,
        report.depth_max,
        report.resident.1.saturating_sub(report.resident.0) / 1_024,
        report.recovery_ns / 1_000
    );
    assert!(0 < report.market_count && 10 < report.report_ns.len(), "{report:?}");
    let growth_bytes = report.resident.1.saturating_sub(report.resident.0);
    assert!(growth_bytes < GROWTH_SIZE_BYTES_MAX, "{what}: {growth_bytes} bytes more");
    report
}

#[test]
fn reports_are_not_delayed_behind_a_storm_of_market_data() {
    let quiet = blow("quiet", market(20), 0);
    for (what, percent) in [("2 x the fastest minute", 200), ("10 x", 1_000)] {
        let report = blow(what, market(percent), 0);
        let (before_ns, now_ns) = (quiet.report_at(500), report.report_at(500));
        assert!(now_ns < before_ns + DELAY_NS_MAX, "{what}: {now_ns} ns after {before_ns} ns");
    }
}

#[test]
fn what_a_stalled_core_could_not_take_is_marked_and_made_good() {
    let flow = FlowConfig { speed_percent: 20_000, ..FlowConfig::usual(7) };
    let report = blow("a core that stalls", MarketConfig::Generated(flow), 300 * MS_NS);
    assert!(0 < report.lost_count, "{report:?}");
    assert!(0 < report.gap_count, "what was lost is a gap: {report:?}");
}
