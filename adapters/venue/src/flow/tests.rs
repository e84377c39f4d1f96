//! Markets of participants: the same from the same seed, alive, and never crossed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::*;
use crate::config::ExchangeConfig;
use crate::exchange::Output;

const START_NS: u64 = 1_700_000_000_000_000_000;

/// What a market said in so many seconds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    hash: u64,
    trade_count: u64,
    level_count: u64,
    /// Last price of the first symbol.
    price: Money,
}

/// Runs a market; `look` sees the exchange after each step.
fn run(config: &FlowConfig, seconds: u64, mut look: impl FnMut(&Exchange)) -> (Exchange, Heard) {
    let mut exchange = Exchange::new(ExchangeConfig::spot(Vec::new())).unwrap();
    let mut flow = Flow::new(config, &exchange, START_NS);
    let (mut hasher, mut heard) = (DefaultHasher::new(), Heard::default());
    while let Some(now_ns) = flow.next_ns().filter(|next| *next < START_NS + seconds * SECOND_NS) {
        flow.step(&mut exchange, now_ns);
        exchange.drain(&mut |output| {
            format!("{output:?}").hash(&mut hasher);
            match output {
                Output::Trade { symbol, trade } => {
                    heard.trade_count += 1;
                    if symbol.0 == 0 {
                        heard.price = trade.price;
                    }
                }
                Output::Level { .. } => heard.level_count += 1,
                Output::UserEvent { .. } => panic!("nobody has an account"),
            }
        });
        look(&exchange);
    }
    heard.hash = hasher.finish();
    (exchange, heard)
}

#[test]
fn the_same_seed_gives_the_same_market() {
    let (_, first) = run(&FlowConfig::usual(5), 10, |_| {});
    let (_, second) = run(&FlowConfig::usual(5), 10, |_| {});
    assert_eq!(first, second);
    let (_, other) = run(&FlowConfig::usual(6), 10, |_| {});
    assert_ne!(first.hash, other.hash);
}

#[test]
fn a_minute_has_trades_and_books_on_both_sides_that_never_cross() {
    for seed in [1, 2, 3] {
        let mut looks = 0;
        let (exchange, heard) = run(&FlowConfig::usual(seed), 60, |exchange| {
            for symbol in [SymbolIndex(0), SymbolIndex(1)] {
                let best = exchange.best(symbol);
                if let (Some((bid, _)), Some((ask, _))) = (best.bid, best.ask) {
                    assert!(bid < ask, "seed {seed}");
                    assert!(ask - bid < ask / 100, "seed {seed}: {bid} {ask}");
                    looks += 1;
                }
            }
        });
        assert!(10_000 < looks, "seed {seed}: {looks}");
        // Both symbols together: 16 takers a second, each with a trade or some.
        assert!((600..6_000).contains(&heard.trade_count), "seed {seed}: {heard:?}");
        assert!(4_000 < heard.level_count, "seed {seed}: {heard:?}");
        let strayed = (heard.price - 61_800 * ONE).abs();
        assert!(0 < strayed && strayed < 3_000 * ONE, "seed {seed}: {strayed}");
        for symbol in [SymbolIndex(0), SymbolIndex(1)] {
            let depth = exchange.depth(symbol, 1_000);
            for side in [&depth.bids, &depth.asks] {
                assert!((THIN_COUNT..=40).contains(&side.len()), "seed {seed}: {}", side.len());
            }
        }
    }
}

#[test]
fn a_market_at_no_speed_quotes_once_and_stands_still() {
    let config = FlowConfig { speed_percent: 0, ..FlowConfig::usual(5) };
    let (exchange, heard) = run(&config, 60, |_| {});
    assert_eq!(heard.trade_count, 0);
    assert!(exchange.best(SymbolIndex(0)).bid.is_some());
    assert!(exchange.best(SymbolIndex(1)).ask.is_some());
}

#[test]
fn what_is_long_overdue_is_left_out() {
    let mut exchange = Exchange::new(ExchangeConfig::spot(Vec::new())).unwrap();
    let mut flow = Flow::new(&FlowConfig::usual(5), &exchange, START_NS);
    flow.catch_up(START_NS + 60 * SECOND_NS, SECOND_NS);
    assert_eq!(flow.next_ns(), Some(START_NS + 60 * SECOND_NS));
    flow.catch_up(START_NS + 60 * SECOND_NS + 1, SECOND_NS);
    assert_eq!(flow.next_ns(), Some(START_NS + 60 * SECOND_NS));
    flow.step(&mut exchange, START_NS + 60 * SECOND_NS);
    assert!(exchange.best(SymbolIndex(0)).bid.is_some());
}
