//! Words for codes, and amounts as decimal texts.

use engine::control::{ALERT_HOLD_TIME, ALERT_KILL_LATE};
use engine::event::{
    BalanceCode, BookState, DifferenceCode, Event, FeeCode, Kind, LinkCode, LockReason,
    NO_INSTRUMENT, NO_STRATEGY, OrderState, OrderTerms, OrderType, ReportCode, Scope, TimeInForce,
    TripReason, TripUnit, flags,
};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::{EVENT_MONEY_SCALE, format_scaled};
use engine::monitor::metric::Metric;
use engine::risk::{LimitKey, RiskState, Rule, UNLIMITED};
use engine::strategy::host::why;

/// First code of monitor metrics in `ALERT`.
const FIRST_METRIC: u16 = 300;

/// A name with two numbers in its unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) measured: String,
    pub(super) limit: String,
    pub(super) unit: &'static str,
}

/// Names and scales of one session.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) instruments: Option<InstrumentTable>,
    pub(super) strategies: Vec<String>,
}

impl Names {
    fn instrument(&self, index: u16) -> Option<&Instrument> {
        self.instruments.as_ref().and_then(|table| table.get(index))
    }

    pub(super) fn symbol(&self, index: u16) -> String {
        match self.instrument(index) {
            Some(instrument) => instrument.symbol.clone(),
            None if index == NO_INSTRUMENT => String::new(),
            None => format!("instrument {index}"),
        }
    }

    pub(super) fn strategy(&self, source: u16) -> String {
        if source == NO_STRATEGY {
            return String::new();
        }
        let known = self.strategies.get(usize::from(source)).cloned();
        let is_operator = usize::from(source) == self.strategies.len();
        known.unwrap_or_else(|| {
            if is_operator { "operator".to_string() } else { format!("strategy {source}") }
        })
    }

    pub(super) fn price(&self, instrument: u16, value: i64) -> String {
        match self.instrument(instrument) {
            Some(known) => format_scaled(value, known.price_scale),
            None => value.to_string(),
        }
    }

    pub(super) fn quantity(&self, instrument: u16, value: i64) -> String {
        match self.instrument(instrument) {
            Some(known) => format_scaled(value, known.quantity_scale),
            None => value.to_string(),
        }
    }

    /// A measured value or a limit in the unit that a rule or a metric has.
    fn in_unit(&self, instrument: u16, unit: &str, value: i64) -> String {
        match unit {
            "price" => self.price(instrument, value),
            "quantity" => self.quantity(instrument, value),
            "money" => money(value),
            _ => value.to_string(),
        }
    }

    /// Name and unit of a rule, a metric or an alert of the control stage, with the event's numbers.
    pub(super) fn rule(&self, event: &Event, code: u16) -> Figure {
        let metric = Metric::ALL.iter().find(|metric| **metric as u16 == code);
        let (name, unit) = match (Rule::from_code(code), metric) {
            (Some(rule), _) => (rule.name().to_string(), rule.unit().name()),
            (None, Some(metric)) if FIRST_METRIC < code => {
                (metric.name().to_string(), metric.unit().name())
            }
            (None, _) if code == ALERT_HOLD_TIME => ("hold-time".to_string(), "ns"),
            (None, _) if code == ALERT_KILL_LATE => ("kill-late".to_string(), "count"),
            (None, Some(_) | None) => (format!("rule {code}"), "count"),
        };
        let text = |value| self.in_unit(event.instrument, unit, value);
        Figure { name, measured: text(event.price), limit: text(event.quantity), unit }
    }

    /// What a breaker measured, and its limit; nothing where nothing was measured.
    pub(super) fn trip(event: &Event) -> Figure {
        let reason = TripReason::from_code(event.source);
        let name = reason.map_or_else(|| event.source.to_string(), |it| it.name().to_string());
        if (event.price, event.quantity) == (0, 0) {
            return Figure { name, ..Figure::default() };
        }
        let unit = match reason.map(TripReason::unit) {
            Some(TripUnit::Money) => "money",
            Some(TripUnit::Nanoseconds) => "ns",
            Some(TripUnit::Count) | None => "count",
        };
        let text = |value: i64| if unit == "money" { money(value) } else { value.to_string() };
        Figure { name, measured: text(event.price), limit: text(event.quantity), unit }
    }

    /// A limit that was changed: its key, what it was and what it is.
    pub(super) fn limit(&self, event: &Event) -> Figure {
        let key = LimitKey::from_code(event.code);
        let name = key.map_or_else(|| format!("limit {}", event.code), |it| it.name().to_string());
        let unit = key.map_or("count", |key| key.unit().name());
        let text = |value: i64| {
            if value == UNLIMITED {
                "unlimited".to_string()
            } else {
                self.in_unit(event.instrument, unit, value)
            }
        };
        Figure { name, measured: text(event.price), limit: text(event.quantity), unit }
    }

    /// Two values of a metric.
    pub(super) fn metric(&self, event: &Event) -> (String, String, String) {
        let Some(metric) = Metric::ALL.iter().find(|metric| **metric as u16 == event.code) else {
            let name = format!("metric {}", event.code);
            return (name, event.price.to_string(), event.quantity.to_string());
        };
        let first = self.in_unit(event.instrument, metric.unit().name(), event.price);
        let second = self.in_unit(event.instrument, metric.second_unit().name(), event.quantity);
        (metric.name().to_string(), first, second)
    }

    pub(super) fn scope(&self, tag: u32) -> String {
        match Scope::from_tag(tag) {
            Some(Scope::All) => "all".to_string(),
            Some(Scope::Venue(number)) => match Venue::from_code(number) {
                Some(venue) => format!("venue {}", venue.name()),
                None => format!("venue {number}"),
            },
            Some(Scope::Strategy(number)) => format!("strategy {}", self.strategy(number)),
            Some(Scope::Instrument(index)) => format!("instrument {}", self.symbol(index)),
            None => tag.to_string(),
        }
    }

    /// Ours and the venue's of a difference.
    pub(super) fn difference(&self, event: &Event) -> (&'static str, String, String) {
        let Some(code) = DifferenceCode::from_code(event.code) else {
            return ("unknown", event.price.to_string(), event.quantity.to_string());
        };
        let unit = match code {
            DifferenceCode::OrderPrice => "price",
            DifferenceCode::BalanceQuote => "money",
            DifferenceCode::OrderMissing
            | DifferenceCode::OrderQuantity
            | DifferenceCode::OrderTraded
            | DifferenceCode::OrderStrange
            | DifferenceCode::OrderForgotten
            | DifferenceCode::BalanceBase => "quantity",
        };
        let text = |value| self.in_unit(event.instrument, unit, value);
        (code.name(), text(event.price), text(event.quantity))
    }

    /// An amount of an asset.
    pub(super) fn balance(&self, event: &Event, value: i64) -> String {
        let unit = match BalanceCode::from_code(event.code) {
            Some(BalanceCode::Base) => "quantity",
            Some(BalanceCode::Quote) => "money",
            None => "count",
        };
        self.in_unit(event.instrument, unit, value)
    }

    /// A fee in the unit that its code names.
    pub(super) fn fee(&self, event: &Event) -> String {
        match FeeCode::from_code(event.code) {
            Some(FeeCode::InKind) => {
                format!("{} in kind", self.quantity(event.instrument, event.quantity))
            }
            Some(FeeCode::Foreign) => format!("{} of another asset", money(event.quantity)),
            Some(FeeCode::Account) | None => money(event.quantity),
        }
    }

    /// What the engine heard, as the input of a decision.
    pub(super) fn input(&self, event: &Event) -> String {
        let deal = || {
            format!(
                "{} {} @ {}",
                event.side().name(),
                self.quantity(event.instrument, event.quantity),
                self.price(event.instrument, event.price)
            )
        };
        let symbol = self.symbol(event.instrument);
        match event.kind {
            Kind::LEVEL | Kind::TRADE | Kind::QUOTE => {
                format!("{} {symbol} {}", event.kind.name(), deal())
            }
            Kind::REPORT => format!("report {symbol} {}", report_name(event.code)),
            Kind::REPORT_DETAIL => format!("report {symbol} filled, execution {}", event.id),
            Kind::COMMAND => format!("command {}", command_name(event.code)),
            Kind::LINK => format!("link {}", link_name(event.code)),
            kind => format!("{} {symbol}", kind.name()).trim_end().to_string(),
        }
    }
}

pub(super) fn money(value_e8: i64) -> String {
    format_scaled(value_e8, EVENT_MONEY_SCALE)
}

pub(super) fn order_id(id: u64) -> String {
    if id == 0 { String::new() } else { format!("{id:016x}") }
}

pub(super) fn state_name(code: u16) -> &'static str {
    u8::try_from(code).ok().and_then(OrderState::from_code).map_or("", OrderState::name)
}

pub(super) fn report_name(code: u16) -> &'static str {
    ReportCode::from_code(code).map_or("unknown", ReportCode::name)
}

pub(super) fn command_name(code: u16) -> String {
    let known = engine::event::CommandCode::from_code(code);
    known.map_or_else(|| format!("command {code}"), |code| code.name().to_string())
}

pub(super) fn link_name(code: u16) -> &'static str {
    LinkCode::from_code(code).map_or("unknown", LinkCode::name)
}

pub(super) fn lock_reason(code: i64) -> &'static str {
    u16::try_from(code).ok().and_then(LockReason::from_code).map_or("unknown", LockReason::name)
}

pub(super) fn venue_name(tag: u32) -> String {
    let venue = u8::try_from(tag).ok().and_then(Venue::from_code);
    venue.map_or_else(|| format!("venue {tag}"), |venue| venue.name().to_string())
}

pub(super) fn book_state(code: u16) -> String {
    let known = u8::try_from(code).ok().and_then(BookState::from_code);
    known.map_or_else(|| code.to_string(), |state| state.name().to_string())
}

/// Why a strategy was switched.
pub(super) fn strategy_why(tag: u32) -> String {
    match tag {
        why::PANIC => "panic".to_string(),
        why::OPERATOR | why::ENABLED => "operator".to_string(),
        other => other.to_string(),
    }
}

pub(super) fn risk_state(code: u16) -> String {
    RiskState::from_code(code).map_or_else(|| code.to_string(), |state| state.name().to_string())
}

/// `limit gtc post-only`
pub(super) fn terms(event: &Event) -> String {
    let Some(terms) = OrderTerms::from_code(event.code) else { return String::new() };
    let order_type = match terms.order_type {
        OrderType::Limit => "limit",
        OrderType::Market => "market",
    };
    let time_in_force = match terms.time_in_force {
        TimeInForce::Gtc => "gtc",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
    };
    format!("{order_type} {time_in_force}{}", marks(event))
}

/// ` post-only reduce-only operator`
pub(super) fn marks(event: &Event) -> String {
    let mut text = String::new();
    for (flag, name) in [
        (flags::POST_ONLY, " post-only"),
        (flags::REDUCE_ONLY, " reduce-only"),
        (flags::OPERATOR, " operator"),
    ] {
        if event.has(flag) {
            text.push_str(name);
        }
    }
    text
}
