//! Exceptions: what looks like a secret and is none, with the reason.

use anyhow::bail;

use super::{Finding, fingerprint};

/// One line of the list: `RULE FINGERPRINT PATH # reason`.
#[derive(Debug)]
struct Row {
    rule: String,
    mark: String,
    path: String,
    is_used: bool,
}

/// The list.
#[derive(Debug)]
pub(super) struct Allowed {
    rows: Vec<Row>,
}

impl Allowed {
    /// Reads the list. A line without a reason is refused.
    pub(super) fn parse(text: &str) -> anyhow::Result<Allowed> {
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (row, reason) = line.split_once('#').unwrap_or((line, ""));
            let words: Vec<&str> = row.split_whitespace().collect();
            let [rule, mark, path] = words[..] else {
                bail!("line {}: must be RULE FINGERPRINT PATH # reason", index + 1);
            };
            if reason.trim().len() < 10 {
                bail!("line {}: has no reason", index + 1);
            }
            let (rule, mark, path) = (rule.to_string(), mark.to_string(), path.to_string());
            rows.push(Row { rule, mark, path, is_used: false });
        }
        Ok(Allowed { rows })
    }

    /// Whether a finding is an exception. Older versions of a file are called `REVISION:PATH`; the same text is
    /// allowed in all of them, and wherever the file was before.
    pub(super) fn takes(&mut self, finding: &Finding) -> bool {
        let mark = fingerprint(&finding.hit.text);
        let is_old = finding.place.contains(':');
        let fits = |row: &&mut Row| {
            row.rule == finding.hit.rule
                && row.mark == mark
                && (is_old || row.path == finding.place)
        };
        match self.rows.iter_mut().find(fits) {
            Some(row) => {
                row.is_used = true;
                true
            }
            None => false,
        }
    }

    /// Lines that nothing needed.
    pub(super) fn idle(&self) -> Vec<String> {
        let idle = self.rows.iter().filter(|row| !row.is_used);
        idle.map(|row| format!("{} {} {}", row.rule, row.mark, row.path)).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }
}
