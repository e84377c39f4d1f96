//! Where rows go: JSON Lines and CSV of the same columns, hashed as they are written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;
use crate::files::{Context as _, IoError};

/// One value of a row. Amounts are decimal texts: no number in an export was ever a float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Empty,
    Number(u64),
    Text(String),
    Numbers(Vec<u64>),
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Number(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::from(text.to_string())
    }
}

/// Writes and hashes a file.
#[derive(Debug)]
struct Hashed {
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    size_bytes: u64,
    path: PathBuf,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        tests::full_disk(bytes.len())?;
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Hashed {
    fn create(dir: &Path, name: &str) -> Result<Hashed, IoError> {
        let path = dir.join(name);
        let file =
            OpenOptions::new().write(true).create_new(true).open(&path).at("create", &path)?;
        let out = BufWriter::with_capacity(1 << 16, file);
        Ok(Hashed { out, hasher: blake3::Hasher::new(), size_bytes: 0, path })
    }

    fn finish(self) -> Result<FileDone, IoError> {
        let path = self.path;
        let file =
            self.out.into_inner().map_err(io::IntoInnerError::into_error).at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let blake3 = data_encoding::HEXLOWER.encode(self.hasher.finalize().as_bytes());
        Ok(FileDone { file: name, bytes: self.size_bytes, blake3 })
    }
}

/// A file that is written and on disk.
#[derive(Clone, Debug)]
pub(super) struct FileDone {
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) blake3: String,
}

/// A table that is written.
#[derive(Clone, Debug)]
pub(super) struct TableDone {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: u64,
    pub(super) files: Vec<FileDone>,
}

/// One table in one or both forms.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    rows: u64,
    jsonl: Option<Hashed>,
    csv: Option<Hashed>,
    /// The row in the making: hashing many small pieces takes longer than making them.
    line: Vec<u8>,
}

impl Table {
    pub(super) fn create(
        dir: &Path,
        (name, columns): (&'static str, &'static [&'static str]),
        format: super::Format,
    ) -> Result<Table, IoError> {
        let (jsonl, csv) = (format.has_jsonl(), format.has_csv());
        let mut table = Table {
            name,
            columns,
            rows: 0,
            jsonl: if jsonl { Some(Hashed::create(dir, &format!("{name}.jsonl"))?) } else { None },
            csv: if csv { Some(Hashed::create(dir, &format!("{name}.csv"))?) } else { None },
            line: Vec::with_capacity(1024),
        };
        if let Some(csv) = &mut table.csv {
            let head: String = columns.join(",") + "\r\n";
            csv.write_all(head.as_bytes()).at("write", &csv.path)?;
        }
        Ok(table)
    }

    /// Bytes of both files so far.
    pub(super) fn size_bytes(&self) -> u64 {
        let size = |file: &Option<Hashed>| file.as_ref().map_or(0, |file| file.size_bytes);
        size(&self.jsonl) + size(&self.csv)
    }

    pub(super) fn write(&mut self, row: &[Cell]) -> Result<(), ExportError> {
        assert!(row.len() == self.columns.len());
        if let Some(jsonl) = &mut self.jsonl {
            self.line.clear();
            write_json(&mut self.line, self.columns, row)
                .and_then(|()| jsonl.write_all(&self.line))
                .at("write", &jsonl.path)?;
        }
        if let Some(csv) = &mut self.csv {
            self.line.clear();
            write_csv(&mut self.line, row)
                .and_then(|()| csv.write_all(&self.line))
                .at("write", &csv.path)?;
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<TableDone, IoError> {
        let mut files = Vec::new();
        for file in [self.jsonl, self.csv].into_iter().flatten() {
            files.push(file.finish()?);
        }
        Ok(TableDone { name: self.name, columns: self.columns, rows: self.rows, files })
    }
}

/// One object a line; cells without a value are left out.
fn write_json(out: &mut impl Write, columns: &[&str], row: &[Cell]) -> io::Result<()> {
    let mut mark = b"{".as_slice();
    for (column, cell) in columns.iter().zip(row) {
        if *cell == Cell::Empty {
            continue;
        }
        out.write_all(mark)?;
        mark = b",";
        write!(out, "\"{column}\":")?;
        match cell {
            Cell::Empty => {}
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Text(text) => serde_json::to_writer(&mut *out, text)?,
            Cell::Numbers(numbers) => serde_json::to_writer(&mut *out, numbers)?,
        }
    }
    if mark == b"{" {
        out.write_all(b"{")?;
    }
    out.write_all(b"}\n")
}

/// RFC 4180: CRLF, quotes where they are needed. A text that a spreadsheet would take for a formula gets a
/// quotation mark before it; numbers stay numbers.
fn write_csv(out: &mut impl Write, row: &[Cell]) -> io::Result<()> {
    for (index, cell) in row.iter().enumerate() {
        if index != 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Empty => {}
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Text(text) => write_csv_text(out, text)?,
            Cell::Numbers(numbers) => {
                for (index, number) in numbers.iter().enumerate() {
                    let blank = if index == 0 { "" } else { " " };
                    write!(out, "{blank}{number}")?;
                }
            }
        }
    }
    out.write_all(b"\r\n")
}

pub(super) fn write_csv_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_decimal(text);
    let guard = if is_formula { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        write!(out, "\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        write!(out, "{guard}{text}")
    }
}

/// `-12.5`, and nothing else.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole) && is_number(part)
}

#[cfg(test)]
pub(super) mod tests;
