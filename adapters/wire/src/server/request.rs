//! Requests out of the bytes of a connection, the check of an upgrade, and the bytes of an answer.

use tungstenite::handshake::derive_accept_key;

use super::{Request, Response, ServerConfig};
use crate::http::head::{HEADER_COUNT_MAX, Headers, is_header};

/// What the front of an inbox is.
pub(super) enum Parsed<'a, 'b> {
    /// The beginning of a request.
    Partial {
        /// The client waits for a word before it sends the body.
        expects_word: bool,
    },
    /// A whole one.
    Whole { request: Request<'a>, upgrade: Upgrade<'b>, keeps: bool, size_bytes: usize },
    /// None, with the status that says so.
    Refused { status: u16, why: &'static str },
}

/// What a request says about WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade<'b> {
    /// Nothing.
    Absent,
    /// It asks for it with this key.
    Wanted { key: &'b str },
    /// It asks for it in a wrong way.
    Wrong { status: u16, why: &'static str },
}

/// Looks at the front of `inbox` and hands what it finds to `take`.
pub(super) fn parse<R>(
    inbox: &[u8],
    config: &ServerConfig,
    take: impl FnOnce(Parsed<'_, '_>) -> R,
) -> R {
    let mut list = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
    let mut parsed = httparse::Request::new(&mut list);
    let refused = |status, why| Parsed::Refused { status, why };
    let head_size_bytes = match parsed.parse(inbox) {
        Ok(httparse::Status::Complete(size_bytes)) => size_bytes,
        Ok(httparse::Status::Partial) if inbox.len() <= config.head_size_bytes_max => {
            return take(Parsed::Partial { expects_word: false });
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return take(refused(431, "the head is too large"));
        }
        Err(_) => return take(refused(400, "the head is broken")),
    };
    if config.head_size_bytes_max < head_size_bytes {
        return take(refused(431, "the head is too large"));
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return take(refused(400, "no method or no target"));
    };
    let is_old = parsed.version == Some(0);
    let headers = Headers::new(parsed.headers);
    if headers.has("transfer-encoding") {
        // Chunked bodies: no client of ours or of the venues sends one.
        return take(refused(411, "a body needs a content length"));
    }
    let length = match headers.content_length() {
        Ok(length) => length.unwrap_or(0),
        Err(why) => return take(refused(400, why)),
    };
    let length = match usize::try_from(length) {
        Ok(length) if length <= config.body_size_bytes_max => length,
        Ok(_) | Err(_) => return take(refused(413, "the body is too large")),
    };
    let size_bytes = head_size_bytes + length;
    let Some(body) = inbox.get(head_size_bytes..size_bytes) else {
        let expects_word = headers.has_word("expect", "100-continue");
        return take(Parsed::Partial { expects_word });
    };
    let keeps = if is_old {
        headers.has_word("connection", "keep-alive")
    } else {
        !headers.has_word("connection", "close")
    };
    let upgrade = upgrade_of(method, is_old, &headers);
    let request = Request { method, target, headers: &headers, body };
    take(Parsed::Whole { request, upgrade, keeps, size_bytes })
}

fn upgrade_of<'b>(method: &str, is_old: bool, headers: &Headers<'b>) -> Upgrade<'b> {
    if !headers.has_word("upgrade", "websocket") {
        return Upgrade::Absent;
    }
    let wrong = |why| Upgrade::Wrong { status: 400, why };
    if method != "GET" || is_old {
        return wrong("an upgrade needs GET and HTTP/1.1");
    }
    if !headers.has_word("connection", "upgrade") {
        return wrong("an upgrade needs the header Connection: Upgrade");
    }
    if headers.get("sec-websocket-version").map(str::trim) != Some("13") {
        return Upgrade::Wrong { status: 426, why: "the WebSocket version must be 13" };
    }
    match headers.get("sec-websocket-key").map(str::trim) {
        // 16 bytes as base64.
        Some(key) if key.len() == 24 => Upgrade::Wanted { key },
        Some(_) | None => wrong("an upgrade needs a key of 16 bytes"),
    }
}

/// The answer that makes a connection a WebSocket. Extensions are declined by not naming them.
pub(super) fn switching(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Head of an answer. Headers that cannot be sent are left out.
pub(super) fn head_of(response: &Response, closes: bool) -> String {
    let status = response.status;
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in response.headers.iter().filter(|(name, value)| is_header(name, value)) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if status != 204 && status != 304 && 200 <= status {
        head.extend(["Content-Length: ", &response.body.len().to_string(), "\r\n"]);
    }
    if status == 426 {
        head.push_str("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    }
    head.push_str(if closes { "Connection: close\r\n\r\n" } else { "\r\n" });
    head
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        418 => "I'm a teapot",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
