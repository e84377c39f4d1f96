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

const START_NS: u64 = 1_700_000_000_000_000_000;

/// A capture file of this test, removed at its end.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> TestFile {
        let path = std::env::temp_dir().join(format!("venue-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        TestFile(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn exchange() -> Exchange {
    Exchange::new(crate::ExchangeConfig::spot(Vec::new())).unwrap()
}

const SMALL: &str = concat!(
    "5 {\"e\":\"trade\",\"s\":\"BTCUSDT\",\"p\":\"9\",\"q\":\"1\",\"m\":true}\n",
    "10 {\"lastUpdateId\":5,\"bids\":[[\"100\",\"2\"],[\"99\",\"1\"]],\"asks\":[[\"101\",\"3\"]]}\n",
    "20 {\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"u\":5,\"b\":[[\"100\",\"9\"]],\"a\":[]}\n",
    "30 {\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"u\":6,\"b\":[[\"100\",\"1.5\"],[\"99\",\"0\"]],\"a\":[]}\n",
    "40 {\"e\":\"trade\",\"s\":\"BTCUSDT\",\"p\":\"100\",\"q\":\"0.5\",\"m\":true}\n",
);

#[test]
fn the_book_follows_the_file_and_trades_hit_it() {
    let file = TestFile::new("small", SMALL);
    let mut exchange = exchange();
    let symbol = (SymbolIndex(0), "BTCUSDT");
    let mut capture = Capture::open(&file.0, symbol, 200, START_NS).unwrap();
    let unit = money::ONE;
    let mut bids = |exchange: &mut Exchange, expected_ns: u64| {
        assert_eq!(capture.next_ns(), Some(START_NS + expected_ns));
        capture.step(exchange, START_NS + expected_ns);
        exchange.depth(SymbolIndex(0), 10).bids
    };
    assert_eq!(bids(&mut exchange, 0), [(100 * unit, 2 * unit), (99 * unit, unit)]);
    // Twice as fast as recorded; what the snapshot contains already changes nothing.
    assert_eq!(bids(&mut exchange, 5), [(100 * unit, 2 * unit), (99 * unit, unit)]);
    assert_eq!(bids(&mut exchange, 10), [(100 * unit, unit + unit / 2)]);
    assert_eq!(bids(&mut exchange, 15), [(100 * unit, unit)]);
    assert_eq!(exchange.trades(SymbolIndex(0)).count(), 1);
    // The file has ended: it begins again a second later.
    assert_eq!(capture.next_ns(), Some(START_NS + 15 + PAUSE_NS));
}

#[test]
fn the_recorded_book_is_that_of_the_oracle() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/binance/spot_btcusdt_20240808.first2000.jsonl");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let mut exchange = exchange();
    let mut capture = Capture::open(&path, (SymbolIndex(0), "BTCUSDT"), 100, START_NS).unwrap();
    let mut naive: [BTreeMap<Money, Money>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let mut depth_count = 0;
    // The file has 2,000 lines; after them it begins again.
    for _ in 0..1_900 {
        let Some((_, frame)) = &capture.next else { break };
        let mut is_depth = false;
        if let Frame::Snapshot { update_id, bids, asks } | Frame::Depth { update_id, bids, asks } =
            frame
            && capture.update_id < *update_id
        {
            is_depth = true;
            for (side, levels) in naive.iter_mut().zip([bids, asks]) {
                for (price, quantity) in levels {
                    side.insert(*price, *quantity);
                }
                side.retain(|_, quantity| 0 < *quantity);
            }
        }
        let now_ns = capture.next_ns().unwrap();
        capture.step(&mut exchange, now_ns);
        if is_depth {
            depth_count += 1;
            let depth = exchange.depth(SymbolIndex(0), 10_000);
            let bids: Vec<_> = naive[0].iter().rev().map(|(price, left)| (*price, *left)).collect();
            let asks: Vec<_> = naive[1].iter().map(|(price, left)| (*price, *left)).collect();
            assert_eq!(depth.bids, bids, "after {depth_count}");
            assert_eq!(depth.asks, asks, "after {depth_count}");
        }
    }
    assert!(10 < depth_count, "{depth_count}");
}
