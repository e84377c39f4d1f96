//! Requests as text: signed as the documents do it, one meaning on both ways.

use super::*;

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

fn terms(order_type: OrderType, time_in_force: TimeInForce) -> OrderTerms {
    OrderTerms { order_type, time_in_force }
}

fn place(terms: OrderTerms, post_only: bool) -> Place<'static> {
    Place {
        symbol: "BTCUSDT",
        side: Side::Sell,
        terms,
        post_only,
        price: (5_200_050, 2),
        quantity: (1_000, 5),
        client_id: ClientId::first(1),
        response: ResponseKind::Result,
        self_trade: None,
    }
}

#[test]
fn a_message_is_signed_as_the_documentation_does_it() {
    let signer = Signer::hmac(SECRET).unwrap();
    let seal = Seal {
        signer: &signer,
        api_key: KEY,
        timestamp_ms: 1_645_423_376_532,
        recv_window_ms: 100,
    };
    let mut writer = RequestWriter::default();
    let params = writer.begin();
    for (name, value) in [
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01000000"),
        ("price", "52000.00"),
    ] {
        params.text(name, value);
    }
    let message = writer.message(7, Method::Place, Some(&seal), false);
    assert!(
        message.starts_with("{\"id\":7,\"method\":\"order.place\",\"params\":{\"apiKey\":\"vm")
    );
    let signature = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24";
    assert!(message.ends_with(&format!(",\"signature\":\"{signature}\"}}}}")), "{message}");
    serde_json::from_str::<serde_json::Value>(message).unwrap();
}

#[test]
fn a_target_is_signed_as_the_documentation_does_it() {
    let signer = Signer::hmac(SECRET).unwrap();
    let seal = Seal { signer: &signer, api_key: KEY, timestamp_ms: 1, recv_window_ms: 5000 };
    let mut writer = RequestWriter::default();
    writer.begin().text("symbol", "\u{ff11}\u{ff12}");
    let target = writer.target("/api/v3/order", Some(&seal)).to_string();
    let mut signature = String::new();
    let payload = "symbol=%EF%BC%91%EF%BC%92&timestamp=1&recvWindow=5000";
    signer.sign(payload.as_bytes(), &mut signature);
    assert_eq!(target, format!("/api/v3/order?{payload}&signature={signature}"));
    writer.begin();
    assert_eq!(writer.target("/api/v3/time", None), "/api/v3/time");
}

#[test]
fn each_kind_of_order_says_what_the_venue_wants_to_hear() {
    use OrderType::{Limit, Market};
    use TimeInForce::{Fok, Gtc, Ioc};
    for (terms, post_only, said) in [
        (terms(Limit, Gtc), false, "type=LIMIT&price=52000.5&timeInForce=GTC&quantity=0.01&"),
        (terms(Limit, Ioc), false, "type=LIMIT&price=52000.5&timeInForce=IOC&quantity=0.01&"),
        (terms(Limit, Fok), false, "type=LIMIT&price=52000.5&timeInForce=FOK&quantity=0.01&"),
        (terms(Limit, Gtc), true, "type=LIMIT_MAKER&price=52000.5&quantity=0.01&"),
        (terms(Market, Ioc), false, "type=MARKET&quantity=0.01&"),
    ] {
        let mut writer = RequestWriter::default();
        writer.begin().place(&place(terms, post_only));
        let rest = "newClientOrderId=tw0000000000000001&newOrderRespType=RESULT";
        let expected = format!("/x?symbol=BTCUSDT&side=SELL&{said}{rest}");
        assert_eq!(writer.target("/x", None), expected);
    }
    let mut writer = RequestWriter::default();
    let mut ack = place(OrderTerms::LIMIT_GTC, false);
    (ack.response, ack.self_trade) = (ResponseKind::Ack, Some(SelfTrade::ExpireBoth));
    writer.begin().place(&ack);
    let target = writer.target("/x", None);
    assert!(target.ends_with("&newOrderRespType=ACK&selfTradePreventionMode=EXPIRE_BOTH"));
}

#[test]
fn a_session_that_is_logged_on_needs_no_signature() {
    let signer = Signer::hmac(SECRET).unwrap();
    let seal = Seal { signer: &signer, api_key: KEY, timestamp_ms: 5, recv_window_ms: 6 };
    let mut writer = RequestWriter::default();
    writer.begin().target(("orderId", "origClientOrderId"), Some(9), ClientId::first(1));
    let message = writer.message(1, Method::Status, Some(&seal), true);
    let params = "{\"orderId\":9,\"recvWindow\":6,\"timestamp\":5}";
    assert_eq!(message, format!("{{\"id\":1,\"method\":\"order.status\",\"params\":{params}}}"));
    writer.begin();
    assert_eq!(writer.message(2, Method::Time, None, false), "{\"id\":2,\"method\":\"time\"}");
    writer.begin().text("symbol", "A\"\\\n");
    let message = writer.message(3, Method::OpenOrders, None, false);
    assert!(message.contains("\"A\\\"\\\\\\u000a\""), "{message}");
}
