//! A scripted venue: what was sent is read back as JSON, answers and reports are written by hand.

mod cancels;
mod keys;
mod links;
mod pulls;
mod queries;
mod random;
mod replaces;
mod sends;

use engine::event::{Event, Kind, LinkCode, OrderTerms, ReportCode, Side, flags};
use engine::instrument::Venue;
use serde_json::{Value, json};

use super::config::{Listing, Rules};
use super::machine::{Account, Courier, LineId, Machine};
use super::outbox::Sink;
use crate::sign::Signer;

const MS: u64 = 1_000_000;
/// An order of engine 3.
const ORDER: u64 = 0x0300_0010_0000_0001;
const NAME: &str = "tw0300001000000001";

/// What a courier was asked to do.
#[derive(Clone, Debug, Default)]
struct Script {
    /// By connection, or `None` by REST: token, method and parameters.
    sent: Vec<(Option<LineId>, u64, String, Value)>,
    opened: usize,
    closed: Vec<LineId>,
    reconnected: Vec<LineId>,
    is_deaf: bool,
    has_rest: bool,
}

impl Courier for Script {
    fn open(&mut self) -> Option<LineId> {
        self.opened += 1;
        Some(LineId(self.opened - 1))
    }

    fn close(&mut self, line: LineId) {
        self.closed.push(line);
    }

    fn reconnect(&mut self, line: LineId) {
        self.reconnected.push(line);
    }

    fn send(&mut self, line: LineId, text: &str) -> bool {
        if self.is_deaf {
            return false;
        }
        let value: Value = serde_json::from_str(text).unwrap();
        let method = value["method"].as_str().unwrap().to_string();
        let token = value["id"].as_u64().unwrap();
        self.sent.push((Some(line), token, method, value["params"].clone()));
        true
    }

    fn rest(&mut self, token: u64, method: &str, target: &str, _deadline_ns: u64) -> bool {
        if self.has_rest {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let params: Value = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_string(), json!(value)))
                .collect::<serde_json::Map<_, _>>()
                .into();
            self.sent.push((None, token, format!("{method} {path}"), params));
        }
        self.has_rest
    }
}

#[derive(Default)]
struct Heard {
    events: Vec<Event>,
    is_full: bool,
}

impl Sink for Heard {
    fn offer(&mut self, run: &[Event]) -> bool {
        if !self.is_full {
            self.events.extend_from_slice(run);
        }
        !self.is_full
    }
}

struct Bench {
    machine: Machine,
    script: Script,
    heard: Heard,
    now_ns: u64,
    execution_id: u64,
}

fn rules() -> Rules {
    Rules {
        recv_window_ns: 100 * MS,
        clock_error_ns_max: 10 * MS,
        settle_margin_ns: 10 * MS,
        answer_ns_max: 50 * MS,
        overdue_ns_max: 500 * MS,
        report_ns_max: 20 * MS,
        retry_ns: 10 * MS,
        ping_interval_ns: 1_000_000 * MS,
        ping_ns_max: 40 * MS,
        opening_ns_max: 60 * MS,
        renew_ns: 10_000_000 * MS,
        ..Rules::default()
    }
}

fn listing(instrument: u16, symbol: &str) -> Listing {
    Listing {
        instrument,
        symbol: symbol.to_string(),
        base: symbol.trim_end_matches("USDT").to_string(),
        quote: "USDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
    }
}

impl Bench {
    /// Not connected.
    fn down(rules: Rules) -> Bench {
        let account = Account {
            engine: 3,
            source: 9,
            venue: Venue::BinanceSpot,
            listings: vec![listing(0, "BTCUSDT"), listing(1, "ETHUSDT")],
            signer: Signer::hmac("secret").unwrap(),
            api_key: "key".to_string(),
        };
        let now_ns = 1_000_000 * MS;
        Bench {
            machine: Machine::new(rules, account, 64, now_ns),
            script: Script::default(),
            heard: Heard::default(),
            now_ns,
            execution_id: 0,
        }
    }

    /// Connected, long enough after the start that nothing of an earlier life can arrive.
    fn up() -> Bench {
        Bench::up_with(rules())
    }

    fn up_with(rules: Rules) -> Bench {
        let mut bench = Bench::down(rules);
        bench.machine.start(&mut bench.script);
        bench.pass(1_000);
        bench.open(LineId(0));
        assert_eq!(bench.told(), ["link up"]);
        bench
    }

    /// Opens a connection up to its subscription.
    fn open(&mut self, line: LineId) {
        self.machine.on_opened(line, self.now_ns, &mut self.script);
        self.answer_clock();
        let (_, token, method, params) = self.last();
        assert_eq!(method, "userDataStream.subscribe.signature");
        assert!(params["signature"].is_string() && params["apiKey"] == "key");
        self.answer_on(line, token, json!({"subscriptionId": 0}));
    }

    fn answer_clock(&mut self) {
        let (line, token, method, _) = self.last();
        assert_eq!(method, "time");
        self.answer_on(line.unwrap(), token, json!({"serverTime": self.now_ns / MS}));
    }

    fn pass(&mut self, ms: u64) {
        self.now_ns += ms * MS;
        self.machine.on_time(self.now_ns, &mut self.script);
    }

    fn frame(&mut self, line: LineId, value: &Value) {
        let text = value.to_string();
        self.machine.on_frame(line, text.as_bytes(), self.now_ns, &mut self.script);
    }

    #[expect(clippy::needless_pass_by_value, reason = "answers are written where they are given")]
    fn answer_on(&mut self, line: LineId, token: u64, result: Value) {
        self.frame(line, &json!({"id": token, "status": 200, "result": result}));
    }

    /// Answers a request by its way.
    fn answer(&mut self, token: u64, result: Value) {
        let by = self.script.sent.iter().find(|sent| sent.1 == token).unwrap().0;
        if let Some(line) = by {
            return self.answer_on(line, token, result);
        }
        let (text, head) = (result.to_string(), (200, None));
        self.machine.on_body(token, head, text.as_bytes(), self.now_ns, &mut self.script);
    }

    #[expect(clippy::needless_pass_by_value, reason = "answers are written where they are given")]
    fn refuse(&mut self, token: u64, status: u16, error: Value) {
        let by = self.script.sent.iter().find(|sent| sent.1 == token).unwrap().0;
        if let Some(line) = by {
            return self.frame(line, &json!({"id": token, "status": status, "error": error}));
        }
        let (text, head) = (error.to_string(), (status, None));
        self.machine.on_body(token, head, text.as_bytes(), self.now_ns, &mut self.script);
    }

    fn request(&mut self, kind: Kind, id: u64, terms: (i64, i64)) {
        let mut event = Event::new(kind);
        event.id = id;
        event.instrument = 0;
        event.code = OrderTerms::LIMIT_GTC.code();
        (event.price, event.quantity) = terms;
        event.flags = flags::LAST;
        self.machine.on_request(&event, self.now_ns, &mut self.script);
    }

    /// A buy of 1 at 100.00 that left; its token.
    fn place(&mut self) -> u64 {
        self.request(Kind::SEND_NEW, ORDER, (10_000, 100_000));
        let (_, token, method, params) = self.last();
        assert_eq!((method.as_str(), &params["newClientOrderId"]), ("order.place", &json!(NAME)));
        token
    }

    /// The same, acknowledged as the venue's order 77.
    fn work(&mut self) {
        let token = self.place();
        self.answer(token, row(77, NAME, "NEW", "0"));
        assert_eq!(self.told(), ["acked"]);
    }

    /// An execution report of the buy; `fill` is trade id, last and cumulative quantity.
    fn report(&mut self, name: &str, venue_id: u64, status: &str, fill: (i64, &str, &str)) {
        self.execution_id += 1;
        let report = report(self.execution_id, (name, venue_id), status, fill);
        self.frame(LineId(0), &report);
    }

    /// What was sent last.
    fn last(&self) -> (Option<LineId>, u64, String, Value) {
        self.script.sent.last().unwrap().clone()
    }

    /// Methods sent since the last look.
    fn methods(&mut self) -> Vec<String> {
        self.script.sent.drain(..).map(|(_, _, method, _)| method).collect()
    }

    /// What the engine heard since the last look, in words.
    fn told(&mut self) -> Vec<String> {
        self.machine.outbox.flush(&mut self.heard);
        words(&std::mem::take(&mut self.heard.events))
    }
}

/// An order in an answer: a buy of 1 at 100.00.
fn row(venue_id: u64, name: &str, status: &str, executed: &str) -> Value {
    json!({"symbol": "BTCUSDT", "orderId": venue_id, "clientOrderId": name, "price": "100.00",
        "origQty": "1.00000", "executedQty": executed, "status": status, "side": "BUY"})
}

fn report(
    execution_id: u64,
    (name, venue_id): (&str, u64),
    status: &str,
    (trade_id, last, executed): (i64, &str, &str),
) -> Value {
    let kind = if 0 <= trade_id { "TRADE" } else { status };
    json!({"subscriptionId": 0, "event": {"e": "executionReport", "s": "BTCUSDT", "c": name,
        "C": "", "S": "BUY", "p": "100.00", "q": "1.00000", "x": kind, "X": status,
        "i": venue_id, "I": execution_id, "t": trade_id, "l": last, "L": "100.00",
        "z": executed, "n": "0.1", "N": "USDT", "m": true}})
}

/// A trade in an answer.
fn trade(trade_id: u64, venue_id: u64, quantity: &str) -> Value {
    json!({"symbol": "BTCUSDT", "id": trade_id, "orderId": venue_id, "price": "100.00",
        "qty": quantity, "commission": "0.1", "commissionAsset": "USDT", "isBuyer": true,
        "isMaker": true})
}

fn error(code: i64, text: &str) -> Value {
    json!({"code": code, "msg": text})
}

/// Events as words: `fill 7 40000 of 60000` is trade, quantity and cumulative quantity.
fn words(events: &[Event]) -> Vec<String> {
    let mut words = Vec::new();
    let mut fill: Option<Event> = None;
    for event in events {
        let text = match event.kind {
            Kind::REPORT => {
                let code = ReportCode::from_code(event.code).unwrap();
                if code == ReportCode::Filled {
                    fill = Some(*event);
                    continue;
                }
                if code == ReportCode::Working {
                    format!("working {}", event.quantity)
                } else if code == ReportCode::Replaced {
                    format!("replaced {} {}", event.price, event.quantity)
                } else if event.tag != 0 {
                    format!("{} {}", code.name(), event.tag)
                } else {
                    code.name().to_string()
                }
            }
            Kind::REPORT_DETAIL => {
                let first = fill.take().unwrap();
                assert_eq!(first.side(), Side::Buy);
                format!("fill {} {} of {}", event.id, first.quantity, event.price)
            }
            Kind::LINK => {
                let code = LinkCode::from_code(event.code).unwrap();
                if event.id == 0 {
                    format!("link {}", code.name())
                } else {
                    format!("link {} {}", code.name(), event.id)
                }
            }
            Kind::VENUE_ORDER => {
                let who = if event.has(flags::STRANGER) { "stranger" } else { "ours" };
                format!("{who} {} {}", event.price, event.quantity)
            }
            Kind::VENUE_BALANCE => {
                let last = if event.has(flags::LAST) { " last" } else { "" };
                let (asset, code) = (event.id, event.code);
                format!("balance {} {asset} {code} {}{last}", event.instrument, event.price)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(event.source, 9);
        words.push(text);
    }
    words
}
