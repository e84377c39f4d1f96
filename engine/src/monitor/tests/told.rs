//! When it samples, what it reports at which pace, and that it is silent without configuration.

use super::desk::{Desk, INTERVAL_NS, ONE_E8, config, words};
use crate::event::{Event, Kind, NO_STRATEGY, session};
use crate::instrument::{Instrument, InstrumentTable};
use crate::market::Market;
use crate::monitor::{METRIC_COUNT, Metric, MetricUnit, Monitor, MonitorConfig, RiskMode};
use crate::ring::{Emitter, Ring};

#[test]
fn a_sample_is_taken_with_the_first_clock_at_or_after_each_multiple() {
    let mut desk = Desk::new(config());
    assert_eq!(desk.monitor.figures(), None);
    let mut check = |time_ns: u64, samples: u64| {
        desk.time_ns = time_ns;
        desk.hear(session::clock());
        assert_eq!(desk.monitor.sample_count(), samples, "at {time_ns}");
    };
    check(500, 1);
    check(999, 1);
    check(1_000, 2);
    check(1_001, 2);
    check(1_999, 2);
    check(2_500, 3);
    check(3_000, 4);
    // A silence of several intervals is one sample.
    check(7_100, 5);
    check(7_999, 5);
    check(8_000, 6);
    check(u64::MAX, 7);
    check(u64::MAX, 8);
}

#[test]
fn all_figures_are_reported_with_every_tenth_sample() {
    let mut desk = Desk::new(config());
    desk.trade(0, 0, 2, 100);
    desk.trade(1, 0, -1, 100);
    for _ in 0..9 {
        assert!(desk.equity(100).is_empty());
    }
    let whole = [
        "equity 102000000000/102000000000",
        "drawdown 0/0",
        "volatility 666666666/489897948",
        "exposure 36000000000/12000000000",
        "heat 3529/360000000",
        "swing 2000000000/2000000000",
    ];
    let rows = [
        "exposure 36000000000/12000000000 i0",
        "exposure 24000000000/24000000000 s0",
        "exposure 12000000000/-12000000000 s1",
    ];
    assert_eq!(desk.equity(120), [&whole[..], &rows[..]].concat());
    // What is closed is told once more, as zero.
    desk.trade(1, 0, 1, 120);
    for _ in 0..9 {
        assert!(desk.equity(120).is_empty());
    }
    let told = desk.equity(120);
    assert_eq!(
        told[told.len() - 3..],
        [
            "exposure 24000000000/24000000000 i0",
            "exposure 24000000000/24000000000 s0",
            "exposure 0/0 s1"
        ]
    );
    // From here on there are enough changes for the value at risk.
    for _ in 0..9 {
        desk.equity(120);
    }
    let told = desk.equity(120);
    assert_eq!(told[4..6], ["var-95 0/610883439", "cvar-95 0/766072376"]);
    assert_eq!(
        told[told.len() - 2..],
        ["exposure 24000000000/24000000000 i0", "exposure 24000000000/24000000000 s0"]
    );
}

#[test]
fn a_stranger_is_part_of_the_account_and_its_instrument_and_the_operators_row_is_a_strategy() {
    let mut desk = Desk::new(MonitorConfig { report_sample_count: 1, ..config() });
    desk.trade(NO_STRATEGY, 0, 1, 100);
    desk.trade(2, 0, 2, 100);
    let told = desk.equity(100);
    let exposures: Vec<&String> = told.iter().filter(|line| line.starts_with("exposure")).collect();
    let (three, two) = ("30000000000/30000000000", "20000000000/20000000000");
    let wanted =
        [format!("exposure {three}"), format!("exposure {three} i0"), format!("exposure {two} s2")];
    assert_eq!(exposures, wanted.iter().collect::<Vec<_>>());
}

fn many(count: usize) -> InstrumentTable {
    let one = |index: usize| Instrument {
        symbol: format!("I{index}"),
        ..super::desk::table().get(0).unwrap().clone()
    };
    InstrumentTable::new((0..count).map(one).collect()).unwrap()
}

#[test]
fn exposures_that_find_no_room_follow_with_the_next_samples() {
    let table = many(30);
    let settings = MonitorConfig { report_sample_count: 5, ..config() };
    let mut monitor = Monitor::new(settings, table.clone(), 1);
    let market = Market::new(table.count());
    let mut told = Vec::new();
    let mut hear = |event: Event| {
        let mut ring = Ring::new(64, 0);
        let event = ring.begin_at(&event, event.time_ns);
        monitor.apply(&event, &market, &mut Emitter::new(&mut ring, &event));
        let said: Vec<_> = (2..=ring.head()).map(|sequence| *ring.get(sequence)).collect();
        told.push(said.iter().filter(|event| event.instrument != u16::MAX).count());
        said.iter().map(words).collect::<Vec<String>>()
    };
    for instrument in 0..30 {
        hear(super::desk::fill(0, instrument, 1, 100));
    }
    let mut all = Vec::new();
    for sample in 0..8 {
        let said = hear(session::clock().at(sample * INTERVAL_NS));
        all.extend(said.into_iter().filter(|line| line.contains(" i") || line.contains(" s0")));
    }
    assert_eq!(told[30..], [0, 0, 0, 0, 16, 14, 0, 0]);
    assert_eq!(all.len(), 31);
    assert_eq!(all[29], "exposure 10000000000/10000000000 i29");
    assert_eq!(all[30], "exposure 300000000000/300000000000 s0");
}

#[test]
fn without_configuration_it_says_nothing_and_knows_the_positions_all_the_same() {
    let mut silent = Desk::new(MonitorConfig::default());
    assert!(!silent.monitor.is_active());
    silent.trade(0, 0, 2, 100);
    silent.trade(0, 0, -1, 50);
    silent.trade(0, 0, -1, 50);
    for _ in 0..30 {
        assert!(silent.equity(100).is_empty());
    }
    assert_eq!((silent.monitor.figures(), silent.monitor.sample_count()), (None, 0));
    silent.trade(0, 0, 1, 100);
    let mut active = Desk::load(config(), &silent.save()).unwrap();
    active.equity(120);
    assert_eq!(active.figures().equity, (1_000 - 100 + 20) * ONE_E8);
}

#[test]
fn every_metric_has_a_code_a_name_of_its_own_and_units() {
    let mut names = Vec::new();
    for (index, metric) in (0_u16..).zip(Metric::ALL) {
        assert_eq!(metric.code(), 301 + index);
        assert_eq!(Metric::from_code(metric.code()), Some(*metric));
        assert!(metric.meaning().ends_with('.') || metric.meaning().contains(';'));
        names.push(metric.name());
    }
    assert_eq!(METRIC_COUNT, names.len());
    names.sort_unstable();
    names.dedup();
    assert_eq!(METRIC_COUNT, names.len());
    assert_eq!((Metric::from_code(300), Metric::from_code(312)), (None, None));
    let units = |metric: Metric| (metric.unit(), metric.second_unit());
    assert_eq!(units(Metric::Drawdown), (MetricUnit::Ppm, MetricUnit::Money));
    let names = [MetricUnit::Money, MetricUnit::Ppm, MetricUnit::Count, MetricUnit::Mode];
    assert_eq!(names.map(MetricUnit::name), ["money_e8", "ppm", "count", "mode"]);
    let modes = RiskMode::ALL.map(|mode| (mode.code(), mode.name()));
    assert_eq!(modes, [(1, "NORMAL"), (2, "CAUTION"), (3, "SAFE"), (4, "KILLED")]);
    assert_eq!(RiskMode::from_code(5), None);
}

#[test]
fn it_hears_what_its_figures_need_and_nothing_of_the_market() {
    for (kind, _) in Kind::ALL {
        let wanted = [Kind::FILL, Kind::FEE, Kind::CLOCK, Kind::BREAKER].contains(kind);
        assert_eq!(Monitor::INTEREST.contains(*kind), wanted, "{kind:?}");
    }
}
