//! From a request to the events of a command: the run of text that says who and why, and the command.

use engine::border::RUN_COUNT_MAX;
use engine::event::{
    CommandCode, Event, OrderTerms, OrderType, PAYLOAD_SIZE_BYTES, Scope, Side, TextTopic,
    TimeInForce, flags, session,
};
use engine::risk::{LimitKey, LimitOwner};
use serde_json::{Value, json};

use crate::names::{OPERATORS_OWN, parse_positive};
use crate::protocol::Arguments;
use crate::role::Verb;
use crate::roster::Operator;
use crate::view::{LimitOf, View};

/// Longest text of a command, bytes: run and command are published as one, so that no other producer
/// comes between them.
pub const TEXT_SIZE_BYTES_MAX: usize = (RUN_COUNT_MAX - 1) * PAYLOAD_SIZE_BYTES;

/// A command before it has its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The `COMMAND` event without source, id and time.
    pub event: Event,
    /// What a kill or a flatten is about.
    pub scope: Option<Scope>,
}

/// Arguments of a verb, each asked for by name; what nobody asked for is refused.
struct Given<'a> {
    arguments: &'a Arguments,
    view: &'a View,
}

impl Given<'_> {
    fn only(&self, known: &[&str]) -> Result<(), String> {
        let given = self.arguments.given();
        match given.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(format!("argument {name} says nothing here")),
            None => Ok(()),
        }
    }

    fn scope(&self) -> Result<Scope, String> {
        self.view.names.scope(self.arguments.scope.as_deref().unwrap_or("all"))
    }

    fn strategy(&self) -> Result<u16, String> {
        let name = self.arguments.strategy.as_deref().ok_or("argument strategy is missing")?;
        self.view.names.strategy(name)
    }

    /// The trip that is named, else the present one of that scope.
    fn trip(&self, scope: Scope) -> Result<i64, String> {
        let present = self.view.scopes.get(&scope.tag()).map(|it| it.trip);
        let trip = self.arguments.trip.or(present).ok_or_else(|| {
            format!("nothing has tripped in {}", self.view.names.scope_text(scope))
        })?;
        i64::try_from(trip).map_err(|_| format!("trip {trip} is out of range"))
    }
}

fn command(code: CommandCode, tag: u32) -> Event {
    session::command(code, tag)
}

fn plain(code: CommandCode, tag: u32) -> Draft {
    Draft { event: command(code, tag), scope: None }
}

fn number(value: Option<u64>, what: &str) -> Result<i64, String> {
    let value = value.ok_or_else(|| format!("argument {what} is missing"))?;
    i64::try_from(value).map_err(|_| format!("{what} {value} is out of range"))
}

/// The command that a request asks for. The error says what is wrong with its arguments.
pub fn draft(verb: Verb, arguments: &Arguments, view: &View) -> Result<Draft, String> {
    let given = Given { arguments, view };
    match verb {
        Verb::Kill => {
            given.only(&["scope", "flatten"])?;
            let scope = given.scope()?;
            let mut event = command(CommandCode::Kill, scope.tag());
            event.quantity = i64::from(arguments.flatten.unwrap_or(true));
            Ok(Draft { event, scope: Some(scope) })
        }
        Verb::Flatten => {
            given.only(&["scope"])?;
            let scope = given.scope()?;
            Ok(Draft { event: command(CommandCode::Flatten, scope.tag()), scope: Some(scope) })
        }
        Verb::Trip => {
            given.only(&["scope"])?;
            Ok(plain(CommandCode::Trip, given.scope()?.tag()))
        }
        Verb::Pause => {
            given.only(&["scope"])?;
            Ok(plain(CommandCode::Pause, given.scope()?.tag()))
        }
        Verb::Approve => lift(CommandCode::Approve, &["scope", "trip"], &given),
        Verb::Rearm => lift(CommandCode::Rearm, &["scope", "trip", "new_peak"], &given),
        Verb::Resume => resume(&given),
        Verb::Enable => {
            given.only(&["strategy"])?;
            Ok(plain(CommandCode::StrategyEnable, u32::from(given.strategy()?)))
        }
        Verb::Disable => {
            given.only(&["strategy"])?;
            Ok(plain(CommandCode::StrategyDisable, u32::from(given.strategy()?)))
        }
        Verb::Order => order(&given),
        Verb::Cancel => cancel(&given),
        Verb::Confirm => {
            given.only(&["command"])?;
            let mut event = command(CommandCode::Confirm, 0);
            event.price = number(arguments.command, "command")?;
            Ok(Draft { event, scope: None })
        }
        Verb::Acknowledge => {
            given.only(&["alarm"])?;
            let mut event = command(CommandCode::Acknowledge, 0);
            event.price = number(arguments.alarm, "alarm")?;
            Ok(Draft { event, scope: None })
        }
        Verb::Alive => {
            given.only(&[])?;
            Ok(plain(CommandCode::Alive, 0))
        }
        Verb::AcceptBalances => {
            given.only(&["venue"])?;
            let venue =
                arguments.venue.as_deref().map(|name| view.names.venue(name)).transpose()?;
            let code = venue.map_or(0, |venue| venue as u32);
            Ok(plain(CommandCode::AcceptBalances, code))
        }
        Verb::LimitsSet => limit(&given),
        Verb::Status | Verb::Flags | Verb::LimitsShow | Verb::Appraise => {
            Err(format!("{} is no command", verb.name()))
        }
    }
}

fn lift(code: CommandCode, known: &[&str], given: &Given<'_>) -> Result<Draft, String> {
    given.only(known)?;
    let scope = given.scope()?;
    let mut event = command(code, scope.tag());
    event.price = given.trip(scope)?;
    event.quantity = i64::from(given.arguments.new_peak.unwrap_or(false));
    Ok(Draft { event, scope: None })
}

fn limit(given: &Given<'_>) -> Result<Draft, String> {
    given.only(&["limit", "value", "instrument", "strategy"])?;
    let arguments = given.arguments;
    let name = arguments.limit.as_deref().ok_or("argument limit is missing")?;
    let key = LimitKey::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = LimitKey::ALL.iter().map(|key| key.name()).collect();
        format!("there is no limit {name}; there are {}", known.join(", "))
    })?;
    let mut event = command(CommandCode::LimitSet, u32::from(key.code()));
    // -1 and no instrument say: whose it is follows from the key.
    event.price = -1;
    let of_whom = (arguments.instrument.as_deref(), arguments.strategy.as_deref());
    let owner = match (key.owner(), of_whom) {
        (LimitOwner::Account, (None, None)) => 0,
        (LimitOwner::Instrument, (Some(symbol), None)) => {
            event.instrument = given.view.names.instrument(symbol)?.0;
            event.instrument
        }
        (LimitOwner::Strategy, (None, Some(name))) => {
            let number = given.view.names.strategy(name)?;
            event.price = i64::from(number);
            number
        }
        (LimitOwner::Account, _) => return Err(format!("{name} is a limit of the account")),
        (LimitOwner::Instrument, _) => return Err(format!("{name} needs an instrument")),
        (LimitOwner::Strategy, _) => return Err(format!("{name} needs a strategy")),
    };
    let value = arguments.value.as_deref().ok_or("argument value is missing")?;
    event.quantity = given.view.parse_limit(LimitOf { key, owner }, value)?;
    Ok(Draft { event, scope: None })
}

/// Ends a pause where there is one; else lifts the halt of the gate.
fn resume(given: &Given<'_>) -> Result<Draft, String> {
    given.only(&["scope", "halt"])?;
    let scope = given.scope()?;
    let is_halt = given.arguments.halt.unwrap_or(false);
    if is_halt && scope != Scope::All {
        return Err("the halt of the gate has no scope".to_string());
    }
    if is_halt {
        return Ok(plain(CommandCode::Resume, 0));
    }
    let is_active = given.view.gate.0 == engine::risk::RiskState::Active;
    let is_paused = given.view.scopes.contains_key(&scope.tag());
    if scope == Scope::All && !is_active && !is_paused {
        return Ok(plain(CommandCode::Resume, 0));
    }
    Ok(plain(CommandCode::Continue, scope.tag()))
}

fn cancel(given: &Given<'_>) -> Result<Draft, String> {
    given.only(&["order"])?;
    let Some(text) = given.arguments.order.as_deref() else {
        return Ok(plain(CommandCode::CancelAll, 0));
    };
    let mut event = command(CommandCode::OrderCancel, 0);
    event.quantity = order_id(text)?.cast_signed();
    Ok(Draft { event, scope: None })
}

/// An order id as tools print it.
pub fn order_id(text: &str) -> Result<u64, String> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.filter(|id| *id != 0)
        .ok_or_else(|| format!("order {text}: must be 16 hexadecimal digits, as status shows them"))
}

/// The terms of a manual order, as its command carries them.
fn order(given: &Given<'_>) -> Result<Draft, String> {
    let arguments = given.arguments;
    given.only(&[
        "strategy",
        "instrument",
        "side",
        "price",
        "quantity",
        "time_in_force",
        "post_only",
        "reduce_only",
    ])?;
    let symbol = arguments.instrument.as_deref().ok_or("argument instrument is missing")?;
    let (index, instrument) = given.view.names.instrument(symbol)?;
    let side = match arguments.side.as_deref() {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        Some(other) => return Err(format!("side {other}: must be buy or sell")),
        None => return Err("argument side is missing".to_string()),
    };
    let time_in_force = match arguments.time_in_force.as_deref() {
        None | Some("gtc") => TimeInForce::Gtc,
        Some("ioc") => TimeInForce::Ioc,
        Some("fok") => TimeInForce::Fok,
        Some(other) => return Err(format!("time_in_force {other}: must be gtc, ioc or fok")),
    };
    let price = arguments.price.as_deref().ok_or("argument price is missing")?;
    let quantity = arguments.quantity.as_deref().ok_or("argument quantity is missing")?;
    let strategy = match arguments.strategy.as_deref() {
        Some(name) => given.view.names.strategy(name)?,
        None => OPERATORS_OWN,
    };
    let terms = OrderTerms { order_type: OrderType::Limit, time_in_force };
    let mut event =
        command(CommandCode::OrderNew, u32::from(terms.code()) | (u32::from(strategy) << 16));
    event.instrument = index;
    event.price = parse_positive("price", price, instrument.price_scale)?;
    event.quantity = parse_positive("quantity", quantity, instrument.quantity_scale)?;
    event.flags |= side.flag();
    for (is_set, flag) in
        [(arguments.post_only, flags::POST_ONLY), (arguments.reduce_only, flags::REDUCE_ONLY)]
    {
        if is_set.unwrap_or(false) {
            event.flags |= flag;
        }
    }
    Ok(Draft { event, scope: None })
}

/// Who asks for what, and why: the JSON object of a run of topic `Command`.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Number of the command.
    pub number: u64,
    /// Who; `None` when nobody was recognised.
    pub operator: Option<&'a Operator>,
    /// Its user.
    pub uid: u32,
    /// Name of the verb.
    pub verb: &'a str,
    /// Why.
    pub reason: &'a str,
    /// With what.
    pub arguments: &'a Arguments,
    /// Why it was refused at the desk.
    pub refused: Option<&'a str>,
}

impl Said<'_> {
    fn to_json(self) -> Value {
        let mut object = json!({
            "command": self.number,
            "actor": self.operator.map_or("?", |it| it.name.as_str()),
            "uid": self.uid,
            "role": self.operator.map_or("none", |it| it.role.name()),
            "verb": self.verb,
            "reason": self.reason,
            "arguments": self.arguments,
        });
        if let Some(refused) = self.refused {
            object["refused"] = json!(refused);
        }
        object
    }

    /// The run of text; `None` when it is too long for one run of events.
    pub fn to_events(self) -> Option<Vec<Event>> {
        let text = self.to_json().to_string();
        (text.len() <= TEXT_SIZE_BYTES_MAX).then(|| session::text(TextTopic::Command, &text))
    }
}

#[cfg(test)]
pub(crate) mod tests;
