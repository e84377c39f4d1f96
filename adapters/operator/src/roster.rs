//! Who may ask: the configured operators, and how each is known.
//!
//! | configured | known by |
//! |---|---|
//! | uid | the kernel's word about the socket's peer |
//! | key | a token of which only the hash is configured |
//! | uid and key | both |
//! | nothing at all | the engine's own user is operator 1, `local`, with every role |

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::peer::Peer;
use crate::protocol::Key;
use crate::role::Role;

/// Most operators. Arbitrary; a desk of that size needs another tool.
pub const OPERATOR_COUNT_MAX: usize = 64;
/// Name of the operator that exists when none is configured.
pub const LOCAL: &str = "local";

/// A person, or a program that acts for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Number in the journal, from 1 in the order of configuration.
    pub number: u16,
    /// Name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its user on this machine.
    pub uid: Option<u32>,
    /// BLAKE3 hash of its key.
    pub key_hash: Option<[u8; 32]>,
}

/// Hash of a key as it is configured.
pub fn hash_of_key(key: &str) -> [u8; 32] {
    *blake3::hash(key.trim().as_bytes()).as_bytes()
}

/// A key's hash as text.
pub fn hash_text(hash: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

/// The hash of such a text.
pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Why nobody was recognised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No operator has that user.
    #[error("uid {uid} is no operator of this engine{hint}")]
    Uid {
        /// The peer's user.
        uid: u32,
        /// What would help.
        hint: &'static str,
    },
    /// No operator has that name.
    #[error("no operator is named {name}")]
    Name {
        /// The name that was given.
        name: String,
    },
    /// Key or user does not belong to the operator that was named.
    #[error("{name} is not known by that {what}")]
    Mismatch {
        /// The operator that was named.
        name: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The operator has a key and it was not given.
    #[error("{name} needs a key: --key-file FILE")]
    KeyNeeded {
        /// The operator.
        name: String,
    },
    /// No operator has that key.
    #[error("no operator has that key")]
    Key,
}

/// The operators of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    operators: Vec<Operator>,
}

impl Roster {
    /// The configured operators, numbered in their order. `None` when there are too many.
    pub fn new(operators: Vec<Operator>) -> Option<Roster> {
        (operators.len() <= OPERATOR_COUNT_MAX).then_some(Roster { operators })
    }

    /// Nobody is configured: the user that runs the engine is operator 1.
    pub fn local(uid: u32) -> Roster {
        let name = LOCAL.to_string();
        let local = Operator { number: 1, name, role: Role::Admin, uid: Some(uid), key_hash: None };
        Roster { operators: vec![local] }
    }

    /// The operator of that number.
    pub fn get(&self, number: u16) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.number == number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Operator> {
        self.operators.iter()
    }

    /// Who asks, by what the kernel says and what the request claims.
    pub fn recognise(
        &self,
        peer: Peer,
        name: Option<&str>,
        key: Option<&Key>,
    ) -> Result<&Operator, Unknown> {
        let hash = key.map(|key| blake3::Hash::from_bytes(hash_of_key(&key.0)));
        let operator = if let Some(name) = name {
            let unknown = || Unknown::Name { name: name.to_string() };
            self.operators.iter().find(|it| it.name == name).ok_or_else(unknown)?
        } else if let Some(hash) = hash {
            self.operators.iter().find(|it| has_key(it, hash)).ok_or(Unknown::Key)?
        } else {
            let of_uid = || self.operators.iter().filter(|it| it.uid == Some(peer.uid));
            let hint = match of_uid().count() {
                0 => "",
                _ => " without a name and a key: --operator NAME --key-file FILE",
            };
            let unknown = Unknown::Uid { uid: peer.uid, hint };
            of_uid().find(|it| it.key_hash.is_none()).ok_or(unknown)?
        };
        let mismatch = |what| Unknown::Mismatch { name: operator.name.clone(), what };
        if operator.uid.is_some_and(|uid| uid != peer.uid) {
            return Err(mismatch("user"));
        }
        match (operator.key_hash, hash) {
            (Some(_), None) => Err(Unknown::KeyNeeded { name: operator.name.clone() }),
            (Some(_), Some(hash)) if !has_key(operator, hash) => Err(mismatch("key")),
            // Neither user nor key: nothing says that it is this operator.
            (None, _) if operator.uid.is_none() => Err(mismatch("user")),
            (Some(_) | None, _) => Ok(operator),
        }
    }
}

/// Compared in constant time, as `blake3::Hash` does.
fn has_key(operator: &Operator, hash: blake3::Hash) -> bool {
    operator.key_hash.is_some_and(|known| blake3::Hash::from_bytes(known) == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(number: u16, name: &str, uid: Option<u32>, key: Option<&str>) -> Operator {
        let name = name.to_string();
        Operator { number, name, role: Role::Risk, uid, key_hash: key.map(hash_of_key) }
    }

    fn roster() -> Roster {
        Roster::new(vec![
            operator(1, "ann", Some(1000), None),
            operator(2, "bob", Some(1000), Some("bob's key")),
            operator(3, "cy", None, Some("cy's key")),
            operator(4, "dee", Some(1004), Some("dee's key")),
            operator(5, "ghost", None, None),
        ])
        .unwrap()
    }

    /// User, name, key, and who that is, or words of the error.
    type Row<'a> = (u32, Option<&'a str>, Option<&'a str>, Result<u16, &'a str>);

    #[track_caller]
    fn check(table: &[Row<'_>]) {
        let roster = roster();
        for (uid, name, key, expected) in table {
            let key = key.map(|key| Key(key.to_string()));
            let found = roster.recognise(Peer { uid: *uid, pid: 1 }, *name, key.as_ref());
            let found = found.map(|it| it.number).map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{uid} {name:?}"),
                (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
                _ => panic!("{uid} {name:?}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn an_operator_is_known_by_all_that_is_configured() {
        check(&[
            (1000, None, None, Ok(1)),
            (1000, Some("ann"), None, Ok(1)),
            (1001, Some("ann"), None, Err("ann is not known by that user")),
            (1001, None, None, Err("uid 1001 is no operator")),
            (0, None, None, Err("uid 0 is no operator")),
            (1000, Some("bob"), Some("bob's key"), Ok(2)),
            (1000, None, Some("bob's key"), Ok(2)),
            (1000, None, Some(" bob's key\n"), Ok(2)),
            (1000, Some("bob"), None, Err("bob needs a key")),
            (1000, Some("bob"), Some("cy's key"), Err("bob is not known by that key")),
            (1001, Some("bob"), Some("bob's key"), Err("bob is not known by that user")),
            (77, None, Some("cy's key"), Ok(3)),
            (77, Some("cy"), Some("cy's key"), Ok(3)),
            (77, Some("cy"), Some("bob's key"), Err("cy is not known by that key")),
            (77, None, Some("nobody's key"), Err("no operator has that key")),
            (1004, None, None, Err("--key-file")),
            (1004, Some("dee"), Some("dee's key"), Ok(4)),
            (77, Some("eve"), None, Err("no operator is named eve")),
            (77, Some("ghost"), None, Err("ghost is not known")),
            (77, Some("ghost"), Some("cy's key"), Err("ghost is not known")),
        ]);
    }

    #[test]
    fn without_configuration_the_engines_own_user_is_the_operator() {
        let roster = Roster::local(1000);
        let local = roster.recognise(Peer { uid: 1000, pid: 1 }, None, None).unwrap();
        assert_eq!((local.number, local.name.as_str(), local.role), (1, LOCAL, Role::Admin));
        for uid in [0, 999, 1001] {
            assert!(roster.recognise(Peer { uid, pid: 1 }, None, None).is_err(), "{uid}");
            assert!(roster.recognise(Peer { uid, pid: 1 }, Some(LOCAL), None).is_err(), "{uid}");
        }
    }

    #[test]
    fn a_hash_is_text_and_back() {
        let hash = hash_of_key("key");
        assert_eq!(parse_hash(&hash_text(&hash)), Some(hash));
        assert_eq!(parse_hash(&hash_text(&hash).to_uppercase()), Some(hash));
        for text in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(parse_hash(text), None, "{text}");
        }
    }
}
