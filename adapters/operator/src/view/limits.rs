//! Every limit: what is configured, what holds now, how much of it is used.

use engine::event::{Event, Side};
use engine::money::{Money, format_scaled, parse_scaled};
use engine::risk::{LimitKey, LimitOwner, UNLIMITED, Unit, ceiling_of};
use engine::stats::{CounterId, Snapshot};
use serde_json::{Value, json};

use super::View;
use super::report::worth;

/// Decimal places of money in events.
const MONEY_SCALE: u8 = 8;

/// A limit of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOf {
    /// Which.
    pub key: LimitKey,
    /// Instrument or strategy; 0 for the account.
    pub owner: u16,
}

impl View {
    /// Every limit that has a place, set or not.
    pub(super) fn limits_of_all(&self) -> Vec<LimitOf> {
        let mut found = Vec::new();
        for key in LimitKey::ALL.iter().copied() {
            let count = match key.owner() {
                LimitOwner::Account => 1,
                LimitOwner::Instrument => self.names.instruments.count(),
                LimitOwner::Strategy => self.names.strategies.len(),
            };
            let owners = (0..count).filter_map(|owner| u16::try_from(owner).ok());
            found.extend(owners.map(|owner| LimitOf { key, owner }));
        }
        found
    }

    /// The limit that a `LIMIT` record is about.
    pub fn limit_of(&self, event: &Event) -> Option<LimitOf> {
        let key = LimitKey::from_code(event.code)?;
        let owner = match key.owner() {
            LimitOwner::Account => 0,
            LimitOwner::Instrument => event.instrument,
            LimitOwner::Strategy => event.source,
        };
        Some(LimitOf { key, owner })
    }

    /// Whose limit it is, in words.
    pub fn owner_text(&self, of: LimitOf) -> String {
        match of.key.owner() {
            LimitOwner::Account => "account".to_string(),
            LimitOwner::Instrument => self.names.symbol(of.owner),
            LimitOwner::Strategy => self.names.strategy_name(of.owner),
        }
    }

    fn scale(&self, of: LimitOf) -> u8 {
        let instrument = match of.key.owner() {
            LimitOwner::Instrument => self.names.instruments.get(of.owner),
            LimitOwner::Account | LimitOwner::Strategy => None,
        };
        match of.key.unit() {
            Unit::Money => MONEY_SCALE,
            Unit::Price => instrument.map_or(0, |it| it.price_scale),
            Unit::Quantity => instrument.map_or(0, |it| it.quantity_scale),
            Unit::Count | Unit::BasisPoints | Unit::Nanoseconds | Unit::Milliseconds => 0,
        }
    }

    /// A value of that limit as decimal text.
    pub fn limit_text(&self, of: LimitOf, value: i64) -> String {
        if value == UNLIMITED {
            return "unlimited".to_string();
        }
        format_scaled(value, self.scale(of))
    }

    /// A value of that limit from decimal text.
    pub fn parse_limit(&self, of: LimitOf, text: &str) -> Result<i64, String> {
        let parsed = parse_scaled(text.as_bytes(), self.scale(of));
        parsed.map_err(|error| format!("{} {text}: {error}", of.key.name()))
    }

    /// Position of an instrument if every working order of the worse side fills.
    fn position_worst(&self, index: u16) -> i64 {
        let positions = self.positions.iter().filter(|((_, it), _)| *it == index);
        let net = positions.fold(0_i64, |sum, (_, quantity)| sum.saturating_add(*quantity));
        let side = |side: Side| {
            let working = self.orders.values();
            let of_side = working.filter(|it| it.instrument == index && it.side == side);
            of_side.fold(0_i64, |sum, it| sum.saturating_add(it.leaves))
        };
        let long = net.saturating_add(side(Side::Buy));
        let short = net.saturating_sub(side(Side::Sell));
        long.saturating_abs().max(short.saturating_abs())
    }

    /// What is used of a limit now, in its unit; `None` where a single order is judged, not a sum.
    fn usage(&self, of: LimitOf, stats: Option<&Snapshot>) -> Option<i64> {
        let counter = |id| stats.map(|stats| stats.counter_signed(id));
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others judge a single order")]
        match of.key {
            LimitKey::PositionQuantity => Some(self.position_worst(of.owner)),
            LimitKey::PositionNotional => {
                let instrument = self.names.instruments.get(of.owner)?;
                let mark = self.mark_twice(of.owner, stats)?;
                Some(worth(instrument, mark, self.position_worst(of.owner)).to_event())
            }
            LimitKey::OrdersOpen => i64::try_from(self.orders.len()).ok(),
            LimitKey::LossDaily => counter(CounterId::DailyLoss).map(|loss| loss.max(0)),
            LimitKey::Drawdown => counter(CounterId::Drawdown).map(|fall| fall.max(0)),
            LimitKey::GrossNotional => counter(CounterId::NotionalOpen),
            _ => None,
        }
    }

    /// A value beside the limit that judges it; null where there is no such limit.
    pub fn limit_beside(&self, of: LimitOf, value: i64) -> Value {
        let Some(now) = self.limits.clone().value(of.key, of.owner) else { return Value::Null };
        json!({
            "limit": of.key.name(),
            "value": self.limit_text(of, value),
            "now": self.limit_text(of, now),
            "percent": percent(value, now),
        })
    }

    /// The soft limit of its own that a limit has.
    fn soft(&self, of: LimitOf) -> Option<i64> {
        let controls = &self.configured.controls;
        match of.key.owner() {
            LimitOwner::Account => controls.soft.value(of.key),
            LimitOwner::Instrument => {
                controls.instruments.get(usize::from(of.owner))?.soft.value(of.key)
            }
            LimitOwner::Strategy => None,
        }
    }

    /// Everything of [`crate::Verb::LimitsShow`].
    pub fn limits_json(&self, stats: Option<&Snapshot>) -> Value {
        let (mut configured, mut present) = (self.configured.clone(), self.limits.clone());
        let rows: Vec<Value> = self
            .limits_of_all()
            .into_iter()
            .filter_map(|of| {
                let now = present.value(of.key, of.owner)?;
                let hard = configured.value(of.key, of.owner)?;
                let used = self.usage(of, stats);
                let percent = used.and_then(|used| percent(used, now));
                Some(json!({
                    "limit": of.key.name(),
                    "of": self.owner_text(of),
                    "unit": of.key.unit().name(),
                    "now": self.limit_text(of, now),
                    "configured": self.limit_text(of, hard),
                    "ceiling": self.limit_text(of, ceiling_of(self.ceilings, of.key, self.scale(of))),
                    "soft": self.soft(of).map(|soft| self.limit_text(of, soft)),
                    "used": used.map(|used| self.limit_text(of, used)),
                    "percent": percent,
                }))
            })
            .collect();
        json!({ "limits": rows })
    }
}

/// Per cent of a limit that is used; `None` without a limit.
fn percent(used: i64, limit: i64) -> Option<i64> {
    if limit <= 0 || limit == UNLIMITED {
        return None;
    }
    i64::try_from(i128::from(used) * 100 / i128::from(limit)).ok()
}

/// Money of an event as text, for tools that have only the number.
pub fn money_e8_text(value: i64) -> String {
    super::money_text(Money::from_event(value))
}
