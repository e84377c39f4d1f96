//! `tickwheel doctor`: is this host fit for an engine, and what should be done about it?

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use engine::host::{self, Finding, HostFacts, Level, bytes_text};
use serde_json::json;

/// Arguments of `tickwheel doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Data directory of the engine; it need not exist yet.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Columns of text before the action is put on a line of its own.
const WIDTH: usize = 100;

/// Prints all findings. Ends with 1 when one of them is bad.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let data_dir = args.data_dir.clone().unwrap_or_else(crate::stat::default_data_dir);
    let findings = host::judge(&HostFacts::collect(&data_dir));
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", to_json(&findings))?;
    } else {
        out.write_all(to_text(&findings).as_bytes())?;
    }
    let is_bad = host::worst(&findings) == Level::Bad;
    Ok(if is_bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// One or two lines for the start of a run.
pub(crate) fn short_form(data_dir: &Path) -> String {
    let facts = HostFacts::collect(data_dir);
    let findings = host::judge(&facts);
    let found = |id| findings.iter().find(|f| f.id == id).map_or("?", |f| f.found.as_str());
    let free = facts
        .data_space
        .map_or_else(|| "? free".into(), |space| format!("{} free", bytes_text(space.free_bytes)));
    let mut line = format!(
        "host: {}, isolated {}, clock {}, {} with {free}",
        found("processors"),
        found("isolated_processors"),
        found("clock_source"),
        found("file_system"),
    );
    let names = |level| {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        of_level.map(|finding| finding.id).collect::<Vec<_>>().join(", ")
    };
    let (bad, warn) = (names(Level::Bad), names(Level::Warn));
    if !bad.is_empty() {
        line.push_str("\nhost: BAD: ");
        line.push_str(&bad);
    }
    if !warn.is_empty() {
        line.push_str(if bad.is_empty() { "\nhost: could be better: " } else { "; warnings: " });
        line.push_str(&warn);
    }
    if !bad.is_empty() || !warn.is_empty() {
        line.push_str(" (`tickwheel doctor` says what to do)");
    }
    line
}

fn to_json(findings: &[Finding]) -> serde_json::Value {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "id": finding.id,
                "level": finding.level.name(),
                "found": finding.found,
                "why": finding.why,
                "action": finding.action,
            })
        })
        .collect();
    json!({ "worst": host::worst(findings).name(), "findings": rows })
}

fn to_text(findings: &[Finding]) -> String {
    let id_width = findings.iter().map(|finding| finding.id.len()).max().unwrap_or(0);
    let indent = " ".repeat(id_width + 8);
    let mut text = String::new();
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warn => "WARN",
            Level::Bad => "BAD",
        };
        say(&mut text, format_args!("{level:<6}{:<id_width$}  {}\n", finding.id, finding.found));
        if finding.level == Level::Ok {
            continue;
        }
        for (label, words) in [("why: ", finding.why), ("do:  ", finding.action.as_str())] {
            if !words.is_empty() {
                let words = wrap(words, WIDTH - indent.len() - label.len());
                let gap = format!("\n{indent}     ");
                say(&mut text, format_args!("{indent}{label}{}\n", words.join(&gap)));
            }
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    say(
        &mut text,
        format_args!(
            "\n{} ok, {} notes, {} warnings, {} bad\n",
            count(Level::Ok),
            count(Level::Note),
            count(Level::Warn),
            count(Level::Bad),
        ),
    );
    text
}

/// Appends to a text.
fn say(text: &mut String, words: fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a text takes everything");
}

/// Breaks text at blanks into lines of at most `width` bytes, as far as there are blanks.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && width < line.len() + 1 + word.len() {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &'static str, level: Level, action: &str) -> Finding {
        Finding { id, level, found: "something".into(), why: "it matters", action: action.into() }
    }

    #[test]
    fn a_finding_that_is_not_ok_says_why_and_what_to_do() {
        let text = to_text(&[finding("a", Level::Ok, ""), finding("swap", Level::Bad, "stop it")]);
        let expected = "\
ok    a     something
BAD   swap  something
            why: it matters
            do:  stop it

1 ok, 0 notes, 0 warnings, 1 bad
";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_line_is_wider_than_a_page() {
        let findings = host::judge(&HostFacts::collect(Path::new("/")));
        for line in to_text(&findings).lines() {
            assert!(line.len() <= WIDTH, "{line}");
        }
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaa b", 5), ["aaaaaaaa", "b"]);
    }

    #[test]
    fn the_short_form_is_one_line_or_two() {
        let text = short_form(Path::new("/"));
        assert!(text.lines().count() <= 2, "{text}");
        assert!(text.starts_with("host: "), "{text}");
    }

    #[test]
    fn json_has_stable_keys() {
        let value = to_json(&[finding("swap", Level::Warn, "stop it")]);
        assert_eq!(value["worst"], "warn");
        assert_eq!(value["findings"][0]["id"], "swap");
        assert_eq!(value["findings"][0]["level"], "warn");
        assert_eq!(value["findings"][0]["action"], "stop it");
    }
}
