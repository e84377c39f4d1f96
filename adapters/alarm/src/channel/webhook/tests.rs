//! Tests of the webhook, against a web server on this machine.

use std::sync::Mutex;

use super::*;
use crate::catalogue::Code;
use crate::channel::testing::{Act, Hook, TestTls, notices, secret};

/// Long enough for a slow machine, where an answer is expected.
const LONG_NS: u64 = 30_000 * MS_NS;

fn webhook(url: &str, shape: Shape, tls: &TestTls, request_ns_max: u64) -> Webhook {
    let tls = Arc::clone(&tls.client);
    Webhook::new(WebhookSettings { url: secret(url), shape, tls, request_ns_max })
}

#[track_caller]
fn deliver(webhook: &mut Webhook, count: u8) -> Result<(), DeliveryError> {
    let notices = notices(Code::LinkDown, 0, count);
    webhook.deliver(&Message { instance: "paper", notices: &notices }, &Clock::new())
}

#[test]
fn a_url_is_split_before_its_path() {
    let check = |url: &str, expected: Option<(&str, &str)>| {
        assert_eq!(split(url), expected, "{url}");
    };
    check("https://h.example/services/T/B?x=1", Some(("https://h.example", "/services/T/B?x=1")));
    check("http://127.0.0.1:81", Some(("http://127.0.0.1:81", "")));
    check("https://h?token=1", Some(("https://h", "?token=1")));
    check("no url", None);
}

#[test]
fn a_status_says_whether_to_try_again() {
    let check = |status: u16, wait: Option<u64>, expected: &str| {
        assert_eq!(format!("{:?}", judge(status, wait)), expected, "{status}");
    };
    check(429, Some(2), "Busy { status: 429, wait_ns: 2000000000 }");
    check(429, None, "Busy { status: 429, wait_ns: 5000000000 }");
    check(500, None, "Busy { status: 500, wait_ns: 0 }");
    check(503, Some(1), "Busy { status: 503, wait_ns: 1000000000 }");
    check(302, None, "Refused { status: 302 }");
    check(404, None, "Refused { status: 404 }");
}

#[test]
fn each_shape_arrives_as_its_receiver_wants_it() {
    let tls = TestTls::new();
    let line = "[CRITICAL] alarm 1 link-down (venue 0)";
    for shape in Shape::ALL {
        let hook = Hook::start(&[], None);
        deliver(&mut webhook(&hook.url(), shape, &tls, LONG_NS), 1).unwrap();
        let (target, body) = hook.heard(|heard| heard.all[0].clone());
        assert_eq!(target, "/services/T/B/canary");
        match shape {
            Shape::Slack => {
                let text = body["text"].as_str().unwrap();
                assert!(text.contains(line) && text.contains("-&gt; docs/runbooks/"), "{text}");
                assert_eq!(body.as_object().unwrap().len(), 1);
            }
            Shape::Discord => {
                let text = body["content"].as_str().unwrap();
                assert!(text.contains(line) && text.starts_with("paper:\n"), "{text}");
                assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
            }
            Shape::Plain => {
                assert_eq!(body["instance"], "paper");
                assert_eq!(body["alarms"][0]["name"], "link-down");
                assert_eq!(body["alarms"][0]["severity"], "CRITICAL");
                assert_eq!(body["alarms"][0]["notice"], 1);
            }
        }
    }
}

#[test]
fn what_a_server_does_is_what_the_error_says() {
    let tls = TestTls::new();
    let hook = Hook::start(&[Act::Status(200)], None);
    assert_eq!(deliver(&mut webhook(&hook.url(), Shape::Plain, &tls, LONG_NS), 1), Ok(()));
    for (act, limit_ns, expected) in [
        (Act::Status(500), LONG_NS, DeliveryError::Busy { status: 500, wait_ns: 0 }),
        (Act::Busy(3), LONG_NS, DeliveryError::Busy { status: 429, wait_ns: 3_000 * MS_NS }),
        (Act::Status(302), LONG_NS, DeliveryError::Refused { status: 302 }),
        (Act::Status(404), LONG_NS, DeliveryError::Refused { status: 404 }),
        (Act::Slow, 300 * MS_NS, DeliveryError::Silent),
        (Act::Cut, LONG_NS, DeliveryError::Silent),
    ] {
        let hook = Hook::start(&[act], None);
        let found = deliver(&mut webhook(&hook.url(), Shape::Plain, &tls, limit_ns), 1);
        assert_eq!(found, Err(expected), "{act:?}");
    }
    // Nobody listens there any more.
    let url = hook.url();
    drop(hook);
    let found = deliver(&mut webhook(&url, Shape::Plain, &tls, LONG_NS), 1);
    assert_eq!(found, Err(DeliveryError::Unreachable));
}

#[test]
fn tls_is_spoken_with_those_who_are_believed_and_nobody_else() {
    let (tls, stranger) = (TestTls::new(), TestTls::new());
    let hook = Hook::start(&[], Some(&tls));
    let url = hook.url().replace("http://", "https://");
    assert_eq!(deliver(&mut webhook(&url, Shape::Plain, &tls, LONG_NS), 1), Ok(()));
    let found = deliver(&mut webhook(&url, Shape::Plain, &stranger, LONG_NS), 1);
    assert_eq!(found, Err(DeliveryError::Untrusted));
    assert_eq!(hook.heard(|heard| heard.all.len()), 1, "the stranger heard nothing");
}

#[test]
fn an_address_that_is_exchanged_is_used_at_the_next_message() {
    let tls = TestTls::new();
    let hooks = [Hook::start(&[], None), Hook::start(&[], None)];
    let current = Arc::new(Mutex::new(hooks[0].url()));
    let theirs = Arc::clone(&current);
    let url = move || Some(Arc::new(secret::Secret::new(theirs.lock().unwrap().clone())));
    let mut webhook = Webhook::new(WebhookSettings {
        url: Box::new(url),
        shape: Shape::Plain,
        tls: Arc::clone(&tls.client),
        request_ns_max: LONG_NS,
    });
    deliver(&mut webhook, 1).unwrap();
    *current.lock().unwrap() = hooks[1].url();
    deliver(&mut webhook, 1).unwrap();
    assert_eq!(hooks.each_ref().map(|hook| hook.heard(|heard| heard.taken.len())), [1, 1]);
}

#[test]
fn addresses_that_cannot_work_are_named_without_being_shown() {
    let tls = TestTls::new();
    for url in [
        "canary",
        "ftp://canary/x",
        "http://user:canary@127.0.0.1:1/",
        "http://127.0.0.1:99999/canary",
        "http://127.0.0.1:1/canary canary",
    ] {
        let mut webhook = webhook(url, Shape::Plain, &tls, LONG_NS);
        let error = deliver(&mut webhook, 1).unwrap_err();
        assert_eq!(error, DeliveryError::Unusable, "{url}");
        let told = format!("{error} {error:?} {webhook:?}");
        assert!(!told.contains("canary"), "{told}");
    }
    let mut without = Webhook::new(WebhookSettings {
        url: Box::new(|| None),
        shape: Shape::Plain,
        tls: Arc::clone(&tls.client),
        request_ns_max: LONG_NS,
    });
    assert_eq!(deliver(&mut without, 1), Err(DeliveryError::Unusable));
}

#[test]
fn a_text_is_cut_to_what_fits_and_counts_the_rest() {
    let many = notices(Code::LinkDown, 0, 100);
    let body = Shape::Discord.body(&Message { instance: "paper", notices: &many });
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let text = body["content"].as_str().unwrap();
    assert!(text.chars().count() <= 2_000, "{}", text.len());
    let shown = text.lines().filter(|line| line.starts_with('[')).count();
    let last = text.lines().last().unwrap();
    assert_eq!(last, format!("... {} more: alarms.jsonl", 100 - shown));
}
