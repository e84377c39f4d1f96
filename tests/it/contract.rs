//! Every adapter keeps the contract of its kind; what does not apply to one is named with its reason.

mod planted;
mod skeleton;

use simulator::contract::binance_feed::BinanceFeed;
use simulator::contract::binance_orders::BinanceOrders;
use simulator::contract::paper_orders::{NO_ACCOUNT, NO_CONNECTION, NO_KEYS, PaperOrders};
use simulator::contract::{Clause, Stop, broker, feed, run};

use crate::architecture::sources::all;
use planted::{ACKS_TWICE, Broken, FILLS_TWICE, GUESSES, Liar, SENDS_AGAIN};
use skeleton::{NO_AGE, NO_LIMITS, NO_SOCKET, SkeletonBroker, SkeletonFeed};

/// All clauses hold but those in `absent`, which do not apply for that reason.
#[track_caller]
fn check(clauses: &[Clause], absent: &[(&str, &str)]) {
    let outcome = run(clauses);
    for (name, how) in &outcome.broken {
        println!("broken: {name}: {how}");
    }
    let broken: Vec<_> = outcome.broken.iter().map(|(name, _)| name).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(outcome.absent, absent);
    assert_eq!(outcome.held.len() + absent.len(), clauses.len());
}

#[test]
fn the_binance_feed_keeps_every_clause() {
    check(&feed::clauses::<BinanceFeed>(), &[]);
}

#[test]
fn binance_order_entry_keeps_every_clause() {
    check(&broker::clauses::<BinanceOrders>(), &[]);
}

#[test]
fn the_paper_venue_keeps_every_clause_that_applies() {
    let absent = [
        ("broker-says-up", NO_CONNECTION),
        ("broker-ignores-repeated-reports", NO_CONNECTION),
        ("broker-bears-late-reports", NO_CONNECTION),
        ("broker-settles-a-lost-order", NO_CONNECTION),
        ("broker-settles-a-lost-answer", NO_CONNECTION),
        ("broker-settles-an-error-before", NO_CONNECTION),
        ("broker-settles-an-error-after", NO_CONNECTION),
        ("broker-settles-the-unknown-code", NO_CONNECTION),
        ("broker-settles-a-cut-before", NO_CONNECTION),
        ("broker-settles-a-cut-after", NO_CONNECTION),
        ("broker-settles-garbage", NO_CONNECTION),
        ("broker-keeps-limits", NO_CONNECTION),
        ("broker-bears-a-wrong-clock", NO_CONNECTION),
        ("broker-tells-a-cut", NO_CONNECTION),
        ("broker-judges-silence", NO_CONNECTION),
        ("broker-pulls-everything", NO_ACCOUNT),
        ("broker-pulls-missed-fills", NO_CONNECTION),
        ("broker-survives-a-restart", NO_CONNECTION),
        ("broker-knows-an-earlier-life", NO_CONNECTION),
        ("broker-signs-as-documented", NO_KEYS),
    ];
    check(&broker::clauses::<PaperOrders>(), &absent);
}

/// Rows `| name | what it says |` of a document.
fn rows(text: &str, prefix: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| line.starts_with(&format!("| `{prefix}-")));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim));
    cells
        .filter_map(|mut cells| {
            let name = cells.next()?.trim_matches('`').to_string();
            Some((name, cells.next()?.to_string()))
        })
        .collect()
}

fn listed(clauses: &[Clause]) -> Vec<(String, String)> {
    clauses.iter().map(|clause| (clause.name.to_string(), clause.says.to_string())).collect()
}

#[test]
fn the_documents_list_the_clauses_as_the_code_has_them() {
    let documents = all();
    let text_of = |path: &str| {
        let document = documents.iter().find(|source| source.path == path);
        document.expect("the document of the contract is there").text.clone()
    };
    let feeds = rows(&text_of("docs/adapters/feed.md"), "feed");
    assert_eq!(feeds, listed(&feed::clauses::<BinanceFeed>()));
    let brokers = rows(&text_of("docs/adapters/broker.md"), "broker");
    assert_eq!(brokers, listed(&broker::clauses::<BinanceOrders>()));
    let planted = "| `feed-a` | says |\n| `feed-b` | more | and more |\ntext `feed-c`\n";
    assert_eq!(rows(planted, "feed").len(), 2);
}

#[test]
fn a_broken_clause_is_told_and_an_absent_one_is_named() {
    let clause = |name, check| Clause { name, says: "", check };
    let outcome = run(&[
        clause("kept", || Ok(())),
        clause("broken", || Err(Stop::Broken("so".to_string()))),
        clause("absent", || Err(Stop::NotHere("why"))),
    ]);
    assert_eq!(outcome.held, ["kept"]);
    assert_eq!(outcome.broken, [("broken", "so".to_string())]);
    assert_eq!(outcome.absent, [("absent", "why")]);
}

#[test]
fn the_skeleton_of_the_checklist_keeps_what_a_skeleton_can() {
    let absent = [("feed-keeps-limits", NO_LIMITS), ("feed-renews-without-a-gap", NO_AGE)];
    check(&feed::clauses::<SkeletonFeed>(), &absent);
    let absent = [
        ("broker-bears-late-reports", NO_SOCKET),
        ("broker-settles-an-error-before", NO_SOCKET),
        ("broker-settles-an-error-after", NO_SOCKET),
        ("broker-settles-the-unknown-code", NO_SOCKET),
        ("broker-settles-a-cut-before", NO_SOCKET),
        ("broker-settles-a-cut-after", NO_SOCKET),
        ("broker-settles-garbage", NO_SOCKET),
        ("broker-keeps-limits", NO_SOCKET),
        ("broker-bears-a-wrong-clock", NO_SOCKET),
        ("broker-tells-a-cut", NO_SOCKET),
        ("broker-judges-silence", NO_SOCKET),
        ("broker-pulls-everything", NO_SOCKET),
        ("broker-pulls-missed-fills", NO_SOCKET),
        ("broker-survives-a-restart", NO_SOCKET),
        ("broker-knows-an-earlier-life", NO_SOCKET),
        ("broker-signs-as-documented", NO_SOCKET),
    ];
    check(&broker::clauses::<SkeletonBroker>(), &absent);
}

#[test]
fn planted_vices_break_their_clauses() {
    let broken = |clauses: &[Clause]| -> Vec<&'static str> {
        run(clauses).broken.iter().map(|(name, _)| *name).collect()
    };
    let twice = broken(&broker::clauses::<Broken<FILLS_TWICE>>());
    assert!(twice.contains(&"broker-tells-fills-once"), "{twice:?}");
    let guesses = broken(&broker::clauses::<Broken<GUESSES>>());
    assert!(guesses.contains(&"broker-settles-a-lost-answer"), "{guesses:?}");
    let again = broken(&broker::clauses::<Broken<SENDS_AGAIN>>());
    assert!(again.contains(&"broker-settles-a-lost-answer"), "{again:?}");
    let acks = broken(&broker::clauses::<Broken<ACKS_TWICE>>());
    assert_eq!(acks, ["broker-acknowledges", "broker-signs-as-documented"]);
    let lies = broken(&feed::clauses::<Liar>());
    for name in ["feed-becomes-live", "feed-hides-no-gap", "feed-tells-its-end"] {
        assert!(lies.contains(&name), "{lies:?}");
    }
}
