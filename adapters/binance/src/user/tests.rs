//! Events of user data: read, deduplicated, or refused.

use super::*;

const TRADE: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,
 "s":"BTCUSDT","c":"tw0000000000000007","S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000",
 "p":"0.10","P":"0","F":"0","g":-1,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE",
 "i":4293153,"l":"0.40000000","z":"0.60000000","L":"0.09","n":"0.00100000","N":"BNB",
 "T":1499405658657,"t":77,"I":8641984,"w":true,"m":true,"M":false,"V":"NONE"}}"#;

fn facts(text: &str) -> Result<ReportFacts<'static>, AnswerError> {
    let text: &'static str = Box::leak(text.to_string().into_boxed_str());
    match event(text.as_bytes())? {
        UserEvent::Report(report) => Box::leak(report).facts(2, 5),
        UserEvent::Ignored | UserEvent::StreamTerminated | UserEvent::ServerShutdown => {
            panic!("a report was expected")
        }
    }
}

#[test]
fn a_trade_is_read_exactly() {
    let fill = ReportFill {
        trade_id: 77,
        price: 9,
        quantity: 40_000,
        commission_e8: 100_000,
        commission_asset: "BNB",
        maker: true,
    };
    let expected = ReportFacts {
        venue_id: 4_293_153,
        execution_id: 8_641_984,
        name: Some(ClientId::first(7)),
        side: Side::Buy,
        price: 10,
        quantity: 100_000,
        executed: 60_000,
        status: Status::Working,
        fill: Some(fill),
    };
    assert_eq!(facts(TRADE).unwrap(), expected);
}

#[test]
fn the_id_of_a_cancelled_order_moves_and_is_found() {
    let cancelled = TRADE
        .replace(r#""x":"TRADE","X":"PARTIALLY_FILLED""#, r#""x":"CANCELED","X":"CANCELED""#)
        .replace(r#""t":77"#, r#""t":-1"#)
        .replace(r#""N":"BNB""#, r#""N":null"#);
    let ours = cancelled
        .replace(r#""c":"tw0000000000000007""#, r#""c":"web_1""#)
        .replace(r#""C":"""#, r#""C":"tw0000000000000007-2""#);
    let name = ClientId { order_id: 7, generation: 2, cancel: false };
    let facts_of = facts(&ours).unwrap();
    assert_eq!((facts_of.name, facts_of.status), (Some(name), Status::Cancelled));
    assert_eq!(facts_of.fill, None);
    let stranger = cancelled.replace("tw0000000000000007", "web_1");
    assert_eq!(facts(&stranger).unwrap().name, None);
}

#[test]
fn other_events_are_told_apart() {
    for (kind, told) in [
        ("outboundAccountPosition", "Ignored"),
        ("somethingNew", "Ignored"),
        ("eventStreamTerminated", "StreamTerminated"),
        ("serverShutdown", "ServerShutdown"),
    ] {
        let text = format!(r#"{{"subscriptionId":0,"event":{{"e":"{kind}","E":1}}}}"#);
        assert_eq!(format!("{:?}", event(text.as_bytes()).unwrap()), told);
    }
}

#[test]
fn a_damaged_report_is_refused_by_name_and_never_panics() {
    let no_trade = facts(&TRADE.replace(r#""t":77"#, r#""t":-1"#)).unwrap_err();
    assert_eq!(no_trade.to_string(), "the trade report has no t");
    let error = event(TRADE.replace(r#""I":8641984,"#, "").as_bytes()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("missing field `I`"), "{source}");
    let mut state = 11u64;
    for _ in 0..4_000 {
        let mut bytes = TRADE.as_bytes().to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[place] = u8::try_from((state >> 20) & 0xff).unwrap();
        }
        if let Ok(UserEvent::Report(report)) = event(&bytes) {
            drop(report.facts(2, 5));
        }
    }
}
