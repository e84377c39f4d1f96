//! The arrows between our crates, and every outside crate with the reason why it is here.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::assert_none;
use super::sources::root;

/// One line of a Cargo.toml.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dependency {
    from: String,
    to: String,
    /// In this workspace.
    ours: bool,
    /// Only for tests, benches or a build script.
    dev: bool,
}

/// Which of our crates each crate may name; tools, tests and benches may name all of these.
/// A new line here is an event in itself: say in docs/ARCHITECTURE.md why.
const ARROWS: &[(&str, &[&str])] = &[
    ("journal", &[]),
    ("engine", &["journal"]),
    ("strategies", &["engine"]),
    ("config", &["engine"]),
    // Mail and webhooks: it reads journal and stats, and asks for the secrets of its channels.
    ("alarm", &["engine", "journal", "secret", "wire"]),
    // Signs the journal's chain and tells its records: it names no other adapter.
    ("audit", &["engine", "journal"]),
    ("binance", &["engine", "wire"]),
    // Cancels at the venue for a dead engine: the same words and signatures as order entry.
    ("guard", &["engine", "binance", "wire"]),
    // The operators' socket: events, the state of the pipeline, stats; the journal comes to it record by record.
    ("operator", &["engine"]),
    ("paper", &["engine"]),
    ("secret", &["engine", "wire"]),
    ("synthetic", &["engine"]),
    ("venue", &["engine", "wire"]),
    ("wire", &["engine"]),
    // The skeleton that docs/adapters/add-a-venue.md copies; no program names it.
    ("template", &["engine"]),
];

/// Crates that know everybody; nobody knows them. The second list is what they may know of each other.
const LEAVES: &[(&str, &[&str])] =
    &[("tickwheel", &[]), ("xtask", &[]), ("simulator", &[]), ("benches", &["simulator"])];

/// Outside crates of the product: name, the crates that may name it, and the reason.
#[rustfmt::skip]
const PRODUCT: &[(&str, &[&str], &str)] = &[
    ("anyhow", &["tickwheel", "xtask"], "errors of programs: a chain of contexts, printed once"),
    ("blake3", &["journal", "config", "operator", "audit"], "hash chain of segments, hash of a configuration, hashes of operators' keys"),
    ("bytemuck", &["journal", "engine", "tickwheel", "alarm", "audit"], "a record is cast, never parsed"),
    ("clap", &["tickwheel"], "the command line"),
    ("clap_complete", &["tickwheel"], "completion scripts of shells, from the same command line"),
    ("core_affinity", &["engine", "tickwheel"], "pins the core thread"),
    ("crossbeam", &["engine"], "parking of idle threads, padding of shared counters"),
    ("crossterm", &["tickwheel"], "the terminal under ratatui"),
    ("data-encoding", &["binance", "venue", "alarm", "operator", "audit"], "hexadecimal and base64 of signatures and of mail logins"),
    ("disruptor", &["engine"], "the rings at the thread borders"),
    ("flate2", &["binance", "venue", "wire"], "captures are gzip"),
    ("hdrhistogram", &["engine"], "latency without loss of the tail"),
    ("httparse", &["wire"], "HTTP/1.1 heads, parsed in place; tungstenite has it too"),
    ("indicatif", &["tickwheel"], "progress of a backtest"),
    ("libm", &["strategies", "synthetic"], "the same float on every machine"),
    ("memmap2", &["journal", "engine"], "journal segments and the stats file"),
    ("mio", &["wire"], "one poll loop for every socket"),
    ("quanta", &["engine"], "the time stamp counter, calibrated"),
    ("ratatui", &["tickwheel"], "stat --watch"),
    ("rcgen", &["venue", "wire", "alarm", "secret"], "the self-made CA of the local venue"),
    ("ring", &["binance", "venue", "audit"], "HMAC and Ed25519 signatures; rustls has it too"),
    ("rtime-clock", &["tickwheel"], "adjtimex without unsafe of ours"),
    ("rust_decimal", &["engine", "config", "tickwheel"], "exact decimals at the edges"),
    ("rustix", &["journal", "engine", "wire", "secret", "tickwheel", "operator"], "system calls without unsafe of ours"),
    ("rustls", &["wire", "venue", "secret", "tickwheel", "alarm"], "TLS without a C library"),
    ("serde", &["config", "secret", "tickwheel", "binance", "guard", "venue", "alarm", "operator", "audit"], "typed configuration and --json"),
    ("serde_json", &["secret", "tickwheel", "binance", "guard", "venue", "alarm", "operator", "audit"], "--json; answers and requests of venues, off the hot path"),
    ("signal-hook", &["tickwheel"], "Ctrl-C ends a session cleanly"),
    ("simd-json", &["binance"], "venue frames, parsed in place"),
    ("thiserror", &["journal", "engine", "strategies", "config", "binance", "guard", "paper", "secret", "venue", "wire", "template", "alarm", "operator", "audit"], "errors with fields"),
    ("toml", &["config", "secret"], "configuration and key files"),
    ("tracing", &["engine"], "diagnostics off the hot path"),
    ("tracing-subscriber", &["tickwheel"], "prints the diagnostics"),
    ("tungstenite", &["wire"], "WebSocket"),
    ("webpki-roots", &["wire"], "the roots that production venues are signed by"),
    ("zeroize", &["secret"], "secrets are wiped when they are dropped; rustls has it too"),
];

/// Crates that the product does not compile: they may name whatever the product or a test names.
const BESIDE: &[&str] = &["simulator", "benches"];

/// Outside crates that only tests and benches may name.
#[rustfmt::skip]
const DEVELOPMENT: &[(&str, &str)] = &[
    ("cargo_metadata", "this test"),
    ("criterion", "micro-benches"),
    ("crossbeam", "a rival in the benches"),
    ("disruptor", "a rival in the benches"),
    ("proptest", "property tests with a printed seed"),
    ("rtrb", "a rival in the benches"),
    ("serde_json", "reads the figures and the --json output that tests compare"),
    ("tempfile", "directories of tests"),
];

fn declared() -> Vec<Dependency> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let mut found = Vec::new();
    for package in metadata.packages {
        for dependency in package.dependencies {
            found.push(Dependency {
                from: package.name.to_string(),
                to: dependency.name,
                ours: dependency.path.is_some(),
                dev: dependency.kind != DependencyKind::Normal,
            });
        }
    }
    assert!(30 < found.len(), "cargo named only {} dependencies", found.len());
    found
}

fn find<'a, T: ?Sized>(table: &[(&str, &'a T)], name: &str) -> Option<&'a T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Arrows between our crates that no table allows. Tests of a crate draw the same arrows as it does.
fn foreign_arrows(dependencies: &[Dependency]) -> Vec<String> {
    let mut found = Vec::new();
    for Dependency { from, to, .. } in dependencies.iter().filter(|dependency| dependency.ours) {
        let allowed = match (find(ARROWS, from), find(LEAVES, from)) {
            (Some(may), _) => may.contains(&to.as_str()),
            (None, Some(may)) => find(ARROWS, to).is_some() || may.contains(&to.as_str()),
            (None, None) => false,
        };
        if !allowed {
            found.push(format!("{from} -> {to}"));
        }
    }
    found
}

/// Outside crates that no table allows where they are named.
fn foreign_crates(dependencies: &[Dependency]) -> Vec<String> {
    let mut found = Vec::new();
    for Dependency { from, to, dev, .. } in dependencies.iter().filter(|it| !it.ours) {
        let is_beside = BESIDE.contains(&from.as_str());
        let in_product = PRODUCT
            .iter()
            .any(|(name, who, _)| name == to && (is_beside || who.contains(&from.as_str())));
        let in_development = (*dev || is_beside) && DEVELOPMENT.iter().any(|(name, _)| name == to);
        if !in_product && !in_development {
            let kind = if *dev { "dev-dependency" } else { "dependency" };
            found.push(format!("{from} has the {kind} {to}"));
        }
    }
    found
}

/// Rows of the tables that nobody uses any more.
fn idle_rows(dependencies: &[Dependency]) -> Vec<String> {
    let named = |from: &str, to: &str| dependencies.iter().any(|it| it.from == from && it.to == to);
    let mut found = Vec::new();
    for (to, who, _) in PRODUCT {
        let idle = who.iter().filter(|from| !named(from, to));
        found.extend(idle.map(|from| format!("{from} no longer names {to}")));
    }
    let in_use: BTreeSet<&str> =
        dependencies.iter().filter(|it| !it.ours).map(|it| it.to.as_str()).collect();
    let idle = DEVELOPMENT.iter().filter(|(name, _)| !in_use.contains(name));
    found.extend(idle.map(|(name, _)| format!("no test or bench names {name}")));
    found
}

#[test]
fn arrows_between_our_crates_are_those_of_the_table() {
    let violations = foreign_arrows(&declared());
    assert_none("an arrow that ARROWS and LEAVES do not have:", &violations);
}

#[test]
fn every_crate_of_ours_has_a_place_in_the_tables() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    for package in metadata.packages {
        let name = package.name.to_string();
        assert!(
            find(ARROWS, &name).is_some() != find(LEAVES, &name).is_some(),
            "{name} belongs into exactly one of ARROWS and LEAVES"
        );
    }
}

#[test]
fn every_outside_crate_has_a_reason() {
    let violations = foreign_crates(&declared());
    assert_none("an outside crate without a row in PRODUCT or DEVELOPMENT:", &violations);
    assert!(PRODUCT.iter().all(|(_, _, reason)| !reason.is_empty()));
    assert!(DEVELOPMENT.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn no_row_outlives_its_dependency() {
    assert_none("a row that is not needed:", &idle_rows(&declared()));
}

fn planted(from: &str, to: &str, ours: bool, dev: bool) -> Vec<Dependency> {
    vec![Dependency { from: from.to_string(), to: to.to_string(), ours, dev }]
}

#[test]
fn planted_arrows_are_found() {
    let arrow = |from, to| foreign_arrows(&planted(from, to, true, false)).len();
    for (from, to) in [
        ("journal", "engine"),
        ("engine", "strategies"),
        ("strategies", "config"),
        ("config", "strategies"),
        ("paper", "binance"),
        ("binance", "journal"),
        ("engine", "simulator"),
        ("strategies", "benches"),
        ("config", "tickwheel"),
        ("tickwheel", "simulator"),
        ("simulator", "benches"),
        ("stranger", "journal"),
        ("tickwheel", "stranger"),
    ] {
        assert_eq!(arrow(from, to), 1, "{from} -> {to}");
        assert_eq!(foreign_arrows(&planted(from, to, true, true)).len(), 1, "{from} -> {to}, dev");
    }
    for (from, to) in [("engine", "journal"), ("paper", "engine"), ("tickwheel", "config")] {
        assert_eq!(arrow(from, to), 0, "{from} -> {to}");
    }
}

#[test]
fn planted_outside_crates_are_found() {
    let count = |from, to, dev| foreign_crates(&planted(from, to, false, dev)).len();
    assert_eq!(count("engine", "rand", false), 1);
    assert_eq!(count("engine", "serde_json", false), 1, "allowed elsewhere only");
    assert_eq!(count("journal", "proptest", false), 1, "allowed in tests only");
    assert_eq!(count("journal", "criterion2", true), 1);
    assert_eq!(count("journal", "proptest", true), 0);
    assert_eq!(count("engine", "quanta", false), 0);
    assert_eq!(count("simulator", "tempfile", false), 0);
    assert_eq!(count("simulator", "stranger", false), 1);
    assert!(!idle_rows(&planted("engine", "quanta", false, false)).is_empty());
}
