//! Writing JSON in the order of the documents, and reading the members of an object as sent.

use std::fmt::{Display, Write};

use serde::de::IgnoredAny;

use crate::money::{self, Money};

/// Most members of an object that are read.
const MEMBER_COUNT_MAX: usize = 64;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Object {
    text: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { text: String::from("{") }
    }

    fn put(mut self, key: &str, value: impl Display) -> Self {
        let comma = if 1 < self.text.len() { "," } else { "" };
        write!(self.text, "{comma}\"{key}\":{value}").expect("a string takes all that is written");
        self
    }

    /// A string.
    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.put(key, quoted(value))
    }

    /// Money as a string.
    pub(crate) fn money(self, key: &str, value: Money) -> Self {
        self.wide(key, i128::from(value))
    }

    /// Much money as a string.
    pub(crate) fn wide(self, key: &str, value: i128) -> Self {
        self.put(key, format_args!("\"{}\"", money::text(value)))
    }

    /// A number.
    pub(crate) fn number(self, key: &str, value: impl Display) -> Self {
        self.put(key, value)
    }

    /// True or false.
    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.put(key, value)
    }

    /// Text that is JSON already.
    pub(crate) fn raw(self, key: &str, value: &str) -> Self {
        self.put(key, value)
    }

    pub(crate) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// An array of texts that are JSON already.
pub(crate) fn array(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!("[{}]", items.join(","))
}

/// A string with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object: each key, and its value as it was sent.
pub(crate) fn members(text: &str) -> Option<Vec<(String, &str)>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let (key, after) = rest.split_at(value_length(rest)?);
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = after.split_at(value_length(after)?);
        found.push((serde_json::from_str(key).ok()?, value.trim_end()));
        rest = after.trim_start();
        if MEMBER_COUNT_MAX < found.len() {
            return None;
        }
    }
    Some(found)
}

/// The strings of an array.
pub(crate) fn strings(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// Length of the value at the beginning of text that is known to be JSON.
fn value_length(text: &str) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if is_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => {
                    is_string = false;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b':' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}
