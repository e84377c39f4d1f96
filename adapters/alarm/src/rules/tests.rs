//! Tests of the rules: every alarm that a rule raises is raised here, and ended where it ends.

use std::collections::BTreeSet;

use engine::control::{ALERT_HOLD_TIME, ALERT_KILL_LATE};
use engine::event::link::link;
use engine::event::session::{command, session_end, session_start, strategy_state};
use engine::event::{
    AnswerCode, BookState, BreakerState, CommandCode, DifferenceCode, Event, FeedCode, KillPhase,
    Kind, LinkCode, LockReason, Mode, NO_INSTRUMENT, NO_STRATEGY, OrderState, Scope, TripReason,
    flags,
};
use engine::instrument::Venue;
use engine::oms::anomaly;
use engine::reconcile::ANOMALY_BALANCES;
use engine::risk::{RiskState, Rule};
use engine::stats::{
    CounterId, Heartbeat, Identity, RunState, StatsReader, StatsWriter, ThreadState, Writer,
};
use engine::strategy::host::{ANOMALY_INTENTS_DROPPED, why};

use super::guard::GuardLine;
use super::stats::Reading;
use super::*;
use crate::catalogue::{Code, Ending};
use crate::notice::Edge;
use crate::subject::Subject;

const S: u64 = SECOND_NS;
const SPOT_TAG: u32 = Venue::BinanceSpot as u32;
const SPOT: Subject = Subject::Venue(Venue::BinanceSpot as u8);

/// Rules in the middle of a session that began long ago.
fn rules() -> Rules {
    let mut rules = Rules::new(RuleSettings::default(), RulesState::default());
    rules.event(&session_start(7, Mode::Paper).at(S), &mut Vec::new());
    rules
}

/// An event of a kind, with code, price, quantity and tag.
fn event(kind: Kind, code: u16, (price, quantity, tag): (i64, i64, u32)) -> Event {
    let mut event = Event::new(kind);
    (event.code, event.price, event.quantity, event.tag) = (code, price, quantity, tag);
    event
}

fn of_strategy(source: u16, event: Event) -> Event {
    Event { source, ..event }
}

fn of_instrument(instrument: u16, event: Event) -> Event {
    Event { instrument, ..event }
}

fn of_id(id: u64, event: Event) -> Event {
    Event { id, ..event }
}

/// Raised and cleared alarms with their subjects, of events at seconds; then time passes to the last second.
fn story(rules: &mut Rules, events: &[(u64, Event)], until_s: u64) -> Vec<(Edge, Code, Subject)> {
    let mut signals = Vec::new();
    for (second, event) in events {
        rules.on_time(second * S, &mut signals);
        rules.event(&event.at(second * S), &mut signals);
    }
    rules.on_time(until_s * S, &mut signals);
    signals.iter().map(|signal| (signal.edge, signal.code, signal.subject)).collect()
}

fn raised(found: &[(Edge, Code, Subject)]) -> Vec<(Code, Subject)> {
    let raised = found.iter().filter(|(edge, _, _)| *edge == Edge::Raise);
    raised.map(|(_, code, subject)| (*code, *subject)).collect()
}

/// The alarms that these events raise, at second 100, and nothing else.
#[track_caller]
fn check(events: &[Event], expected: &[(Code, Subject)]) -> Vec<(Edge, Code, Subject)> {
    let events: Vec<(u64, Event)> = events.iter().map(|event| (100, *event)).collect();
    let found = story(&mut rules(), &events, 100);
    assert_eq!(raised(&found), expected, "{events:?}");
    found
}

/// That event ends that alarm.
#[track_caller]
fn check_end(event: Event, code: Code, subject: Subject) {
    let found = check(&[event], &[]);
    assert!(found.contains(&(Edge::Clear, code, subject)), "{event:?}: {found:?}");
    assert_eq!(code.ending(), Ending::Condition, "{code:?}");
}

fn breaker(state: BreakerState, reason: TripReason, scope: Scope) -> Event {
    let code = state.code() | (BreakerState::Normal.code() << 8);
    of_strategy(reason.code(), event(Kind::BREAKER, code, (5, 3, scope.tag())))
}

#[test]
fn breakers_and_kills() {
    let one = Scope::Strategy(1);
    let subject = Subject::Strategy(1);
    let safe = breaker(BreakerState::Safe, TripReason::RejectRate, one);
    check(&[safe], &[(Code::BreakerSafe, subject)]);
    let paused = breaker(BreakerState::Safe, TripReason::Paused, one);
    check(&[paused], &[(Code::TradingPaused, subject)]);
    let killed = breaker(BreakerState::Killed, TripReason::Operator, Scope::All);
    check(&[killed], &[(Code::BreakerKilled, Subject::Engine)]);
    let found = story(&mut rules(), &[(100, safe), (101, killed)], 102);
    assert!(found.contains(&(Edge::Clear, Code::BreakerSafe, Subject::Engine)), "{found:?}");
    // A flatten ends by itself and is no kill.
    let flatten = breaker(BreakerState::Killed, TripReason::Flatten, one);
    check(&[flatten], &[(Code::Flattening, subject)]);
    for code in [Code::BreakerSafe, Code::BreakerKilled, Code::TradingPaused, Code::Flattening] {
        check_end(breaker(BreakerState::Normal, TripReason::Recovered, one), code, subject);
    }
    let kill = |phase: KillPhase| event(Kind::KILL, phase.code(), (4, 2, Scope::All.tag()));
    check(&[kill(KillPhase::Blocked)], &[(Code::KillUsed, Subject::Engine)]);
    check(&[kill(KillPhase::Cancelling), kill(KillPhase::Flattening)], &[]);
    check(&[kill(KillPhase::Late)], &[(Code::KillLate, Subject::Engine)]);
    check_end(kill(KillPhase::Done), Code::KillLate, Subject::Engine);
    // Tags and codes of another version raise nothing.
    check(&[event(Kind::KILL, 1, (0, 0, u32::MAX))], &[]);
    check(&[event(Kind::BREAKER, 99, (0, 0, 0))], &[]);
}

fn limit(rule: Rule) -> Subject {
    let (instrument, strategy) = (NO_INSTRUMENT, NO_STRATEGY);
    Subject::Limit { rule: rule as u16, instrument, strategy }
}

#[test]
fn states_of_the_gate_and_losses() {
    let state = |state: RiskState, tag| event(Kind::RISK_STATE, state.code(), (5, 3, tag));
    let engine = Subject::Engine;
    let by_command = CommandCode::Reduce as u32;
    check(&[state(RiskState::Reducing, by_command)], &[(Code::RiskReducing, engine)]);
    let loss = Rule::LossDaily as u32;
    let both = [(Code::RiskReducing, engine), (Code::LossLimit, limit(Rule::LossDaily))];
    check(&[state(RiskState::Reducing, loss)], &both);
    let both = [(Code::TradingHalted, engine), (Code::LossLimit, limit(Rule::Drawdown))];
    check(&[state(RiskState::Halted, Rule::Drawdown as u32)], &both);
    check_end(state(RiskState::Active, 3), Code::TradingHalted, engine);
    check_end(state(RiskState::Active, 3), Code::RiskReducing, engine);
}

#[test]
fn used_limits_by_the_part_that_is_used() {
    let alert = |rule: Rule, percent| event(Kind::ALERT, rule as u16, (9, 10, percent));
    let rule = Rule::GrossNotional;
    for (percent, code) in [
        (0, Code::LimitWarning),
        (50, Code::LimitWarning),
        (75, Code::LimitWarning),
        (89, Code::LimitWarning),
        (90, Code::LimitNear),
        (99, Code::LimitNear),
        (100, Code::LimitReached),
        (250, Code::LimitReached),
    ] {
        check(&[alert(rule, percent)], &[(code, limit(rule))]);
    }
    let of_loss = (Code::LossLimit, limit(Rule::LossDaily));
    check(&[alert(Rule::LossDaily, 100)], &[of_loss]);
    check(&[alert(Rule::LossDaily, 90)], &[(Code::LimitNear, limit(Rule::LossDaily))]);
    let metric = Subject::Limit { rule: 308, instrument: NO_INSTRUMENT, strategy: 2 };
    let monitor = |percent| of_strategy(2, event(Kind::ALERT, 308, (5, 5, percent)));
    check(&[monitor(50)], &[(Code::MonitorWarning, metric)]);
    check(&[monitor(99)], &[(Code::MonitorWarning, metric)]);
    check(&[monitor(100)], &[(Code::MonitorReached, metric)]);
    check(&[event(Kind::ALERT, ALERT_KILL_LATE, (1, 1, 100))], &[]);
    let held = event(Kind::ALERT, ALERT_HOLD_TIME, (61, 60, 100));
    let subject = Subject::Limit { rule: ALERT_HOLD_TIME, instrument: 1, strategy: 2 };
    check(&[of_instrument(1, of_strategy(2, held))], &[(Code::HoldTime, subject)]);
    check(&[event(Kind::LIMIT, 12, (1, 2, 0))], &[(Code::LimitChanged, Subject::Code(12))]);
}

#[test]
fn strategies_that_panic_or_are_switched_off() {
    let state = |code, tag| of_strategy(3, event(Kind::STRATEGY_STATE, code, (0, 0, tag)));
    let subject = Subject::Strategy(3);
    let disabled = strategy_state::DISABLED;
    check(&[state(disabled, why::PANIC)], &[(Code::StrategyPanicked, subject)]);
    check(&[state(disabled, why::OPERATOR)], &[(Code::StrategyDisabled, subject)]);
    check_end(state(strategy_state::ENABLED, why::ENABLED), Code::StrategyDisabled, subject);
}

#[test]
fn refusals_and_rejects_are_told_when_they_are_many() {
    let refused = of_strategy(1, event(Kind::REFUSED, Rule::Collar as u16, (1, 2, 0)));
    let subject = Subject::Strategy(1);
    check(&[refused; 50], &[]);
    check(&[refused; 51], &[(Code::RefusedBurst, subject)]);
    // Of two strategies none has too many; and none has too many in its window.
    let other = of_strategy(2, refused);
    check(&[[refused; 30], [other; 30]].concat(), &[]);
    let slow: Vec<(u64, Event)> = (0..500).map(|index| (100 + index / 5, refused)).collect();
    assert_eq!(raised(&story(&mut rules(), &slow, 300)), [], "50 in any ten seconds");
    let rejected = u16::from(OrderState::Rejected.code());
    let rejected = |id| of_id(id, of_strategy(1, event(Kind::ORDER, rejected, (0, 0, 0))));
    let ten: Vec<Event> = (1..=10).map(rejected).collect();
    check(&ten, &[]);
    let eleven: Vec<Event> = (1..=11).map(rejected).collect();
    check(&eleven, &[(Code::RejectBurst, subject)]);
}

#[test]
fn commands_that_are_not_allowed_name_their_operator() {
    let order = Event { id: 77, source: 4, ..command(CommandCode::Kill, 0) };
    let answer = |code: AnswerCode, id| {
        let answer = event(Kind::ANSWER, CommandCode::Kill as u16, (i64::from(code.code()), 0, 0));
        of_id(id, answer)
    };
    let refused = [(Code::CommandRefused, Subject::Operator(4))];
    for code in [AnswerCode::NotPermitted, AnswerCode::AboveCeiling, AnswerCode::SamePerson] {
        check(&[order, answer(code, 77)], &refused);
    }
    for code in [AnswerCode::Done, AnswerCode::NeedsConfirm, AnswerCode::OutOfRange] {
        check(&[order, answer(code, 77)], &[]);
    }
    // The newest 256 commands are known by their operator.
    let many: Vec<Event> = (1..=256).map(|id| Event { id, ..order }).collect();
    let late = [&[order], many.as_slice(), &[answer(AnswerCode::NotPermitted, 77)]].concat();
    check(&late, &[(Code::CommandRefused, Subject::Operator(4))]);
}

#[test]
fn a_link_is_told_when_it_stays_down() {
    let down = link(Venue::BinanceSpot, LinkCode::Down, 0);
    let up = link(Venue::BinanceSpot, LinkCode::Up, 0);
    let found = story(&mut rules(), &[(100, down)], 101);
    assert_eq!(raised(&found), []);
    let found = story(&mut rules(), &[(100, down)], 102);
    assert_eq!(raised(&found), [(Code::LinkDown, SPOT)]);
    let found = story(&mut rules(), &[(100, down), (101, up)], 150);
    assert_eq!(raised(&found), []);
    assert!(found.contains(&(Edge::Clear, Code::LinkDown, SPOT)));
    // Down twice is down since the first.
    let found = story(&mut rules(), &[(100, down), (101, down)], 102);
    assert_eq!(raised(&found), [(Code::LinkDown, SPOT)]);
}

#[test]
fn what_is_down_at_the_start_or_at_the_end_of_a_session_is_meant_to_be() {
    let down = link(Venue::BinanceSpot, LinkCode::Down, 0);
    let mut fresh = Rules::new(RuleSettings::default(), RulesState::default());
    let start = session_start(1, Mode::Paper);
    let found = story(&mut fresh, &[(100, start), (101, down)], 109);
    assert_eq!(raised(&found), [(Code::SessionStart, Subject::Engine)]);
    let found = story(&mut fresh, &[], 110);
    assert_eq!(raised(&found), [(Code::LinkDown, SPOT)]);
    // The end of the session ends it.
    let found = story(&mut fresh, &[(200, session_end(1))], 201);
    assert!(found.contains(&(Edge::Clear, Code::LinkDown, SPOT)), "{found:?}");
    assert_eq!(raised(&found), [(Code::SessionEnd, Subject::Engine)]);
    let stop = command(CommandCode::Stop, 0);
    let found = story(&mut rules(), &[(100, stop), (101, down)], 200);
    assert_eq!(raised(&found), []);
}

#[test]
fn a_session_after_one_without_an_end_is_told() {
    let start = session_start(8, Mode::Paper);
    let engine = Subject::Engine;
    check(&[start], &[(Code::UncleanEnd, engine), (Code::SessionStart, engine)]);
    let both = [(Code::SessionEnd, engine), (Code::SessionStart, engine)];
    check(&[session_end(7), start], &both);
}

#[test]
fn books_and_connections_are_told_when_they_stay_bad() {
    let book = |state: BookState| {
        of_instrument(1, event(Kind::BOOK_STATE, u16::from(state.code()), (0, 0, 0)))
    };
    let subject = Subject::Instrument(1);
    for state in BookState::ALL {
        let found = story(&mut rules(), &[(100, book(state))], 102);
        let is_bad = state != BookState::Live;
        assert_eq!(raised(&found).contains(&(Code::BookBad, subject)), is_bad, "{state:?}");
    }
    let gap = [(100, book(BookState::Gap)), (101, book(BookState::Live))];
    assert_eq!(raised(&story(&mut rules(), &gap, 150)), []);
    check_end(book(BookState::Live), Code::BookBad, subject);
    let feed = |code: FeedCode| of_id(2, event(Kind::FEED, code as u16, (0, 0, 0)));
    for code in [FeedCode::Disconnected, FeedCode::Mute] {
        let found = story(&mut rules(), &[(100, feed(code))], 102);
        assert_eq!(raised(&found), [(Code::FeedConnection, Subject::Connection(2))]);
    }
    check_end(feed(FeedCode::Connected), Code::FeedConnection, Subject::Connection(2));
    let dropped = of_instrument(1, event(Kind::FEED, FeedCode::Dropped as u16, (0, 0, 40)));
    check(&[dropped], &[(Code::MarketDropped, subject)]);
    check(&[event(Kind::QUARANTINE, 1, (0, 0, 1))], &[(Code::Quarantine, Subject::Engine)]);
}

#[test]
fn locks_are_told_when_they_last() {
    let tag = u32::from(Venue::BinanceSpot as u8);
    let lock = |reason: LockReason| event(Kind::LOCK, 1, (i64::from(reason.code()), 0, tag));
    let unlock = event(Kind::LOCK, 0, (0, 0, tag));
    let start = lock(LockReason::Start);
    assert_eq!(raised(&story(&mut rules(), &[(100, start)], 129)), []);
    let found = story(&mut rules(), &[(100, start)], 130);
    assert_eq!(raised(&found), [(Code::VenueLocked, SPOT)]);
    // From one reason to the next it is locked all the same.
    let found = story(&mut rules(), &[(100, start), (120, lock(LockReason::LinkUp))], 130);
    assert_eq!(raised(&found), [(Code::VenueLocked, SPOT)]);
    // Balances have an alarm of their own.
    let found = story(&mut rules(), &[(100, start), (110, lock(LockReason::Balances))], 200);
    assert_eq!(raised(&found), []);
    check_end(unlock, Code::VenueLocked, SPOT);
    check_end(unlock, Code::ReconcileMismatch, SPOT);
}

#[test]
fn what_a_reconciliation_finds() {
    let tag = u32::from(Venue::BinanceSpot as u8);
    let difference = |code: DifferenceCode, flags| Event {
        flags,
        ..event(Kind::DIFFERENCE, code.code(), (1, 2, tag))
    };
    check(&[difference(DifferenceCode::OrderMissing, 0)], &[(Code::Difference, SPOT)]);
    check(&[difference(DifferenceCode::OrderStrange, 0)], &[(Code::OrderStrange, SPOT)]);
    check(&[difference(DifferenceCode::OrderForgotten, 0)], &[(Code::OrderStrange, SPOT)]);
    check(&[difference(DifferenceCode::BalanceBase, flags::FINAL)], &[]);
    let balances = event(Kind::ANOMALY, ANOMALY_BALANCES, (1, 0, tag));
    check(&[balances], &[(Code::ReconcileMismatch, SPOT)]);
    let failed = link(Venue::BinanceSpot, LinkCode::PullFailed, 1);
    let ended = link(Venue::BinanceSpot, LinkCode::PullEnd, 1);
    check(&[failed; 2], &[]);
    check(&[failed; 3], &[(Code::ReconcileFailing, SPOT)]);
    check(&[failed, failed, ended, failed, failed], &[]);
    check_end(ended, Code::ReconcileFailing, SPOT);
}

#[test]
fn anomalies_by_what_they_mean() {
    let odd = |code| of_strategy(1, event(Kind::ANOMALY, code, (3, 2, 0)));
    for code in [anomaly::OVER_FILL, anomaly::STRANGER_FILL, anomaly::CUMULATIVE_MISMATCH] {
        check(&[odd(code)], &[(Code::FillOdd, Subject::Code(u32::from(code)))]);
    }
    let late = anomaly::LATE_FILL;
    check(&[odd(late)], &[(Code::Anomaly, Subject::Code(u32::from(late)))]);
    check(&[odd(ANOMALY_INTENTS_DROPPED)], &[(Code::IntentsDropped, Subject::Strategy(1))]);
}

fn order(id: u64, instrument: u16, state: OrderState) -> Event {
    let order = event(Kind::ORDER, u16::from(state.code()), (0, 0, 0));
    of_id(id, of_instrument(instrument, order))
}

#[test]
fn orders_that_stay_unknown_are_one_alarm_an_instrument() {
    let events: Vec<(u64, Event)> = (1..=20)
        .map(|id| (100, order(id, u16::try_from(id % 2).unwrap(), OrderState::Unknown)))
        .collect();
    let mut rules = rules();
    assert_eq!(raised(&story(&mut rules, &events, 130)), []);
    // Asked for again and unknown again: it is unknown since the first time.
    let found = story(&mut rules, &[(130, order(1, 1, OrderState::Unknown))], 131);
    let unknown = |instrument| (Code::OrderUnknown, Subject::Instrument(instrument));
    assert_eq!(raised(&found), [unknown(1), unknown(0)]);
    assert_eq!(raised(&story(&mut rules, &[], 140)), [], "told once");
    let mut ends: Vec<(u64, Event)> = (1..=20)
        .filter(|id| id % 2 == 0)
        .map(|id| (150, order(id, 0, OrderState::Cancelled)))
        .collect();
    ends.push((150, order(1, 1, OrderState::Acked)));
    let found = story(&mut rules, &ends, 151);
    let (code, subject) = unknown(0);
    assert_eq!(found, [(Edge::Clear, code, subject)], "the other instrument has nine of them");
}

#[test]
fn an_order_without_a_word_for_long_is_stale() {
    let mut rules = rules();
    let working = [(100, order(1, 0, OrderState::Acked))];
    assert_eq!(raised(&story(&mut rules, &working, 1_000)), []);
    let found = story(&mut rules, &[], 1_001);
    assert_eq!(raised(&found), [(Code::OrderStale, Subject::Instrument(0))]);
    let word = [(1_002, order(1, 0, OrderState::PartiallyFilled))];
    let found = story(&mut rules, &word, 1_002);
    assert_eq!(found, [(Edge::Clear, Code::OrderStale, Subject::Instrument(0))]);
}

#[test]
fn more_orders_than_are_followed_do_no_harm() {
    let mut rules = rules();
    let many: Vec<(u64, Event)> =
        (1..10_000).map(|id| (100, order(id, 0, OrderState::Unknown))).collect();
    let found = story(&mut rules, &many, 200);
    assert_eq!(raised(&found), [(Code::OrderUnknown, Subject::Instrument(0))]);
}

#[test]
fn what_the_rules_remember_survives_its_text() {
    let down = link(Venue::BinanceSpot, LinkCode::Down, 0);
    let mut before = rules();
    let events = [(100, down), (100, order(1, 0, OrderState::Unknown))];
    story(&mut before, &events, 101);
    let text = serde_json::to_string(before.state()).unwrap();
    let state = serde_json::from_str(&text).unwrap();
    let mut after = Rules::new(RuleSettings::default(), state);
    let found = story(&mut after, &[], 131);
    let expected = [(Code::LinkDown, SPOT), (Code::OrderUnknown, Subject::Instrument(0))];
    assert_eq!(raised(&found), expected);
}

/// A stats file with a writer, and rules that read it.
struct Desk {
    writer: StatsWriter,
    reader: StatsReader,
    rules: Rules,
    now_ns: u64,
    _dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity {
            instance: "test",
            engine_version: "0",
            commit: "0",
            mode: "paper",
            journal_dir: "journal",
        };
        let writer = StatsWriter::create_in(dir.path(), &identity, S).unwrap();
        writer.set_state(RunState::Running, S);
        let reader = StatsReader::open(writer.path()).unwrap();
        let rules = Rules::new(RuleSettings::default(), RulesState::in_session());
        let mut desk = Desk { writer, reader, rules, now_ns: 100 * S, _dir: dir };
        desk.look();
        desk
    }

    /// Adds to a total, as its own writer would.
    fn add(&self, id: CounterId, by: u64) {
        match id.writer() {
            Writer::Core => self.writer.add(id, by),
            Writer::Any => self.writer.handle().add(id, by),
        }
    }

    fn set(&self, id: CounterId, value: u64) {
        match id.writer() {
            Writer::Core => self.writer.set(id, value),
            Writer::Any => self.writer.handle().set(id, value),
        }
    }

    fn thread(&self, name: &str) -> Heartbeat {
        self.writer.handle().register_thread(name, S, None, self.now_ns).unwrap()
    }

    /// A second later: what is raised and cleared. The core has taken an event meanwhile.
    fn look(&mut self) -> Vec<(Edge, Code, Subject)> {
        self.writer.add(CounterId::InboundConsumed, 1);
        self.look_only()
    }

    fn look_only(&mut self) -> Vec<(Edge, Code, Subject)> {
        self.now_ns += S;
        let mut signals = Vec::new();
        let reading = Reading::of(&self.reader.snapshot().unwrap(), self.now_ns);
        self.rules.stats(&reading, self.now_ns, &mut signals);
        signals.iter().map(|signal| (signal.edge, signal.code, signal.subject)).collect()
    }
}

#[test]
fn totals_that_grow_are_told_each_time() {
    for (id, code) in [
        (CounterId::JournalErrors, Code::JournalError),
        (CounterId::InboundFull, Code::InboundFull),
        (CounterId::OutboundFull, Code::OutboundFull),
        (CounterId::FillsLate, Code::FillsLate),
        (CounterId::FillsTooLate, Code::FillsTooLate),
    ] {
        let mut desk = Desk::new();
        assert_eq!(raised(&desk.look()), []);
        desk.add(id, 3);
        assert_eq!(raised(&desk.look()), [(code, Subject::Engine)]);
        assert_eq!(raised(&desk.look()), []);
        desk.add(id, 1);
        assert_eq!(raised(&desk.look()), [(code, Subject::Engine)]);
    }
}

#[test]
fn a_journal_far_behind_for_three_readings_is_told() {
    let mut desk = Desk::new();
    desk.set(CounterId::JournalAppended, 5_000_000);
    assert_eq!(raised(&[desk.look(), desk.look(), desk.look()].concat()), [], "at the limit");
    desk.set(CounterId::JournalAppended, 5_000_001);
    assert_eq!(raised(&[desk.look(), desk.look()].concat()), []);
    assert_eq!(raised(&desk.look()), [(Code::JournalBehind, Subject::Engine)]);
    desk.set(CounterId::JournalSynced, 5_000_001);
    assert!(desk.look().contains(&(Edge::Clear, Code::JournalBehind, Subject::Engine)));
}

#[test]
fn a_disk_that_is_nearly_full_is_told() {
    let mut desk = Desk::new();
    let low = (Code::DiskLow, Subject::Engine);
    desk.set(CounterId::JournalDiskFree, 1 << 30);
    assert_eq!(raised(&desk.look()), []);
    desk.set(CounterId::JournalDiskFree, (1 << 30) - 1);
    assert_eq!(raised(&desk.look()), [low]);
    // A limit of the stats file is the one that counts.
    desk.writer.set_limit(CounterId::JournalDiskFree, 1 << 20);
    assert!(desk.look().contains(&(Edge::Clear, low.0, low.1)));
}

#[test]
fn an_inbound_ring_that_stays_half_full_is_told() {
    let mut desk = Desk::new();
    desk.writer.set_limit(CounterId::InboundDepth, 1_000);
    desk.set(CounterId::InboundDepth, 501);
    assert_eq!(raised(&[desk.look(), desk.look()].concat()), []);
    assert_eq!(raised(&desk.look()), [(Code::InboundLag, Subject::Engine)]);
    desk.set(CounterId::InboundDepth, 500);
    assert!(desk.look().contains(&(Edge::Clear, Code::InboundLag, Subject::Engine)));
}

#[test]
fn a_core_that_takes_nothing_is_told() {
    let mut desk = Desk::new();
    desk.look();
    assert_eq!(raised(&[desk.look_only(), desk.look_only()].concat()), []);
    assert_eq!(raised(&desk.look_only()), [(Code::CoreSilent, Subject::Engine)]);
    assert!(desk.look().contains(&(Edge::Clear, Code::CoreSilent, Subject::Engine)));
}

#[test]
fn threads_that_stand_still_or_die_are_told() {
    let mut desk = Desk::new();
    let heartbeat = desk.thread("feed");
    let subject = Subject::Thread(0);
    assert_eq!(raised(&desk.look()), [], "a second old, as it may be");
    assert_eq!(raised(&[desk.look(), desk.look()].concat()), []);
    assert_eq!(raised(&desk.look()), [(Code::ThreadStalled, subject)]);
    heartbeat.beat(desk.now_ns + S);
    assert!(desk.look().contains(&(Edge::Clear, Code::ThreadStalled, subject)));
    heartbeat.set_state(ThreadState::Dead, desk.now_ns);
    assert_eq!(raised(&desk.look()), [(Code::ThreadDead, subject)]);
    assert_eq!(raised(&desk.look()), [], "once");
}

#[test]
fn an_engine_that_failed_is_told_until_the_next_one_runs() {
    let mut desk = Desk::new();
    desk.writer.set_state(RunState::Failed, desk.now_ns);
    assert_eq!(raised(&desk.look_only()), [(Code::EngineFailed, Subject::Engine)]);
    // What it left behind is no alarm of its own, and it is said once.
    assert_eq!(raised(&[desk.look_only(), desk.look_only(), desk.look_only()].concat()), []);
    desk.writer.set_state(RunState::Running, desk.now_ns);
    assert!(desk.look().contains(&(Edge::Clear, Code::EngineFailed, Subject::Engine)));
}

#[test]
fn what_stands_still_after_a_session_is_meant_to() {
    for end in [session_end(1), command(CommandCode::Stop, 0)] {
        let mut desk = Desk::new();
        desk.thread("feed");
        desk.rules.event(&end.at(desk.now_ns), &mut Vec::new());
        let found: Vec<_> = (0..6).flat_map(|_| desk.look_only()).collect();
        assert_eq!(raised(&found), [], "{end:?}");
    }
}

#[test]
fn new_errors_are_told_by_their_code() {
    let mut desk = Desk::new();
    desk.writer.error(3, desk.now_ns, format_args!("one"));
    let error = |code| (Code::EngineError, Subject::Code(code));
    assert_eq!(raised(&desk.look()), [error(3)]);
    assert_eq!(raised(&desk.look()), []);
    desk.writer.error(3, desk.now_ns, format_args!("two"));
    desk.writer.error(9, desk.now_ns, format_args!("three"));
    assert_eq!(raised(&desk.look()), [error(3), error(9)]);
}

#[test]
fn every_alarm_is_raised_by_a_test_here_or_by_the_watch() {
    // Those that the watch raises about itself are raised in its own tests.
    let own = BTreeSet::from([
        Code::ChannelFailing,
        Code::ChannelOverflow,
        Code::AlarmsOverflow,
        Code::JournalUnreadable,
        Code::StateLost,
        Code::HistoryUnwritable,
        Code::Test,
        Code::Silenced,
        // From a guard's file: named in another form above.
        Code::GuardActing,
        Code::GuardCannotCancel,
        Code::GuardActed,
        Code::ReconcileNeeded,
        Code::GuardTrouble,
        // A process that is gone: its test needs one, `tests/it/alarms_reach_people.rs`.
        Code::EngineDead,
    ]);
    let here = include_str!("tests.rs").split("fn every_alarm_is_raised").next().unwrap();
    for code in Code::ALL {
        let is_named = here.contains(&format!("(Code::{code:?}, "))
            || here.contains(&format!("=> Code::{code:?}"))
            || here.contains(&format!(", Code::{code:?})"));
        assert!(is_named != own.contains(code), "{code:?}: in the tests of exactly one of both");
    }
}

/// A line of a guard at second 100.
fn guard_line(code: &str, why: &str, outcome: &str) -> GuardLine {
    GuardLine {
        time_ns: 100 * S,
        code: code.to_string(),
        why: why.to_string(),
        outcome: outcome.to_string(),
        orders_cancelled: 3,
        orders_left: 1,
    }
}

#[test]
fn what_a_guard_does_is_told_until_it_is_over_and_reconciled() {
    let check = |line: GuardLine, raised_codes: &[Code], cleared_codes: &[Code]| {
        let mut signals = Vec::new();
        rules().guard(&line, &mut signals);
        let of = |edge| {
            let signals = signals.iter().filter(move |signal| signal.edge == edge);
            signals.map(|signal| signal.code).collect::<Vec<Code>>()
        };
        assert_eq!(of(Edge::Raise), raised_codes, "{line:?}");
        assert_eq!(of(Edge::Clear), cleared_codes, "{line:?}");
        for signal in signals.iter().filter(|signal| signal.edge == Edge::Raise) {
            assert_eq!((signal.measured, signal.limit), (3, 1), "{line:?}");
        }
    };
    let over = [Code::GuardActing, Code::GuardCannotCancel];
    let both = [Code::GuardActed, Code::ReconcileNeeded];
    check(guard_line("guard-acting", "gone", "begun"), &over[..1], &[]);
    check(guard_line("guard-cannot-cancel", "gone", "begun"), &over[1..], &[]);
    check(guard_line("guard-trouble", "", ""), &[Code::GuardTrouble], &[]);
    for outcome in ["clean", "superseded", "abandoned"] {
        check(guard_line("guard-acted", "gone", outcome), &both, &over);
    }
    for outcome in ["came-back", "venue-gone"] {
        check(guard_line("guard-acted", "stuck", outcome), &both[..1], &over);
    }
    // Only alarms of a guard come from its file.
    check(guard_line("kill-used", "gone", "clean"), &[], &[]);
    check(guard_line("no-such-alarm", "gone", "clean"), &[], &[]);
}

#[test]
fn a_reconciliation_after_a_guards_act_ends_its_alarm_and_one_before_does_not() {
    let unlocked = of_instrument(NO_INSTRUMENT, event(Kind::LOCK, 0, (0, 0, SPOT_TAG)));
    let mut rules = rules();
    rules.guard(&guard_line("guard-acted", "gone", "clean"), &mut Vec::new());
    let clear = (Edge::Clear, Code::ReconcileNeeded, Subject::Engine);
    assert!(!story(&mut rules, &[(100, unlocked)], 100).contains(&clear));
    assert!(story(&mut rules, &[(101, unlocked)], 101).contains(&clear));
}

#[test]
fn words_of_another_version_raise_nothing_and_do_no_harm() {
    for (kind, _) in Kind::ALL {
        for code in [0, 1, 255, u16::MAX] {
            for value in [i64::MIN, -1, i64::MAX] {
                let mut odd = event(*kind, code, (value, value, u32::MAX));
                (odd.id, odd.source, odd.instrument) = (u64::MAX, u16::MAX, u16::MAX - 1);
                let mut rules = rules();
                let found = story(&mut rules, &[(100, odd), (100, odd)], u64::MAX / S);
                assert!(found.len() < 16, "{kind:?} {code}: {found:?}");
            }
        }
    }
}
