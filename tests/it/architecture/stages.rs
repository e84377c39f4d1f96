//! Stages never import each other: they meet in events. Only `pipeline` sees two of them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::assert_none;
use super::sources::{Source, rust};
use super::tokens::{Kind, Token, follows, tokens};

/// Rooms of the engine that never import each other.
const STAGES: &[&str] =
    &["feed", "strategy", "control", "risk", "oms", "gateway", "ledger", "monitor", "reconcile"];
/// The room that wires them, and the list of rooms.
const SEES_ALL: &[&str] = &["pipeline", "lib"];

/// The top room of a file of the engine: `risk` for `engine/src/risk/judge.rs`.
fn room(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("engine/src/")?;
    Some(rest.split('/').next()?.trim_end_matches(".rs"))
}

/// Stages named by paths from the crate's root (or from above), with the line of each.
fn stages_named(source: &Source) -> Vec<(&'static str, usize)> {
    let found = tokens(&source.text);
    let mut named = Vec::new();
    for (at, token) in found.iter().enumerate() {
        let is_start = token.kind == Kind::Word && ["crate", "super"].contains(&token.text);
        if !is_start || !follows(&found, at + 1, &[":", ":"]) {
            continue;
        }
        let next = at + 3;
        let heads = if follows(&found, next, &["{"]) {
            heads_of_group(&found, next + 1)
        } else {
            found.get(next).into_iter().copied().collect()
        };
        for head in heads {
            if let Some(stage) = STAGES.iter().find(|stage| **stage == head.text) {
                named.push((*stage, head.line));
            }
        }
    }
    named
}

/// First words of each path in a group `{a::b, c}`; `at` is the place after its brace.
fn heads_of_group<'a>(found: &[Token<'a>], mut at: usize) -> Vec<Token<'a>> {
    let (mut heads, mut depth, mut is_head) = (Vec::new(), 1_u32, true);
    while let Some(token) = found.get(at) {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => is_head = true,
            _ if is_head => {
                heads.push(*token);
                is_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        at += 1;
    }
    heads
}

/// Files whose room sees more stages than it may.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for source in sources {
        let Some(room) = room(&source.path) else { continue };
        if SEES_ALL.contains(&room) {
            continue;
        }
        for (stage, line) in stages_named(source) {
            if stage == room {
                continue;
            }
            seen.entry(room).or_default().insert(stage);
            if STAGES.contains(&room) {
                found.push(format!("{}:{line}: stage {room} names stage {stage}", source.path));
            }
        }
    }
    for (room, stages) in seen {
        if !STAGES.contains(&room) && 1 < stages.len() {
            found.push(format!("engine/src/{room}: sees {stages:?}, which only pipeline may"));
        }
    }
    found
}

#[test]
fn stages_never_import_each_other() {
    assert_none("stages meet in events only:", &violations(&rust()));
}

#[test]
fn the_stages_are_where_the_rule_looks() {
    let sources = rust();
    for stage in STAGES {
        let path = format!("engine/src/{stage}.rs");
        assert!(sources.iter().any(|source| source.path == path), "{path} is gone");
    }
}

/// Number of violations of one planted file.
#[track_caller]
fn check(path: &str, text: &str, expected: usize) {
    let source = Source { path: path.to_string(), text: text.to_string() };
    let found = violations(&[source]);
    assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
}

#[test]
fn planted_imports_are_found() {
    check("engine/src/risk.rs", "use crate::oms::Oms;", 1);
    check("engine/src/risk/judge.rs", "use crate::{event::Event, oms, ledger::Ledger};", 2);
    check("engine/src/risk/judge.rs", "fn f() { super::super::feed::g() }", 1);
    check("engine/src/oms.rs", "use super::strategy;", 1);
    check("engine/src/ledger/tests.rs", "use crate::gateway::Gateway;", 1);
    check("engine/src/feed.rs", "#[cfg(test)] mod tests { use crate::risk::Gate; }", 1);
    check("engine/src/market.rs", "use crate::feed::Feed; use crate::risk::Gate;", 1);
}

#[test]
fn allowed_imports_are_not() {
    check("engine/src/risk.rs", "use crate::risk::rate::Rate; use crate::event::Event;", 0);
    check("engine/src/risk.rs", "// use crate::oms::Oms;\nconst A: &str = \"crate::oms\";", 0);
    check("engine/src/market.rs", "use crate::feed::Feed;", 0);
    check("engine/src/oms.rs", "use crate::event::{risk, feed::x};", 0);
    check("engine/src/pipeline/replay.rs", "use crate::{oms, risk, feed};", 0);
    check("strategies/src/lib.rs", "use crate::{oms, risk};", 0);
}
