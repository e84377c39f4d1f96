//! A report as text, as JSON and as Markdown.

use std::fmt::Write as _;

use engine::risk::Rule;
use serde_json::{Value, json};

use super::results::Outcome;
use super::{Report, Row, Verdict};

/// One line: what the tests of a control came to.
fn tests_told(row: &Row) -> String {
    if row.tests.is_empty() {
        return "no test".to_string();
    }
    let passed = row.tests.iter().filter(|(_, outcome)| outcome.has_passed()).count();
    format!("{passed} of {} tests passed", row.tests.len())
}

fn drill_told(row: &Row) -> Vec<String> {
    row.drills
        .iter()
        .map(|(kind, drill)| match drill {
            None => format!("{kind}: never performed"),
            Some(drill) => {
                let word = if drill.passed { "passed" } else { "FAILED" };
                format!("{kind}: {word} {} on {}", drill.time, drill.build)
            }
        })
        .collect()
}

fn rules_told(row: &Row) -> String {
    let rules = row.control.rules.iter();
    rules.map(|code| format!("{code} {}", rule_name(*code))).collect::<Vec<_>>().join(", ")
}

fn rule_name(code: u16) -> &'static str {
    Rule::from_code(code).map_or("unknown", Rule::name)
}

fn summary(report: &Report) -> String {
    let [proven, unproven, failed, firm] =
        [Verdict::Proven, Verdict::Unproven, Verdict::Failed, Verdict::Firm]
            .map(|verdict| report.count(verdict));
    format!(
        "{proven} proven, {unproven} without all results, {failed} failed, {firm} the firm's own"
    )
}

fn results_told(report: &Report) -> &str {
    report.results.as_deref().unwrap_or("none given (--results; cargo xtask controls writes them)")
}

/// For a terminal.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("Controls, {}", report.time));
    line(format!("  build    {}", report.build));
    line(format!("  config   {} (hash {})", report.origin, report.config_hash));
    line(format!("  results  {}", results_told(report)));
    line(format!("  in all   {}", summary(report)));
    for row in &report.rows {
        let control = row.control;
        let verdict = row.verdict().name();
        line(String::new());
        line(format!("{:>2}  {}", control.number, control.name));
        line(format!("    {verdict}, kept by: {}; {}", control.owner.name(), tests_told(row)));
        line(format!("    rule    {}", control.rule));
        line(format!("    does    {}", control.does));
        for path in control.code {
            line(format!("    code    {path}"));
        }
        if !control.rules.is_empty() {
            line(format!("    rules   {}", rules_told(row)));
        }
        for (key, value) in &row.values {
            line(format!("    config  {key} = {value}"));
        }
        for (test, outcome) in &row.tests {
            line(format!("    test    {:<9} {test}", outcome.word()));
        }
        for drill in drill_told(row) {
            line(format!("    drill   {drill}"));
        }
        if !control.open.is_empty() {
            line(format!("    open    {}", control.open));
        }
    }
    out
}

/// For machines.
pub(super) fn json(report: &Report) -> Value {
    let rows: Vec<Value> = report.rows.iter().map(row_json).collect();
    json!({
        "build": report.build,
        "config": report.origin,
        "config_hash": report.config_hash,
        "time": report.time,
        "results": report.results,
        "controls": rows,
        "summary": {
            "proven": report.count(Verdict::Proven),
            "unproven": report.count(Verdict::Unproven),
            "failed": report.count(Verdict::Failed),
            "firm": report.count(Verdict::Firm),
        },
    })
}

fn row_json(row: &Row) -> Value {
    let control = row.control;
    let tests: Vec<Value> = row
        .tests
        .iter()
        .map(|(test, outcome)| match outcome {
            Outcome::Unknown => json!({ "test": test, "result": "unknown" }),
            Outcome::Known { passed, build, time } => {
                let result = if *passed { "passed" } else { "failed" };
                json!({ "test": test, "result": result, "build": build, "time": time })
            }
        })
        .collect();
    let drills: Vec<Value> = row
        .drills
        .iter()
        .map(|(kind, drill)| match drill {
            None => json!({ "kind": kind, "result": "never" }),
            Some(drill) => {
                let result = if drill.passed { "passed" } else { "failed" };
                json!({ "kind": kind, "result": result, "build": drill.build, "time": drill.time })
            }
        })
        .collect();
    let rules: Vec<Value> = control
        .rules
        .iter()
        .map(|code| json!({ "code": code, "name": rule_name(*code) }))
        .collect();
    let values: Vec<Value> =
        row.values.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({
        "number": control.number,
        "name": control.name,
        "verdict": row.verdict().name(),
        "owner": control.owner.name(),
        "rule": control.rule,
        "does": control.does,
        "open": control.open,
        "code": control.code,
        "rules": rules,
        "config": values,
        "tests": tests,
        "drills": drills,
    })
}

/// For a document that people sign.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = String::new();
    head(report, &mut out).expect("a string takes every line");
    for row in &report.rows {
        section(row, &mut out).expect("a string takes every line");
    }
    out
}

fn head(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# Controls\n")?;
    writeln!(out, "{}, build {}, configuration {}", report.time, report.build, report.origin)?;
    writeln!(out, "(hash `{}`), results: {}.\n", report.config_hash, results_told(report))?;
    writeln!(out, "In all: {}.\n", summary(report))?;
    writeln!(out, "| # | control | kept by | verdict | tests | drills |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for row in &report.rows {
        let control = row.control;
        let (owner, verdict) = (control.owner.name(), row.verdict().name());
        let drills = drill_told(row).join("; ");
        let (number, name, tests) = (control.number, control.name, tests_told(row));
        writeln!(out, "| {number} | {name} | {owner} | {verdict} | {tests} | {drills} |")?;
    }
    Ok(())
}

fn section(row: &Row, out: &mut String) -> std::fmt::Result {
    let control = row.control;
    writeln!(out, "\n## {}. {}\n", control.number, control.name)?;
    writeln!(out, "- Asked for by: {}", control.rule)?;
    writeln!(out, "- What the engine does: {}", control.does)?;
    if !control.open.is_empty() {
        writeln!(out, "- Open: {}", control.open)?;
    }
    for path in control.code {
        writeln!(out, "- Code: `{path}`")?;
    }
    if !control.rules.is_empty() {
        writeln!(out, "- Rules of the gate: {}", rules_told(row))?;
    }
    for (key, value) in &row.values {
        writeln!(out, "- Configuration: `{key}` = {value}")?;
    }
    for (test, outcome) in &row.tests {
        let when = match outcome {
            Outcome::Unknown => String::new(),
            Outcome::Known { build, time, .. } => format!(", {time} on {build}"),
        };
        writeln!(out, "- Test: `{test}`: {}{when}", outcome.word())?;
    }
    for drill in drill_told(row) {
        writeln!(out, "- Drill: {drill}")?;
    }
    Ok(())
}
