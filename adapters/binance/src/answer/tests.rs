//! Answers of the venue: rows, facts, and what is refused.

use super::*;

const PLACED: &str = r#"{"id":7,"status":200,"result":{"symbol":"BTCUSDT","orderId":12569099453,
 "orderListId":-1,"clientOrderId":"tw0000000000000007","transactTime":1660801715639,
 "price":"23416.10000000","origQty":"0.00847000","executedQty":"0.00847000","status":"FILLED",
 "timeInForce":"GTC","type":"LIMIT","side":"SELL"},"rateLimits":[{"rateLimitType":"ORDERS",
 "interval":"SECOND","intervalNum":10,"limit":50,"count":12},{"rateLimitType":"NEW_KIND",
 "interval":"FORTNIGHT","intervalNum":1,"limit":1}]}"#;

#[test]
fn a_placed_order_is_read_with_its_limits() {
    let head = head(PLACED.as_bytes()).unwrap();
    assert_eq!((head.id, head.status, head.error.is_none()), (Some(7), Some(200), true));
    let limits = head.rate_limits.unwrap();
    assert_eq!((limits[0].rate_limit_type, limits[0].count), (LimitKind::Orders, 12));
    assert_eq!(
        (limits[1].rate_limit_type, limits[1].interval),
        (LimitKind::Other, Interval::Other)
    );
    let row: OrderRow<'_> = result(PLACED.as_bytes(), Place::Frame, "the order").unwrap();
    let facts = row.facts(2, 5).unwrap();
    let expected = OrderFacts {
        venue_id: 12_569_099_453,
        name: Some(ClientId::first(7)),
        side: Some(Side::Sell),
        price: Some(2_341_610),
        quantity: Some(847),
        executed: Some(847),
        status: Some(Status::Filled),
    };
    assert_eq!(facts, expected);
    assert!(matches!(row.facts(0, 5), Err(AnswerError::Number { field: "price", .. })));
}

#[test]
fn an_error_keeps_what_it_says_of_both_halves() {
    let text = r#"{"id":8,"status":409,"error":{"code":-2021,"msg":"Order cancel-replace \"half\".",
      "data":{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{
      "symbol":"BTCUSDT","origClientOrderId":"tw0000000000000007","orderId":1,"clientOrderId":"x"},
      "newOrderResponse":{"code":-2010,"msg":"Order would immediately match and take."}}}}"#;
    let error = head(text.as_bytes()).unwrap().error.unwrap();
    assert_eq!((error.code, error.msg.get()), (-2021, "Order cancel-replace \"half\"."));
    let data = error.data.unwrap();
    let cancelled = data.cancel_response.unwrap().facts(2, 5).unwrap();
    assert_eq!(cancelled.name, Some(ClientId::first(7)));
    assert_eq!(data.new_order_response.unwrap().code, Some(-2010));
    let none = r#"{"code":-1003,"msg":"Way too much","data":null}"#;
    assert_eq!(refusal(none.as_bytes()).unwrap().code, -1003);
}

#[test]
fn trades_and_balances_are_exact() {
    let text = r#"[{"symbol":"BNBBTC","id":28457,"orderId":100234,"price":"4.00000100","qty":
      "12.00000000","commission":"10.10000000","commissionAsset":"BNB","isBuyer":true,
      "isMaker":false}]"#;
    let rows: Vec<TradeRow<'_>> = result(text.as_bytes(), Place::Body, "the trades").unwrap();
    let facts = rows[0].facts(6, 2).unwrap();
    assert_eq!((facts.trade_id, facts.price, facts.quantity), (28_457, 4_000_001, 1_200));
    assert_eq!((facts.commission_e8, facts.commission_asset), (1_010_000_000, "BNB"));
    let text = r#"{"balances":[{"asset":"BTC","free":"1.5","locked":"0.00000001"}],"uid":1}"#;
    let account: AccountRows<'_> = result(text.as_bytes(), Place::Body, "the account").unwrap();
    assert_eq!(account.balances[0].total_e8().unwrap(), 150_000_001);
}

#[test]
fn what_is_missing_is_named() {
    let row: OrderRow<'_> = result(b"{\"symbol\":\"A\"}", Place::Body, "the order").unwrap();
    let error = row.facts(2, 5).unwrap_err().to_string();
    assert_eq!(error, "the order has no orderId");
    let error = result::<ServerTime>(b"{}", Place::Body, "the clock").unwrap_err();
    assert_eq!(error.to_string(), "the clock is not as documented");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("missing field `serverTime`"), "{source}");
    assert!(matches!(Status::from_word("ODD"), Err(AnswerError::Word { .. })));
}

#[test]
fn garbage_is_refused_and_never_panics() {
    let mut state = 7u64;
    for round in 0..4_000u32 {
        let mut bytes = PLACED.as_bytes().to_vec();
        for _ in 0..=round % 4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[place] = u8::try_from((state >> 20) & 0xff).unwrap();
        }
        bytes.truncate(bytes.len() - usize::try_from(state >> 60).unwrap());
        drop(head(&bytes));
        if let Ok(row) = result::<OrderRow<'_>>(&bytes, Place::Frame, "the order") {
            drop(row.facts(2, 5));
        }
    }
}
