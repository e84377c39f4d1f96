//! Lines of captures are read, and what is not a market is left out.

use super::*;

fn kind(line: &str) -> String {
    match parse(line.as_bytes(), "BTCUSDT") {
        None => "none".to_string(),
        Some((at, Frame::Trade { price, quantity, buyer_is_maker })) => {
            format!("{at} trade {price} {quantity} {buyer_is_maker}")
        }
        Some((at, Frame::Depth { update_id, bids, asks })) => {
            format!("{at} depth {update_id} {bids:?} {asks:?}")
        }
        Some((at, Frame::Snapshot { update_id, bids, asks })) => {
            format!("{at} snapshot {update_id} {bids:?} {asks:?}")
        }
    }
}

#[test]
fn frames_are_read_with_and_without_wrapper() {
    for (line, expected) in [
        (
            r#"7 {"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":3,"p":"1.5","q":"2","T":1,"m":false,"M":true}}"#,
            "7 trade 150000000 200000000 false",
        ),
        (
            r#"8 {"stream":"x","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["1","0"]],"a":[]}}"#,
            "8 depth 2 [(100000000, 0)] []",
        ),
        (
            r#"9 {"lastUpdateId":5,"bids":[["1","2"]],"asks":[["3","4"]]}"#,
            "9 snapshot 5 [(100000000, 200000000)] [(300000000, 400000000)]",
        ),
        (
            r#"9 {"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}"#,
            "none",
        ),
        (r#"9 {"e":"trade","s":"ETHUSDT","p":"1","q":"1","m":true}"#, "none"),
        (r#"9 {"e":"trade","s":"BTCUSDT","p":"-1","q":"1","m":true}"#, "none"),
        (r#"9 {"e":"trade","s":"BTCUSDT","p":"1","q":"0","m":true}"#, "none"),
        ("9 nonsense", "none"),
        ("nonsense", "none"),
        ("", "none"),
    ] {
        assert_eq!(kind(line), expected, "{line}");
    }
}

#[test]
fn a_file_without_a_snapshot_is_refused() {
    let path = std::env::temp_dir().join(format!("venue-capture-{}", std::process::id()));
    std::fs::write(&path, "1 {}\n2 nonsense\n").unwrap();
    let refused = Capture::open(&path, (SymbolIndex(0), "BTCUSDT"), 100, 1);
    std::fs::remove_file(&path).unwrap();
    let text = refused.expect_err("no snapshot").to_string();
    assert!(text.contains("no book snapshot of BTCUSDT"), "{text}");
    let missing = Capture::open(&path, (SymbolIndex(0), "BTCUSDT"), 100, 1);
    assert!(matches!(missing, Err(CaptureError::Io { .. })));
}
