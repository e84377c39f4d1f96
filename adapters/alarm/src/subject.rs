//! What an alarm is about: code and subject together are its key.

use std::fmt;

use engine::control::ALERT_HOLD_TIME;
use engine::event::{NO_INSTRUMENT, NO_STRATEGY, Scope};
use engine::instrument::Venue;
use engine::monitor::Metric;
use engine::risk::Rule;
use serde::{Deserialize, Serialize};

/// What an alarm is about. Never a single order: a lost link would be a thousand alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "number", rename_all = "kebab-case")]
pub enum Subject {
    /// The engine.
    Engine,
    /// A venue by its number.
    Venue(u8),
    /// A strategy by its number.
    Strategy(u16),
    /// An instrument by its index.
    Instrument(u16),
    /// A market-data connection by its number.
    Connection(u64),
    /// A thread by its row in the stats file.
    Thread(u16),
    /// A limit: rule or metric, and whose.
    Limit {
        /// Code of the rule or the metric.
        rule: u16,
        /// Its instrument, or `NO_INSTRUMENT`.
        instrument: u16,
        /// Its strategy, or `NO_STRATEGY`.
        strategy: u16,
    },
    /// A code of another list: of an anomaly, an error, a limit's key.
    Code(u32),
    /// An operator by number.
    Operator(u16),
    /// A channel by its place in the configuration.
    Channel(u16),
}

impl From<Scope> for Subject {
    fn from(scope: Scope) -> Subject {
        match scope {
            Scope::All => Subject::Engine,
            Scope::Venue(number) => Subject::Venue(number),
            Scope::Strategy(number) => Subject::Strategy(number),
            Scope::Instrument(number) => Subject::Instrument(number),
        }
    }
}

/// The names behind the numbers. What has none is told by its number.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Name of the instance.
    pub instance: String,
    /// Symbols by index.
    pub instruments: Vec<String>,
    /// Strategies by number.
    pub strategies: Vec<String>,
    /// Operators from number 1.
    pub operators: Vec<String>,
    /// Channels.
    pub channels: Vec<String>,
    /// Threads, as the stats file lists them.
    pub threads: Vec<String>,
}

fn named(names: &[String], number: u64) -> Option<&str> {
    names.get(usize::try_from(number).ok()?).map(String::as_str)
}

impl Names {
    /// An operator; 0 is the engine's own supervisor.
    pub fn operator(&self, number: u16) -> String {
        if number == 0 {
            return "the supervisor".to_string();
        }
        let name = named(&self.operators, u64::from(number) - 1);
        name.map_or_else(|| format!("operator {number}"), ToString::to_string)
    }

    fn instrument(&self, index: u16) -> String {
        let name = named(&self.instruments, u64::from(index));
        name.map_or_else(|| format!("instrument {index}"), ToString::to_string)
    }

    fn strategy(&self, number: u16) -> String {
        let name = named(&self.strategies, u64::from(number));
        name.map_or_else(|| format!("strategy {number}"), ToString::to_string)
    }

    /// The subject in words.
    pub fn subject(&self, subject: Subject) -> String {
        match subject {
            Subject::Engine => "engine".to_string(),
            Subject::Venue(number) => Venue::from_code(number)
                .map_or_else(|| format!("venue {number}"), |venue| venue.name().to_string()),
            Subject::Strategy(number) => self.strategy(number),
            Subject::Instrument(index) => self.instrument(index),
            Subject::Connection(number) => format!("connection {number}"),
            Subject::Thread(number) => named(&self.threads, u64::from(number))
                .map_or_else(|| format!("thread {number}"), |name| format!("thread {name}")),
            Subject::Limit { rule, instrument, strategy } => self.limit(rule, instrument, strategy),
            Subject::Code(code) => format!("code {code}"),
            Subject::Operator(number) => self.operator(number),
            Subject::Channel(number) => named(&self.channels, u64::from(number))
                .map_or_else(|| format!("channel {number}"), |name| format!("channel {name}")),
        }
    }

    fn limit(&self, rule: u16, instrument: u16, strategy: u16) -> String {
        let name = Rule::from_code(rule).map(Rule::name);
        let name = name.or_else(|| Metric::from_code(rule).map(Metric::name));
        let name = name.or_else(|| (rule == ALERT_HOLD_TIME).then_some("hold time"));
        let mut text = name.map_or_else(|| format!("limit {rule}"), ToString::to_string);
        if instrument != NO_INSTRUMENT {
            text = format!("{text} of {}", self.instrument(instrument));
        }
        if strategy != NO_STRATEGY {
            text = format!("{text} of {}", self.strategy(strategy));
        }
        text
    }
}

impl fmt::Display for Subject {
    /// By numbers alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Names::default().subject(*self))
    }
}
