//! Exchange info of spot and futures as the documents show it, and tables that do not fit it.

use engine::instrument::InstrumentTable;
use proptest::prelude::*;

use super::*;

const SPOT: &str = r#"{"timezone":"UTC","serverTime":1565246363776,"rateLimits":[
 {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},
 {"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100},
 {"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000},
 {"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000},
 {"rateLimitType":"CONNECTIONS","interval":"FORTNIGHT","intervalNum":5,"limit":3}],
 "exchangeFilters":[],"symbols":[
 {"symbol":"SHIBUSDT","status":"BREAK","baseAsset":"SHIB","baseAssetPrecision":2,"quoteAsset":"USDT",
  "filters":[
  {"filterType":"PRICE_FILTER","minPrice":"0.00000001","maxPrice":"1.00000000","tickSize":"0.00000001"},
  {"filterType":"LOT_SIZE","minQty":"1.00","maxQty":"99999999999999999.00","stepSize":"1.00"}]},
 {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT",
  "quotePrecision":8,"orderTypes":["LIMIT","MARKET"],"icebergAllowed":true,"filters":[
  {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
  {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
  {"filterType":"ICEBERG_PARTS","limit":100},
  {"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"141.58","stepSize":"0.00000000"},
  {"filterType":"TRAILING_DELTA","minTrailingAboveDelta":10},
  {"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.2",
   "askMultiplierUp":"5","askMultiplierDown":"0.2","avgPriceMins":5},
  {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,
   "maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},
  {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}]}]}"#;

const USDM: &str = r#"{"exchangeFilters":[],"rateLimits":[
 {"interval":"MINUTE","intervalNum":1,"limit":2400,"rateLimitType":"REQUEST_WEIGHT"}],
 "serverTime":1565613908500,"assets":[{"asset":"USDT","marginAvailable":true}],"symbols":[
 {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING",
  "baseAsset":"BTC","quoteAsset":"USDT","pricePrecision":2,"quantityPrecision":3,
  "baseAssetPrecision":8,"filters":[
  {"filterType":"PRICE_FILTER","maxPrice":"4529764","minPrice":"556.80","tickSize":"0.10"},
  {"filterType":"LOT_SIZE","maxQty":"1000","minQty":"0.001","stepSize":"0.001"},
  {"filterType":"MARKET_LOT_SIZE","maxQty":"120","minQty":"0.001","stepSize":"0.001"},
  {"filterType":"MAX_NUM_ORDERS","limit":200},
  {"filterType":"MIN_NOTIONAL","notional":"100"},
  {"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDown":"0.9500",
   "multiplierDecimal":"4"}],"OrderType":["LIMIT"],"timeInForce":["GTC"]}]}"#;

fn spot() -> ExchangeInfo {
    ExchangeInfo::decode(Venue::BinanceSpot, SPOT.as_bytes()).unwrap()
}

fn btcusdt() -> Instrument {
    spot().instrument("BTCUSDT", 100_000, 100_000).unwrap()
}

#[test]
fn spot_filters_and_limits_are_read() {
    let info = spot();
    assert_eq!(info.server_time_ms, 1_565_246_363_776);
    let minute_ns = 60_000_000_000;
    assert_eq!(info.windows(RateLimitKind::RequestWeight), [(6000, minute_ns)]);
    assert_eq!(
        info.windows(RateLimitKind::Orders),
        [(100, 10_000_000_000), (200_000, 86_400_000_000_000)]
    );
    assert_eq!(info.windows(RateLimitKind::RawRequests), [(300_000, 5 * minute_ns)]);
    assert_eq!(info.windows(RateLimitKind::Other), [], "an unknown interval means nothing");
    let filters = info.symbol("BTCUSDT").unwrap().filters;
    let step = StepFilter { min: 1_000_000, max: 100_000_000_000_000, step: 1_000_000 };
    assert_eq!(filters.price, Some(step));
    assert_eq!(filters.lot.unwrap().step, 1_000);
    assert_eq!(filters.market_lot.unwrap().step, 0);
    let notional = filters.notional.unwrap();
    assert_eq!((notional.min, notional.min_for_market), (5 * ONE, true));
    assert_eq!(filters.percent.unwrap().ask_down, 20_000_000);
    assert_eq!(filters.order_count_max, Some(200));
    let shib = info.symbol("SHIBUSDT").unwrap();
    assert_eq!(shib.filters.lot.unwrap().max, i64::MAX, "too large is as large as can be");
    assert!(info.symbol("NOTHING").is_none());
}

#[test]
fn futures_filters_are_read_by_their_own_names() {
    let info = ExchangeInfo::decode(Venue::BinanceUsdm, USDM.as_bytes()).unwrap();
    let filters = info.symbol("BTCUSDT").unwrap().filters;
    assert_eq!(filters.notional.unwrap().min, 100 * ONE);
    assert_eq!(filters.order_count_max, Some(200));
    let percent = filters.percent.unwrap();
    assert_eq!((percent.bid_up, percent.ask_up), (105_000_000, 105_000_000));
    let instrument = info.instrument("BTCUSDT", 20_000, 50_000).unwrap();
    assert_eq!((instrument.price_scale, instrument.quantity_scale), (1, 3));
    assert_eq!((instrument.tick, instrument.lot), (1, 1));
    assert_eq!(instrument.notional_min, Money(100 * Money::ONE.0));
    let table = InstrumentTable::new(vec![instrument]).unwrap();
    assert_eq!(info.check_against(&table), []);
}

#[test]
fn an_instrument_made_of_the_filters_passes_them() {
    let instrument = btcusdt();
    assert_eq!((instrument.price_scale, instrument.quantity_scale), (2, 8));
    assert_eq!((instrument.tick, instrument.lot), (1, 1_000));
    let table = InstrumentTable::new(vec![instrument]).unwrap();
    assert_eq!(spot().check_against(&table), []);
    let error = spot().instrument("NOTHING", 0, 0).unwrap_err().to_string();
    assert_eq!(error, "NOTHING is not listed at binance-spot");
}

/// Each row changes one thing of a fitting instrument; the text is what must be said.
#[test]
fn each_difference_is_told() {
    let rows: [(Instrument, &str); 7] = [
        (
            Instrument { symbol: "DOGEUSDT".into(), ..btcusdt() },
            "DOGEUSDT: not listed at binance-spot",
        ),
        (
            Instrument { price_scale: 1, ..btcusdt() },
            "BTCUSDT: price_scale 1 is too coarse for the venue's step 0.01",
        ),
        (
            Instrument { price_scale: 3, tick: 5, ..btcusdt() },
            "BTCUSDT: tick is 0.005, not a multiple of the venue's 0.01",
        ),
        (
            Instrument { quantity_scale: 4, lot: 1, ..btcusdt() },
            "BTCUSDT: quantity_scale 4 is too coarse for the venue's step 0.00001",
        ),
        (
            Instrument { lot: 1_500, ..btcusdt() },
            "BTCUSDT: lot is 0.000015, not a multiple of the venue's 0.00001",
        ),
        (
            Instrument { notional_min: Money::ONE, ..btcusdt() },
            "BTCUSDT: notional_min is 1, the venue wants at least 5",
        ),
        (
            Instrument {
                symbol: "SHIBUSDT".into(),
                price_scale: 8,
                quantity_scale: 0,
                lot: 1,
                ..btcusdt()
            },
            "SHIBUSDT: status is \"BREAK\", not TRADING",
        ),
    ];
    for (instrument, want) in rows {
        let table = InstrumentTable::new(vec![instrument]).unwrap();
        let found: Vec<String> =
            spot().check_against(&table).iter().map(ToString::to_string).collect();
        assert_eq!(found, [want]);
    }
    let coarser = Instrument { tick: 50, lot: 100_000, ..btcusdt() };
    let table = InstrumentTable::new(vec![coarser]).unwrap();
    assert_eq!(spot().check_against(&table), [], "steps may be multiples of the venue's");
}

#[test]
fn instruments_of_other_venues_are_not_compared() {
    let other = Instrument { venue: Venue::BinanceUsdm, symbol: "X".into(), ..btcusdt() };
    let table = InstrumentTable::new(vec![other]).unwrap();
    assert_eq!(spot().check_against(&table), []);
}

#[test]
fn a_filter_without_its_number_is_refused_by_name() {
    let body = SPOT.replace(r#""stepSize":"0.00001000""#, r#""stepSize":"x""#);
    let error = ExchangeInfo::decode(Venue::BinanceSpot, body.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "BTCUSDT: field \"step\" of LOT_SIZE is \"x\"");
    let body = SPOT.replace(r#""minNotional":"5.00000000","#, "");
    let error = ExchangeInfo::decode(Venue::BinanceSpot, body.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "BTCUSDT: field \"minNotional\" of NOTIONAL is \"missing\"");
}

proptest! {
    #[test]
    fn damaged_bodies_are_refused_or_read_but_never_panic(
        place in 0..SPOT.len(), byte in any::<u8>(), end in 0..SPOT.len()
    ) {
        let mut body = SPOT.as_bytes().to_vec();
        body[place] = byte;
        if let Ok(info) = ExchangeInfo::decode(Venue::BinanceSpot, &body) {
            drop(info.instrument("BTCUSDT", 0, 0));
            let table = InstrumentTable::new(vec![btcusdt()]).unwrap();
            drop(info.check_against(&table));
        }
        body.truncate(end);
        prop_assert!(ExchangeInfo::decode(Venue::BinanceSpot, &body).is_err());
    }
}
