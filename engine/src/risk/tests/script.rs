//! The language in which boundaries of rules are written: a table of what happens, verdicts at the end of lines.

use crate::event::{
    BookState, BreakerState, CommandCode, Event, Kind, OrderState, Scope, Side, TripReason, flags,
    session,
};
use crate::money::{Money, format_scaled, parse_scaled};
use crate::risk::{Hours, InstrumentControls, LimitKey, Limits, Rule, StrategyControls, Unit};

use super::desk::{Desk, intent, limits, parent};
use super::{boundaries, controls, parents};

/// Reads a limit into the limits of every configured instrument or of the account.
fn set_limit(limits: &mut Limits, key: &str, text: &str) {
    let whole = || text.parse::<i64>().unwrap();
    let money = || Money::from_event(parse_scaled(text.as_bytes(), 8).unwrap());
    for own in limits.instruments.iter_mut().flatten() {
        match key {
            "order_quantity_max" => own.order_quantity_max = whole(),
            "order_notional_max" => own.order_notional_max = money(),
            "position_quantity_max" => own.position_quantity_max = whole(),
            "position_notional_max" => own.position_notional_max = money(),
            "collar_bps" => own.collar_bps = whole(),
            "passive_bps" => own.passive_bps = whole(),
            "reference_age_ns_max" => own.reference_age_ns_max = text.parse().unwrap(),
            "restricted" => own.restricted = text == "true",
            _ => {}
        }
    }
    if let Some(key) = LimitKey::from_name(key).filter(|key| key.is_tabled()) {
        let value = if key.unit() == Unit::Money { money().to_event() } else { whole() };
        for owner in 0..4 {
            limits.set_value(key, owner, value);
        }
        return;
    }
    set_control(limits, key, text);
    let Some(account) = limits.account.as_mut() else { return };
    match key {
        "order_rate_count_max" => account.order_rate_count_max = text.parse().unwrap(),
        "order_rate_window_ns" => account.order_rate_window_ns = text.parse().unwrap(),
        "orders_open_max" => account.orders_open_max = text.parse().unwrap(),
        "loss_daily_max" => account.loss_daily_max = money(),
        "drawdown_max" => account.drawdown_max = money(),
        "gross_notional_max" => account.gross_notional_max = money(),
        "account" => limits.account = None,
        _ => {}
    }
}

/// Settings of controls that are no limits: `hours` are `DAYS:FROM:TO`, `allowed` is `STRATEGY:INSTRUMENT`.
fn set_control(limits: &mut Limits, key: &str, text: &str) {
    let controls = &mut limits.controls;
    let numbers = || text.split(':').map(|word| word.parse::<u64>().unwrap());
    match key {
        "capital" => {
            controls.capital = Some(Money::from_event(parse_scaled(text.as_bytes(), 8).unwrap()));
        }
        "self_match" => controls.self_match = text == "true",
        "message_rate_window_ns" => controls.message_rate_window_ns = numbers().next().unwrap(),
        "duplicate_window_ns" => controls.duplicate_window_ns = numbers().next().unwrap(),
        "execution_window_ns" => controls.execution_window_ns = numbers().next().unwrap(),
        "reference_window_ns" => controls.reference_window_ns = numbers().next().unwrap(),
        "allowed" => {
            let words: Vec<u64> = numbers().collect();
            let strategy = usize::try_from(words[0]).unwrap();
            controls.strategies[strategy].allowed = Some(vec![u16::try_from(words[1]).unwrap()]);
        }
        "hours" => {
            let words: Vec<u64> = numbers().collect();
            for own in &mut controls.instruments {
                own.hours = Some(Hours {
                    days: u8::try_from(words[0]).unwrap(),
                    from_ns: words[1],
                    to_ns: words[2],
                    holidays: Vec::new(),
                });
            }
        }
        _ => {}
    }
}

fn number(rule: Rule, value: i64) -> String {
    if rule.unit() == Unit::Money { format_scaled(value, 8) } else { value.to_string() }
}

/// `pass`, or `rule measured limit`.
fn verdict(event: &Event) -> String {
    match event.kind {
        Kind::APPROVED | Kind::APPROVED_REPLACE | Kind::APPROVED_CANCEL => "pass".to_string(),
        Kind::REFUSED => {
            let rule = Rule::from_code(event.code).unwrap();
            let (measured, limit) = (number(rule, event.price), number(rule, event.quantity));
            format!("{} {measured} {limit}", rule.name())
        }
        _ => panic!("not a verdict: {event:?}"),
    }
}

/// Runs a table. Lines that act:
///
/// `limit KEY VALUE` (first), `instrument I`, `strategy S`, `terms CODE`, `child of ID` (the next orders; 0: none), `top BID ASK`, `book STATE`,
/// `wait NS`, `long|short QUANTITY @ PRICE` (a position out of nowhere), `work buy|sell QUANTITY @ PRICE`
/// (an order that works; #1, #2 ..), `acked|done|unknown|cancelling|changed|unchanged #N`,
/// `trade PRICE` (a public one), `cascade begins|ends`, `enable STRATEGY by OPERATOR`, `fill #N QUANTITY @ PRICE`, `lock`, `unlock` (every venue), `breaker SCOPE STATE`.
///
/// Lines with a verdict in the last columns: `[operator-|close-]buy|sell[-reduce] QUANTITY @ PRICE` (what
/// passes is over at once; `close` is what the control stage sends to close), `change #N QUANTITY @ PRICE`, `cancel #N`, `clock`, `command NAME` (verdict: the state),
/// `parent buy|sell QUANTITY as ID` (is declared), `parents buy|sell QUANTITY as FROM to TO` (verdict of the last).
#[track_caller]
pub(super) fn check(table: &str) {
    let lines: Vec<&str> = table.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut limits = limits();
    limits.controls.instruments = vec![InstrumentControls::default(); 4];
    limits.controls.strategies = vec![StrategyControls::default(); 2];
    for line in &lines {
        if let ["limit", key, value] = line.split_whitespace().collect::<Vec<_>>()[..] {
            set_limit(&mut limits, key, value);
        }
    }
    let desk = Desk::new(limits);
    let mut run = Run { desk, instrument: 0, strategy: 0, terms: None, parent: 0 };
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (got, used) = run.line(&words);
        assert_eq!(got, words[used..].join(" "), "line: {line}\ntable:\n{table}");
    }
}

struct Run {
    desk: Desk,
    instrument: u16,
    strategy: u16,
    terms: Option<u16>,
    parent: u64,
}

/// `rule measured limit` of every alert.
fn alerts(told: &[Event]) -> String {
    let alerts = told.iter().filter(|event| event.kind == Kind::ALERT);
    let line = |event: &Event| {
        let rule = Rule::from_code(event.code).unwrap();
        let (measured, limit) = (number(rule, event.price), number(rule, event.quantity));
        format!("{} {measured} {limit}", rule.name())
    };
    alerts.map(line).collect::<Vec<_>>().join(" ")
}

fn order_index(word: &str) -> usize {
    word.strip_prefix('#').unwrap().parse::<usize>().unwrap() - 1
}

/// `all`, `venue:N`, `strategy:N` or `instrument:N`.
fn scope_of(word: &str) -> Scope {
    match word.split_once(':') {
        None => Scope::All,
        Some(("venue", number)) => Scope::Venue(number.parse().unwrap()),
        Some(("strategy", number)) => Scope::Strategy(number.parse().unwrap()),
        Some((_, number)) => Scope::Instrument(number.parse().unwrap()),
    }
}

fn state_of(word: &str) -> BreakerState {
    BreakerState::ALL.iter().copied().find(|state| state.name() == word).unwrap()
}

fn whole(word: &str) -> i64 {
    word.replace('_', "").parse().unwrap()
}

impl Run {
    /// Runs a line; what came out, and after how many words the expected verdict stands.
    fn line(&mut self, words: &[&str]) -> (String, usize) {
        let nothing = |used| (String::new(), used);
        match *words {
            ["limit", _, _] => nothing(3),
            ["instrument", index] => {
                self.instrument = index.parse().unwrap();
                nothing(2)
            }
            ["strategy", index] => {
                self.strategy = index.parse().unwrap();
                nothing(2)
            }
            ["terms", code] => {
                self.terms = Some(code.parse().unwrap());
                nothing(2)
            }
            ["child", "of", id] => {
                self.parent = id.parse().unwrap();
                nothing(3)
            }
            ["top", bid, ask] => {
                self.desk.top(self.instrument, whole(bid), whole(ask));
                nothing(3)
            }
            ["book", state] => {
                let state = BookState::ALL.into_iter().find(|s| s.name() == state).unwrap();
                self.desk.market.get_mut(self.instrument).unwrap().state = state;
                nothing(2)
            }
            ["trade", price] => {
                self.desk.market.get_mut(self.instrument).unwrap().trade_price = whole(price);
                nothing(2)
            }
            ["cascade", what] => {
                self.desk.is_cascade = what == "begins";
                nothing(2)
            }
            ["enable", strategy, "by", operator] => {
                let target = strategy.parse().unwrap();
                let mut event = session::command(CommandCode::StrategyEnable, target);
                event.source = operator.parse().unwrap();
                assert_eq!(self.desk.send(event, 0), []);
                nothing(4)
            }
            ["wait", ns] => {
                self.desk.time_ns += ns.parse::<u64>().unwrap();
                nothing(2)
            }
            [side @ ("long" | "short"), quantity, "@", price, ..] => {
                let side = if side == "long" { Side::Buy } else { Side::Sell };
                let what = [whole(quantity), whole(price), 0];
                self.desk.trade_source = self.strategy;
                let got = self.desk.trade(self.instrument, side, what, (u64::MAX, 0));
                (alerts(&got), 4)
            }
            ["work", side, quantity, "@", price] => {
                let approved = self.judge(side, quantity, price);
                assert_eq!(verdict(&approved), "pass", "{words:?}");
                let index = self.desk.bind(&approved);
                self.desk.report(index, OrderState::Acked);
                nothing(5)
            }
            _ => self.order_line(words),
        }
    }

    fn parent_line(&mut self, words: &[&str]) -> (String, usize) {
        let number = |word: &str| word.parse::<u64>().unwrap();
        let (side, quantity, ids, used) = match *words {
            ["parent", side, quantity, "as", id, ..] => {
                (side, quantity, number(id)..=number(id), 5)
            }
            ["parents", side, quantity, "as", from, "to", to, ..] => {
                (side, quantity, number(from)..=number(to), 7)
            }
            _ => panic!("not understood: {words:?}"),
        };
        let side = if side == "buy" { Side::Buy } else { Side::Sell };
        let mut text = String::new();
        for id in ids {
            let wanted = parent(self.instrument, side, whole(quantity), id);
            let wanted = Event { source: self.strategy, ..wanted };
            let got = self.desk.send(wanted, 0);
            text = got.first().map_or("pass".to_string(), verdict);
            for refused in got {
                assert_eq!((refused.id, refused.tag, refused.flags), (0, wanted.tag, wanted.flags));
            }
        }
        (text, used)
    }

    fn order_line(&mut self, words: &[&str]) -> (String, usize) {
        match *words {
            ["parent" | "parents", ..] => self.parent_line(words),
            [what @ ("acked" | "done" | "unknown" | "cancelling"), order] => {
                let state = match what {
                    "acked" => OrderState::Acked,
                    "done" => OrderState::Cancelled,
                    "unknown" => OrderState::Unknown,
                    _ => OrderState::PendingCancel,
                };
                self.desk.report(order_index(order), state);
                (String::new(), 2)
            }
            [what @ ("changed" | "unchanged"), order] => {
                self.desk.change_outcome(order_index(order), what == "changed");
                (String::new(), 2)
            }
            ["fill", order, quantity, "@", price] => {
                self.desk.fill(order_index(order), whole(quantity), whole(price));
                (String::new(), 5)
            }
            ["change", order, quantity, "@", price, ..] => {
                let index = order_index(order);
                let mut event = if index < self.desk.orders.len() {
                    self.desk.change(index, whole(quantity), whole(price))
                } else {
                    let event = intent(0, Side::Buy, whole(quantity), whole(price));
                    Event { kind: Kind::INTENT_REPLACE, id: 999, ..event }
                };
                event.source = self.strategy;
                let got = self.desk.judge(event);
                if got.kind == Kind::APPROVED_REPLACE {
                    self.desk.bind_change(index, &got);
                }
                (verdict(&got), 5)
            }
            ["breaker", scope, state] => {
                self.desk.breaker(scope_of(scope), state_of(state), TripReason::Operator, 0);
                (String::new(), 3)
            }
            [what @ ("lock" | "unlock"), ..] => {
                self.desk.lock(what == "lock");
                (String::new(), 1)
            }
            ["cancel", order, ..] => {
                let mut event = Event::new(Kind::INTENT_CANCEL);
                event.id = self.desk.orders.get(order_index(order)).map_or(999, |o| o.id);
                (verdict(&self.desk.judge(event)), 2)
            }
            ["clock", ..] => {
                let got = self.desk.clock();
                (self.state(&got), 1)
            }
            ["command", name, ..] => {
                let code = (1..10).filter_map(CommandCode::from_code).find(|c| c.name() == name);
                let got = self.desk.command(code.unwrap());
                (self.state(&got), 2)
            }
            [side, quantity, "@", price, ..] => {
                let got = self.judge(side, quantity, price);
                if got.kind == Kind::APPROVED {
                    let index = self.desk.bind(&got);
                    self.desk.report(index, OrderState::Rejected);
                }
                (verdict(&got), 4)
            }
            _ => panic!("not understood: {words:?}"),
        }
    }

    fn judge(&mut self, side: &str, quantity: &str, price: &str) -> Event {
        let (side, more) = match side {
            "buy" => (Side::Buy, 0),
            "sell" => (Side::Sell, 0),
            "buy-reduce" => (Side::Buy, flags::REDUCE_ONLY),
            "sell-reduce" => (Side::Sell, flags::REDUCE_ONLY),
            "operator-buy" => (Side::Buy, flags::OPERATOR),
            "operator-sell" => (Side::Sell, flags::OPERATOR),
            "close-buy" => (Side::Buy, flags::OPERATOR | flags::REDUCE_ONLY),
            "close-sell" => (Side::Sell, flags::OPERATOR | flags::REDUCE_ONLY),
            _ => panic!("not a side: {side}"),
        };
        let mut event = intent(self.instrument, side, whole(quantity), whole(price));
        event.source = self.strategy;
        event.code = self.terms.unwrap_or(event.code);
        event.id = self.parent;
        event.flags |= more;
        let got = self.desk.judge(event);
        assert_eq!((got.source, got.tag, got.flags), (event.source, event.tag, event.flags));
        assert_eq!(got.instrument, event.instrument);
        if got.kind == Kind::APPROVED {
            assert_eq!(
                (got.price, got.quantity, got.code),
                (event.price, event.quantity, event.code)
            );
        }
        got
    }

    /// The state of the gate, with the rule, measured value and limit if one was just told.
    fn state(&self, told: &[Event]) -> String {
        let mut text = self.desk.gate.state().name().to_string();
        for event in told {
            let code = if matches!(event.kind, Kind::REFUSED | Kind::ALERT) {
                event.code
            } else {
                assert_eq!(event.kind, Kind::RISK_STATE);
                assert_eq!(event.code, self.desk.gate.state().code());
                u16::try_from(event.tag).unwrap()
            };
            if let Some(rule) = Rule::from_code(code) {
                let (measured, limit) = (number(rule, event.price), number(rule, event.quantity));
                text = format!("{text} {} {measured} {limit}", rule.name());
            }
        }
        text
    }
}

macro_rules! boundaries {
    ($($name:ident: $rule:ident $table:literal)*) => {
        $(
            #[test]
            fn $name() {
                crate::risk::tests::script::check($table);
            }
        )*
        pub(super) const BOUNDARIES: &[(crate::risk::Rule, &str)] = &[$((crate::risk::Rule::$rule, $table)),*];
    };
}

pub(super) use boundaries as tables;

fn every_table() -> impl Iterator<Item = &'static (Rule, &'static str)> {
    boundaries::BOUNDARIES.iter().chain(controls::BOUNDARIES).chain(parents::BOUNDARIES)
}

#[test]
fn every_rule_has_a_boundary_test_with_yes_and_no_on_both_sides() {
    for rule in Rule::ALL {
        let tables: String =
            every_table().filter(|(of, _)| of == rule).map(|(_, table)| *table).collect();
        let has = |start: &[&str], end: &str| {
            tables
                .lines()
                .map(str::trim)
                .any(|line| start.iter().any(|word| line.starts_with(word)) && line.contains(end))
        };
        let no = format!(" {} ", rule.name());
        let name = rule.name();
        if matches!(rule, Rule::RepeatedExecution) {
            for side in ["long", "short"] {
                assert!(has(&[side], &no) && has(&[side], "@ 1000"), "{name}: both answers");
            }
        } else if matches!(rule, Rule::ShortSale) {
            assert!(has(&["sell"], "pass") && has(&["sell"], &no), "{name}: both answers");
            assert!(has(&["buy"], "pass") && !has(&["buy"], &no), "{name}: buys pass");
        } else if matches!(rule, Rule::ParentsOpen) {
            for side in ["parent buy", "parent sell"] {
                assert!(has(&[side], &no) && has(&[side], "pass"), "{name}: both answers");
            }
        } else if matches!(rule, Rule::LossDaily | Rule::Drawdown | Rule::StrategyLossDaily) {
            assert!(has(&["long"], "") && has(&["short"], ""), "{name}: both sides");
            assert!(has(&["clock"], &no) && has(&["clock"], "active"), "{name}: both answers");
        } else if matches!(rule, Rule::ReplaceUnknownOrder | Rule::ReplacePending) {
            assert!(has(&["change"], &no) && has(&["change"], "pass"), "{name}: both answers");
            assert!(has(&["work buy"], "") && has(&["work sell"], ""), "{name}: both sides");
        } else {
            for side in ["buy", "sell"] {
                assert!(has(&[side], "pass"), "{name}: no {side} passes");
                assert!(has(&[side], &no), "{name}: no {side} is refused");
            }
        }
    }
}
