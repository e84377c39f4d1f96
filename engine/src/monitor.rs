//! Stage monitor: what the account is worth, how it moves, and when a person should look. It never says no.
//!
//! ```text
//!   oms     --fill, fee--> [ monitor ] --monitor (figures)---------> journal, tools
//!   control --breaker----> [         ] --alert (threshold reached)-> control (trips on 100 %), alarms
//!   clock   --------------> samples
//! ```
//! With the first `CLOCK` at or after each multiple of the sample interval it marks every position, takes a
//! sample of the profit, and judges the thresholds; every `report_sample_count` samples it tells all figures.
//! The end of a round trip is told at once. A silence of several intervals is one sample.
//!
//! Figures: [`Metric`] says what each means. Equity is the configured capital plus the profit: cash received
//! less paid, fees included, plus the worth of all positions at the mark (mid, else last trade, else the last
//! one known, else the price of the first fill). Its peak is at least the capital, until a rearm begins a new one.
//! Formulas of volatility and
//! value at risk, with their sources, stand in `monitor/series.rs`; round trips in `monitor/account.rs`.
//! *Portfolio heat* is what would be lost if every position ran to its stop now, as a part of equity: the sum
//! over strategies and instruments of the position's worth times the stop distance of its strategy. The engine
//! holds no stop orders, so the distance is configured, in basis points of the worth.
//! A *row* is one strategy in one instrument. Gross exposure adds the rows without regard to sign, net exposure
//! with it. *Risk mode* is KILLED or SAFE with the breaker of the whole account, else CAUTION as long as a
//! threshold of any figure but the single loss is reached, else NORMAL.
//!
//! **Invariant:** the stage owns its numbers. It never asks another stage a question.
//!
//! **Invariant:** what one event makes it tell is bounded: [`TOLD_COUNT_MAX`].
//!
//! **Invariant:** without configuration the stage decides nothing and is no part of a state hash. Positions are
//! kept all the same, so that a later session may switch it on.

mod account;
pub mod config;
pub mod metric;
mod save;
pub mod series;
mod tell;
#[cfg(test)]
mod tests;
mod watch;

use crate::event::kind::KindSet;
use crate::event::{BreakerState, Event, Kind, Scope, TripReason};
use crate::instrument::InstrumentTable;
use crate::market::Market;
use crate::money::Money;
use crate::ring::Emitter;
use crate::state::mix;

use account::{Account, Worth};
use series::Series;
use tell::Telling;
use watch::Watch;

pub use config::{MonitorConfig, Steps, StepsError};
pub use metric::{METRIC_COUNT, Metric, MetricUnit, RiskMode};
pub use series::{Loss, Swing, Tail, Volatility};
pub use tell::TOLD_COUNT_MAX;

/// What the last sample came to. Amounts in 10^-8 of the account currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Worth of the account.
    pub equity: i64,
    /// The highest so far.
    pub peak: i64,
    /// Distance from the peak.
    pub drawdown: i64,
    /// The same in ppm of the peak, rounded down.
    pub drawdown_ppm: i64,
    /// Worth of positions without regard to sign.
    pub gross: i64,
    /// With it.
    pub net: i64,
    /// Loss if every position runs to its stop.
    pub at_stop: i64,
    /// The same in ppm of equity, rounded down; the largest number when equity is not above zero.
    pub heat_ppm: i64,
    /// Within the swing window.
    pub swing: Swing,
    /// `None` before the second sample.
    pub volatility: Option<Volatility>,
    /// `None` before there are enough changes.
    pub tail: Option<Tail>,
}

/// Losing round trips of one strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Losses {
    count: u32,
    /// What they lost together, below zero.
    sum: Money,
    watch: Watch,
}

/// Thresholds of the whole account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watches {
    drawdown: Watch,
    swing: Watch,
    var_95: Watch,
    heat: Watch,
}

impl Watches {
    fn all(&self) -> [Watch; 4] {
        [self.drawdown, self.swing, self.var_95, self.heat]
    }
}

/// The post-trade monitor.
#[derive(Debug)]
pub struct Monitor {
    config: MonitorConfig,
    account: Account,
    series: Series,
    /// Highest profit of a sample and at least zero, 10^-8; the lowest number where the next sample begins it anew.
    profit_peak: i64,
    next_sample_ns: u64,
    /// Of the last sample since the stage was made.
    figures: Option<Figures>,
    watches: Watches,
    /// By source.
    losses: Box<[Losses]>,
    /// Largest loss of one round trip, above zero.
    loss_largest: Money,
    breaker: BreakerState,
    mode: RiskMode,
    telling: Telling,
}

impl Monitor {
    /// Kinds that the stage looks at.
    pub const INTEREST: KindSet = KindSet::of(&[Kind::FILL, Kind::FEE, Kind::CLOCK, Kind::BREAKER]);

    /// A monitor that has seen nothing.
    pub fn new(
        config: MonitorConfig,
        instruments: InstrumentTable,
        strategy_count: usize,
    ) -> Monitor {
        assert!(config.swing_sample_count <= config.sample_count);
        assert!(1 <= config.report_sample_count);
        let stop_bps = |source: usize| {
            config.strategy_stop_bps.get(source).copied().flatten().unwrap_or(config.stop_bps)
        };
        let account = Account::new(instruments, strategy_count, stop_bps);
        Monitor {
            series: Series::new(config.sample_count, config.decay_ppm),
            losses: vec![Losses::default(); account.source_count()].into_boxed_slice(),
            telling: Telling::new(account.instrument_count(), account.source_count()),
            config,
            account,
            profit_peak: 0,
            next_sample_ns: 0,
            figures: None,
            watches: Watches::default(),
            loss_largest: Money::ZERO,
            breaker: BreakerState::Normal,
            mode: RiskMode::Normal,
        }
    }

    /// Whether the stage is configured.
    pub fn is_active(&self) -> bool {
        self.config.sample_interval_ns != 0
    }

    /// What the last sample came to; `None` before the first one since the stage was made.
    pub fn figures(&self) -> Option<&Figures> {
        self.figures.as_ref()
    }

    /// Limit of the historical value at risk, 10^-8; `None` without one.
    pub fn var_limit_e8(&self) -> Option<i64> {
        self.config.var_95_e8.limit()
    }

    /// Samples taken so far.
    pub fn sample_count(&self) -> u64 {
        self.series.taken_count()
    }

    /// The present risk mode.
    pub fn mode(&self) -> RiskMode {
        self.mode
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        match event.kind {
            Kind::CLOCK if self.next_sample_ns <= event.time_ns && self.is_active() => {
                self.sample(event.time_ns, market, out);
            }
            Kind::FILL => self.account.fill(event),
            Kind::FEE => {
                if let Some(result) = self.account.fee(event) {
                    self.trip_ended(event, result, out);
                }
            }
            Kind::BREAKER => self.breaker(event, out),
            _ => {}
        }
    }

    fn sample(&mut self, time_ns: u64, market: &Market, out: &mut Emitter<'_>) {
        let interval_ns = self.config.sample_interval_ns;
        self.next_sample_ns = (time_ns / interval_ns).saturating_add(1).saturating_mul(interval_ns);
        self.account.see(market);
        let worth = self.account.worth();
        let profit = self.account.profit(&worth).to_event();
        self.series.push(profit);
        self.profit_peak = self.profit_peak.max(profit);
        let figures = self.measure(profit, &worth);
        self.figures = Some(figures);
        self.judge(&figures, out);
        self.tell_mode(out);
        if self.series.taken_count().is_multiple_of(self.config.report_sample_count) {
            self.tell_figures(&figures, out);
        }
        self.tell_exposures(out);
    }

    fn measure(&self, profit: i64, worth: &Worth) -> Figures {
        let capital = self.config.capital.to_event();
        let (equity, peak) =
            (capital.saturating_add(profit), capital.saturating_add(self.profit_peak));
        let drawdown = peak.saturating_sub(equity);
        let at_stop = worth.at_stop_e8();
        Figures {
            equity,
            peak,
            drawdown,
            drawdown_ppm: ppm(drawdown, peak),
            gross: worth.gross.to_event(),
            net: worth.net.to_event(),
            at_stop,
            heat_ppm: ppm(at_stop, equity),
            swing: self.series.swing(self.config.swing_sample_count),
            volatility: self.series.volatility(),
            tail: self.series.tail(),
        }
    }

    /// A round trip is over; the fee event that ended it says whose.
    fn trip_ended(&mut self, fee: &Event, result: Money, out: &mut Emitter<'_>) {
        let losses = &mut self.losses[self.account.source_index(fee.source)];
        let before = losses.count;
        if result < Money::ZERO {
            losses.count = losses.count.saturating_add(1);
            losses.sum = losses.sum.plus(result);
            self.loss_largest = self.loss_largest.max(Money::ZERO.minus(result));
        } else {
            (losses.count, losses.sum) = (0, Money::ZERO);
        }
        let count = i64::from(losses.count);
        let told = losses.watch.see(&self.config.losses_in_a_row, count);
        let sum = losses.sum.to_event();
        if !self.is_active() {
            return;
        }
        let whose = tell::Whose { instrument: fee.instrument, source: fee.source };
        let largest = self.loss_largest.to_event();
        tell::figure(Metric::LossSingle, [largest, result.to_event()], whose, out);
        if count != 0 || before != 0 {
            let strategy = tell::Whose::strategy(fee.source);
            tell::figure(Metric::LossesInARow, [count, sum], strategy, out);
            let steps = &self.config.losses_in_a_row;
            tell::alert(Metric::LossesInARow, steps, count, told, strategy, out);
        }
        let loss = Money::ZERO.minus(result).to_event();
        let steps = &self.config.loss_single_e8;
        let told = watch::percent_reached(steps, loss);
        tell::alert(Metric::LossSingle, steps, loss, told, whose, out);
        self.tell_mode(out);
    }

    fn breaker(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let state = BreakerState::from_code(u16::from(event.code.to_le_bytes()[0]));
        let Some(state) = state.filter(|_| Scope::from_tag(event.tag) == Some(Scope::All)) else {
            return;
        };
        self.breaker = state;
        let is_rearmed = event.source == TripReason::Rearmed.code() && event.quantity == 1;
        if state == BreakerState::Normal && is_rearmed {
            // Who lifted the kill accepts what was lost: the gate measures from here on, and so does this.
            self.profit_peak = i64::MIN;
        }
        self.tell_mode(out);
    }

    /// What the present state of thresholds and breaker comes to.
    fn present_mode(&self) -> RiskMode {
        let is_raised = self.watches.all().into_iter().any(Watch::is_raised)
            || self.losses.iter().any(|losses| losses.watch.is_raised());
        match self.breaker {
            BreakerState::Killed => RiskMode::Killed,
            BreakerState::Safe => RiskMode::Safe,
            BreakerState::Normal if is_raised => RiskMode::Caution,
            BreakerState::Normal => RiskMode::Normal,
        }
    }

    /// Hash of everything that what it tells depends on.
    pub fn digest(&self) -> u64 {
        let mut hash = mix(self.account.digest(), self.series.digest());
        hash = mix(hash, self.profit_peak.cast_unsigned());
        hash = mix(hash, self.next_sample_ns);
        for watch in self.watches.all() {
            hash = mix(hash, u64::try_from(watch.level()).unwrap_or(u64::MAX));
        }
        for losses in &self.losses {
            hash = mix(hash, u64::from(losses.count));
            hash = mix(hash, losses.sum.to_event().cast_unsigned());
        }
        hash = mix(hash, self.loss_largest.to_event().cast_unsigned());
        hash = mix(hash, u64::from(self.breaker.code()));
        mix(hash, self.telling.digest())
    }
}

/// `part` in parts per million of `whole`, rounded down; the largest number when there is a part of nothing.
fn ppm(part: i64, whole: i64) -> i64 {
    if part <= 0 {
        return 0;
    }
    if whole <= 0 {
        return i64::MAX;
    }
    let ppm = i128::from(part) * i128::from(config::PPM) / i128::from(whole);
    i64::try_from(ppm).unwrap_or(i64::MAX)
}
