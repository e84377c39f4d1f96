//! Tests of mail, against a strict server on this machine.

use super::*;
use crate::catalogue::Code;
use crate::channel::testing::{Mail, MailHeard, MailSettings, TestTls, notices, secret};

const LONG_NS: u64 = 30_000_000_000;

fn settings(mail: &Mail, tls: &TestTls, security: Security) -> SmtpSettings {
    let is_safe = security != Security::None;
    SmtpSettings {
        host: "localhost".to_string(),
        port: mail.address.port(),
        security,
        user: is_safe.then(|| "user".to_string()),
        password: is_safe.then(|| secret("canary-password\n")),
        from: "engine@desk.example".to_string(),
        to: vec!["risk@desk.example".to_string(), "trader@desk.example".to_string()],
        tls: Arc::clone(&tls.client),
        request_ns_max: LONG_NS,
    }
}

fn deliver(settings: SmtpSettings) -> Result<(), DeliveryError> {
    let notices = notices(Code::LinkDown, 0, 2);
    let mut smtp = Smtp::new(settings);
    smtp.deliver(&Message { instance: "paper", notices: &notices }, &Clock::new())
}

/// One delivery to a server with these habits.
#[track_caller]
fn check(
    habits: MailSettings,
    security: Security,
    expected: Result<(), DeliveryError>,
) -> MailHeard {
    let tls = TestTls::new();
    let mail = Mail::start(habits, &tls);
    let found = deliver(settings(&mail, &tls, security));
    let heard = mail.heard();
    assert_eq!(found, expected, "{heard:?}");
    assert_eq!(heard.faults, Vec::<String>::new());
    let secrets = heard.commands.iter().filter(|(command, is_secure)| {
        !is_secure && (command.starts_with("AUTH") || command.contains("MAIL"))
    });
    if security != Security::None {
        assert_eq!(secrets.count(), 0, "{heard:?}");
    }
    assert_eq!(heard.letters.len(), usize::from(expected.is_ok()));
    heard
}

#[test]
fn a_letter_goes_out_over_starttls_with_a_login() {
    let heard = check(MailSettings::default(), Security::StartTls, Ok(()));
    let verbs: Vec<&str> =
        heard.commands.iter().map(|(command, _)| command.split(' ').next().unwrap()).collect();
    let expected = ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"];
    assert_eq!(verbs, expected);
    let (receivers, text) = &heard.letters[0];
    assert_eq!(receivers, &["risk@desk.example", "trader@desk.example"]);
    for line in [
        "From: tickwheel <engine@desk.example>\n",
        "To: risk@desk.example, trader@desk.example\n",
        "Subject: [CRITICAL] paper: link-down (venue 0) and 1 more\n",
        "Date: Wed, 18 Nov 2026 ",
        "Message-ID: <alarm-1-2-1795000000000000000@tickwheel.invalid>\n",
        "\n\npaper:\n[CRITICAL] alarm 1 link-down (venue 0): ",
        "\n[CRITICAL] alarm 2 link-down (",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
fn other_ways_of_logging_in_and_of_being_safe() {
    let login = MailSettings { auth: "LOGIN", ..MailSettings::default() };
    check(login, Security::StartTls, Ok(()));
    let at_once = MailSettings { tls_at_once: true, ..MailSettings::default() };
    let heard = check(at_once, Security::Tls, Ok(()));
    assert!(heard.commands.iter().all(|(_, is_secure)| *is_secure));
    let plain = MailSettings { auth: "", starttls: false, ..MailSettings::default() };
    check(plain, Security::None, Ok(()));
}

#[test]
fn without_starttls_nothing_is_sent() {
    let bare = MailSettings { starttls: false, ..MailSettings::default() };
    let heard = check(bare, Security::StartTls, Err(DeliveryError::Untrusted));
    assert_eq!(heard.commands.len(), 1, "EHLO and no more");
}

#[test]
fn what_comes_before_tls_is_not_believed_after_it() {
    let injected =
        MailSettings { injected: "250-mail.test\r\n250 AUTH PLAIN", ..MailSettings::default() };
    check(injected, Security::StartTls, Err(DeliveryError::Protocol));
}

#[test]
fn a_server_that_is_not_believed_gets_nothing() {
    let (tls, stranger) = (TestTls::new(), TestTls::new());
    for (security, tls_at_once) in [(Security::StartTls, false), (Security::Tls, true)] {
        let mail = Mail::start(MailSettings { tls_at_once, ..MailSettings::default() }, &tls);
        let found = deliver(settings(&mail, &stranger, security));
        assert_eq!(found, Err(DeliveryError::Untrusted), "{security:?}");
        assert_eq!(mail.heard().letters.len(), 0);
    }
}

#[test]
fn a_refusal_at_any_step_is_told_by_its_kind() {
    let answer =
        |start, line| MailSettings { answer: Some((start, line)), ..MailSettings::default() };
    let busy = |status| Err(DeliveryError::Busy { status, wait_ns: 0 });
    let refused = |status| Err(DeliveryError::Refused { status });
    for (start, line, expected) in [
        ("EHLO", "421 too many", busy(421)),
        ("STARTTLS", "454 not now", busy(454)),
        ("AUTH", "535 wrong password", refused(535)),
        ("MAIL", "451 later", busy(451)),
        ("MAIL", "550 not from you", refused(550)),
        ("RCPT", "550 nobody", refused(550)),
        ("RCPT", "450 full", busy(450)),
        ("DATA", "554 no", refused(554)),
        ("EHLO", "what", Err(DeliveryError::Protocol)),
        ("MAIL", "250x no such form", Err(DeliveryError::Protocol)),
        ("MAIL", "354 wrong order", Err(DeliveryError::Protocol)),
    ] {
        let heard = check(answer(start, line), Security::StartTls, expected);
        assert!(heard.letters.is_empty());
    }
    let other = MailSettings { auth: "CRAM-MD5", ..MailSettings::default() };
    check(other, Security::StartTls, Err(DeliveryError::Unusable));
    let wrong = MailSettings { login: ("user", "another"), ..MailSettings::default() };
    check(wrong, Security::StartTls, refused(535));
}

#[test]
fn a_receiver_that_is_refused_does_not_keep_the_others_from_it() {
    let tls = TestTls::new();
    let mail = Mail::start(MailSettings::default(), &tls);
    let mut settings = settings(&mail, &tls, Security::StartTls);
    settings.to.insert(0, "nobody@desk.example".to_string());
    assert_eq!(deliver(settings), Ok(()));
    assert_eq!(mail.heard().letters[0].0, ["risk@desk.example", "trader@desk.example"]);
}

#[test]
fn a_server_that_falls_silent_ends_the_delivery_at_its_deadline() {
    let tls = TestTls::new();
    for silent in ["EHLO", "MAIL", "DATA"] {
        let habits = MailSettings { silent: Some(silent), ..MailSettings::default() };
        let mail = Mail::start(habits, &tls);
        let mut settings = settings(&mail, &tls, Security::StartTls);
        settings.request_ns_max = 1_000_000_000;
        assert_eq!(deliver(settings), Err(DeliveryError::Silent), "{silent}");
    }
}

#[test]
fn settings_that_cannot_work_send_nothing() {
    let tls = TestTls::new();
    let mail = Mail::start(MailSettings::default(), &tls);
    let check = |change: fn(&mut SmtpSettings)| {
        let mut settings = settings(&mail, &tls, Security::StartTls);
        change(&mut settings);
        let told = format!("{settings:?}");
        assert_eq!(deliver(settings), Err(DeliveryError::Unusable));
        assert!(!told.contains("canary"), "{told}");
    };
    check(|settings| settings.to.clear());
    check(|settings| settings.to.push("a b@c.example".to_string()));
    check(|settings| settings.from = "x@y.example>\r\nRCPT TO:<z@y.example".to_string());
    check(|settings| settings.host = "no host".to_string());
    check(|settings| settings.security = Security::None);
    check(|settings| settings.password = Some(Box::new(|| None)));
    assert!(mail.heard().letters.is_empty());
}

#[test]
fn addresses_are_what_may_stand_in_a_command() {
    let table = [
        ("a@b", true),
        ("first.last+tag@mail.example.org", true),
        ("", false),
        ("@b", false),
        ("a@", false),
        ("a@b@c", false),
        ("a b@c", false),
        ("a@b>", false),
        ("a@b\r\n", false),
        ("\u{e4}@b", false),
    ];
    for (address, expected) in table {
        assert_eq!(is_address(address), expected, "{address:?}");
    }
}
