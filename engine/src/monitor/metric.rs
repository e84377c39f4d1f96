//! The figures of the post-trade monitor: code, name, units of both values, meaning.

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// Account currency, 10^-8.
    Money,
    /// Parts per million.
    Ppm,
    /// Things.
    Count,
    /// A [`RiskMode`].
    Mode,
}

impl MetricUnit {
    /// Stable name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            MetricUnit::Money => "money_e8",
            MetricUnit::Ppm => "ppm",
            MetricUnit::Count => "count",
            MetricUnit::Mode => "mode",
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal $unit:ident $second:ident $means:literal;)*) => {
        /// A figure: `code` of `MONITOR`, and of an `ALERT` about it. Never renumber.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Metric { $($(#[$doc])* $name = $code,)* }

        impl Metric {
            /// Every one, in the order of the codes.
            pub const ALL: &'static [Metric] = &[$(Metric::$name),*];

            /// Name in tools, alarms and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$name => $text,)* }
            }

            /// Unit of the value, and of an alert's measured value and limit.
            pub const fn unit(self) -> MetricUnit {
                match self { $(Metric::$name => MetricUnit::$unit,)* }
            }

            /// Unit of the second value.
            pub const fn second_unit(self) -> MetricUnit {
                match self { $(Metric::$name => MetricUnit::$second,)* }
            }

            /// What both values are, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Metric::$name => $means,)* }
            }
        }
    };
}

metrics! {
    /// Equity and its peak.
    Equity = 301 "equity" Money Money
        "Capital, plus cash flows, less fees, plus positions at the mark; second, the highest so far.";
    /// Distance from the peak.
    Drawdown = 302 "drawdown" Ppm Money
        "Fall of equity from its peak as a part of the peak; second, the same in money.";
    /// Realised volatility of equity.
    Volatility = 303 "volatility" Money Money
        "Root mean square change of equity from sample to sample over the window; second, exponentially weighted.";
    /// Gross and net exposure.
    Exposure = 304 "exposure" Money Money
        "Worth of positions without regard to sign; second, with it. Of one instrument, one strategy or all.";
    /// Value at risk.
    Var95 = 305 "var-95" Money Money
        "Loss within one sample interval that 95 % of the window did not exceed; second, the same from the volatility.";
    /// Expected shortfall.
    Cvar95 = 306 "cvar-95" Money Money
        "Mean loss of the worst 5 % of the window; second, the same from the volatility.";
    /// Portfolio heat.
    Heat = 307 "heat" Ppm Money
        "What is lost if every position runs to its stop, as a part of equity; second, the same in money.";
    /// Losing round trips in a row.
    LossesInARow = 308 "losses-in-a-row" Count Money
        "Round trips of one strategy that lost money, one after the other; second, what they lost.";
    /// Largest loss of one round trip.
    LossSingle = 309 "loss-single" Money Money
        "Largest loss of a single round trip so far; second, result of the last one.";
    /// Swing of equity.
    Swing = 310 "swing" Money Money
        "Highest less lowest equity within the swing window; second, last less first.";
    /// Risk mode.
    RiskMode = 311 "risk-mode" Mode Mode
        "1 NORMAL, 2 CAUTION, 3 SAFE, 4 KILLED; second, the mode before.";
}

const FIRST_CODE: u16 = 301;

/// How many metrics there are.
pub const METRIC_COUNT: usize = Metric::ALL.len();

const _: () = {
    let mut index = 0;
    let mut code = FIRST_CODE;
    while index < METRIC_COUNT {
        assert!(Metric::ALL[index] as u16 == code, "codes are contiguous");
        index += 1;
        code += 1;
    }
    assert!(code <= 400, "301 to 399 are the monitor's");
};

impl Metric {
    /// Number in journal and stats.
    #[inline]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The metric of that number.
    pub fn from_code(code: u16) -> Option<Metric> {
        let index = code.checked_sub(FIRST_CODE)?;
        Metric::ALL.get(usize::from(index)).copied()
    }
}

/// How careful the account should be traded. Never renumber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RiskMode {
    /// No threshold of the monitor is reached.
    #[default]
    Normal = 1,
    /// At least one threshold of the monitor is reached.
    Caution = 2,
    /// The breaker of the whole account is SAFE.
    Safe = 3,
    /// The breaker of the whole account is KILLED.
    Killed = 4,
}

impl RiskMode {
    /// Every mode.
    pub const ALL: [RiskMode; 4] =
        [RiskMode::Normal, RiskMode::Caution, RiskMode::Safe, RiskMode::Killed];

    /// Number in journal and stats.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The mode of that number.
    pub fn from_code(code: u8) -> Option<RiskMode> {
        RiskMode::ALL.into_iter().find(|mode| mode.code() == code)
    }

    /// Name in tools.
    pub const fn name(self) -> &'static str {
        match self {
            RiskMode::Normal => "NORMAL",
            RiskMode::Caution => "CAUTION",
            RiskMode::Safe => "SAFE",
            RiskMode::Killed => "KILLED",
        }
    }
}
