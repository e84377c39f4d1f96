//! From arguments to the words of a command, and what is refused.

use engine::event::{BreakerState, Kind, TripReason};
use engine::risk::{Limits, RiskState};

use super::*;
use crate::names::tests::names;
use crate::role::Role;
use crate::view::ScopeState;

pub(crate) fn limits() -> Limits {
    use engine::money::Money;
    use engine::risk::{AccountLimits, Controls, InstrumentLimits};
    let money = |units: i128| Money(units * Money::ONE.0);
    let instrument = InstrumentLimits {
        order_quantity_max: 20_000,
        order_notional_max: money(13_000),
        position_quantity_max: 50_000,
        position_notional_max: money(35_000),
        collar_bps: 50,
        passive_bps: 500,
        reference_age_ns_max: 3_000_000_000,
        restricted: false,
    };
    let account = AccountLimits {
        order_rate_count_max: 50,
        order_rate_window_ns: 1_000_000_000,
        orders_open_max: 64,
        loss_daily_max: money(500),
        drawdown_max: money(1_000),
        gross_notional_max: money(50_000),
        day_start_ns_utc: 0,
    };
    Limits {
        instruments: vec![Some(instrument.clone()), Some(instrument)],
        account: Some(account),
        controls: Controls::default(),
    }
}

pub(crate) fn view() -> View {
    View::new(names(), limits())
}

fn tripped(view: &mut View, scope: Scope, state: BreakerState, trip: u64) {
    let reason = Some(TripReason::Operator);
    let (measured, limit, since_ns, by) = (0, 0, 0, None);
    view.scopes
        .insert(scope.tag(), ScopeState { state, reason, trip, measured, limit, since_ns, by });
}

fn arguments(json: &str) -> Arguments {
    serde_json::from_str(json).expect("arguments of a test")
}

/// Verb, arguments, and the words of the command that matter for it: code, tag, price, quantity.
type Row<'a> = (Verb, &'a str, (CommandCode, u32, i64, i64));

#[track_caller]
fn check(view: &View, table: &[Row<'_>]) {
    for (verb, json, (code, tag, price, quantity)) in table {
        let event =
            draft(*verb, &arguments(json), view).unwrap_or_else(|e| panic!("{json}: {e}")).event;
        let words = (event.kind, event.code, event.tag, event.price, event.quantity);
        let expected = (Kind::COMMAND, *code as u16, *tag, *price, *quantity);
        assert_eq!(words, expected, "{} {json}", verb.name());
        assert!(event.has(flags::LAST));
    }
}

#[test]
fn each_verb_is_its_command() {
    use CommandCode as C;
    let mut view = view();
    tripped(&mut view, Scope::Instrument(1), BreakerState::Safe, 7);
    let scope = Scope::Strategy(1).tag();
    check(
        &view,
        &[
            (Verb::Kill, "{}", (C::Kill, 0, 0, 1)),
            (Verb::Kill, r#"{"scope":"strategy:taker","flatten":false}"#, (C::Kill, scope, 0, 0)),
            (Verb::Flatten, r#"{"scope":"all"}"#, (C::Flatten, 0, 0, 0)),
            (Verb::Trip, r#"{"scope":"strategy:taker"}"#, (C::Trip, scope, 0, 0)),
            (Verb::Pause, "{}", (C::Pause, 0, 0, 0)),
            (Verb::Approve, r#"{"scope":"instrument:ETHUSDT"}"#, (C::Approve, (3 << 16) | 1, 7, 0)),
            (Verb::Approve, r#"{"trip":9}"#, (C::Approve, 0, 9, 0)),
            (Verb::Rearm, r#"{"trip":9,"new_peak":true}"#, (C::Rearm, 0, 9, 1)),
            (Verb::Enable, r#"{"strategy":"taker"}"#, (C::StrategyEnable, 1, 0, 0)),
            (Verb::Disable, r#"{"strategy":"maker"}"#, (C::StrategyDisable, 0, 0, 0)),
            (Verb::Cancel, "{}", (C::CancelAll, 0, 0, 0)),
            (Verb::Cancel, r#"{"order":"00000000000000ff"}"#, (C::OrderCancel, 0, 0, 255)),
            (Verb::Confirm, r#"{"command":5}"#, (C::Confirm, 0, 5, 0)),
            (Verb::Acknowledge, r#"{"alarm":3}"#, (C::Acknowledge, 0, 3, 0)),
            (Verb::Alive, "{}", (C::Alive, 0, 0, 0)),
            (Verb::AcceptBalances, "{}", (C::AcceptBalances, 0, 0, 0)),
            (Verb::AcceptBalances, r#"{"venue":"binance-spot"}"#, (C::AcceptBalances, 2, 0, 0)),
            (
                Verb::LimitsSet,
                r#"{"limit":"orders_open_max","value":"9"}"#,
                (C::LimitSet, 21, -1, 9),
            ),
            (
                Verb::LimitsSet,
                r#"{"limit":"loss_daily_max","value":"0.5"}"#,
                (C::LimitSet, 22, -1, 50_000_000),
            ),
            (
                Verb::LimitsSet,
                r#"{"limit":"position_quantity_max","value":"0.1","instrument":"ETHUSDT"}"#,
                (C::LimitSet, 3, -1, 10_000),
            ),
        ],
    );
}

#[test]
fn resume_ends_a_pause_or_lifts_the_halt_of_the_gate() {
    use CommandCode as C;
    let mut view = view();
    check(&view, &[(Verb::Resume, "{}", (C::Continue, 0, 0, 0))]);
    view.gate.0 = RiskState::Halted;
    check(&view, &[(Verb::Resume, "{}", (C::Resume, 0, 0, 0))]);
    tripped(&mut view, Scope::All, BreakerState::Safe, 1);
    check(
        &view,
        &[
            (Verb::Resume, "{}", (C::Continue, 0, 0, 0)),
            (Verb::Resume, r#"{"halt":true}"#, (C::Resume, 0, 0, 0)),
            (Verb::Resume, r#"{"scope":"strategy:maker"}"#, (C::Continue, 2 << 16, 0, 0)),
        ],
    );
    let error =
        draft(Verb::Resume, &arguments(r#"{"halt":true,"scope":"venue:binance-spot"}"#), &view);
    assert!(error.unwrap_err().contains("no scope"));
}

#[test]
fn a_manual_order_carries_terms_side_and_owner() {
    let view = view();
    let sell = r#"{"instrument":"ETHUSDT","side":"sell","price":"3000.5","quantity":"0.25",
        "time_in_force":"ioc","reduce_only":true,"strategy":"taker"}"#;
    let event = draft(Verb::Order, &arguments(sell), &view).unwrap().event;
    let terms = u32::from(OrderTerms::LIMIT_IOC.code());
    assert_eq!((event.instrument, event.price, event.quantity), (1, 300_050, 25_000));
    assert_eq!(event.tag, terms | (1 << 16));
    assert_eq!(event.flags, flags::LAST | flags::SELL | flags::REDUCE_ONLY);
    let buy =
        r#"{"instrument":"BTCUSDT","side":"buy","price":"1","quantity":"1","post_only":true}"#;
    let event = draft(Verb::Order, &arguments(buy), &view).unwrap().event;
    assert_eq!(event.tag, u32::from(OrderTerms::LIMIT_GTC.code()) | (0xffff << 16));
    assert_eq!(event.flags, flags::LAST | flags::POST_ONLY);
}

#[test]
fn what_says_nothing_is_refused_with_words() {
    let view = view();
    for (verb, json, words) in [
        (Verb::Kill, r#"{"strategy":"maker"}"#, "argument strategy says nothing here"),
        (Verb::Kill, r#"{"scope":"everything"}"#, "must be all"),
        (Verb::Approve, "{}", "nothing has tripped in all"),
        (Verb::Rearm, r#"{"trip":18446744073709551615}"#, "out of range"),
        (Verb::Enable, "{}", "argument strategy is missing"),
        (Verb::Enable, r#"{"strategy":"x"}"#, "there are maker, taker"),
        (Verb::Cancel, r#"{"order":"ff"}"#, "16 hexadecimal digits"),
        (Verb::Cancel, r#"{"order":"0000000000000000"}"#, "16 hexadecimal digits"),
        (Verb::Confirm, "{}", "argument command is missing"),
        (Verb::Order, "{}", "argument instrument is missing"),
        (Verb::Order, r#"{"instrument":"BTCUSDT"}"#, "argument side is missing"),
        (Verb::Order, r#"{"instrument":"BTCUSDT","side":"long"}"#, "must be buy or sell"),
        (Verb::Order, r#"{"instrument":"BTCUSDT","side":"buy"}"#, "argument price is missing"),
        (
            Verb::Order,
            r#"{"instrument":"BTCUSDT","side":"buy","price":"1.001","quantity":"1"}"#,
            "price",
        ),
        (
            Verb::Order,
            r#"{"instrument":"BTCUSDT","side":"buy","price":"1","quantity":"-1"}"#,
            "above zero",
        ),
        (Verb::LimitsSet, "{}", "argument limit is missing"),
        (Verb::LimitsSet, r#"{"limit":"x"}"#, "there are order_quantity_max"),
        (Verb::LimitsSet, r#"{"limit":"orders_open_max"}"#, "argument value is missing"),
        (Verb::LimitsSet, r#"{"limit":"orders_open_max","value":"1.5"}"#, "orders_open_max 1.5"),
        (
            Verb::LimitsSet,
            r#"{"limit":"orders_open_max","value":"1","instrument":"BTCUSDT"}"#,
            "a limit of the account",
        ),
        (Verb::LimitsSet, r#"{"limit":"collar_bps","value":"1"}"#, "needs an instrument"),
        (Verb::Status, "{}", "is no command"),
    ] {
        let error = draft(verb, &arguments(json), &view).expect_err(json);
        assert!(error.contains(words), "{} {json}: \"{error}\"", verb.name());
    }
}

#[test]
fn the_text_of_a_command_fits_into_one_run_or_is_refused() {
    let operator = Operator {
        number: 1,
        name: "x".repeat(32),
        role: Role::Admin,
        uid: Some(u32::MAX),
        key_hash: None,
    };
    let longest = Arguments {
        instrument: Some("BTCUSDT".to_string()),
        strategy: Some("maker".to_string()),
        side: Some("sell".to_string()),
        price: Some("92233720368547758.07".to_string()),
        quantity: Some("92233720368547.75807".to_string()),
        time_in_force: Some("ioc".to_string()),
        post_only: Some(true),
        reduce_only: Some(true),
        ..Arguments::default()
    };
    let mut reason = "r".repeat(crate::protocol::REASON_SIZE_BYTES_MAX);
    let said = |reason: &str| {
        let (number, uid, verb) = (u64::MAX, u32::MAX, "accept-balances");
        let (operator, refused) = (Some(&operator), None);
        Said { number, operator, uid, verb, reason, arguments: &longest, refused }.to_events()
    };
    let events = said(&reason).expect("the longest command fits");
    assert!(events.len() < RUN_COUNT_MAX, "with its command it is one run");
    let bytes: Vec<u8> =
        events.iter().flat_map(|event| session::text_chunk(event).to_vec()).collect();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&json["command"], &json["reason"]), (&json!(u64::MAX), &json!(reason)));
    assert_eq!((&json["role"], &json["uid"]), (&json!("admin"), &json!(u32::MAX)));
    // Every byte of such a reason takes two in JSON.
    reason = "\"".repeat(crate::protocol::REASON_SIZE_BYTES_MAX);
    assert!(said(&reason).is_none());
}
