//! Subscriptions, their answers, and the frames that follow.

use super::*;
use crate::config::ExchangeConfig;

const START_NS: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;

fn exchange() -> Exchange {
    Exchange::new(ExchangeConfig::spot(Vec::new())).unwrap()
}

fn streams() -> Streams {
    Streams::new(&StreamsConfig::default(), &["BTCUSDT", "ETHUSDT"], START_NS)
}

fn open(streams: &mut Streams, id: u64, target: &str) {
    streams.opened(id, &parse_target(target).unwrap());
}

/// Answer to a message long after the one before.
fn ask(streams: &mut Streams, text: &str) -> String {
    let now_ns = streams.connections[&1].messages_ns.back().unwrap_or(&START_NS) + 10 * SECOND_NS;
    match streams.text(1, text.as_bytes(), now_ns) {
        Heard::Answer(answer) => answer,
        Heard::TooFast => panic!("{text}"),
    }
}

fn trade(id: u64, time_ns: u64) -> Trade {
    Trade { id, price: 6_180_000_000_000, quantity: 2_500_000, time_ns, is_buyer_maker: true }
}

/// Connection, stream and text of each frame.
type Frames = Vec<(u64, String, String)>;

fn hear(act: impl FnOnce(&mut dyn FnMut(u64, &str, String))) -> Frames {
    let mut frames = Vec::new();
    act(&mut |id, name, text| frames.push((id, name.to_string(), text)));
    frames
}

#[test]
fn targets_say_what_a_connection_hears() {
    #[track_caller]
    fn check(target: &str, expected: Option<(bool, &[&str], bool)>) {
        let found = parse_target(target);
        let expected = expected.map(|(combined, streams, microseconds)| Target {
            combined,
            streams: streams.iter().map(ToString::to_string).collect(),
            microseconds,
        });
        assert_eq!(found, expected, "{target}");
    }
    check("/ws", Some((false, &[], false)));
    check("/ws/", Some((false, &[], false)));
    check("/ws/btcusdt@trade", Some((false, &["btcusdt@trade"], false)));
    check("/ws/btcusdt%40trade", Some((false, &["btcusdt@trade"], false)));
    check("/ws/a@trade/b@depth", Some((false, &["a@trade", "b@depth"], false)));
    check("/ws/0", Some((false, &["0"], false)));
    check("/stream", Some((true, &[], false)));
    check("/stream?streams=", Some((true, &[], false)));
    check("/stream?streams=a@trade/b@depth", Some((true, &["a@trade", "b@depth"], false)));
    check("/stream?streams=a@trade&timeUnit=MICROSECOND", Some((true, &["a@trade"], true)));
    check("/ws/a@trade?timeUnit=microsecond", Some((false, &["a@trade"], true)));
    check("/ws/%zz%", Some((false, &["%zz%"], false)));
    check("/ws-api/v3", None);
    check("/wsx", None);
    check("/api/v3/ping", None);
}

#[test]
fn messages_are_answered_as_documented() {
    let mut streams = streams();
    open(&mut streams, 1, "/ws");
    let mut check = |text: &str, expected: &str| assert_eq!(ask(&mut streams, text), expected);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    check(
        r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@depth"],"id":1}"#,
        r#"{"id":1,"result":null}"#,
    );
    check(
        &format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":"{uuid}"}}"#),
        &format!(r#"{{"id":"{uuid}","result":["btcusdt@aggTrade","btcusdt@depth"]}}"#),
    );
    check(
        r#"{"method":"UNSUBSCRIBE","params":["btcusdt@depth"],"id":null}"#,
        r#"{"id":null,"result":null}"#,
    );
    check(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"id":3,"result":["btcusdt@aggTrade"]}"#);
    check(
        r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#,
        r#"{"id":2,"result":false}"#,
    );
    check(
        r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#,
        r#"{"id":5,"result":null}"#,
    );
    check(r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#, r#"{"id":2,"result":true}"#);
    check(
        r#"{"method":"SET_PROPERTY","params":["combined","yes"],"id":5}"#,
        r#"{"code":1,"id":5,"msg":"Invalid value type: expected Boolean"}"#,
    );
    check(
        r#"{"method":"GET_PROPERTY","params":["colour"],"id":5}"#,
        r#"{"code":0,"id":5,"msg":"Unknown property"}"#,
    );
    check(
        r#"{"method":"SUBSCRIBE","params":[7],"id":5}"#,
        r#"{"code":2,"id":5,"msg":"Invalid request: property name must be a string"}"#,
    );
    check(
        r#"{"method":"LIST_SUBSCRIPTIONS","id":{}}"#,
        r#"{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}"#,
    );
    check("nonsense", r#"{"code":3,"msg":"Invalid JSON: expected ident at line 1 column 2"}"#);
    check("", r#"{"code":3,"msg":"Invalid JSON: EOF while parsing a value at line 1 column 0"}"#);
    check(
        r#"{"params":[],"id":5}"#,
        r#"{"code":2,"msg":"Invalid request: missing field `method` at line 1 column 20"}"#,
    );
    let answer = ask(&mut streams, r#"{"method":"SHOUT","id":1}"#);
    assert!(answer.contains("unknown variant `SHOUT`, expected one of `SUBSCRIBE`"), "{answer}");
}

#[test]
fn more_than_five_messages_in_a_second_are_too_many() {
    let mut streams = streams();
    open(&mut streams, 1, "/ws");
    let text = br#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#;
    for at in 0..5 {
        assert_ne!(streams.text(1, text, START_NS + at), Heard::TooFast);
    }
    assert_eq!(streams.text(1, text, START_NS + SECOND_NS - 1), Heard::TooFast);
    assert_ne!(streams.text(1, text, START_NS + SECOND_NS + 5), Heard::TooFast);
}

#[test]
fn a_trade_is_told_in_the_wrapper_and_unit_of_each_listener() {
    let mut streams = streams();
    open(&mut streams, 1, "/ws/btcusdt@trade");
    open(&mut streams, 2, "/stream?streams=btcusdt@trade/ethusdt@trade&timeUnit=MICROSECOND");
    open(&mut streams, 3, "/ws/BTCUSDT@trade");
    let trade = trade(12, START_NS + 1_234_567);
    let frames = hear(|mut sink| streams.trade(SymbolIndex(0), &trade, &mut sink));
    let plain = |time: &str| {
        format!(
            concat!(
                r#"{{"e":"trade","E":{0},"s":"BTCUSDT","t":12,"p":"61800.00000000","#,
                r#""q":"0.02500000","T":{0},"m":true,"M":true}}"#
            ),
            time
        )
    };
    let name = "btcusdt@trade".to_string();
    let wrapped = format!(r#"{{"stream":"btcusdt@trade","data":{}}}"#, plain("1700000000001234"));
    assert_eq!(frames, [(1, name.clone(), plain("1700000000001")), (2, name, wrapped),]);
}

#[test]
fn depth_frames_follow_each_other_without_a_hole() {
    let (exchange, mut streams) = (exchange(), streams());
    let btc = SymbolIndex(0);
    let tell = |streams: &mut Streams, now_ns: u64| {
        hear(|mut sink| streams.on_time(&exchange, now_ns, &mut sink))
    };
    streams.level(btc, Side::Buy, (100, 7), 41);
    // Nobody listens, but the range is told.
    assert_eq!(tell(&mut streams, START_NS + 100 * MS), []);
    open(&mut streams, 1, "/ws/btcusdt@depth@100ms");
    assert_eq!(tell(&mut streams, START_NS + 200 * MS), [], "nothing changed");
    streams.level(btc, Side::Buy, (100, 9), 42);
    streams.level(btc, Side::Buy, (200, 0), 43);
    streams.level(btc, Side::Sell, (300, 5), 44);
    let frames = tell(&mut streams, START_NS + 300 * MS);
    let expected = concat!(
        r#"{"e":"depthUpdate","E":1700000000300,"s":"BTCUSDT","U":42,"u":44,"#,
        r#""b":[["0.00000200","0.00000000"],["0.00000100","0.00000009"]],"#,
        r#""a":[["0.00000300","0.00000005"]]}"#
    );
    assert_eq!(frames, [(1, "btcusdt@depth@100ms".to_string(), expected.to_string())]);
    streams.level(btc, Side::Sell, (300, 0), 45);
    let frames = tell(&mut streams, START_NS + 950 * MS);
    assert!(frames[0].2.contains(r#""U":45,"u":45"#), "{frames:?}");
    // The slow pace has its own range.
    open(&mut streams, 2, "/ws/btcusdt@depth");
    let frames = tell(&mut streams, START_NS + 1_000 * MS);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert!(frames[0].2.contains(r#""U":41,"u":45"#), "{frames:?}");
}

#[test]
fn tickers_and_bars_are_well_formed() {
    let (exchange, mut streams) = (exchange(), streams());
    let target = "/ws/btcusdt@ticker/btcusdt@miniTicker/btcusdt@kline_1m/btcusdt@avgPrice";
    open(&mut streams, 1, target);
    for id in 1..=3 {
        streams.trade(SymbolIndex(0), &trade(id, START_NS + id), &mut |_, _, _| {});
    }
    let frames = hear(|mut sink| streams.on_time(&exchange, START_NS + 2 * SECOND_NS, &mut sink));
    assert_eq!(frames.len(), 4, "{frames:?}");
    for (_, name, text) in frames {
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["s"], "BTCUSDT", "{text}");
        match name.as_str() {
            "btcusdt@ticker" => {
                assert_eq!((&value["n"], &value["v"]), (&json!(3), &json!("0.07500000")));
            }
            "btcusdt@miniTicker" => assert_eq!(value["q"], "4635.00000000"),
            "btcusdt@kline_1m" => assert_eq!(value["k"]["c"], "61800.00000000"),
            "btcusdt@avgPrice" => assert_eq!(value["w"], "61800.00000000"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn who_is_gone_hears_nothing_and_is_forgotten() {
    let mut streams = streams();
    open(&mut streams, 1, "/ws/btcusdt@trade/btcusdt@trade");
    streams.closed(1);
    streams.closed(1);
    assert!(streams.listeners.is_empty());
    let frames = hear(|mut sink| streams.trade(SymbolIndex(0), &trade(1, START_NS), &mut sink));
    assert_eq!(frames, []);
}
