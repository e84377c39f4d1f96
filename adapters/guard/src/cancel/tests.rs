//! Tests of the canceller against a venue of a few lines: whatever it answers, in the end nothing of ours is left, and
//! nothing of others was touched where the account is shared.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const MS: u64 = 1_000_000;
const ENGINE: u8 = 3;
const SETTLE_NS: u64 = 1_000 * MS;
const RETRY_NS: u64 = 50 * MS;

fn settings(shared: bool) -> Settings {
    Settings {
        engine: ENGINE,
        shared,
        symbols: vec!["BTCUSDT".to_string(), "ETHUSDT".to_string()],
        settle_ns: SETTLE_NS,
        retry_ns: RETRY_NS,
    }
}

/// Name of an order of an engine.
fn name(engine: u8, counter: u64) -> String {
    ClientId::first(engine::ids::order_id(engine, 1, counter)).text()
}

fn row(symbol: &str, venue_id: u64, client_id: &str) -> serde_json::Value {
    json!({ "symbol": symbol, "orderId": venue_id, "clientOrderId": client_id, "price": "1.00" })
}

/// A venue that knows open orders and nothing else.
#[derive(Debug, Default)]
struct Venue {
    open: BTreeMap<u64, (String, String)>,
    touched: BTreeSet<String>,
}

impl Venue {
    fn add(&mut self, venue_id: u64, symbol: &str, client_id: String) {
        self.open.insert(venue_id, (symbol.to_string(), client_id));
    }

    /// Does it; status, code and body.
    fn perform(&mut self, ask: &Ask) -> (u16, i64, String) {
        let unknown = || (400, UNKNOWN_ORDER, String::new());
        match ask {
            Ask::Look => {
                let rows = self.open.iter().map(|(id, (symbol, name))| row(symbol, *id, name));
                (200, 0, serde_json::Value::from(rows.collect::<Vec<_>>()).to_string())
            }
            Ask::CancelAll { symbol } => {
                let ids: Vec<u64> =
                    self.open.iter().filter(|(_, o)| o.0 == *symbol).map(|(id, _)| *id).collect();
                if ids.is_empty() {
                    return unknown();
                }
                let rows: Vec<serde_json::Value> =
                    ids.iter().filter_map(|id| self.cancel(*id)).collect();
                (200, 0, serde_json::Value::from(rows).to_string())
            }
            Ask::Cancel { venue_id, .. } => {
                self.cancel(*venue_id).map_or_else(unknown, |row| (200, 0, row.to_string()))
            }
        }
    }

    fn cancel(&mut self, venue_id: u64) -> Option<serde_json::Value> {
        let (symbol, client_id) = self.open.remove(&venue_id)?;
        let mut told = row(&symbol, venue_id, "renamed");
        told["origClientOrderId"] = client_id.clone().into();
        self.touched.insert(client_id);
        Some(told)
    }

    fn left(&self, engine: u8) -> usize {
        let of = |name: &str| ClientId::parse(name).map(|id| id.order_id.to_le_bytes()[7]);
        self.open.values().filter(|(_, name)| of(name) == Some(engine)).count()
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    /// Done, and the answer is lost.
    Lost,
    /// Not done.
    Refused(u16),
}

/// Lets them talk until the canceller is done; how long it took, and when it asked for what.
fn talk(
    canceller: &mut Canceller,
    venue: &mut Venue,
    mut fate: impl FnMut(u64) -> Fate,
    mut late: Vec<(u64, u64, String, String)>,
) -> u64 {
    let mut now_ns = 0;
    let mut count = 0;
    while !canceller.is_done() {
        late.retain(|(at_ns, id, symbol, name)| {
            let is_due = *at_ns <= now_ns;
            if is_due {
                venue.add(*id, symbol, name.clone());
            }
            !is_due
        });
        let asked = canceller.take(now_ns);
        for (token, ask) in asked {
            count += 1;
            match fate(count) {
                Fate::Done => {
                    let (status, code, body) = venue.perform(&ask);
                    let answer = if status == 200 {
                        Answer::Done(body.as_bytes())
                    } else {
                        Answer::Refused { status, code, retry_after_ns: None }
                    };
                    canceller.answered(token, answer, now_ns + MS);
                }
                Fate::Lost => {
                    venue.perform(&ask);
                    canceller.answered(token, Answer::Nothing { why: "cut" }, now_ns + MS);
                }
                Fate::Refused(status) => {
                    let answer =
                        Answer::Refused { status, code: 0, retry_after_ns: Some(100 * MS) };
                    canceller.answered(token, answer, now_ns + MS);
                }
            }
        }
        now_ns += MS;
        assert!(now_ns < 600_000 * MS, "it never ends: {canceller:?}");
    }
    now_ns
}

#[test]
fn on_a_shared_account_only_orders_of_this_engine_are_cancelled() {
    let mut venue = Venue::default();
    for number in 0..300 {
        venue.add(number, "BTCUSDT", name(ENGINE, number + 1));
    }
    venue.add(900, "BTCUSDT", name(4, 1));
    venue.add(901, "ETHUSDT", "web_0123456789abcdef".to_string());
    let mut canceller = Canceller::new(settings(true), 0);
    let end_ns = talk(&mut canceller, &mut venue, |_| Fate::Done, Vec::new());
    assert_eq!((venue.left(ENGINE), venue.open.len()), (0, 2), "strangers are still there");
    let report = canceller.report();
    assert_eq!((report.cancelled, report.left, report.strangers), (300, 0, 2));
    // Two rounds, because one has at most 256 cancels.
    assert!(report.clean_ns.unwrap() <= 12 * MS, "{report:?}");
    assert!(SETTLE_NS <= end_ns, "it looked again after the last request could have arrived");
}

#[test]
fn on_an_own_account_the_first_requests_cancel_everything() {
    let mut venue = Venue::default();
    venue.add(1, "BTCUSDT", name(ENGINE, 1));
    venue.add(2, "BTCUSDT", name(ENGINE, 2));
    // A symbol that the configuration has no more.
    venue.add(3, "SOLUSDT", name(ENGINE, 3));
    let mut canceller = Canceller::new(settings(false), 0);
    let first = canceller.take(0);
    let all = |symbol: &str| Ask::CancelAll { symbol: symbol.to_string() };
    assert_eq!(first, [(1, all("BTCUSDT")), (2, all("ETHUSDT"))]);
    for (token, ask) in first {
        let (status, code, body) = venue.perform(&ask);
        let answer = match status {
            200 => Answer::Done(body.as_bytes()),
            status => Answer::Refused { status, code, retry_after_ns: None },
        };
        canceller.answered(token, answer, MS);
    }
    talk(&mut canceller, &mut venue, |_| Fate::Done, Vec::new());
    assert_eq!(venue.open.len(), 0);
    assert_eq!(canceller.report().cancelled, 3);
    assert!(canceller.report().failures.is_empty(), "{:?}", canceller.report());
}

#[test]
fn an_order_that_arrives_after_a_clean_look_is_found() {
    let mut venue = Venue::default();
    let late = vec![
        (400 * MS, 1, "BTCUSDT".to_string(), name(ENGINE, 1)),
        (999 * MS, 2, "BTCUSDT".to_string(), name(ENGINE, 2)),
    ];
    let mut canceller = Canceller::new(settings(true), 0);
    talk(&mut canceller, &mut venue, |_| Fate::Done, late);
    assert_eq!(venue.open.len(), 0);
    assert_eq!(canceller.report().cancelled, 2);
}

#[test]
fn errors_of_the_venue_are_told_and_tried_again() {
    let mut venue = Venue::default();
    venue.add(1, "BTCUSDT", name(ENGINE, 1));
    let fate = |count| match count {
        1 | 2 => Fate::Refused(503),
        3 => Fate::Refused(429),
        5 => Fate::Lost,
        _ => Fate::Done,
    };
    let mut canceller = Canceller::new(settings(true), 0);
    talk(&mut canceller, &mut venue, fate, Vec::new());
    let report = canceller.report();
    assert_eq!((venue.open.len(), report.left), (0, 0));
    assert_eq!(report.answers["503"], 2);
    assert_eq!(report.answers["429"], 1);
    assert_eq!(report.answers["none"], 1);
    let words = report.failures.join("; ");
    for word in ["open orders: status 503", "status 429", "cancel of an order of BTCUSDT: cut"] {
        assert!(words.contains(word), "\"{word}\" is not in: {words}");
    }
}

#[test]
fn too_many_requests_silence_it_for_as_long_as_the_venue_says() {
    let mut canceller = Canceller::new(settings(true), 0);
    let asked = canceller.take(0);
    let retry_after_ns = Some(2_000 * MS);
    let answer = Answer::Refused { status: 429, code: -1003, retry_after_ns };
    canceller.answered(asked[0].0, answer, MS);
    assert!(canceller.take(2_000 * MS).is_empty());
    assert_eq!(canceller.take(2_001 * MS).len(), 1);
}

#[test]
fn a_refused_key_is_told_until_the_line_is_another_or_it_is_taken() {
    let mut canceller = Canceller::new(settings(true), 0);
    let refused = Answer::Refused { status: 401, code: -2015, retry_after_ns: None };
    let asked = canceller.take(0);
    canceller.answered(asked[0].0, refused, MS);
    assert!(canceller.has_refused_key());
    // Cut in the middle of the next question: it is asked again on the next line.
    assert_eq!(canceller.take(100 * MS).len(), 1);
    canceller.cut("exchanged", 101 * MS);
    assert!(!canceller.has_refused_key());
    let again = canceller.take(200 * MS);
    assert_eq!(again.len(), 1);
    canceller.answered(again[0].0, refused, 201 * MS);
    let asked = canceller.take(300 * MS);
    canceller.answered(asked[0].0, Answer::Done(b"[]"), 301 * MS);
    assert!(!canceller.has_refused_key());
}

#[test]
fn bytes_that_mean_nothing_are_a_failure_and_no_end() {
    let mut canceller = Canceller::new(settings(true), 0);
    for (number, body) in [&b""[..], b"{}", b"null", b"[{}]", b"[{\"symbol\":1}]", b"\xff", b"[[[["]
        .iter()
        .enumerate()
    {
        let now_ns = 2 * SETTLE_NS + u64::try_from(number).unwrap() * 100 * MS;
        let asked = canceller.take(now_ns);
        assert_eq!(asked.len(), 1, "{body:?}");
        canceller.answered(asked[0].0, Answer::Done(body), now_ns);
        assert!(!canceller.is_done(), "{body:?}");
    }
    canceller.answered(999_999, Answer::Done(b"[]"), 0);
    assert!(!canceller.is_done(), "an answer to nothing means nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
    ))]

    #[test]
    fn whatever_the_venue_answers_nothing_of_ours_is_left_and_strangers_are_untouched(
        shared in any::<bool>(),
        ours in 0..40u64,
        strangers in 0..10u64,
        late in proptest::collection::vec(0..SETTLE_NS, 0..6),
        fates in proptest::collection::vec(0..6u8, 0..60),
    ) {
        let mut venue = Venue::default();
        for number in 0..ours {
            let symbol = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][usize::try_from(number % 3).unwrap()];
            venue.add(number, symbol, name(ENGINE, number + 1));
        }
        for number in 0..strangers {
            // Where the account is not shared a stranger is none: it is of another symbol.
            let symbol = if shared { "BTCUSDT" } else { "XRPUSDT" };
            venue.add(1_000 + number, symbol, name(ENGINE + 1, number + 1));
        }
        let late: Vec<_> = late
            .iter()
            .zip(2_000u64..)
            .map(|(at_ns, id)| (*at_ns, id, "BTCUSDT".to_string(), name(ENGINE, id)))
            .collect();
        let late_count = u64::try_from(late.len()).unwrap();
        let fate = |count: u64| match fates.get(usize::try_from(count).unwrap()) {
            Some(1) => Fate::Lost,
            Some(2) => Fate::Refused(503),
            Some(3) => Fate::Refused(429),
            Some(4) => Fate::Refused(400),
            Some(_) | None => Fate::Done,
        };
        let mut canceller = Canceller::new(settings(shared), 0);
        let end_ns = talk(&mut canceller, &mut venue, fate, late);
        prop_assert!(SETTLE_NS <= end_ns);
        prop_assert_eq!(venue.left(ENGINE), 0);
        prop_assert_eq!(venue.open.len(), usize::try_from(strangers).unwrap());
        prop_assert_eq!(venue.touched.len(), usize::try_from(ours + late_count).unwrap());
        prop_assert_eq!(canceller.report().left, 0);
        prop_assert!(canceller.report().cancelled <= venue.touched.len());
    }
}
