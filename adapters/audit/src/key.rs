//! The Ed25519 keys: made, kept readable by their owner alone, written as PEM.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::files::{Context as _, IoError, read_optional, write_atomic};

/// Name of the private key in the audit directory.
pub const KEY_FILE: &str = "key.pem";
/// Name of the public key in the audit directory.
pub const PUBLIC_KEY_FILE: &str = "public.pem";

/// Bytes of a signature.
pub(crate) const SIGNATURE_SIZE_BYTES: usize = 64;
/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
/// A key file is a few hundred bytes.
const FILE_SIZE_BYTES_MAX: usize = 16_384;

/// Why a key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] IoError),
    /// Others can read the private key.
    #[error("{}: others can read this private key (mode {mode:03o}); chmod 600", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// Not a PEM file with an Ed25519 key.
    #[error("{}: {what}", path.display())]
    Form {
        /// The key file.
        path: PathBuf,
        /// What is wrong; never what the file holds.
        what: &'static str,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes for a key")]
    Randomness,
}

/// A public key: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.hex())
    }
}

impl PublicKey {
    /// Hexadecimal, 64 characters.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The first 16 characters: what people compare.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..8])
    }

    /// Whether `signature` of `message` was made with this key's other half.
    pub fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    /// The key as a PEM file, as `openssl pkey -pubin` reads it.
    pub fn to_pem(&self) -> String {
        let mut bytes = SPKI_PREFIX.to_vec();
        bytes.extend(self.0);
        pem("PUBLIC KEY", &bytes)
    }

    /// Reads a PEM file with a public key.
    pub fn read(path: &Path) -> Result<PublicKey, KeyError> {
        let form = |what| KeyError::Form { path: path.to_path_buf(), what };
        let bytes = std::fs::read(path).at("read", path)?;
        let bytes = unwrap_pem(&bytes, "PUBLIC KEY").ok_or_else(|| form("not a public key"))?;
        let key = bytes.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok());
        key.map(PublicKey).ok_or_else(|| form("not an Ed25519 key"))
    }
}

/// A private key. It is shown nowhere.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.public().short())
    }
}

impl SigningKey {
    /// The half that may be shown.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref();
        PublicKey(bytes.try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    /// Signs.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_SIZE_BYTES] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// Reads a PKCS#8 PEM file that only its owner can read.
    pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
        let form = |what| KeyError::Form { path: path.to_path_buf(), what };
        let mode = std::fs::metadata(path).at("stat", path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_path_buf(), mode });
        }
        let bytes = std::fs::read(path).at("read", path)?;
        let der = unwrap_pem(&bytes, "PRIVATE KEY").ok_or_else(|| form("not a private key"))?;
        // Keys made elsewhere do not always carry their public half.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|_| form("not an Ed25519 key"))?;
        Ok(SigningKey { pair })
    }

    /// Makes a new key and keeps it at `path`, mode 0600, replacing what is there.
    pub fn create(path: &Path) -> Result<SigningKey, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| KeyError::Randomness)?;
        write_atomic(path, pem("PRIVATE KEY", document.as_ref()).as_bytes(), 0o600)?;
        SigningKey::read(path)
    }

    /// The key at `path`; made when there is none.
    pub fn read_or_create(path: &Path) -> Result<SigningKey, KeyError> {
        if path.exists() { SigningKey::read(path) } else { SigningKey::create(path) }
    }
}

/// Keeps the public half beside, for those who verify; readable by all.
pub(crate) fn publish(path: &Path, key: PublicKey) -> Result<(), IoError> {
    let text = key.to_pem();
    if read_optional(path)?.is_some_and(|known| known == text.as_bytes()) {
        return Ok(());
    }
    write_atomic(path, text.as_bytes(), 0o644)
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let base64 = BASE64.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

fn unwrap_pem(bytes: &[u8], label: &str) -> Option<Vec<u8>> {
    if FILE_SIZE_BYTES_MAX < bytes.len() {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: String = body.split_whitespace().collect();
    BASE64.decode(base64.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
