//! Every figure and alert of the post-trade monitor, computed again from the records alone.
//!
//! The auditor shares no code with the monitor, the ledger or the books: it keeps its own prices, adds up every
//! fill and fee, and says what the monitor must tell next. Amounts of money must be equal to the last digit;
//! what comes out of a root may differ by its rounding, see [`ROUNDING_E8`].

#![expect(clippy::float_arithmetic, reason = "an auditor may compute as a spreadsheet does")]

use std::collections::{BTreeMap, VecDeque};

use config::{Config, Number};
use engine::event::{BreakerState, Event, Kind, NO_INSTRUMENT, NO_STRATEGY, Scope, Side, flags};
use engine::instrument::{Instrument, InstrumentTable};
use engine::monitor::{Metric, MonitorConfig};
use engine::pipeline::recorder::MemoryRecorder;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World, scratch};

/// How far a figure with a root in it may be off, in units of 10^-8: the root is rounded down, the product with
/// the quantile up, the weighted variance down with each of a few hundred samples.
const ROUNDING_E8: f64 = 4.0;

/// Best prices of one instrument, from its records.
#[derive(Default)]
struct Prices {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    has_snapshot: bool,
    run_id: u64,
    top_id: u64,
    top: Option<(i64, i64)>,
    quoted_bid: i64,
    trade: i64,
}

impl Prices {
    fn take(&mut self, event: &Event) {
        match event.kind {
            Kind::DEPTH => {
                if event.has(flags::SNAPSHOT) {
                    (self.bids, self.asks, self.has_snapshot) = Default::default();
                    self.has_snapshot = true;
                }
                assert!(self.has_snapshot, "{event:?}: this market begins with a snapshot");
                self.run_id = event.id;
            }
            Kind::LEVEL => {
                let side = if event.side() == Side::Buy { &mut self.bids } else { &mut self.asks };
                side.retain(|price, _| *price != event.price);
                if event.quantity != 0 {
                    side.insert(event.price, event.quantity);
                }
                if event.is_last() && self.top_id <= self.run_id {
                    self.top_id = self.run_id;
                    let bid = self.bids.keys().next_back().copied();
                    self.top = bid.zip(self.asks.keys().next().copied());
                }
            }
            Kind::QUOTE if event.side() == Side::Buy => self.quoted_bid = event.price,
            Kind::QUOTE if self.top_id <= event.id => {
                self.top_id = event.id;
                self.top = Some((self.quoted_bid, event.price));
            }
            Kind::TRADE => self.trade = event.price,
            _ => {}
        }
    }

    /// Twice the price at which a position is valued.
    fn mark_twice(&self) -> Option<i128> {
        let mid = self.top.filter(|(bid, ask)| bid < ask).map(|(bid, ask)| bid + ask);
        mid.or((self.trade != 0).then_some(2 * self.trade)).map(i128::from)
    }
}

/// One strategy in one instrument: what it holds, and the round trip under way.
#[derive(Default)]
struct Holding {
    quantity: i128,
    /// What the present round trip brought so far, 10^-12.
    trip: i128,
    /// What the round trip brought that the last fill ended; its fee is to come.
    over: Option<i128>,
}

/// What must be told, exactly or within the rounding of a root.
#[derive(Clone, Copy, Debug)]
struct Due {
    kind: Kind,
    metric: Metric,
    value: f64,
    second: f64,
    /// How far both may be off.
    rounding: [f64; 2],
    instrument: u16,
    source: u16,
    percent: u32,
}

/// Thresholds reached, by metric and strategy.
type Levels = BTreeMap<(u16, u16), usize>;

struct Auditor {
    table: InstrumentTable,
    settings: MonitorConfig,
    prices: BTreeMap<u16, Prices>,
    marks: BTreeMap<u16, i128>,
    holdings: BTreeMap<(u16, u16), Holding>,
    /// Received less paid, 10^-12.
    cash: i128,
    profits: Vec<i64>,
    next_ns: u64,
    losses: BTreeMap<u16, Vec<i128>>,
    worst: i128,
    levels: Levels,
    breaker: BreakerState,
    mode: i64,
    nonzero: Vec<(u16, u16)>,
    due: VecDeque<Due>,
    compared: BTreeMap<(&'static str, bool), usize>,
}

fn e8(money: i128) -> i64 {
    i64::try_from(money.div_euclid(10_000)).expect("this desk has no such amounts")
}

#[expect(clippy::cast_precision_loss, reason = "amounts of this desk are far below 2^53")]
fn float(value: i64) -> f64 {
    assert!(value.unsigned_abs() < 1 << 53);
    value as f64
}

fn count(value: usize) -> f64 {
    float(i64::try_from(value).expect("a few hundred"))
}

fn worth(instrument: &Instrument, price: i128, quantity: i128) -> i128 {
    let places = 12 - u32::from(instrument.price_scale) - u32::from(instrument.quantity_scale);
    price * quantity * i128::from(instrument.multiplier) * 10_i128.pow(places)
}

impl Auditor {
    fn new(table: InstrumentTable, settings: MonitorConfig) -> Auditor {
        Auditor {
            table,
            settings,
            prices: BTreeMap::new(),
            marks: BTreeMap::new(),
            holdings: BTreeMap::new(),
            cash: 0,
            profits: Vec::new(),
            next_ns: 0,
            losses: BTreeMap::new(),
            worst: 0,
            levels: Levels::new(),
            breaker: BreakerState::Normal,
            mode: 1,
            nonzero: Vec::new(),
            due: VecDeque::new(),
            compared: BTreeMap::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        if event.kind.is_inbound() {
            assert!(self.due.is_empty(), "{event:?}: before it this was not told: {:?}", self.due);
        }
        match event.kind {
            Kind::DEPTH | Kind::LEVEL | Kind::QUOTE | Kind::TRADE => {
                self.prices.entry(event.instrument).or_default().take(event);
            }
            Kind::SESSION_START => {
                for prices in self.prices.values_mut() {
                    (prices.has_snapshot, prices.top_id) = (false, 0);
                }
            }
            Kind::FILL => self.fill(event),
            Kind::FEE => self.fee(event),
            Kind::CLOCK if self.next_ns <= event.time_ns => self.sample(event.time_ns),
            Kind::BREAKER if event.tag == Scope::All.tag() => {
                self.breaker = BreakerState::from_code(event.code & 0xff).expect("a state");
                assert_ne!(event.quantity, 1, "nobody begins a new peak at this desk");
                self.tell_mode();
            }
            Kind::MONITOR | Kind::ALERT if Metric::from_code(event.code).is_some() => {
                self.compare(event);
            }
            _ => {}
        }
    }

    fn fill(&mut self, event: &Event) {
        assert!(!event.has(flags::IN_KIND), "this venue takes its fees in money");
        let instrument = self.table.get(event.instrument).expect("a known instrument");
        let price = i128::from(event.price);
        let signed = i128::from(event.side().sign() * event.quantity);
        self.cash -= worth(instrument, price, signed);
        self.marks.entry(event.instrument).or_insert(2 * price);
        let holding = self.holdings.entry((event.source, event.instrument)).or_default();
        let after = holding.quantity + signed;
        if holding.quantity != 0 && (after == 0 || after.signum() != holding.quantity.signum()) {
            // What closes belongs to the trip that ends, the rest to the one that begins.
            let closing = -holding.quantity;
            holding.over = Some(holding.trip - worth(instrument, price, closing));
            holding.trip = -worth(instrument, price, after);
        } else {
            holding.trip -= worth(instrument, price, signed);
        }
        holding.quantity = after;
    }

    fn fee(&mut self, event: &Event) {
        let fee = i128::from(event.quantity) * 10_000;
        self.cash -= fee;
        let holding = self.holdings.entry((event.source, event.instrument)).or_default();
        let Some(brought) = holding.over.take() else {
            holding.trip -= fee;
            return;
        };
        let result = brought - fee;
        let lost = self.losses.entry(event.source).or_default();
        let had_lost = !lost.is_empty();
        if result < 0 {
            lost.push(result);
        } else {
            lost.clear();
        }
        self.worst = self.worst.min(result);
        let (count, sum) = (i64::try_from(lost.len()).expect("few"), e8(lost.iter().sum()));
        let (source, instrument) = (event.source, event.instrument);
        self.tell(Metric::LossSingle, [e8(-self.worst), e8(result)], instrument, source);
        if had_lost || result < 0 {
            self.tell(Metric::LossesInARow, [count, sum], NO_INSTRUMENT, source);
        }
        let steps = self.settings.losses_in_a_row.values().to_vec();
        self.watch(Metric::LossesInARow, &steps, count, source);
        let steps = self.settings.loss_single_e8.values().to_vec();
        let loss = e8(-result);
        if let Some(step) = steps.iter().filter(|step| **step <= loss).max() {
            let limit = steps[steps.len() - 1];
            let percent = u32::try_from(step * 100 / limit).expect("at most 100");
            self.alert(Metric::LossSingle, [loss, limit], percent, instrument, source);
        }
        self.tell_mode();
    }

    fn values(&self, wanted: impl Fn(&(u16, u16)) -> bool) -> Vec<i128> {
        let rows = self.holdings.iter().filter(|(row, _)| wanted(row));
        rows.map(|((_, index), holding)| {
            let instrument = self.table.get(*index).expect("a known instrument");
            let mark = self.marks.get(index).copied().unwrap_or(0);
            worth(instrument, mark, holding.quantity).div_euclid(2)
        })
        .collect()
    }

    fn exposure(&self, wanted: impl Fn(&(u16, u16)) -> bool) -> [i64; 2] {
        let values = self.values(wanted);
        [e8(values.iter().map(|value| value.abs()).sum()), e8(values.iter().sum())]
    }

    fn sample(&mut self, time_ns: u64) {
        let interval_ns = self.settings.sample_interval_ns;
        self.next_ns = time_ns - time_ns % interval_ns + interval_ns;
        for (index, prices) in &self.prices {
            let is_held = self.holdings.iter().any(|(row, h)| row.1 == *index && h.quantity != 0);
            if let Some(mark) = prices.mark_twice().filter(|_| is_held) {
                self.marks.insert(*index, mark);
            }
        }
        let profit = e8(self.cash + self.values(|_| true).iter().sum::<i128>());
        self.profits.push(profit);
        let capital = self.settings.capital.to_event();
        let peak = capital + self.profits.iter().copied().max().unwrap_or(0).max(0);
        let equity = capital + profit;
        let down = peak - equity;
        let [gross, net] = self.exposure(|_| true);
        // One stop for every strategy of this desk.
        let sum: i128 = self.values(|_| true).iter().map(|value| value.abs()).sum();
        let at_stop = sum * i128::from(self.settings.stop_bps);
        let at_stop = i64::try_from((at_stop + 99_999_999) / 100_000_000).expect("small");
        let window = self.window(self.settings.sample_count);
        let swing = self.window(self.settings.swing_sample_count);
        let (low, high) = swing.iter().fold((i64::MAX, i64::MIN), |(low, high), profit| {
            (low.min(*profit), high.max(*profit))
        });
        let losses = sorted_losses(&window);
        let tail = (20 <= losses.len()).then(|| &losses[..losses.len().div_ceil(20)]);
        let var = tail.map_or(0, |tail| tail[tail.len() - 1].max(0));

        let settings = self.settings.clone();
        let down_ppm = down * 1_000_000 / peak;
        let heat_ppm = at_stop * 1_000_000 / equity;
        self.watch(Metric::Drawdown, settings.drawdown_ppm.values(), down_ppm, NO_STRATEGY);
        self.watch(Metric::Swing, settings.swing_e8.values(), high - low, NO_STRATEGY);
        self.watch(Metric::Var95, settings.var_95_e8.values(), var, NO_STRATEGY);
        self.watch(Metric::Heat, settings.heat_ppm.values(), heat_ppm, NO_STRATEGY);
        self.tell_mode();
        if !(self.profits.len() as u64).is_multiple_of(settings.report_sample_count) {
            return;
        }
        let tell = |auditor: &mut Auditor, metric, values| {
            auditor.tell(metric, values, NO_INSTRUMENT, NO_STRATEGY);
        };
        tell(self, Metric::Equity, [equity, peak]);
        tell(self, Metric::Drawdown, [down_ppm, down]);
        self.tell_volatility(&window);
        tell(self, Metric::Exposure, [gross, net]);
        if let Some(tail) = tail {
            self.tell_tail(tail, root_mean_square(&window));
        }
        tell(self, Metric::Heat, [heat_ppm, at_stop]);
        tell(self, Metric::Swing, [high - low, swing[swing.len() - 1] - swing[0]]);
        self.tell_rows();
    }

    /// The last samples, one more than there are changes in a window.
    fn window(&self, change_count: usize) -> Vec<i64> {
        self.profits[self.profits.len().saturating_sub(change_count + 1)..].to_vec()
    }

    fn tell_volatility(&mut self, window: &[i64]) {
        let decay = f64::from(self.settings.decay_ppm) / 1e6;
        let squares = self.profits.windows(2).map(|pair| float(pair[1] - pair[0]).powi(2));
        let Some(weighted) = squares.reduce(|v, square| decay * v + (1.0 - decay) * square) else {
            return;
        };
        let (value, second) = (root_mean_square(window), weighted.sqrt());
        self.push(Due { value, second, rounding: [ROUNDING_E8; 2], ..due(Metric::Volatility) });
    }

    fn tell_tail(&mut self, tail: &[i64], sigma: f64) {
        // Quantile and density of the normal distribution, from a table.
        let (quantile, density) = (1.644_853_627, 0.103_135_640_4 / 0.05);
        let mean = tail.iter().copied().map(float).sum::<f64>() / count(tail.len());
        let var = float(tail[tail.len() - 1]).max(0.0);
        let rounding = [0.0, ROUNDING_E8 + sigma * 1e-6];
        self.push(Due { value: var, second: sigma * quantile, rounding, ..due(Metric::Var95) });
        let value = mean.ceil().max(0.0);
        self.push(Due { value, second: sigma * density, rounding, ..due(Metric::Cvar95) });
    }

    /// Exposures of instruments, then of strategies, that are not zero or were not when told last.
    fn tell_rows(&mut self) {
        let mut places: Vec<(u16, u16)> = (0..3).map(|index| (index, NO_STRATEGY)).collect();
        places.extend((0..3).map(|source| (NO_INSTRUMENT, source)));
        for (instrument, source) in places {
            let of = self.exposure(|row| row.0 == source || row.1 == instrument);
            let was_told = self.nonzero.contains(&(instrument, source));
            self.nonzero.retain(|place| *place != (instrument, source));
            if of[0] != 0 {
                self.nonzero.push((instrument, source));
            }
            if of[0] != 0 || was_told {
                self.tell(Metric::Exposure, of, instrument, source);
            }
        }
    }

    fn watch(&mut self, metric: Metric, steps: &[i64], measured: i64, source: u16) {
        let Some(limit) = steps.last().copied() else { return };
        let level = self.levels.entry((metric.code(), source)).or_insert(0);
        let reached = steps.iter().filter(|step| **step <= measured).count();
        if *level < reached {
            *level = reached;
            let percent = u32::try_from(steps[reached - 1] * 100 / limit).expect("at most 100");
            self.alert(metric, [measured, limit], percent, NO_INSTRUMENT, source);
            return;
        }
        // Ten points below a threshold it counts as left.
        let kept = steps[..*level].iter().filter(|step| **step * 10 - limit <= measured * 10);
        *level = kept.count();
    }

    fn tell_mode(&mut self) {
        let is_raised = self.levels.values().any(|level| *level != 0);
        let mode = match self.breaker {
            BreakerState::Killed => 4,
            BreakerState::Safe => 3,
            BreakerState::Normal => 1 + i64::from(is_raised),
        };
        if mode != self.mode {
            let before = std::mem::replace(&mut self.mode, mode);
            self.tell(Metric::RiskMode, [mode, before], NO_INSTRUMENT, NO_STRATEGY);
        }
    }

    fn tell(&mut self, metric: Metric, [value, second]: [i64; 2], instrument: u16, source: u16) {
        let (value, second) = (float(value), float(second));
        self.push(Due { value, second, instrument, source, ..due(metric) });
    }

    fn alert(
        &mut self,
        metric: Metric,
        [measured, limit]: [i64; 2],
        percent: u32,
        instrument: u16,
        source: u16,
    ) {
        let (value, second) = (float(measured), float(limit));
        let kind = Kind::ALERT;
        self.push(Due { kind, value, second, instrument, source, percent, ..due(metric) });
    }

    fn push(&mut self, due: Due) {
        self.due.push_back(due);
    }

    fn compare(&mut self, event: &Event) {
        let due = self.due.pop_front().unwrap_or_else(|| panic!("{event:?}: nothing is due"));
        let [value_off, second_off] =
            [float(event.price) - due.value, float(event.quantity) - due.second].map(f64::abs);
        let is_same = event.kind == due.kind
            && event.code == due.metric.code()
            && (event.instrument, event.source, event.tag)
                == (due.instrument, due.source, due.percent)
            && value_off <= due.rounding[0]
            && second_off <= due.rounding[1];
        assert!(is_same, "{event:?}\n is not {due:?}");
        *self.compared.entry((due.metric.name(), due.kind == Kind::ALERT)).or_insert(0) += 1;
    }
}

fn due(metric: Metric) -> Due {
    Due {
        kind: Kind::MONITOR,
        metric,
        value: 0.0,
        second: 0.0,
        rounding: [0.0; 2],
        instrument: NO_INSTRUMENT,
        source: NO_STRATEGY,
        percent: 0,
    }
}

fn root_mean_square(window: &[i64]) -> f64 {
    let squares: Vec<f64> =
        window.windows(2).map(|pair| float(pair[1] - pair[0]).powi(2)).collect();
    if squares.is_empty() {
        return 0.0;
    }
    (squares.iter().sum::<f64>() / count(squares.len())).sqrt()
}

/// Losses from sample to sample, the worst first.
fn sorted_losses(window: &[i64]) -> Vec<i64> {
    let mut losses: Vec<i64> = window.windows(2).map(|pair| pair[0] - pair[1]).collect();
    losses.sort_unstable();
    losses.reverse();
    losses
}

fn numbers(texts: &[&str]) -> Vec<Number> {
    texts.iter().map(|text| text.parse().expect("a decimal")).collect()
}

/// A desk whose monitor samples with every clock and has thresholds that a minute of trading reaches.
fn desk(seed: u64) -> Desk {
    let mut config = Desk::lively(seed).config;
    let monitor = config.monitor.as_mut().expect("the generated profile has a monitor");
    monitor.capital = numbers(&["20000"])[0];
    monitor.sample_interval_ms = 100;
    monitor.samples = 40;
    monitor.swing_samples = 12;
    monitor.report_samples = 3;
    monitor.losses_in_a_row = vec![2, 4];
    monitor.loss_single = numbers(&["0.05", "0.5"]);
    monitor.swing = numbers(&["0.5", "1", "2"]);
    monitor.var_95 = numbers(&["0.2", "0.5"]);
    monitor.heat_percent = vec![1, 2];
    monitor.drawdown_percent = vec![1, 2];
    Desk::new(Config::parse(&config.to_toml(), "audited").expect("within the ranges"))
}

#[test]
fn every_figure_and_alert_is_what_the_records_come_to() {
    let desk = desk(71);
    let settings = WorldSettings::default();
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(60_000, &mut Nobody).unwrap();
    // A second session goes on with the same engine and a market that begins anew.
    let (pipeline, recorder) = (world.pipeline, world.recorder.inner);
    let mut world = World::new(&desk, pipeline, recorder, settings);
    world.start(&desk, 2, &mut Nobody).unwrap();
    world.run(60_000, &mut Nobody).unwrap();
    let events = &world.recorder.inner.events;
    let settings = desk.config.pipeline("audited").unwrap().monitor;
    let mut auditor = Auditor::new(desk.table(), settings);
    for event in events {
        auditor.take(event);
    }
    println!("{:?}", auditor.compared);
    for metric in Metric::ALL {
        let count = auditor.compared.get(&(metric.name(), false)).copied().unwrap_or(0);
        assert!(0 < count, "{} was never told", metric.name());
    }
    for metric in [Metric::Swing, Metric::Var95, Metric::LossesInARow, Metric::LossSingle] {
        assert!(auditor.compared.contains_key(&(metric.name(), true)), "no alert of {metric:?}");
    }
    assert_eq!(world.pipeline.monitor().sample_count(), auditor.profits.len() as u64);
    let replayed = scratch::replay(events, &desk).unwrap();
    assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
}

#[test]
fn one_wrong_figure_is_found() {
    let desk = desk(72);
    let mut world =
        World::new(&desk, desk.pipeline(), MemoryRecorder::default(), WorldSettings::default());
    world.start(&desk, 1, &mut Nobody).unwrap();
    world.run(30_000, &mut Nobody).unwrap();
    let events = &world.recorder.inner.events;
    let settings = desk.config.pipeline("audited").unwrap().monitor;
    let audit = |events: &[Event]| {
        let mut auditor = Auditor::new(desk.table(), settings.clone());
        let run = std::panic::AssertUnwindSafe(|| events.iter().for_each(|e| auditor.take(e)));
        std::panic::catch_unwind(run).is_ok()
    };
    assert!(audit(events));
    let told: Vec<usize> =
        (0..events.len()).filter(|place| events[*place].kind == Kind::MONITOR).collect();
    for place in told.iter().rev().step_by(told.len() / 8) {
        let mut changed = events.clone();
        changed[*place].price += 9;
        assert!(!audit(&changed), "{:?}", events[*place]);
        let mut gone = events.clone();
        gone.remove(*place);
        assert!(!audit(&gone), "{:?}", events[*place]);
    }
}
