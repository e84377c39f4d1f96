//! Keys are added and revoked while the venue runs.

use serde_json::json;

use super::client::Got;
use super::*;
use crate::{ApiKey, KeyKind};

const KEYS: &str = "/tickwheel/keys";

fn command(http: &mut Http, method: &str, body: &Value) -> (u16, Value) {
    http.send(method, KEYS, "", &body.to_string());
    let (status, _, body) = http.answer().unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn signer(api_key: &str, secret: &str) -> Signer {
    let kind = KeyKind::Hmac { secret: secret.to_string() };
    let keys = vec![ApiKey { api_key: api_key.to_string(), kind }];
    let name = "alpha".to_string();
    Signer::new(&crate::exchange::AccountView { name, keys, balances: Vec::new() })
}

#[test]
fn a_second_key_of_an_account_works_and_the_first_one_can_go() {
    let venue = start(still());
    let mut admin = Http::open(&venue);
    let (mut old, first) = ws_api(&venue);
    let new = json!({ "account": "alpha", "api_key": "second", "secret": "s2" });
    assert_eq!(command(&mut admin, "POST", &new), (200, json!({})));
    let second = signer("second", "s2");
    let mut socket = Socket::open(&venue.urls.rest, "/ws-api/v3");
    let answer = socket.ask("userDataStream.subscribe.signature", &second.params(&[]));
    assert_eq!(answer["status"], 200, "{answer}");
    let answer = socket.ask("order.place", &second.params(&limit("BUY", "61000.00", "a1")));
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(event(&mut old, "executionReport")["c"], "a1", "it is the same account");
    let gone = json!({ "api_key": first_key(&venue) });
    assert_eq!(command(&mut admin, "DELETE", &gone), (200, json!({ "closed": 1 })));
    assert_eq!(old.end(), Got::Close(1008));
    let answer = socket.ask("account.status", &first.params(&[]));
    assert_eq!(answer["error"]["code"], -2015, "{answer}");
    let answer = socket.ask("account.status", &second.params(&[]));
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(command(&mut admin, "DELETE", &gone).0, 404);
    venue.stop().unwrap();
}

fn first_key(venue: &RunningVenue) -> String {
    venue.accounts[0].keys[0].api_key.clone()
}

#[test]
fn a_key_that_makes_no_sense_is_refused_without_being_repeated() {
    let venue = start(still());
    let mut admin = Http::open(&venue);
    let first = first_key(&venue);
    for (body, words) in [
        (json!({ "account": "nobody", "api_key": "k", "secret": "canary" }), "account"),
        (json!({ "account": "alpha", "api_key": first, "secret": "canary" }), "twice"),
        (json!({ "account": "alpha", "api_key": "a b", "secret": "canary" }), "letters"),
        (json!({ "account": "alpha", "api_key": "k" }), "either secret or public_key"),
        (
            json!({ "account": "alpha", "api_key": "k", "secret": "canary", "public_key": "AA==" }),
            "either",
        ),
        (json!({ "account": "alpha", "api_key": "k", "public_key": "canary" }), "either"),
        (json!({ "api_key": "k", "secret": "canary" }), "account is missing"),
        (json!({ "account": "alpha", "secret": "canary" }), "no key"),
        (json!(["canary"]), "no key"),
    ] {
        let (status, answer) = command(&mut admin, "POST", &body);
        let text = answer["error"].as_str().unwrap();
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    venue.stop().unwrap();
}

#[test]
fn the_handle_does_the_same_without_a_socket() {
    let venue = start(still());
    let kind = KeyKind::Hmac { secret: "s2".to_string() };
    let key = ApiKey { api_key: "second".to_string(), kind };
    venue.handle.add_key("alpha", key.clone()).unwrap();
    assert!(venue.handle.add_key("alpha", key).is_err());
    let (mut socket, _) = ws_api(&venue);
    assert_eq!(venue.handle.revoke_key("second"), Some(0));
    assert_eq!(venue.handle.revoke_key(&first_key(&venue)), Some(1));
    // The loop looks at what is to be closed when anything happens.
    assert_eq!(Http::open(&venue).ask("GET", "/api/v3/ping", "").0, 200);
    assert_eq!(socket.end(), Got::Close(1008));
    assert_eq!(venue.handle.revoke_key("second"), None);
    venue.stop().unwrap();
}
