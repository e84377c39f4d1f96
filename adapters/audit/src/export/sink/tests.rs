//! Cells: what a CSV reader and a spreadsheet make of them. And a disk that gets full.

use std::cell::Cell as Shared;

use proptest::prelude::*;

use super::*;

thread_local! {
    /// Bytes that the disk of this thread still takes.
    static ROOM: Shared<Option<usize>> = const { Shared::new(None) };
}

/// From here on the disk takes so many bytes more, or any number.
pub(in crate::export) fn set_room(room: Option<usize>) {
    ROOM.set(room);
}

pub(super) fn full_disk(size: usize) -> io::Result<()> {
    let Some(room) = ROOM.get() else { return Ok(()) };
    // ENOSPC
    let rest = room.checked_sub(size).ok_or_else(|| io::Error::from_raw_os_error(28))?;
    ROOM.set(Some(rest));
    Ok(())
}

fn csv(text: &str) -> String {
    let mut out = Vec::new();
    write_csv_text(&mut out, text).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(text: &str, cell: &str) {
    assert_eq!(csv(text), cell);
}

#[test]
fn cells_are_quoted_where_it_is_needed_and_formulas_are_disarmed() {
    check("plain", "plain");
    check("a,b", "\"a,b\"");
    check("say \"no\"", "\"say \"\"no\"\"\"");
    check("two\nlines", "\"two\nlines\"");
    check("-12.5", "-12.5");
    check("-0.00001", "-0.00001");
    check("-12.5.1", "'-12.5.1");
    check("-", "'-");
    check("-1+cmd", "'-1+cmd");
    check("=1+1", "'=1+1");
    check("+1", "'+1");
    check("@sum(a)", "'@sum(a)");
    check("\tx", "'\tx");
    check("\rx", "\"'\rx\"");
    check("=cmd|'/c calc'!A1,", "\"'=cmd|'/c calc'!A1,\"");
    check(" padded ", "\" padded \"");
}

/// The cells of one line, as a plain reader of RFC 4180 sees them.
fn read(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut signs = line.strip_suffix("\r\n").unwrap().chars().peekable();
    while let Some(sign) = signs.next() {
        match (sign, quoted) {
            ('"', true) if signs.peek() == Some(&'"') => {
                signs.next();
                cells.last_mut().unwrap().push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => cells.push(String::new()),
            (sign, _) => cells.last_mut().unwrap().push(sign),
        }
    }
    assert!(!quoted, "{line}");
    cells
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_row_is_read_back_cell_by_cell(texts in proptest::collection::vec("[ -~\r\n\t]{0,12}", 1..6)) {
        let row: Vec<Cell> = texts.iter().map(|text| Cell::from(text.as_str())).collect();
        let mut out = Vec::new();
        write_csv(&mut out, &row).unwrap();
        let cells = read(std::str::from_utf8(&out).unwrap());
        prop_assert_eq!(cells.len(), texts.len());
        for (cell, text) in cells.iter().zip(&texts) {
            let bare = cell.strip_prefix('\'').unwrap_or(cell);
            prop_assert!(cell == text || bare == text, "{cell:?} {text:?}");
            let armed = cell.starts_with(['=', '+', '@', '\t', '\r']);
            prop_assert!(!armed && (!cell.starts_with('-') || is_decimal(cell)), "{cell:?}");
        }
    }

    #[test]
    fn every_json_row_is_one_object_on_one_line(texts in proptest::collection::vec(any::<String>(), 3)) {
        let row: Vec<Cell> = texts.iter().map(|text| Cell::from(text.as_str())).collect();
        let mut out = Vec::new();
        write_json(&mut out, &["a", "b", "c"], &row).unwrap();
        prop_assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (column, text) in ["a", "b", "c"].iter().zip(&texts) {
            prop_assert_eq!(read.get(column).and_then(|it| it.as_str()).unwrap_or(""), text.as_str());
        }
    }
}
