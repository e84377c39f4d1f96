//! Tests of the synthetic market: sound output, stylised facts, determinism, refusals.

use engine::book::{Book, NaiveBook};
use engine::event::{Event, FeedCode, Kind, Side, flags, market};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;
use engine::state::mix;

use super::*;

const SEED: u64 = 20_240_807;
const SECOND_NS: u64 = 1_000_000_000;
const START_NS: u64 = 1_700_000_000 * SECOND_NS;

fn instrument(symbol: &str, price_scale: u8, tick: i64, lot: i64) -> Instrument {
    Instrument {
        venue: Venue::Synthetic,
        symbol: symbol.to_string(),
        price_scale,
        quantity_scale: 5,
        tick,
        lot,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

fn table() -> InstrumentTable {
    let all =
        vec![instrument("BTC", 2, 1, 1), instrument("ETH", 2, 1, 10), instrument("X", 4, 5, 100)];
    InstrumentTable::new(all).unwrap()
}

fn btc() -> SyntheticInstrument {
    SyntheticInstrument {
        index: 0,
        price_start: 6_180_000,
        volatility_ppm: 60,
        trades_per_second: 8,
        orders_per_second: 100,
        level_count: 60,
        level_quantity: 80_000,
    }
}

fn all() -> SyntheticConfig {
    let eth = SyntheticInstrument {
        index: 1,
        price_start: 268_000,
        volatility_ppm: 80,
        level_quantity: 1_200_000,
        ..btc()
    };
    // A coarse tick: the spread is a tick or two and queues are long.
    let coarse =
        SyntheticInstrument { index: 2, price_start: 10_000, volatility_ppm: 110, ..eth.clone() };
    let instruments = vec![btc(), eth, coarse];
    SyntheticConfig { seed: SEED, speed_percent: 100, start_ns: START_NS, instruments }
}

fn only_btc() -> SyntheticConfig {
    SyntheticConfig { instruments: vec![btc()], ..all() }
}

/// Runs a market for so many seconds and shows every event.
fn run(config: &SyntheticConfig, seconds: u64, mut visit: impl FnMut(&Event)) {
    let mut market = SyntheticMarket::new(config, &table()).unwrap();
    let end_ns = config.start_ns + seconds * SECOND_NS;
    while market.next_ns() < end_ns {
        let next_ns = market.next_ns();
        market.step(&mut |event| {
            assert_eq!(event.time_ns, next_ns, "an event has another time than announced");
            visit(&event);
        });
    }
}

fn hash(config: &SyntheticConfig, seconds: u64) -> (u64, u64) {
    let (mut hash, mut count) = (0, 0);
    run(config, seconds, |event| {
        count += 1;
        for word in words_of(event) {
            hash = mix(hash, word);
        }
    });
    (hash, count)
}

fn words_of(event: &Event) -> [u64; 6] {
    let small = u64::from(event.kind.0)
        | (u64::from(event.flags) << 8)
        | (u64::from(event.instrument) << 16)
        | (u64::from(event.code) << 32);
    let (price, quantity) = (event.price.cast_unsigned(), event.quantity.cast_unsigned());
    [event.time_ns, small, price, quantity, event.id, u64::from(event.tag)]
}

/// A listener that keeps a book and judges what it hears.
struct Listener {
    book: NaiveBook,
    /// Levels that are still missing of the present run.
    run_left: u32,
    last_id: i64,
    last_trade_id: u64,
    has_snapshot: bool,
    is_connected: bool,
    /// What the trades since the last depth update took, by side of the level.
    taken: NaiveBook,
    bid: Option<(i64, i64)>,
    update_count: u64,
    trade_count: u64,
    walk_count: u64,
}

impl Listener {
    fn new() -> Listener {
        Listener {
            book: NaiveBook::new(),
            run_left: 0,
            last_id: 0,
            last_trade_id: 0,
            has_snapshot: false,
            is_connected: false,
            taken: NaiveBook::new(),
            bid: None,
            update_count: 0,
            trade_count: 0,
            walk_count: 0,
        }
    }

    fn hear(&mut self, event: &Event, instrument: &Instrument) {
        match event.kind {
            Kind::FEED => {
                assert_eq!(event.code, FeedCode::Connected as u16);
                self.is_connected = true;
            }
            Kind::DEPTH => self.depth(event),
            Kind::LEVEL => self.level(event, instrument),
            Kind::TRADE => self.trade(event),
            Kind::QUOTE => self.quote(event),
            other => panic!("a market does not say {}", other.name()),
        }
    }

    fn depth(&mut self, event: &Event) {
        let ids = market::depth_ids(event);
        assert!(self.is_connected);
        assert_eq!(self.run_left, 0, "a run was torn");
        assert_eq!(event.has(flags::SNAPSHOT), !self.has_snapshot);
        if self.has_snapshot {
            assert_eq!(ids.first, self.last_id + 1);
        }
        assert!(ids.first <= ids.last);
        assert!(0 < event.tag, "an update of nothing");
        assert!(!event.is_last());
        self.has_snapshot = true;
        self.last_id = ids.last;
        self.run_left = event.tag;
        self.update_count += 1;
    }

    fn level(&mut self, event: &Event, instrument: &Instrument) {
        assert!(0 < event.price);
        assert!(0 <= event.quantity);
        assert_eq!(event.price % instrument.tick, 0);
        assert_eq!(event.quantity % instrument.lot, 0);
        self.book.set(event.side(), event.price, event.quantity).unwrap();
        self.run_left -= 1;
        assert_eq!(event.is_last(), self.run_left == 0);
        if event.is_last() {
            self.taken.clear();
            let bid = self.book.best(Side::Buy).expect("there are always bids");
            let ask = self.book.best(Side::Sell).expect("there are always asks");
            assert!(bid.price < ask.price, "crossed: {bid:?} {ask:?}");
        }
    }

    fn trade(&mut self, event: &Event) {
        let against = event.side().opposite();
        assert_eq!(self.run_left, 0);
        assert_eq!(event.id, self.last_trade_id + 1);
        self.last_trade_id = event.id;
        self.trade_count += 1;
        self.walk_count += u64::from(self.taken.level_count(against) != 0);
        // Displayed, and the best that was left: all better levels were taken before.
        let displayed = self.book.quantity(against, event.price);
        assert!(0 < event.quantity);
        assert!(event.quantity <= displayed, "{event:?} of {displayed}");
        self.book.visit(against, &mut |level| {
            let is_better = level.price != event.price;
            if is_better {
                assert_eq!(self.taken.quantity(against, level.price), level.quantity);
            }
            is_better
        });
        self.taken.set(against, event.price, event.quantity).unwrap();
    }

    fn quote(&mut self, event: &Event) {
        assert_eq!(event.id.cast_signed(), self.last_id);
        let best = self.book.best(event.side()).unwrap();
        assert_eq!((event.price, event.quantity), (best.price, best.quantity));
        assert_eq!(event.is_last(), event.side() == Side::Sell);
        assert_eq!(self.bid.is_some(), event.is_last(), "bid and ask come in pairs");
        self.bid = if event.is_last() { None } else { Some((event.price, event.quantity)) };
    }
}

#[test]
fn the_output_is_a_sound_feed_at_every_event() {
    let table = table();
    let mut listeners = [Listener::new(), Listener::new(), Listener::new()];
    let mut last_ns = 0;
    run(&all(), 300, |event| {
        assert!(last_ns <= event.time_ns);
        last_ns = event.time_ns;
        let index = usize::from(event.instrument);
        listeners[index].hear(event, table.get(event.instrument).unwrap());
    });
    for (index, listener) in listeners.iter().enumerate() {
        assert!(10_000 < listener.update_count, "instrument {index}: {}", listener.update_count);
        assert!(1_000 < listener.trade_count, "instrument {index}: {}", listener.trade_count);
        assert!(100 < listener.walk_count, "instrument {index}: trades walk the book");
        for side in [Side::Buy, Side::Sell] {
            let count = listener.book.level_count(side);
            assert!((30..=60).contains(&count), "instrument {index}: {count} levels");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_one_others() {
    let first = hash(&all(), 60);
    assert!(10_000 < first.1);
    assert_eq!(first, hash(&all(), 60));
    assert_ne!(first.0, hash(&SyntheticConfig { seed: SEED + 1, ..all() }, 60).0);
}

#[test]
fn the_events_are_the_same_on_every_machine() {
    // Written down once; a difference means that the model or somebody's arithmetic has changed.
    assert_eq!(hash(&all(), 20), (11_759_273_638_963_524_573, 17_248));
}

#[test]
fn the_mean_rate_over_calm_and_bursts_is_the_configured_one() {
    let (mut arrivals, seeds, seconds) = (0u32, 12, 600);
    for seed in 0..seeds {
        let mut market =
            SyntheticMarket::new(&SyntheticConfig { seed, ..only_btc() }, &table()).unwrap();
        while market.next_ns() < START_NS + seconds * SECOND_NS {
            market.step(&mut |_| {});
            arrivals += 1;
        }
    }
    let wanted = 108.0 * number::seconds(seeds * seconds * SECOND_NS);
    let ratio = f64::from(arrivals) / wanted;
    println!("seeds 0 to 11: rate ratio {ratio:.3}");
    assert!((0.95..1.05).contains(&ratio), "seeds 0 to 11: {ratio}");
}

#[test]
fn one_more_instrument_leaves_the_others_as_they_were() {
    let hash_of_btc = |config: &SyntheticConfig| {
        let mut hash = 0;
        run(config, 60, |event| {
            if event.instrument == 0 {
                hash = words_of(event).into_iter().fold(hash, mix);
            }
        });
        hash
    };
    assert_eq!(hash_of_btc(&all()), hash_of_btc(&only_btc()));
}

/// Twice the mid price at the end of each second, and the spreads in ticks seen then.
fn mids(config: &SyntheticConfig, instrument: u16, seconds: u64) -> (Vec<f64>, Vec<f64>) {
    let (mut mids, mut spreads) = (Vec::new(), Vec::new());
    let (mut bid, mut ask, mut next_ns) = (0, 0, config.start_ns + SECOND_NS);
    run(config, seconds, |event| {
        while next_ns <= event.time_ns {
            mids.push(number::float(bid + ask));
            spreads.push(number::float(ask - bid));
            next_ns += SECOND_NS;
        }
        if event.kind == Kind::QUOTE && event.instrument == instrument {
            match event.side() {
                Side::Buy => bid = event.price,
                Side::Sell => ask = event.price,
            }
        }
    });
    (mids, spreads)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / number::float(i64::try_from(values.len()).unwrap())
}

fn returns(mids: &[f64]) -> Vec<f64> {
    mids.windows(2).map(|pair| libm::log(pair[1] / pair[0])).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |x: &[f64], mx: f64, y: &[f64], my: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    let both = product(a, mean_a, b, mean_b);
    both / libm::sqrt(product(a, mean_a, a, mean_a) * product(b, mean_b, b, mean_b))
}

fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    correlation(&values[lag..], &values[..values.len() - lag])
}

#[test]
fn volatility_clusters_while_returns_are_not_predictable() {
    let (mids, _) = mids(&only_btc(), 0, 4 * 3600);
    let returns = returns(&mids);
    let sizes: Vec<f64> = returns.iter().map(|value| libm::fabs(*value)).collect();
    let squares: Vec<f64> = returns.iter().map(|value| value * value).collect();
    let sigma_ppm = 1e6 * libm::sqrt(mean(&squares));
    let fourth: Vec<f64> = squares.iter().map(|value| value * value).collect();
    let kurtosis = mean(&fourth) / (mean(&squares) * mean(&squares));
    println!(
        "seed {SEED}: sigma {sigma_ppm:.1} ppm, kurtosis {kurtosis:.2}, returns {:.4} {:.4} {:.4}, sizes {:.3} {:.3} {:.3}",
        autocorrelation(&returns, 1),
        autocorrelation(&returns, 2),
        autocorrelation(&returns, 5),
        autocorrelation(&sizes, 1),
        autocorrelation(&sizes, 5),
        autocorrelation(&sizes, 20),
    );
    for lag in [1, 2, 5, 10] {
        assert!(libm::fabs(autocorrelation(&returns, lag)) < 0.06, "seed {SEED}, lag {lag}");
    }
    assert!(0.15 < autocorrelation(&sizes, 1), "seed {SEED}");
    assert!(0.10 < autocorrelation(&sizes, 5), "seed {SEED}");
    assert!(0.05 < autocorrelation(&sizes, 20), "seed {SEED}");
    assert!((45.0..85.0).contains(&sigma_ppm), "seed {SEED}: {sigma_ppm}");
    assert!(3.5 < kurtosis, "seed {SEED}: tails are heavier than normal, not {kurtosis}");
}

#[test]
fn the_spread_returns_to_its_mean() {
    // Half the spread is 0.35 of the move of a quarter of a second: 64.9 ticks for this instrument.
    let (_, spreads) = mids(&only_btc(), 0, 1800);
    let spread = mean(&spreads);
    println!("seed {SEED}: mean spread {spread:.1} ticks");
    assert!((90.0..260.0).contains(&spread), "seed {SEED}: {spread}");
    let slow = autocorrelation(&spreads, 60);
    assert!(
        libm::fabs(slow) < 0.25,
        "seed {SEED}: after a minute the spread has forgotten, not {slow}"
    );
    let widest = spreads.iter().copied().fold(0.0, f64::max);
    assert!(widest < 20.0 * spread, "seed {SEED}: {widest}");
}

#[test]
fn instruments_move_together_but_not_as_one() {
    let (first, _) = mids(&all(), 0, 1800);
    let (second, _) = mids(&all(), 1, 1800);
    let together = correlation(&returns(&first), &returns(&second));
    println!("seed {SEED}: correlation {together:.3}");
    assert!((0.15..0.6).contains(&together), "seed {SEED}: {together}");
}

#[test]
fn arrivals_come_at_the_configured_rate_and_speed_multiplies_it() {
    for (speed_percent, seconds) in [(100, 1200), (1000, 120), (10_000, 12)] {
        let config = SyntheticConfig { speed_percent, ..only_btc() };
        let mut market = SyntheticMarket::new(&config, &table()).unwrap();
        let end_ns = START_NS + seconds * SECOND_NS;
        let (mut arrivals, mut aggressions) = (0u32, 0u32);
        while market.next_ns() < end_ns {
            let mut aggression = false;
            market.step(&mut |event| aggression |= event.kind == Kind::TRADE);
            arrivals += 1;
            aggressions += u32::from(aggression);
        }
        let wanted = 108.0 * f64::from(speed_percent) / 100.0
            * number::float(i64::try_from(seconds).unwrap());
        let ratio = f64::from(arrivals) / wanted;
        let share = f64::from(aggressions) / f64::from(arrivals);
        println!(
            "seed {SEED}: {speed_percent} %: rate ratio {ratio:.3}, share of trades {share:.4}"
        );
        // Bursts make the count vary more than a Poisson count would.
        assert!((0.85..1.2).contains(&ratio), "seed {SEED}: {ratio}");
        assert!((share - 8.0 / 108.0).abs() < 0.01, "seed {SEED}: {share}");
    }
}

#[test]
fn depth_decays_away_from_the_touch_and_trades_have_heavy_tails() {
    let mut book = NaiveBook::new();
    let mut sizes = Vec::new();
    let (mut near, mut far, mut looks) = (0, 0, 0);
    run(&only_btc(), 600, |event| {
        if event.kind == Kind::LEVEL {
            book.set(event.side(), event.price, event.quantity).unwrap();
        }
        if event.kind == Kind::TRADE {
            sizes.push(number::float(event.quantity));
            looks += 1;
            let mut place = 0;
            book.visit(Side::Buy, &mut |level| {
                near += if (1..11).contains(&place) { level.quantity } else { 0 };
                far += if (30..40).contains(&place) { level.quantity } else { 0 };
                place += 1;
                true
            });
        }
    });
    assert!(1_000 < looks);
    assert!(1.3 * number::float(far) < number::float(near), "seed {SEED}: {near} near, {far} far");
    sizes.sort_by(f64::total_cmp);
    let median = sizes[sizes.len() / 2];
    let largest = sizes[sizes.len() - 1];
    assert!(8.0 * median < largest, "seed {SEED}: median {median}, largest {largest}");
    assert!(1.3 * median < mean(&sizes), "seed {SEED}");
}

#[test]
fn a_second_session_goes_on_at_the_last_price() {
    let mut market = SyntheticMarket::new(&only_btc(), &table()).unwrap();
    for _ in 0..50_000 {
        market.step(&mut |_| {});
    }
    let last = market.fair_price(0).unwrap();
    assert_ne!(last, btc().price_start);
    let start_ns = market.next_ns();
    let again = SyntheticInstrument { price_start: last, ..btc() };
    let config = SyntheticConfig { start_ns, instruments: vec![again], ..only_btc() };
    let mut best = [0; 2];
    let mut market = SyntheticMarket::new(&config, &table()).unwrap();
    assert_eq!(market.next_ns(), start_ns);
    market.step(&mut |event| {
        if event.kind == Kind::QUOTE {
            best[event.side().index()] = event.price;
        }
    });
    assert!(best[0] < last);
    assert!(last < best[1]);
    assert!(best[1] - best[0] < 1_000);
}

#[test]
fn extreme_settings_run_without_harm() {
    let base = btc();
    for section in [
        SyntheticInstrument { price_start: 100, volatility_ppm: 10_000, ..base.clone() },
        SyntheticInstrument { price_start: 1 << 40, level_quantity: 1 << 40, ..base.clone() },
        SyntheticInstrument { volatility_ppm: 0, trades_per_second: 0, ..base.clone() },
        SyntheticInstrument { trades_per_second: 100_000, orders_per_second: 1, ..base.clone() },
        SyntheticInstrument { level_count: 5, level_quantity: 1, ..base.clone() },
        SyntheticInstrument { level_count: 2_000, orders_per_second: 1_000, ..base.clone() },
    ] {
        let config = SyntheticConfig { instruments: vec![section.clone()], ..only_btc() };
        let mut market = SyntheticMarket::new(&config, &table()).unwrap();
        let mut listener = Listener::new();
        for _ in 0..20_000 {
            market.step(&mut |event| listener.hear(&event, table().get(0).unwrap()));
        }
        assert!(100 < listener.update_count, "{section:?}");
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut SyntheticConfig), words: &str) {
    let mut config = all();
    change(&mut config);
    let error = SyntheticMarket::new(&config, &table()).unwrap_err().to_string();
    assert!(error.contains(words), "\"{error}\" does not say \"{words}\"");
}

#[test]
fn settings_out_of_range_are_named() {
    check(|config| config.instruments.clear(), "no instrument");
    check(|config| config.speed_percent = 0, "speed_percent is 0, must be 1 to 100000");
    check(|config| config.instruments[1].index = 9, "no instrument has index 9");
    check(|config| config.instruments[1].index = 0, "instrument 0 is there twice");
    check(|config| config.instruments[1].price_start = -1, "price_start of instrument 1 is -1");
    check(
        |config| config.instruments[2].price_start = 499,
        "price_start in ticks of instrument 2 is 99",
    );
    check(
        |config| config.instruments[0].orders_per_second = 0,
        "orders_per_second of instrument 0",
    );
    check(
        |config| config.instruments[0].level_count = 4,
        "level_count of instrument 0 is 4, must be 5",
    );
    check(|config| config.instruments[0].level_quantity = 0, "level_quantity in lots");
    check(|config| config.instruments[0].volatility_ppm = 10_001, "volatility_ppm");
}
