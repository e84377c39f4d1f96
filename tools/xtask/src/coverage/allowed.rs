//! Exceptions: lines of the code that no test can reach, or reach both ways, with the reason.

use anyhow::bail;

use super::report::{Source, Spot};

/// One line of the list: `PATH: LINE OF CODE # reason`. The text and not the number, which moves.
#[derive(Debug)]
struct Row {
    path: String,
    text: String,
}

/// The list.
#[derive(Debug)]
pub(super) struct Allowed {
    rows: Vec<Row>,
}

impl Allowed {
    /// Reads the list. A line without a reason is refused.
    pub(super) fn parse(list: &str) -> anyhow::Result<Allowed> {
        let mut rows = Vec::new();
        for (index, line) in list.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((row, reason)) = line.rsplit_once(" # ") else {
                bail!("line {}: has no reason", index + 1);
            };
            if reason.trim().len() < 10 {
                bail!("line {}: has no reason", index + 1);
            }
            let Some((path, text)) = row.split_once(": ") else {
                bail!("line {}: must be PATH: LINE OF CODE # reason", index + 1);
            };
            rows.push(Row { path: path.to_string(), text: text.trim().to_string() });
        }
        Ok(Allowed { rows })
    }

    /// Whether a place that was not reached is an exception.
    pub(super) fn takes(&self, path: &str, spot: &Spot) -> bool {
        self.rows.iter().any(|row| row.path == path && row.text == spot.text)
    }

    /// Rows whose line of code is not there any more.
    pub(super) fn idle(&self, sources: &[Source]) -> Vec<String> {
        let is_there = |row: &&Row| {
            sources.iter().any(|source| source.path == row.path && source.has(&row.text))
        };
        let idle = self.rows.iter().filter(|row| !is_there(row));
        idle.map(|row| format!("{}: {}", row.path, row.text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::parse;
    use super::*;

    #[test]
    fn a_place_is_allowed_by_its_path_and_text_and_a_row_for_code_that_is_gone_is_told() {
        let list = "# why\n\nengine/src/risk/a.rs: None => 0, # nobody gets here\n\
                    engine/src/risk/a.rs: gone(); # nobody gets here\n";
        let told = "SF:/x/engine/src/risk/a.rs\nDA:2,0\nDA:3,0\n";
        let sources = parse(told, &|_| Ok("m {\n    None => 0,\n    b();\n".into())).unwrap();
        let allowed = Allowed::parse(list).unwrap();
        let taken = |path: &str| -> Vec<bool> {
            sources[0].missed().iter().map(|spot| allowed.takes(path, spot)).collect()
        };
        assert_eq!(taken("engine/src/risk/a.rs"), [true, false]);
        assert_eq!(taken("engine/src/risk/b.rs"), [false, false]);
        assert_eq!(allowed.idle(&sources), ["engine/src/risk/a.rs: gone();"]);
    }

    #[test]
    fn a_row_without_path_or_reason_is_refused() {
        for row in ["engine/src/risk/a.rs: b();", "a.rs: b(); # short", "b(); # nobody gets here"] {
            assert!(Allowed::parse(row).is_err(), "{row}");
        }
    }
}
