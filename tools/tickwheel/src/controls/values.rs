//! Present values of configuration keys, by their dotted names.

use serde_json::Value;

/// The value of `key` in the configuration; of a list of tables each entry's, with what names the entry.
pub(super) fn present(settings: &Value, key: &str) -> String {
    let mut found = Vec::new();
    let path: Vec<&str> = key.split('.').collect();
    collect(settings, &path, "", &mut found);
    if found.is_empty() { "not configured".to_string() } else { found.join(", ") }
}

fn collect(value: &Value, path: &[&str], name: &str, found: &mut Vec<String>) {
    match (value, path.split_first()) {
        (Value::Array(entries), Some(_)) => {
            for entry in entries {
                collect(entry, path, &name_of(entry), found);
            }
        }
        (Value::Object(fields), Some((first, rest))) => {
            if let Some(inner) = fields.get(*first) {
                collect(inner, rest, name, found);
            }
        }
        (Value::Null, _) | (Value::Bool(_) | Value::Number(_) | Value::String(_), Some(_)) => {}
        (Value::Object(fields), None) => {
            found.push(format!("{name}configured ({} keys)", fields.len()));
        }
        (Value::Array(entries), None) if entries.iter().any(Value::is_object) => {
            found.push(format!("{name}{} configured", entries.len()));
        }
        (Value::Array(entries), None) => {
            let all: Vec<String> = entries.iter().map(plain).collect();
            found.push(format!("{name}[{}]", all.join(", ")));
        }
        (Value::Bool(_) | Value::Number(_) | Value::String(_), None) => {
            found.push(format!("{name}{}", plain(value)));
        }
    }
}

/// What tells an entry of a list from the others, with a blank behind it.
fn name_of(entry: &Value) -> String {
    let named = ["symbol", "name"].iter().find_map(|key| entry.get(key)?.as_str());
    named.map_or_else(String::new, |name| format!("{name} "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
