//! Rules over the journal's events.

use engine::control::{ALERT_HOLD_TIME, ALERT_KILL_LATE};
use engine::event::kind::KindSet;
use engine::event::session::strategy_state;
use engine::event::{
    AnswerCode, BookState, BreakerState, CommandCode, DifferenceCode, Event, FeedCode, KillPhase,
    Kind, LinkCode, LockReason, NO_INSTRUMENT, NO_STRATEGY, OrderState, Scope, TripReason, flags,
};
use engine::oms::anomaly;
use engine::reconcile::ANOMALY_BALANCES;
use engine::risk::{RiskState, Rule};
use engine::strategy::host::{ANOMALY_INTENTS_DROPPED, why};

use super::Rules;
use super::measure::RateWindow;
use crate::catalogue::Code;
use crate::notice::Signal;
use crate::subject::Subject;

/// Commands whose operator is remembered until their answer comes.
const COMMAND_COUNT_MAX: usize = 256;
/// Strategies and venues with counts of their own; those beyond share the last.
const ROW_COUNT_MAX: usize = 512;
/// Metrics of the monitor begin here in `code` of `ALERT`; below are rules of the gate.
const METRIC_FIRST: u16 = 300;

/// What the rules look at.
const INTEREST: KindSet = KindSet::of(&[
    Kind::FEED,
    Kind::COMMAND,
    Kind::SESSION_START,
    Kind::SESSION_END,
    Kind::QUARANTINE,
    Kind::LINK,
    Kind::BOOK_STATE,
    Kind::REFUSED,
    Kind::ORDER,
    Kind::STRATEGY_STATE,
    Kind::RISK_STATE,
    Kind::ANOMALY,
    Kind::LOCK,
    Kind::DIFFERENCE,
    Kind::BREAKER,
    Kind::KILL,
    Kind::LIMIT,
    Kind::ALERT,
    Kind::ANSWER,
]);

/// Fills that cannot be.
const ODD_FILLS: [u16; 5] = [
    anomaly::OVER_FILL,
    anomaly::CUMULATIVE_MISMATCH,
    anomaly::STRANGER_FILL,
    anomaly::ZOMBIE,
    anomaly::BAD_FILL,
];

const fn at(event: &Event) -> (u64, u64) {
    (event.sequence, event.time_ns)
}

fn venue_of(event: &Event) -> u8 {
    event.tag.to_le_bytes()[0]
}

/// The row of `key`, made when it is new. Rows are few: strategies or venues.
fn row_of<K: PartialEq + Copy, V: Default>(rows: &mut Vec<(K, V)>, key: K) -> &mut V {
    let index = rows.iter().position(|(known, _)| *known == key);
    let index = index.unwrap_or_else(|| {
        if rows.len() < ROW_COUNT_MAX {
            rows.push((key, V::default()));
        }
        rows.len() - 1
    });
    &mut rows[index].1
}

impl Rules {
    /// An event of the journal, in order.
    pub fn event(&mut self, event: &Event, out: &mut Vec<Signal>) {
        if !INTEREST.contains(event.kind) {
            return;
        }
        match event.kind {
            Kind::SESSION_START | Kind::SESSION_END => self.session(event, out),
            Kind::COMMAND => self.command(event),
            Kind::FEED => self.feed(event, out),
            Kind::BOOK_STATE => self.book(event, out),
            Kind::LINK => self.link(event, out),
            Kind::LOCK => self.lock(event, out),
            Kind::REFUSED => self.refused(event, out),
            Kind::ORDER => self.order(event, out),
            Kind::ANSWER => self.answer(event, out),
            Kind::QUARANTINE => {
                out.push(Signal::raise(Code::Quarantine, Subject::Engine, at(event)));
            }
            Kind::BREAKER => breaker(event, out),
            Kind::KILL => kill(event, out),
            Kind::RISK_STATE => risk_state(event, out),
            Kind::ALERT => alert(event, out),
            Kind::LIMIT => {
                let subject = Subject::Code(u32::from(event.code));
                let signal = Signal::raise(Code::LimitChanged, subject, at(event));
                out.push(signal.with(event.price, event.quantity, 0));
            }
            Kind::STRATEGY_STATE => strategy(event, out),
            Kind::ANOMALY => odd(event, out),
            Kind::DIFFERENCE => difference(event, out),
            _ => {}
        }
    }

    fn session(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let number = i64::try_from(event.id).unwrap_or(i64::MAX);
        let is_start = event.kind == Kind::SESSION_START;
        self.state.lasting.end_all(at(event), out);
        if is_start {
            if self.state.is_open {
                let signal = Signal::raise(Code::UncleanEnd, Subject::Engine, at(event));
                out.push(signal.with(number, 0, 0));
            }
            // The engine tells its open orders anew.
            self.state.orders.forget();
            self.state.start_ns = event.time_ns;
        }
        self.state.is_open = is_start;
        self.state.is_stopping = false;
        let code = if is_start { Code::SessionStart } else { Code::SessionEnd };
        let signal = Signal::raise(code, Subject::Engine, at(event));
        out.push(signal.with(number, 0, u32::from(event.code)));
    }

    fn command(&mut self, event: &Event) {
        if event.code == CommandCode::Stop as u16 {
            self.state.is_stopping = true;
        }
        if event.id != 0 {
            if self.state.commands.len() == COMMAND_COUNT_MAX {
                self.state.commands.remove(0);
            }
            self.state.commands.push((event.id, event.source));
        }
    }

    /// Tells a condition when it has lasted; at once is not in the interest of anybody, because most are gone
    /// a moment later.
    fn begin(&mut self, signal: Signal, last_ns: u64, out: &mut Vec<Signal>) {
        if self.state.is_stopping || !self.state.is_open {
            return;
        }
        let start_ns = self.state.start_ns.saturating_add(self.settings.start_ns);
        let due_ns = signal.time_ns.saturating_add(last_ns).max(start_ns);
        self.state.lasting.begin(signal, due_ns, out);
    }

    fn feed(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let code = FeedCode::from_code(event.code);
        if event.instrument != NO_INSTRUMENT {
            if code == Some(FeedCode::Dropped) {
                let subject = Subject::Instrument(event.instrument);
                let signal = Signal::raise(Code::MarketDropped, subject, at(event));
                out.push(signal.with(i64::from(event.tag), 0, 0));
            }
            return;
        }
        let subject = Subject::Connection(event.id);
        match code {
            Some(FeedCode::Connected) => {
                let clear = Signal::clear(Code::FeedConnection, subject, at(event));
                self.state.lasting.end(clear, out);
            }
            Some(FeedCode::Disconnected | FeedCode::Mute) => {
                let signal = Signal::raise(Code::FeedConnection, subject, at(event));
                let signal = signal.with(0, 0, u32::from(event.code));
                self.begin(signal, self.settings.down_ns, out);
            }
            Some(FeedCode::Dropped) | None => {}
        }
    }

    fn book(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let subject = Subject::Instrument(event.instrument);
        if event.code == u16::from(BookState::Live.code()) {
            let clear = Signal::clear(Code::BookBad, subject, at(event));
            self.state.lasting.end(clear, out);
        } else {
            let signal = Signal::raise(Code::BookBad, subject, at(event));
            let signal = signal.with(0, 0, u32::from(event.code));
            self.begin(signal, self.settings.down_ns, out);
        }
    }

    fn link(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let venue = venue_of(event);
        let subject = Subject::Venue(venue);
        match LinkCode::from_code(event.code) {
            Some(LinkCode::Up) => {
                self.state.lasting.end(Signal::clear(Code::LinkDown, subject, at(event)), out);
            }
            Some(LinkCode::Down) => {
                let signal = Signal::raise(Code::LinkDown, subject, at(event));
                self.begin(signal, self.settings.down_ns, out);
            }
            Some(LinkCode::PullEnd) => {
                *row_of(&mut self.state.pulls_failed, venue) = 0;
                out.push(Signal::clear(Code::ReconcileFailing, subject, at(event)));
            }
            Some(LinkCode::PullFailed) => {
                let failed = row_of(&mut self.state.pulls_failed, venue);
                *failed = failed.saturating_add(1);
                if self.settings.pull_failed_count_max <= *failed {
                    let signal = Signal::raise(Code::ReconcileFailing, subject, at(event));
                    out.push(signal.with(i64::from(*failed), 0, 0));
                }
            }
            Some(LinkCode::PullBegin) | None => {}
        }
    }

    fn lock(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let venue = venue_of(event);
        let subject = Subject::Venue(venue);
        let reason = u16::try_from(event.price).ok().and_then(LockReason::from_code);
        let lock = Signal::raise(Code::VenueLocked, subject, at(event));
        let clear = Signal::clear(Code::VenueLocked, subject, at(event));
        if event.code == 0 {
            self.state.lasting.end(clear, out);
            out.push(Signal::clear(Code::ReconcileMismatch, subject, at(event)));
            if self.state.guard_acted_ns < event.time_ns {
                // The venue has been asked since: what a guard ended is known.
                out.push(Signal::clear(Code::ReconcileNeeded, Subject::Engine, at(event)));
            }
        } else if reason == Some(LockReason::Balances) {
            // The mismatch is told by its own alarm.
            self.state.lasting.end(clear, out);
        } else {
            let locked_ns = self.settings.locked_ns;
            let detail = reason.map_or(0, |reason| u32::from(reason.code()));
            let lasted = i64::try_from(locked_ns).unwrap_or(i64::MAX);
            self.begin(lock.with(lasted, 0, detail), locked_ns, out);
        }
    }

    fn refused(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let (window_ns, most) = (self.settings.refused_window_ns, self.settings.refused_count_max);
        let rule = u32::from(event.code);
        let rows = &mut self.state.refused;
        rate(rows, event, (Code::RefusedBurst, window_ns, most, rule), out);
    }

    fn order(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let Some(state) = OrderState::from_code(event.code.to_le_bytes()[0]) else { return };
        self.state.orders.changed(event, state);
        if state == OrderState::Rejected {
            let (window_ns, most) =
                (self.settings.reject_window_ns, self.settings.reject_count_max);
            let rows = &mut self.state.rejected;
            rate(rows, event, (Code::RejectBurst, window_ns, most, 0), out);
        }
    }

    fn answer(&mut self, event: &Event, out: &mut Vec<Signal>) {
        let answer = u16::try_from(event.price).ok().and_then(AnswerCode::from_code);
        let Some(
            answer @ (AnswerCode::NotPermitted
            | AnswerCode::AboveCeiling
            | AnswerCode::SamePerson
            | AnswerCode::WrongTrip),
        ) = answer
        else {
            return;
        };
        let known = self.state.commands.iter().rfind(|(number, _)| *number == event.id);
        let operator = known.map_or(0, |(_, operator)| *operator);
        let detail = u32::from(event.code) | (u32::from(answer.code()) << 16);
        let subject = Subject::Operator(operator);
        let signal = Signal::raise(Code::CommandRefused, subject, at(event));
        out.push(signal.with(0, 0, detail));
    }
}

/// One more of what comes too often, by strategy.
fn rate(
    rows: &mut Vec<(u16, RateWindow)>,
    event: &Event,
    (code, window_ns, count_max, detail): (Code, u64, u32, u32),
    out: &mut Vec<Signal>,
) {
    let count = row_of(rows, event.source).add(event.time_ns, window_ns, count_max);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if i64::from(count_max) < count {
        let signal = Signal::raise(code, Subject::Strategy(event.source), at(event));
        out.push(signal.with(count, i64::from(count_max), detail));
    }
}

fn breaker(event: &Event, out: &mut Vec<Signal>) {
    let Some(scope) = Scope::from_tag(event.tag) else { return };
    let subject = Subject::from(scope);
    let state = BreakerState::from_code(u16::from(event.code.to_le_bytes()[0]));
    let reason = TripReason::from_code(event.source);
    let raised = match state {
        Some(BreakerState::Safe) if reason == Some(TripReason::Paused) => Some(Code::TradingPaused),
        Some(BreakerState::Safe) => Some(Code::BreakerSafe),
        Some(BreakerState::Killed) if reason == Some(TripReason::Flatten) => Some(Code::Flattening),
        Some(BreakerState::Killed) => Some(Code::BreakerKilled),
        Some(BreakerState::Normal) => None,
        None => return,
    };
    for code in [Code::TradingPaused, Code::BreakerSafe, Code::BreakerKilled, Code::Flattening] {
        if Some(code) != raised {
            out.push(Signal::clear(code, subject, at(event)));
        }
    }
    if let Some(code) = raised {
        let signal = Signal::raise(code, subject, at(event));
        out.push(signal.with(event.price, event.quantity, u32::from(event.source)));
    }
}

fn kill(event: &Event, out: &mut Vec<Signal>) {
    let Some(scope) = Scope::from_tag(event.tag) else { return };
    let subject = Subject::from(scope);
    let raise = |code| {
        let signal = Signal::raise(code, subject, at(event));
        signal.with(event.price, event.quantity, u32::from(event.code))
    };
    match KillPhase::from_code(event.code) {
        Some(KillPhase::Blocked) => out.push(raise(Code::KillUsed)),
        Some(KillPhase::Late) => out.push(raise(Code::KillLate)),
        Some(KillPhase::Done) => out.push(Signal::clear(Code::KillLate, subject, at(event))),
        Some(KillPhase::Cancelling | KillPhase::Flattening) | None => {}
    }
}

const fn is_loss(rule: Option<Rule>) -> bool {
    matches!(rule, Some(Rule::LossDaily | Rule::Drawdown))
}

/// The one alarm of a loss limit, whoever says that it is reached.
fn loss(event: &Event, rule: u16) -> Signal {
    let (instrument, strategy) = (NO_INSTRUMENT, NO_STRATEGY);
    let subject = Subject::Limit { rule, instrument, strategy };
    let signal = Signal::raise(Code::LossLimit, subject, at(event));
    signal.with(event.price, event.quantity, u32::from(rule))
}

fn risk_state(event: &Event, out: &mut Vec<Signal>) {
    let raised = match RiskState::from_code(event.code) {
        Some(RiskState::Active) => None,
        Some(RiskState::Reducing) => Some(Code::RiskReducing),
        Some(RiskState::Halted) => Some(Code::TradingHalted),
        None => return,
    };
    for code in [Code::RiskReducing, Code::TradingHalted] {
        if Some(code) != raised {
            out.push(Signal::clear(code, Subject::Engine, at(event)));
        }
    }
    let Some(code) = raised else { return };
    let signal = Signal::raise(code, Subject::Engine, at(event));
    out.push(signal.with(event.price, event.quantity, event.tag));
    let rule = u16::try_from(event.tag).unwrap_or(0);
    if is_loss(Rule::from_code(rule)) {
        out.push(loss(event, rule));
    }
}

fn alert(event: &Event, out: &mut Vec<Signal>) {
    let (rule, instrument, strategy) = (event.code, event.instrument, event.source);
    let code = match event.tag {
        // The event `KILL` says it too.
        _ if rule == ALERT_KILL_LATE => return,
        _ if rule == ALERT_HOLD_TIME => Code::HoldTime,
        100.. if is_loss(Rule::from_code(rule)) => return out.push(loss(event, rule)),
        100.. if METRIC_FIRST < rule => Code::MonitorReached,
        100.. => Code::LimitReached,
        _ if METRIC_FIRST < rule => Code::MonitorWarning,
        90..100 => Code::LimitNear,
        0..90 => Code::LimitWarning,
    };
    let subject = Subject::Limit { rule, instrument, strategy };
    let signal = Signal::raise(code, subject, at(event));
    out.push(signal.with(event.price, event.quantity, event.tag));
}

fn strategy(event: &Event, out: &mut Vec<Signal>) {
    let subject = Subject::Strategy(event.source);
    if event.code == strategy_state::ENABLED {
        out.push(Signal::clear(Code::StrategyDisabled, subject, at(event)));
        return;
    }
    let code =
        if event.tag == why::PANIC { Code::StrategyPanicked } else { Code::StrategyDisabled };
    out.push(Signal::raise(code, subject, at(event)).with(0, 0, event.tag));
}

fn odd(event: &Event, out: &mut Vec<Signal>) {
    let (code, subject) = match event.code {
        ANOMALY_BALANCES => (Code::ReconcileMismatch, Subject::Venue(venue_of(event))),
        ANOMALY_INTENTS_DROPPED => (Code::IntentsDropped, Subject::Strategy(event.source)),
        code if ODD_FILLS.contains(&code) => (Code::FillOdd, Subject::Code(u32::from(code))),
        code => (Code::Anomaly, Subject::Code(u32::from(code))),
    };
    let signal = Signal::raise(code, subject, at(event));
    out.push(signal.with(event.price, event.quantity, u32::from(event.code)));
}

fn difference(event: &Event, out: &mut Vec<Signal>) {
    let code = match DifferenceCode::from_code(event.code) {
        Some(DifferenceCode::OrderStrange | DifferenceCode::OrderForgotten) => Code::OrderStrange,
        // The anomaly that follows is its alarm.
        _ if event.has(flags::FINAL) => return,
        _ => Code::Difference,
    };
    let signal = Signal::raise(code, Subject::Venue(venue_of(event)), at(event));
    out.push(signal.with(event.price, event.quantity, u32::from(event.code)));
}
