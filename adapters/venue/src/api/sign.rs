//! Signatures and time stamps of requests.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ring::{hmac, signature};

use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::config::KeyKind;
use crate::money::{self, ONE};

/// How far ahead of the exchange a request may be.
const AHEAD_NS_MAX: u64 = 1_000_000_000;
/// Time stamps from here on are in microseconds.
const MICROSECONDS_FROM: u64 = 1_000_000_000_000_000;
/// The receive window where none is asked for.
const WINDOW_NS: u64 = 5_000_000_000;
/// The largest receive window in milliseconds.
const WINDOW_MS_MAX: i64 = 60_000;

/// Whether `text` is the signature of `payload` by the key.
pub(crate) fn is_signed(kind: &KeyKind, payload: &[u8], text: &str) -> bool {
    match kind {
        KeyKind::Hmac { secret } => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            HEXLOWER_PERMISSIVE
                .decode(text.as_bytes())
                .is_ok_and(|tag| hmac::verify(&key, payload, &tag).is_ok())
        }
        KeyKind::Ed25519 { public_key } => {
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, public_key);
            BASE64
                .decode(text.as_bytes())
                .is_ok_and(|signature| key.verify(payload, &signature).is_ok())
        }
    }
}

/// A query or form as sent, without its signature.
pub(crate) fn without_signature(text: &str) -> String {
    let kept = text.split('&').filter(|pair| !pair.starts_with("signature="));
    kept.collect::<Vec<&str>>().join("&")
}

/// Whether a key could be one.
pub(crate) fn is_key_format(key: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=128).contains(&key.len()) && key.bytes().all(is_good)
}

/// Refuses a request that is too old or comes from the future.
pub(crate) fn check_time(params: &Params, server_ns: u64) -> Result<(), ApiError> {
    let stamp = params.number("timestamp")?.ok_or_else(|| ApiError::missing("timestamp"))?;
    let window_ns = match params.text("recvWindow")? {
        None => WINDOW_NS,
        Some(text) => window_ns(text)?,
    };
    let unit_ns = if stamp < MICROSECONDS_FROM { 1_000_000 } else { 1000 };
    let late = || ApiError::bad(-1021, "Timestamp for this request is outside of the recvWindow.");
    let sent_ns = stamp.saturating_mul(unit_ns);
    if server_ns.saturating_add(AHEAD_NS_MAX) <= sent_ns {
        let message = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(ApiError::bad(-1021, message));
    }
    if window_ns < server_ns.saturating_sub(sent_ns) { Err(late()) } else { Ok(()) }
}

/// A receive window: milliseconds with up to three decimals.
fn window_ns(text: &str) -> Result<u64, ApiError> {
    let malformed = || ApiError::missing("recvWindow");
    let value = money::parse(text).map_err(|_| malformed())?;
    if WINDOW_MS_MAX * ONE < value {
        let message = "'recvWindow' contains unexpected value. Cannot be greater than 60000.";
        return Err(ApiError::bad(-1102, message));
    }
    // A microsecond is 1e-3 of the unit.
    if value % (ONE / 1000) != 0 {
        return Err(ApiError::bad(-1111, "Parameter 'recvWindow' has too much precision."));
    }
    u64::try_from(value / (ONE / 1000)).map(|us| us * 1000).map_err(|_| malformed())
}
