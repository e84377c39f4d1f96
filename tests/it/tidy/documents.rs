//! Documents: every link leads somewhere, and every decision is in the index.

use std::collections::BTreeSet;

use crate::architecture::assert_none;
use crate::architecture::sources::{Source, all, root};

/// The index of the decisions.
const INDEX: &str = "docs/decisions/README.md";

/// A link of a document: line and target.
type Link = (usize, String);

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        let plain: String = content.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in plain.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                let target = target.split_whitespace().next().unwrap_or("");
                found.push((line, target.to_string()));
            }
        }
    }
    found
}

/// Lines outside fenced code, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            found.push((index + 1, line));
        }
    }
    found
}

/// The anchors that a forge makes of the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// `target`, as a document at `from` says it, seen from the root. `None`: it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Links of `document` that lead nowhere; `text_of` gives the text of a file that exists, and nothing
/// for folders and files that are not text.
fn dead_links(
    document: &Source,
    exists: &dyn Fn(&str) -> bool,
    text_of: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut dead = Vec::new();
    for (line, target) in links(&document.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let place = if path.is_empty() {
            Some(document.path.clone())
        } else {
            resolve(&document.path, path)
        };
        let is_there = place.as_deref().is_some_and(exists);
        let text = place.as_deref().and_then(text_of);
        let has_anchor =
            anchor.is_empty() || text.is_some_and(|text| anchors(&text).contains(anchor));
        if !is_there || !has_anchor {
            dead.push(format!("{}:{line}: {target}", document.path));
        }
    }
    dead
}

fn documents() -> Vec<Source> {
    let mut found = all();
    found.retain(|source| source.is("md"));
    found
}

/// Decisions that the index does not link.
fn not_indexed(index: &str, decisions: &[&str]) -> Vec<String> {
    let linked: BTreeSet<String> = links(index).into_iter().map(|(_, target)| target).collect();
    let missing = decisions.iter().filter(|name| !linked.contains(**name));
    missing.map(|name| (*name).to_string()).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let documents = documents();
    let exists = |path: &str| root().join(path).exists();
    let text_of = |path: &str| {
        documents.iter().find(|source| source.path == path).map(|source| source.text.clone())
    };
    let dead: Vec<String> =
        documents.iter().flat_map(|document| dead_links(document, &exists, &text_of)).collect();
    assert_none("links that lead nowhere:", &dead);
}

#[test]
fn every_decision_is_in_the_index() {
    let documents = documents();
    let index = documents.iter().find(|source| source.path == INDEX).expect("there is an index");
    let folder = INDEX.strip_suffix("README.md").expect("the index is a README");
    let names: Vec<&str> = documents
        .iter()
        .filter_map(|source| source.path.strip_prefix(folder))
        .filter(|name| *name != "README.md")
        .collect();
    assert!(!names.is_empty());
    assert_none("add a line to docs/decisions/README.md for:", &not_indexed(&index.text, &names));
}

#[test]
fn planted_dead_links_are_found() {
    let check = |text: &str, expected: usize| {
        let document = Source { path: "docs/a.md".to_string(), text: text.to_string() };
        let exists = |path: &str| ["docs/a.md", "docs/b.md", "README.md", "docs"].contains(&path);
        let text_of = |path: &str| (path == "docs/b.md").then(|| "# The `end` of it\n".to_string());
        let dead = dead_links(&document, &exists, &text_of);
        assert_eq!(dead.len(), expected, "{text}: {dead:?}");
    };
    check("[b](b.md) [r](../README.md) [d](../docs) [w](https://example.org/x)", 0);
    check("[b](b.md#the-end-of-it)", 0);
    check("[x](c.md)", 1);
    check("[x](../b.md)", 1);
    check("[x](../../b.md)", 1);
    check("[b](b.md#no-such-heading)", 1);
    check("[b](b.md) and [x](c.md \"title\")", 1);
    check("```\n[x](c.md)\n```\n`[x](c.md)` [x](d.md)", 1);
}

#[test]
fn a_planted_decision_without_a_link_is_found() {
    let index = "- [One ring](one-ring.md): because.\n";
    assert_eq!(not_indexed(index, &["one-ring.md"]), Vec::<String>::new());
    assert_eq!(not_indexed(index, &["one-ring.md", "two.md"]), ["two.md"]);
}
