//! What the monitor says: alerts of thresholds, reports of figures, exposures by instrument and strategy.

use super::config::Steps;
use super::metric::{Metric, RiskMode};
use super::watch::Watch;
use super::{Figures, Monitor};
use crate::event::{Event, Kind, NO_INSTRUMENT, NO_STRATEGY, flags};
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

/// Exposures of single instruments and strategies told with one sample; the rest follows with the next ones.
const EXPOSURE_TOLD_COUNT_MAX: usize = 16;
/// Figures, alerts and the mode that one sample may tell besides exposures.
const FIGURE_TOLD_COUNT_MAX: usize = 8 + 4 + 1;
/// Most events that one event leads to.
pub const TOLD_COUNT_MAX: usize = EXPOSURE_TOLD_COUNT_MAX + FIGURE_TOLD_COUNT_MAX;

/// Whom a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) instrument: u16,
    pub(super) source: u16,
}

impl Whose {
    /// The whole account.
    const ALL: Whose = Whose { instrument: NO_INSTRUMENT, source: NO_STRATEGY };

    /// One strategy.
    pub(super) const fn strategy(source: u16) -> Whose {
        Whose { instrument: NO_INSTRUMENT, source }
    }
}

/// Tells one figure.
pub(super) fn figure(
    metric: Metric,
    [value, second]: [i64; 2],
    whose: Whose,
    out: &mut Emitter<'_>,
) {
    let mut event = Event::new(Kind::MONITOR);
    event.code = metric.code();
    event.price = value;
    event.quantity = second;
    event.instrument = whose.instrument;
    event.source = whose.source;
    event.flags = flags::LAST;
    out.emit(event);
}

/// Tells that `told` percent of the limit are reached, if so.
pub(super) fn alert(
    metric: Metric,
    steps: &Steps,
    measured: i64,
    told: Option<u32>,
    whose: Whose,
    out: &mut Emitter<'_>,
) {
    let (Some(percent), Some(limit)) = (told, steps.limit()) else { return };
    let mut event = Event::new(Kind::ALERT);
    event.code = metric.code();
    event.price = measured;
    event.quantity = limit;
    event.tag = percent;
    event.instrument = whose.instrument;
    event.source = whose.source;
    event.flags = flags::LAST;
    out.emit(event);
}

/// Where the telling of exposures stands.
#[derive(Debug)]
pub(super) struct Telling {
    /// Next place to look at: instruments first, then sources; at the end nothing is left to tell.
    cursor: usize,
    instrument_count: usize,
    /// By place: an exposure was told that was not zero, so that zero must be told too.
    is_told: Box<[bool]>,
}

impl Telling {
    pub(super) fn new(instrument_count: usize, source_count: usize) -> Telling {
        let place_count = instrument_count + source_count;
        let is_told = vec![false; place_count].into_boxed_slice();
        Telling { cursor: place_count, instrument_count, is_told }
    }

    pub(super) fn digest(&self) -> u64 {
        let start = mix(0, u64::try_from(self.cursor).unwrap_or(u64::MAX));
        self.is_told.iter().fold(start, |hash, told| mix(hash, u64::from(*told)))
    }
}

impl Monitor {
    /// Holds the figures of a sample against their thresholds.
    pub(super) fn judge(&mut self, figures: &Figures, out: &mut Emitter<'_>) {
        let config = &self.config;
        let loss = figures.tail.map_or(0, |tail| tail.var_95.historical);
        let watches = &mut self.watches;
        let judged: [(Metric, &Steps, i64, &mut Watch); 4] = [
            (Metric::Drawdown, &config.drawdown_ppm, figures.drawdown_ppm, &mut watches.drawdown),
            (Metric::Swing, &config.swing_e8, figures.swing.range, &mut watches.swing),
            (Metric::Var95, &config.var_95_e8, loss, &mut watches.var_95),
            (Metric::Heat, &config.heat_ppm, figures.heat_ppm, &mut watches.heat),
        ];
        for (metric, steps, measured, watch) in judged {
            let told = watch.see(steps, measured);
            alert(metric, steps, measured, told, Whose::ALL, out);
        }
    }

    /// Tells the risk mode when it has changed.
    pub(super) fn tell_mode(&mut self, out: &mut Emitter<'_>) {
        let now = self.present_mode();
        if !self.is_active() || now == self.mode {
            return;
        }
        let code = |mode: RiskMode| i64::from(mode.code());
        figure(Metric::RiskMode, [code(now), code(self.mode)], Whose::ALL, out);
        self.mode = now;
    }

    /// Tells every figure of the whole account, and begins to tell the others.
    pub(super) fn tell_figures(&mut self, told: &Figures, out: &mut Emitter<'_>) {
        let mut tell = |metric, values| figure(metric, values, Whose::ALL, out);
        tell(Metric::Equity, [told.equity, told.peak]);
        tell(Metric::Drawdown, [told.drawdown_ppm, told.drawdown]);
        if let Some(volatility) = told.volatility {
            tell(Metric::Volatility, [volatility.rolling, volatility.weighted]);
        }
        tell(Metric::Exposure, [told.gross, told.net]);
        if let Some(tail) = told.tail {
            tell(Metric::Var95, [tail.var_95.historical, tail.var_95.parametric]);
            tell(Metric::Cvar95, [tail.cvar_95.historical, tail.cvar_95.parametric]);
        }
        tell(Metric::Heat, [told.heat_ppm, told.at_stop]);
        tell(Metric::Swing, [told.swing.range, told.swing.change]);
        self.telling.cursor = 0;
    }

    /// Tells the next exposures of instruments and strategies that are not zero, or were not when told last.
    pub(super) fn tell_exposures(&mut self, out: &mut Emitter<'_>) {
        let mut room = EXPOSURE_TOLD_COUNT_MAX;
        let instrument_count = self.telling.instrument_count;
        while room != 0
            && let Some(is_told) = self.telling.is_told.get_mut(self.telling.cursor)
        {
            let place = self.telling.cursor;
            self.telling.cursor += 1;
            let (worth, whose) = match place.checked_sub(instrument_count) {
                None => {
                    let instrument = u16::try_from(place).unwrap_or(NO_INSTRUMENT);
                    let whose = Whose { instrument, source: NO_STRATEGY };
                    (self.account.worth_of_instrument(place), whose)
                }
                Some(source) if source + 1 == self.account.source_count() => {
                    // Fills that belong to no strategy: their exposure is in the account's and the instrument's.
                    continue;
                }
                Some(source) => {
                    let whose = Whose::strategy(u16::try_from(source).unwrap_or(NO_STRATEGY));
                    (self.account.worth_of_source(source), whose)
                }
            };
            let (gross, net) = (worth.gross.to_event(), worth.net.to_event());
            if gross == 0 && !*is_told {
                continue;
            }
            *is_told = gross != 0;
            room -= 1;
            figure(Metric::Exposure, [gross, net], whose, out);
        }
    }
}

impl State for Telling {
    fn save(&self, out: &mut Saver) {
        out.count(self.cursor);
        for told in &self.is_told {
            out.bool(*told);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.cursor = from.count(self.is_told.len())?;
        for told in &mut self.is_told {
            *told = from.bool()?;
        }
        Ok(())
    }
}
