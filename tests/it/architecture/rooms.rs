//! What lives in which room: `unsafe`, floats, clocks, hash maps.
//!
//! Clippy knows most of these bans. It sees neither an inferred float nor what an `#[expect]` waves
//! through; these rules do.

use super::assert_none;
use super::sources::{Source, rust};
use super::tokens::{Kind, Token, tokens};

/// Rooms with `unsafe`: mapped memory.
const UNSAFE: &[&str] = &["journal/", "engine/src/stats.rs", "engine/src/stats/"];
/// Rooms without floats: what they compute is money, or is written down.
const INTEGERS_ONLY: &[&str] = &[
    "engine/",
    "journal/",
    "config/",
    "adapters/binance/",
    "adapters/operator/",
    "adapters/paper/",
    "adapters/secret/",
    "adapters/venue/",
    "adapters/wire/",
    "docs/adapters/",
];
/// Rooms that may read a clock: the one edge, and those who measure.
const CLOCKS: &[&str] = &["engine/src/clock.rs", "benches/", "tests/", "tools/xtask/"];
/// Rooms whose order of iteration reaches a decision.
const ORDERED: &[&str] =
    &["engine/", "journal/", "strategies/", "config/", "adapters/", "docs/adapters/"];

fn is_in(path: &str, rooms: &[&str]) -> bool {
    rooms.iter().any(|room| path.starts_with(room))
}

/// A file that only tests compile.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/")
}

fn report(source: &Source, token: &Token<'_>, what: &str) -> String {
    format!("{}:{}: {what}: {}", source.path, token.line, token.text)
}

/// `unsafe` outside its rooms. A counting allocator in a test or bench is the one exception: the trait
/// itself is unsafe, and it shows that the hot path does not allocate.
fn unsafe_code(source: &Source) -> Vec<String> {
    let found = tokens(&source.text);
    let is_word = |token: &Token<'_>, text: &str| token.kind == Kind::Word && token.text == text;
    let counts = found.iter().any(|token| is_word(token, "GlobalAlloc"));
    let may_count = is_test(&source.path) || source.path.starts_with("benches/");
    if is_in(&source.path, UNSAFE) || (counts && may_count) {
        return Vec::new();
    }
    let found = found.iter().filter(|token| is_word(token, "unsafe"));
    found.map(|token| report(source, token, "unsafe")).collect()
}

/// Floats (types, literals, conversions) where only integers live. Tests may weigh their cases.
fn floats(source: &Source) -> Vec<String> {
    if !is_in(&source.path, INTEGERS_ONLY) || is_test(&source.path) {
        return Vec::new();
    }
    let is_float = |token: &Token<'_>| match token.kind {
        Kind::Float => true,
        Kind::Word => token.text.contains("f64") || token.text.contains("f32"),
        Kind::Integer | Kind::Sign => false,
    };
    let found = tokens(&source.text);
    let found = found.iter().filter(|token| !token.in_test && is_float(token));
    found.map(|token| report(source, token, "float")).collect()
}

fn words(source: &Source, banned: &[&str], what: &str) -> Vec<String> {
    let found = tokens(&source.text);
    let found =
        found.iter().filter(|token| token.kind == Kind::Word && banned.contains(&token.text));
    found.map(|token| report(source, token, what)).collect()
}

/// Clocks outside their room.
fn clocks(source: &Source) -> Vec<String> {
    const BANNED: &[&str] = &[
        "Instant",
        "SystemTime",
        "UNIX_EPOCH",
        "quanta",
        "clock_gettime",
        "ClockId",
        "_rdtsc",
        "__rdtscp",
    ];
    if is_in(&source.path, CLOCKS) { Vec::new() } else { words(source, BANNED, "clock") }
}

/// Maps without an order of their own, where the order could reach a decision.
fn hash_maps(source: &Source) -> Vec<String> {
    const BANNED: &[&str] = &["HashMap", "HashSet", "hash_map", "hash_set", "RandomState"];
    if is_in(&source.path, ORDERED) { words(source, BANNED, "hash map") } else { Vec::new() }
}

fn everywhere(rule: fn(&Source) -> Vec<String>) -> Vec<String> {
    rust().iter().flat_map(rule).collect()
}

#[test]
fn unsafe_lives_in_the_journal_and_in_stats_only() {
    assert_none("unsafe outside its rooms:", &everywhere(unsafe_code));
}

#[test]
fn floats_stay_out_of_the_rooms_of_money() {
    assert_none("floats where only integers live:", &everywhere(floats));
}

#[test]
fn one_room_reads_the_clock() {
    assert_none("clocks are read in engine/src/clock.rs only:", &everywhere(clocks));
}

#[test]
fn no_decision_depends_on_the_order_of_a_hash_map() {
    assert_none("use BTreeMap or a dense index:", &everywhere(hash_maps));
}

/// Number of violations of one planted file.
#[track_caller]
fn check(rule: fn(&Source) -> Vec<String>, path: &str, text: &str, expected: usize) {
    let found = rule(&Source { path: path.to_string(), text: text.to_string() });
    assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
}

#[test]
fn planted_unsafe_is_found() {
    let block = "fn f() { unsafe { g() } }";
    check(unsafe_code, "engine/src/ring.rs", block, 1);
    check(unsafe_code, "tools/tickwheel/src/main.rs", block, 1);
    check(unsafe_code, "engine/tests/x.rs", block, 1);
    check(unsafe_code, "engine/src/ring.rs", "unsafe impl GlobalAlloc for A {}", 1);
    check(unsafe_code, "engine/tests/x.rs", "unsafe impl GlobalAlloc for A {}", 0);
    check(unsafe_code, "journal/src/segment.rs", block, 0);
    check(unsafe_code, "engine/src/stats/memory.rs", block, 0);
    check(unsafe_code, "engine/src/statistics.rs", block, 1);
    check(unsafe_code, "engine/src/ring.rs", "// unsafe\n#[expect(unsafe_code)] fn f() {}", 0);
}

#[test]
fn planted_floats_are_found() {
    check(floats, "engine/src/money.rs", "struct A { price: f64 }", 1);
    check(floats, "engine/src/money.rs", "fn f(d: Duration) -> bool { d.as_secs_f64() > 1.5 }", 2);
    check(floats, "journal/src/status.rs", "const A: u64 = (1e9) as u64;", 1);
    check(floats, "config/src/number.rs", "let x = 2f32;", 1);
    check(floats, "adapters/paper/src/desk.rs", "x.to_f64()", 1);
    check(floats, "adapters/wire/src/lib.rs", "0.5", 1);
    check(floats, "adapters/synthetic/src/flow.rs", "0.5f64", 0);
    check(floats, "strategies/src/lib.rs", "fn f(x: f64) {}", 0);
    check(floats, "engine/src/money.rs", "#[cfg(test)] mod t { const A: f64 = 0.5; }", 0);
    check(floats, "engine/src/risk/tests/properties.rs", "weighted(0.9)", 0);
    check(floats, "engine/src/money.rs", "/// 0.5 as f64\nfn f() { 0..5; x.0.1; \"0.5\"; }", 0);
}

#[test]
fn planted_clocks_are_found() {
    check(clocks, "engine/src/oms.rs", "let t = std::time::Instant::now();", 1);
    check(clocks, "journal/src/helper.rs", "use std::time::{SystemTime, UNIX_EPOCH};", 2);
    check(clocks, "tools/tickwheel/src/run.rs", "quanta::Clock::new()", 1);
    check(clocks, "adapters/wire/src/lib.rs", "clock_gettime(ClockId::Realtime)", 2);
    check(clocks, "engine/src/clock.rs", "Instant::now()", 0);
    check(clocks, "benches/benches/book.rs", "Instant::now()", 0);
    check(clocks, "engine/src/oms.rs", "fn f(timeout: std::time::Duration) {} // Instant", 0);
}

#[test]
fn planted_hash_maps_are_found() {
    check(hash_maps, "engine/src/oms.rs", "use std::collections::HashMap;", 1);
    check(hash_maps, "adapters/paper/src/venue.rs", "HashSet::new()", 1);
    check(hash_maps, "strategies/src/lib.rs", "std::collections::hash_map::Entry", 1);
    check(hash_maps, "journal/tests/it/model.rs", "HashMap::new()", 1);
    check(hash_maps, "engine/src/oms.rs", "use std::collections::BTreeMap; // not HashMap", 0);
    check(hash_maps, "benches/benches/rivals.rs", "HashMap::new()", 0);
}
