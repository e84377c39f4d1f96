//! `[[operator]]` and `[operator_socket]`: who may give commands to a running engine, and where.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::schema::Config;
use crate::validate::{conflict, range};

/// Roles, from the least; each may do what those before it may.
pub const ROLES: [&str; 4] = ["view", "trade", "risk", "admin"];
/// Most operators.
const OPERATOR_COUNT_MAX: usize = 64;
/// Longest name, bytes: it stands in every command's record.
const NAME_SIZE_BYTES_MAX: usize = 32;

/// `[[operator]]`: a person, or a program that acts for one. Numbered from 1 in the order of configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSection {
    /// Unique name: small letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// `view`, `trade`, `risk` or `admin`.
    pub role: String,
    /// User on this machine; the kernel says who is at the other end of the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Hash of the operator's key, as `tickwheel ctl key` prints it. With a uid both are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
}

/// `[operator_socket]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorSocketSection {
    /// Whether there is one. Without it the engine can be stopped by signals and the kill flag only.
    pub enabled: bool,
    /// Where; default: `control.sock` in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Permissions: `0600` (the engine's user), `0660` (the group of the directory too).
    pub mode: String,
}

impl Default for OperatorSocketSection {
    fn default() -> OperatorSocketSection {
        OperatorSocketSection { enabled: true, path: None, mode: "0600".to_string() }
    }
}

impl OperatorSocketSection {
    /// The permissions as a number.
    pub fn permissions(&self) -> u32 {
        if self.mode == "0660" { 0o660 } else { 0o600 }
    }
}

impl Config {
    /// The section that is in force.
    pub fn socket_in_force(&self) -> OperatorSocketSection {
        self.operator_socket.clone().unwrap_or_default()
    }

    pub(crate) fn validate_operators(&self, origin: &str) -> Result<(), ConfigError> {
        let mode = &self.socket_in_force().mode;
        if mode != "0600" && mode != "0660" {
            return Err(range(origin, "operator_socket.mode", mode, "0600 or 0660"));
        }
        if OPERATOR_COUNT_MAX < self.operator.len() {
            let must = format!("at most {OPERATOR_COUNT_MAX} operators");
            return Err(range(origin, "operator", self.operator.len(), &must));
        }
        for (index, operator) in self.operator.iter().enumerate() {
            check(operator, origin)?;
            let before = &self.operator[..index];
            let name = &operator.name;
            if before.iter().any(|other| other.name == *name) {
                return Err(conflict(origin, format!("two operators are named {name}")));
            }
            // Two that the kernel cannot tell apart would be one person to the two-person rule.
            let same = before.iter().find(|other| {
                other.uid.is_some()
                    && other.uid == operator.uid
                    && other.key_hash.is_none()
                    && operator.key_hash.is_none()
            });
            if let Some(other) = same {
                return Err(conflict(
                    origin,
                    format!("operators {} and {name} have one uid and no key", other.name),
                ));
            }
            let same_key = |other: &&OperatorSection| {
                let hash = |it: &OperatorSection| it.key_hash.as_deref().map(str::to_lowercase);
                operator.key_hash.is_some() && hash(other) == hash(operator)
            };
            if let Some(other) = before.iter().find(same_key) {
                return Err(conflict(
                    origin,
                    format!("operators {} and {name} have the same key", other.name),
                ));
            }
        }
        Ok(())
    }
}

fn check(operator: &OperatorSection, origin: &str) -> Result<(), ConfigError> {
    let name = &operator.name;
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    if name.is_empty() || NAME_SIZE_BYTES_MAX < name.len() || !name.bytes().all(is_plain) {
        let must = format!("1 to {NAME_SIZE_BYTES_MAX} of a to z, 0 to 9, -, _ and .");
        return Err(range(origin, "operator.name", name, &must));
    }
    if !ROLES.contains(&operator.role.as_str()) {
        let key = format!("operator {name}.role");
        return Err(range(origin, &key, &operator.role, "view, trade, risk or admin"));
    }
    let hex = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if operator.key_hash.as_ref().is_some_and(|hash| !hex(hash)) {
        let key = format!("operator {name}.key_hash");
        let must = "64 hexadecimal digits, as tickwheel ctl key prints them";
        // The value is not repeated: somebody may have put the key there.
        return Err(range(origin, &key, "(not shown)", must));
    }
    if operator.uid.is_none() && operator.key_hash.is_none() {
        let what =
            format!("operator {name}: neither uid nor key_hash: nobody could be that operator");
        return Err(conflict(origin, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn parse(more: &str) -> Result<Config, ConfigError> {
        let text = crate::profile("generated").unwrap();
        Config::parse(&format!("{text}\n{more}"), "test.toml")
    }

    fn operator(name: &str, role: &str, more: &str) -> String {
        format!("[[operator]]\nname = \"{name}\"\nrole = \"{role}\"\n{more}\n")
    }

    #[test]
    fn operators_are_read_and_written_back() {
        let text = operator("ann", "view", "uid = 1000")
            + &operator("bob.b-1_", "admin", &format!("uid = 1000\nkey_hash = \"{HASH}\""))
            + "[operator_socket]\nmode = \"0660\"\npath = \"/run/x.sock\"\n";
        let config = parse(&text).unwrap();
        assert_eq!(config.operator.len(), 2);
        assert_eq!(config.socket_in_force().permissions(), 0o660);
        assert_eq!(Config::parse(&config.to_toml(), "again").unwrap(), config);
    }

    #[test]
    fn without_the_sections_the_text_of_a_configuration_does_not_name_them() {
        let config = parse("").unwrap();
        assert!(!config.to_toml().contains("operator"));
        let socket = config.socket_in_force();
        assert!(socket.enabled && socket.path.is_none() && socket.permissions() == 0o600);
    }

    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        let error = parse(text).expect_err(text).to_string();
        for word in words {
            assert!(error.contains(word), "\"{word}\" is not in: {error}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        check(&operator("", "view", "uid = 1"), &["operator.name", "1 to 32"]);
        check(&operator("Ann", "view", "uid = 1"), &["operator.name", "Ann"]);
        check(&operator(&"x".repeat(33), "view", "uid = 1"), &["operator.name"]);
        check(&operator("ann", "root", "uid = 1"), &["operator ann.role", "root", "admin"]);
        check(&operator("ann", "view", ""), &["operator ann", "neither uid nor key_hash"]);
        check(&operator("ann", "view", "uid = -1"), &["uid"]);
        check(&operator("ann", "view", "gid = 1"), &["gid"]);
        check("[operator_socket]\nmode = \"0666\"", &["operator_socket.mode", "0600 or 0660"]);
        let twice = operator("ann", "view", "uid = 1") + &operator("ann", "risk", "uid = 2");
        check(&twice, &["two operators are named ann"]);
        let one_uid = operator("ann", "view", "uid = 1") + &operator("bob", "risk", "uid = 1");
        check(&one_uid, &["ann and bob", "one uid and no key"]);
        let key = format!("key_hash = \"{HASH}\"");
        let upper = format!("key_hash = \"{}\"", HASH.to_uppercase());
        let one_key = operator("ann", "view", &key) + &operator("bob", "risk", &upper);
        check(&one_key, &["ann and bob", "the same key"]);
    }

    #[test]
    fn a_key_in_the_place_of_its_hash_is_not_repeated() {
        let text = operator("ann", "view", "key_hash = \"my-secret-key\"");
        let error = parse(&text).expect_err("not a hash").to_string();
        assert!(error.contains("key_hash") && !error.contains("my-secret-key"), "{error}");
    }
}
