//! Signatures of requests: HMAC-SHA256 and Ed25519, over exactly the bytes that the venue checks.
//!
//! ```text
//!   WS API:  every parameter but the signature, sorted by name, `k=v&k=v`, raw UTF-8   --+
//!   REST:    query string (and body, without separator), percent-encoded               --+-> signature
//! ```
//! HMAC answers 64 lower-case hexadecimal digits, Ed25519 answers base64, which a query string must
//! percent-encode. The payloads themselves are written by [`crate::request`].
//!
//! **Invariant:** no key is ever printed: neither `Debug` nor an error holds a byte of one.

#[cfg(test)]
mod tests;

use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;
use ring::signature::Ed25519KeyPair;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// Longest PEM that is looked at; an Ed25519 key has about 120 bytes.
const PEM_SIZE_BYTES_MAX: usize = 4096;

/// Why a key was refused. Says nothing about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is empty.
    #[error("the api secret is empty")]
    Empty,
    /// No PEM of a private key.
    #[error("the private key is no pkcs8 pem block")]
    NotPem,
    /// The block holds something else than base64.
    #[error("the private key pem holds no base64")]
    NotBase64,
    /// Not an Ed25519 key.
    #[error("the private key is no ed25519 key in pkcs8")]
    NotEd25519,
}

enum Key {
    Hmac(hmac::Key),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Signs payloads with one key.
pub struct Signer {
    key: Key,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.key {
            Key::Hmac(_) => "hmac",
            Key::Ed25519(_) => "ed25519",
        };
        f.debug_struct("Signer").field("kind", &kind).finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs with HMAC-SHA256.
    pub fn hmac(secret: &str) -> Result<Signer, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Signer { key: Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())) })
    }

    /// Signs with the Ed25519 key of a PKCS#8 PEM block, with or without the public key in it.
    pub fn ed25519(pkcs8_pem: &str) -> Result<Signer, KeyError> {
        if PEM_SIZE_BYTES_MAX < pkcs8_pem.len() {
            return Err(KeyError::NotPem);
        }
        let (_, rest) = pkcs8_pem.split_once(PEM_BEGIN).ok_or(KeyError::NotPem)?;
        let (body, _) = rest.split_once(PEM_END).ok_or(KeyError::NotPem)?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = BASE64.decode(body.as_bytes()).map_err(|_| KeyError::NotBase64)?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::NotEd25519)?;
        Ok(Signer { key: Key::Ed25519(Box::new(pair)) })
    }

    /// Whether `session.logon` is possible: the venue takes it with Ed25519 only.
    pub fn can_log_on(&self) -> bool {
        matches!(self.key, Key::Ed25519(_))
    }

    /// Appends the signature of `payload` as the WS API takes it.
    pub fn sign(&self, payload: &[u8], out: &mut String) {
        match &self.key {
            Key::Hmac(key) => HEXLOWER.encode_append(hmac::sign(key, payload).as_ref(), out),
            Key::Ed25519(pair) => BASE64.encode_append(pair.sign(payload).as_ref(), out),
        }
    }

    /// Appends the signature of `payload` as a query string takes it.
    pub fn sign_encoded(&self, payload: &[u8], out: &mut String) {
        let start = out.len();
        self.sign(payload, out);
        if out[start..].bytes().any(|byte| !is_plain(byte)) {
            let signature = out.split_off(start);
            percent_encode(&signature, out);
        }
    }
}

/// Whether a query string takes the byte as it is (RFC 3986, unreserved).
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `text`, percent-encoded.
pub fn percent_encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}
