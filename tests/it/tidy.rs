//! The order of the house as a test: what a reviewer should not have to say twice.
//!
//! Every rule is a pure function of a file, and every rule is shown a planted violation.

mod documents;
mod layouts;

use crate::architecture::assert_none;
use crate::architecture::sources::{Source, all, rust};
use crate::architecture::tokens::{follows, tokens};

/// Most lines of a source.
const LINE_COUNT_MAX: usize = 800;

/// Paths and hosts of one machine. Written in two pieces, so that this list does not find itself.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/t", "mp/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("spar", "se+"),
    concat!("replace", "-with = "),
    concat!("index.crates", ".io"),
];
/// Where such text is meant, file and text: examples that name no machine.
const MACHINE_ALLOWED: &[(&str, &str)] =
    &[("engine/src/host/tests.rs", concat!("/ho", "me/me/data"))];

/// The one source of packages.
const LOCK_SOURCE: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

type Rule = fn(&Source) -> Vec<String>;

/// Lines that `is_wrong`, each as `path:line: what`.
fn lines(source: &Source, what: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    // Not `lines()`, which hides a carriage return.
    let numbered = source.text.split('\n').enumerate().filter(|(_, line)| is_wrong(line));
    numbered.map(|(index, _)| format!("{}:{}: {what}", source.path, index + 1)).collect()
}

fn one(is_wrong: bool, source: &Source, what: &str) -> Vec<String> {
    if is_wrong { vec![format!("{}: {what}", source.path)] } else { Vec::new() }
}

fn without_purpose(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or("");
    let says = first.strip_prefix("//! ").is_some_and(|purpose| 10 <= purpose.trim().len());
    one(!says, source, "line 1 does not say the purpose (`//! ...`)")
}

fn too_long(source: &Source) -> Vec<String> {
    one(LINE_COUNT_MAX < source.text.lines().count(), source, "more than 800 lines")
}

fn blanks_and_ends(source: &Source) -> Vec<String> {
    let mut found = lines(source, "trailing blank", |line| line.ends_with([' ', '\t', '\r']));
    let ends_well = source.text.ends_with('\n') && !source.text.ends_with("\n\n");
    found.extend(one(!ends_well && !source.text.is_empty(), source, "must end with one newline"));
    found
}

fn not_ascii(source: &Source) -> Vec<String> {
    lines(source, "not ASCII", |line| !line.is_ascii())
}

/// Notes to self. A note with an issue may stay: `TODO(#12)`.
fn notes(source: &Source) -> Vec<String> {
    let (later, broken) = (concat!("TO", "DO"), concat!("FIX", "ME"));
    lines(source, "a note that belongs in an issue", |line| {
        let has_issue = |rest: &str| {
            let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
            number.is_some_and(|(number, _)| number.parse::<u32>().is_ok())
        };
        line.contains(broken) || line.split(later).skip(1).any(|rest| !has_issue(rest))
    })
}

/// Code that is not meant to stay, and tests that do not run.
fn unfinished(source: &Source) -> Vec<String> {
    const BANNED: &[&[&str]] = &[
        &["todo", "!"],
        &["unimplemented", "!"],
        &["dbg", "!"],
        &["#", "[", "ignore"],
        &["#", "[", "should_panic"],
    ];
    let found = tokens(&source.text);
    let mut violations = Vec::new();
    for (at, token) in found.iter().enumerate() {
        for banned in BANNED {
            if follows(&found, at, banned) {
                violations.push(format!("{}:{}: {}", source.path, token.line, banned.concat()));
            }
        }
    }
    violations
}

fn machine(source: &Source) -> Vec<String> {
    let allowed = MACHINE_ALLOWED.iter().filter(|(path, _)| *path == source.path);
    let allowed: Vec<&str> = allowed.map(|(_, text)| *text).collect();
    lines(source, "path or host of one machine", |line| {
        let rest = allowed.iter().fold(line.to_string(), |rest, text| rest.replace(text, ""));
        // `price/work/tick` is a list of words, `at /work` is a path.
        let is_path = |at: usize| !rest[..at].ends_with(|c: char| c.is_alphanumeric());
        MACHINE.iter().any(|text| rest.match_indices(text).any(|(at, _)| is_path(at)))
    })
}

fn foreign_packages(source: &Source) -> Vec<String> {
    if !source.is("lock") {
        return Vec::new();
    }
    lines(source, "a package from elsewhere", |line| {
        line.starts_with("source = ") && line != LOCK_SOURCE
    })
}

fn broken_by(sources: &[Source], rule: Rule) -> Vec<String> {
    sources.iter().flat_map(rule).collect()
}

#[test]
fn every_source_says_its_purpose_on_line_one() {
    assert_none("purpose:", &broken_by(&rust(), without_purpose));
}

#[test]
fn no_source_is_longer_than_800_lines() {
    assert_none("split by subject:", &broken_by(&rust(), too_long));
}

#[test]
fn sources_are_ascii() {
    assert_none("ASCII only:", &broken_by(&rust(), not_ascii));
}

#[test]
fn no_line_ends_with_a_blank_and_every_file_with_a_newline() {
    let mut sources = all();
    sources.retain(|source| !source.is("lock"));
    assert_none("blanks:", &broken_by(&sources, blanks_and_ends));
}

#[test]
fn nothing_is_left_for_later_without_an_issue() {
    assert_none("notes:", &broken_by(&all(), notes));
}

#[test]
fn nothing_unfinished_is_compiled_and_no_test_is_switched_off() {
    assert_none("unfinished:", &broken_by(&rust(), unfinished));
}

#[test]
fn no_file_names_a_machine() {
    assert_none("machine:", &broken_by(&all(), machine));
}

#[test]
fn every_package_comes_from_the_public_registry() {
    assert_none("Cargo.lock:", &broken_by(&all(), foreign_packages));
}

/// Number of violations of one planted file.
#[track_caller]
fn check(rule: Rule, path: &str, text: &str, expected: usize) {
    let found = rule(&Source { path: path.to_string(), text: text.to_string() });
    assert_eq!(found.len(), expected, "{path}: {text:?}: {found:?}");
}

#[test]
fn planted_disorder_is_found() {
    check(without_purpose, "a.rs", "use x;\n", 1);
    check(without_purpose, "a.rs", "//! a.\n", 1);
    check(without_purpose, "a.rs", "//! What this file is for.\n", 0);
    check(too_long, "a.rs", &"x\n".repeat(801), 1);
    check(too_long, "a.rs", &"x\n".repeat(800), 0);
    check(blanks_and_ends, "a.md", "a \nb\t\nc\r\nd\n", 3);
    check(blanks_and_ends, "a.md", "a\n\n", 1);
    check(blanks_and_ends, "a.md", "a", 1);
    check(blanks_and_ends, "a.md", "a\n\nb\n", 0);
    check(not_ascii, "a.rs", "// caf\u{e9}\n// cafe\n", 1);
}

#[test]
fn planted_leftovers_are_found() {
    let later = concat!("TO", "DO");
    check(notes, "a.rs", concat!("// FIX", "ME: x\n"), 1);
    check(notes, "a.rs", &format!("// {later}: x\n"), 1);
    check(notes, "a.rs", &format!("// {later}(#): x\n"), 1);
    check(notes, "a.rs", &format!("// {later}(#12): x\n"), 0);
    check(notes, "a.rs", &format!("// {later}(#12) {later}\n"), 1);
    check(unfinished, "a.rs", "fn f() { todo!() }\nfn g() { dbg!(1); unimplemented!() }", 3);
    check(unfinished, "a.rs", "#[ignore]\n#[ignore = \"slow\"]\n#[should_panic]\nfn f() {}", 3);
    check(unfinished, "a.rs", "// todo!()\nfn f() { \"dbg!\"; ignore(); let todo = !x; }", 0);
}

#[test]
fn planted_machines_are_found() {
    for text in MACHINE {
        check(machine, "a.md", &format!("see {text}data\n"), 1);
    }
    let (path, text) = MACHINE_ALLOWED[0];
    check(machine, path, &format!("at {text}\n"), 0);
    check(machine, "b.rs", &format!("at {text}\n"), 1);
    check(machine, path, &format!("at {text} and {}x\n", MACHINE[0]), 1);
    check(machine, "a.md", "cargo run -- run --data-dir DIR\n", 0);
    check(machine, "a.md", concat!("pending/wo", "rk/filled\n"), 0);
    check(foreign_packages, "Cargo.lock", &format!("{LOCK_SOURCE}\nname = \"x\"\n"), 0);
    check(foreign_packages, "Cargo.lock", "source = \"git+https://example.org/x\"\n", 1);
}
