//! `[live]`: what must be so before real orders, and how much may be traded on which day.
//!
//! ```text
//!   day of live trading:   1 .. 3          4 .. 7         8 ..
//!   step of the ramp:      from_day 1      from_day 4     from_day 8
//!                          caps of it      caps of it     caps of it
//! ```
//! The day is counted from the journal: a day counts when a live session was in it. So a step cannot be jumped by
//! editing a date. Caps only tighten: what `[risk]` allows less of stays as it is.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::number::Number;
use crate::schema::Config;
use crate::validate::{conflict, range};

/// Most steps of a ramp.
pub const STEP_COUNT_MAX: usize = 16;
/// Most a live account may hold open, USD, when no later step of the ramp says otherwise: the first day.
const FIRST_DAY_NOTIONAL_MAX: i64 = 500;
/// Most instruments of the first day.
const FIRST_DAY_INSTRUMENTS_MAX: u32 = 2;

/// `[live]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveSection {
    /// Largest difference of our clock to the venue's, us.
    pub clock_offset_us_max: u32,
    /// A kill drill of this build must be so young, days.
    pub drill_days_max: u32,
    /// Days with a dry-run or paper session that must be in the journal.
    pub dry_run_days_min: u32,
    /// An approval is good for so long, days.
    pub approval_days_max: u32,
    /// Different people who must have approved.
    pub approvers_min: u32,
    /// Caps by day of live trading.
    pub ramp: Vec<RampStep>,
}

impl Default for LiveSection {
    fn default() -> LiveSection {
        LiveSection {
            clock_offset_us_max: 100,
            drill_days_max: 7,
            dry_run_days_min: 7,
            approval_days_max: 30,
            approvers_min: 1,
            ramp: Vec::new(),
        }
    }
}

/// `[[live.ramp]]`: caps from a day of live trading on, until the next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RampStep {
    /// First day of the step, from 1.
    pub from_day: u32,
    /// Most instruments.
    pub instruments_max: u32,
    /// Most notional of one order.
    pub order_notional_max: Number,
    /// Most gross notional, all instruments, working orders included; of one instrument too.
    pub notional_max: Number,
    /// Most new orders a day.
    pub orders_daily_max: u32,
}

impl LiveSection {
    /// The step that holds on a day of live trading, from 1.
    pub fn step(&self, day: u32) -> Option<&RampStep> {
        self.ramp.iter().rev().find(|step| step.from_day <= day)
    }
}

impl Config {
    pub(crate) fn validate_live(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(live) = &self.live else {
            if self.engine.mode == "live" {
                let what = "engine.mode = \"live\" needs [live] with a ramp, and passes a preflight: see docs/GOING_LIVE.md";
                return Err(conflict(origin, what.to_string()));
            }
            return Ok(());
        };
        for (key, value, min, max) in [
            ("live.clock_offset_us_max", live.clock_offset_us_max, 1, 1_000_000),
            ("live.drill_days_max", live.drill_days_max, 1, 365),
            ("live.dry_run_days_min", live.dry_run_days_min, 0, 365),
            ("live.approval_days_max", live.approval_days_max, 1, 365),
            ("live.approvers_min", live.approvers_min, 1, 8),
        ] {
            if value < min || max < value {
                return Err(range(origin, key, value, &format!("{min} to {max}")));
            }
        }
        self.validate_ramp(live, origin)
    }

    fn validate_ramp(&self, live: &LiveSection, origin: &str) -> Result<(), ConfigError> {
        let (steps, count) = (&live.ramp, live.ramp.len());
        if count == 0 || STEP_COUNT_MAX < count {
            let must = format!("1 to {STEP_COUNT_MAX} steps, the first from day 1");
            return Err(range(origin, "live.ramp", count, &must));
        }
        let first = &steps[0];
        if first.from_day != 1 {
            return Err(range(origin, "live.ramp.from_day", first.from_day, "1 in the first step"));
        }
        let cap = Number(rust_decimal::Decimal::from(FIRST_DAY_NOTIONAL_MAX));
        if cap < first.notional_max {
            let must = format!("at most {cap} on the first day");
            return Err(range(origin, "live.ramp.notional_max", first.notional_max, &must));
        }
        if FIRST_DAY_INSTRUMENTS_MAX < first.instruments_max {
            let must = format!("at most {FIRST_DAY_INSTRUMENTS_MAX} on the first day");
            return Err(range(origin, "live.ramp.instruments_max", first.instruments_max, &must));
        }
        for (before, step) in steps.iter().zip(&steps[1..]) {
            if step.from_day <= before.from_day {
                let must = format!("more than {} of the step before", before.from_day);
                return Err(range(origin, "live.ramp.from_day", step.from_day, &must));
            }
        }
        for step in steps {
            let zero = Number::default();
            if step.instruments_max == 0 || step.orders_daily_max == 0 {
                let what = format!("live.ramp from day {}: a cap is zero", step.from_day);
                return Err(conflict(origin, what));
            }
            if step.order_notional_max <= zero || step.notional_max < step.order_notional_max {
                let must = "more than zero, and at most notional_max of its step";
                let value = step.order_notional_max;
                return Err(range(origin, "live.ramp.order_notional_max", value, must));
            }
        }
        if self.engine.mode == "live" && self.guard.is_none() {
            let what = "engine.mode = \"live\" needs [guard]: see docs/GOING_LIVE.md";
            return Err(conflict(origin, what.to_string()));
        }
        Ok(())
    }

    /// Tightens `[risk]` to the caps of `step`; says each change in words. An error names what cannot be capped.
    pub fn cap(&mut self, step: &RampStep) -> Result<Vec<String>, String> {
        let count = u32::try_from(self.instrument.len()).unwrap_or(u32::MAX);
        if step.instruments_max < count {
            return Err(format!(
                "{count} instruments are configured, {} are allowed from day {} of live trading on",
                step.instruments_max, step.from_day
            ));
        }
        let mut told = Vec::new();
        let mut tighten = |key: String, value: &mut Number, cap: Number| {
            if cap < *value {
                told.push(format!("{key}: {value} becomes {cap}"));
                *value = cap;
            }
        };
        let account = self.risk.account.as_mut().ok_or("risk.account is missing")?;
        let key = "risk.account.gross_notional_max".to_string();
        tighten(key, &mut account.gross_notional_max, step.notional_max);
        for limits in &mut self.risk.instrument {
            let key = |name: &str| format!("risk.instrument {}.{name}", limits.symbol);
            let (order, position) = (key("order_notional_max"), key("position_notional_max"));
            tighten(order, &mut limits.order_notional_max, step.order_notional_max);
            tighten(position, &mut limits.position_notional_max, step.notional_max);
        }
        let daily = &mut self.risk.orders_daily_max;
        if daily.is_none_or(|configured| step.orders_daily_max < configured) {
            let before = daily.map_or_else(|| "none".to_string(), |count| count.to_string());
            let cap = step.orders_daily_max;
            told.push(format!("risk.orders_daily_max: {before} becomes {cap}"));
            *daily = Some(cap);
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> &'static str {
        crate::profile("live-first-day").unwrap()
    }

    /// Lines of the profile replaced, and words that the error must hold.
    #[track_caller]
    fn check(from: &str, to: &str, words: &[&str]) {
        let text = live().replacen(from, to, 1);
        assert_ne!(text, live(), "\"{from}\" is not in the profile");
        let error = Config::parse(&text, "live.toml").unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "\"{word}\" is not in: {error}");
        }
    }

    #[test]
    fn a_ramp_that_begins_too_high_or_goes_backwards_is_named() {
        check("notional_max = \"500\"", "notional_max = \"500.01\"", &["500.01", "first day"]);
        check("instruments_max = 2", "instruments_max = 3", &["instruments_max = 3", "first day"]);
        check("from_day = 1", "from_day = 2", &["from_day = 2", "1 in the first"]);
        check("from_day = 4", "from_day = 1", &["from_day = 1", "more than 1"]);
        check("orders_daily_max = 200", "orders_daily_max = 0", &["a cap is zero"]);
        check("order_notional_max = \"100\"", "order_notional_max = \"501\"", &["501", "at most"]);
        check("clock_offset_us_max = 100", "clock_offset_us_max = 0", &["clock_offset_us_max"]);
        let cut = live().split("[[live.ramp]]").next().unwrap();
        let rest = live().split("[[instrument]]").nth(1).unwrap();
        let error = Config::parse(&format!("{cut}[[instrument]]{rest}"), "x").unwrap_err();
        assert!(error.to_string().contains("live.ramp"), "{error}");
    }

    #[test]
    fn live_mode_needs_its_sections_and_what_names_no_mode_is_a_dry_run() {
        let mut unguarded = Config::parse(live(), "live").unwrap();
        unguarded.guard = None;
        let error = Config::parse(&unguarded.to_toml(), "x").unwrap_err().to_string();
        assert!(error.contains("needs [guard]"), "{error}");
        let text = live().replace("mode = \"live\"", "");
        assert_eq!(Config::parse(&text, "x").unwrap().engine.mode, "dry-run");
        let without = live().split("# What must be so").next().unwrap().to_string()
            + "[[instrument]]"
            + live().split("[[instrument]]").nth(1).unwrap();
        let error = Config::parse(&without, "x").unwrap_err().to_string();
        assert!(error.contains("[live]"), "{error}");
    }

    #[test]
    fn the_step_of_a_day_is_the_last_that_has_begun() {
        let live = Config::parse(live(), "live").unwrap().live.unwrap();
        let from = [1, 3, 4, 7, 8, 1_000].map(|day| live.step(day).unwrap().from_day);
        assert_eq!(from, [1, 1, 4, 4, 8, 8]);
        assert_eq!(live.step(0), None);
    }

    #[test]
    fn caps_tighten_and_never_loosen() {
        let config = Config::parse(live(), "live").unwrap();
        let step = config.live.as_ref().unwrap().step(3).unwrap().clone();
        let mut capped = config.clone();
        let told = capped.cap(&step).unwrap();
        let account = capped.risk.account.as_ref().unwrap();
        assert_eq!(account.gross_notional_max.to_string(), "500");
        let limits = &capped.risk.instrument[0];
        assert_eq!(limits.order_notional_max.to_string(), "100");
        assert_eq!(limits.position_notional_max.to_string(), "500");
        assert!(
            told.iter().any(|line| line.contains("BTCUSDT.order_notional_max: 500 becomes 100"))
        );
        // What is tighter already stays; a second time nothing is left to do.
        assert_eq!(capped.cap(&step).unwrap(), Vec::<String>::new());
        let mut many = config;
        let copies = [1, 2].map(|_| many.instrument[0].clone());
        many.instrument.extend(copies);
        let error = many.cap(&step).unwrap_err();
        assert!(error.contains("3 instruments") && error.contains("2 are allowed"), "{error}");
    }
}
