//! Bytes that others read: a change of a layout comes with a look at its document.
//!
//! The hash is taken over the tokens of the file without its comments, its tests and (outside the
//! layout files) its methods: what is hashed is what the bytes depend on.

use engine::state::{hash_bytes, mix};

use crate::architecture::sources::{all, root};
use crate::architecture::tokens::{Token, tokens};

/// Layout file, the document that draws it, and the hash under which both were last compared.
#[rustfmt::skip]
const LAYOUTS: &[(&str, &str, &str)] = &[
    ("journal/src/layout.rs", "docs/JOURNAL_FORMAT.md", "ab04660b69d19932"),
    ("journal/src/record.rs", "docs/JOURNAL_FORMAT.md", "c901649b7ff3f457"),
    // Their drawings and the meaning of each kind stand in the files themselves.
    ("engine/src/event.rs", "engine/src/event.rs", "22e8eb0f47d36fc3"),
    ("engine/src/event/kind.rs", "engine/src/event/kind.rs", "43dadc10256f9093"),
    ("engine/src/stats/layout.rs", "docs/decisions/stats-in-shared-memory.md", "d715ed00f9ccb357"),
];

fn layout_hash(text: &str, with_methods: bool) -> String {
    let mut code = tokens(text);
    code.retain(|token| !token.in_test);
    if !with_methods {
        code = without_methods(&code);
    }
    let hash = code.iter().fold(0, |hash, token| mix(hash, hash_bytes(token.text.as_bytes())));
    format!("{hash:016x}")
}

/// The tokens outside `impl` blocks and functions.
fn without_methods<'a>(code: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut depth, mut skipping) = (Vec::new(), 0_u32, false);
    for token in code {
        if depth == 0 && ["impl", "fn"].contains(&token.text) {
            skipping = true;
        }
        if !skipping {
            kept.push(*token);
        }
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if token.text == "}" && depth == 0 {
            skipping = false;
        }
    }
    kept
}

#[test]
fn a_layout_changes_together_with_its_document() {
    let sources = all();
    let mut rows = Vec::new();
    for (layout, document, expected) in LAYOUTS {
        assert!(root().join(document).is_file(), "{document} is gone");
        let source = sources.iter().find(|source| source.path == *layout);
        let text = &source.unwrap_or_else(|| panic!("{layout} is gone")).text;
        let found = layout_hash(text, layout.ends_with("/layout.rs"));
        if found != *expected {
            rows.push(format!("(\"{layout}\", \"{document}\", \"{found}\"),"));
        }
    }
    let advice = "a layout has changed: correct its document and the golden files, raise the version \
                  if old bytes would be read wrongly, then put these rows into LAYOUTS:";
    assert!(rows.is_empty(), "{advice}\n  {}\n", rows.join("\n  "));
}

#[test]
fn a_planted_change_of_a_layout_is_seen_and_a_comment_is_not() {
    let hash = |text: &str| layout_hash(text, true);
    let before = hash("//! A.\nconst SIZE: u64 = 64; // of a record\n");
    assert_eq!(before, hash("//! B.\nconst SIZE: u64 = 64;\n#[cfg(test)] mod tests;\n"));
    assert_ne!(before, hash("const SIZE: u64 = 65;"));
    assert_ne!(before, hash("const WIDTH: u64 = 64;"));
    assert_ne!(hash("a: u32, b: u64"), hash("b: u64, a: u32"));
    let brief = |text: &str| layout_hash(text, false);
    let before = brief("struct A { a: u32 } impl A { fn f() { 1 } } const B: u8 = 1;");
    assert_eq!(before, brief("struct A { a: u32 } impl A { fn g() { 2 } } const B: u8 = 1;"));
    assert_ne!(before, brief("struct A { a: u32 } impl A { fn f() { 1 } } const B: u8 = 2;"));
    assert_ne!(before, brief("struct A { a: u64 } impl A { fn f() { 1 } } const B: u8 = 1;"));
}
