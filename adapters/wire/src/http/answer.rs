//! Answers out of the bytes of a connection, one after the other, in place where they are not
//! chunked.

#[cfg(test)]
mod tests;

use super::HttpFailure;
use super::chunked::{ChunkError, Chunked};
use super::head::{HEADER_COUNT_MAX, Headers};

/// How an answer's body ends.
#[derive(Debug)]
enum Body {
    Length(usize),
    Chunked(Chunked),
    /// With the connection.
    Connection,
}

#[derive(Debug)]
struct Head {
    size_bytes: usize,
    status: u16,
    body: Body,
    /// The peer takes no further request on this connection.
    closes: bool,
}

/// The parser of one connection.
#[derive(Debug)]
pub(crate) struct Answers {
    head_size_bytes_max: usize,
    body_size_bytes_max: usize,
    inbox: Vec<u8>,
    /// Where the present answer begins in the inbox.
    start: usize,
    head: Option<Head>,
    /// The present body, if it is chunked.
    body: Vec<u8>,
}

fn malformed(detail: &'static str) -> HttpFailure {
    HttpFailure::Malformed { detail }
}

impl Answers {
    pub(crate) fn new(head_size_bytes_max: usize, body_size_bytes_max: usize) -> Answers {
        Answers {
            head_size_bytes_max,
            body_size_bytes_max,
            inbox: Vec::new(),
            start: 0,
            head: None,
            body: Vec::new(),
        }
    }

    /// Forgets everything, for a new connection.
    pub(crate) fn clear(&mut self) {
        self.inbox.clear();
        self.start = 0;
        self.head = None;
        self.body.clear();
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start == self.inbox.len() {
            self.inbox.clear();
        } else if self.inbox.len() / 2 < self.start {
            // Bytes move at most once for each byte consumed before them.
            self.inbox.drain(..self.start);
        } else {
            self.inbox.extend_from_slice(bytes);
            return;
        }
        self.start = 0;
        self.inbox.extend_from_slice(bytes);
    }

    /// Whether there are bytes that belong to no complete answer.
    pub(crate) fn has_rest(&self) -> bool {
        self.start < self.inbox.len()
    }

    /// Whether the next answer is complete; to a HEAD request it has no body. `at_end`: nothing
    /// follows.
    pub(crate) fn is_complete(&mut self, is_head: bool, at_end: bool) -> Result<bool, HttpFailure> {
        while self.head.is_none() {
            let Some(head) = self.parse_head(is_head)? else { return Ok(false) };
            // An interim answer, such as 103; the real one follows.
            if head.status < 200 {
                if head.status == 101 {
                    return Err(malformed("a switch to a protocol that nobody asked for"));
                }
                self.start += head.size_bytes;
                continue;
            }
            self.head = Some(head);
        }
        let head = self.head.as_mut().expect("the head was parsed above");
        let begin = self.start + head.size_bytes;
        let size_bytes_max = self.body_size_bytes_max;
        let too_large = HttpFailure::TooLarge { part: "body", size_bytes_max };
        let there = self.inbox.len() - begin;
        match &mut head.body {
            Body::Length(length) => Ok(*length <= there),
            Body::Connection if size_bytes_max < there => Err(too_large),
            Body::Connection => Ok(at_end),
            Body::Chunked(chunked) => {
                let taken = chunked.take(&self.inbox[begin..], &mut self.body, size_bytes_max);
                match taken {
                    Ok(used) => drop(self.inbox.drain(begin..begin + used)),
                    Err(ChunkError::Malformed(detail)) => return Err(malformed(detail)),
                    Err(ChunkError::TooLarge) => return Err(too_large),
                }
                Ok(chunked.is_done())
            }
        }
    }

    /// Hands out the answer that is complete and goes on to the next. Whether the connection ends
    /// with it.
    pub(crate) fn deliver(&mut self, take: impl FnOnce(u16, &Headers<'_>, &[u8])) -> bool {
        let head = self.head.take().expect("the answer is complete");
        let begin = self.start + head.size_bytes;
        let (end, body) = match head.body {
            Body::Length(length) => (begin + length, &self.inbox[begin..begin + length]),
            Body::Connection => (self.inbox.len(), &self.inbox[begin..]),
            Body::Chunked(_) => (begin, self.body.as_slice()),
        };
        let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let result = parsed.parse(&self.inbox[self.start..begin]);
        debug_assert!(
            result.is_ok_and(|status| status.is_complete()),
            "the head was parsed before"
        );
        take(head.status, &Headers::new(parsed.headers), body);
        self.start = end;
        self.body.clear();
        head.closes
    }

    fn parse_head(&self, is_head: bool) -> Result<Option<Head>, HttpFailure> {
        let bytes = &self.inbox[self.start..];
        let size_bytes_max = self.head_size_bytes_max;
        let too_large = HttpFailure::TooLarge { part: "head", size_bytes_max };
        let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let size_bytes = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(size_bytes)) => size_bytes,
            Ok(httparse::Status::Partial) if size_bytes_max < bytes.len() => return Err(too_large),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(malformed("a broken head")),
        };
        if size_bytes_max < size_bytes {
            return Err(too_large);
        }
        let status = parsed.code.ok_or_else(|| malformed("no status"))?;
        let is_old = parsed.version == Some(0);
        let headers = Headers::new(parsed.headers);
        let body = self.body_of(status, is_head, &headers)?;
        let keeps = if is_old {
            headers.has_word("connection", "keep-alive")
        } else {
            !headers.has_word("connection", "close")
        };
        let closes = !keeps || matches!(body, Body::Connection);
        Ok(Some(Head { size_bytes, status, body, closes }))
    }

    fn body_of(
        &self,
        status: u16,
        is_head: bool,
        headers: &Headers<'_>,
    ) -> Result<Body, HttpFailure> {
        let length = headers.content_length().map_err(malformed)?;
        if is_head || status < 200 || status == 204 || status == 304 {
            return Ok(Body::Length(0));
        }
        if headers.has("transfer-encoding") {
            if length.is_some() {
                return Err(malformed("a content length and a transfer encoding"));
            }
            let mut words = headers.all("transfer-encoding").flat_map(|value| value.split(','));
            let is_chunked =
                words.next().is_some_and(|it| it.trim().eq_ignore_ascii_case("chunked"));
            if !is_chunked || words.next().is_some() {
                return Err(malformed("a transfer encoding other than chunked"));
            }
            return Ok(Body::Chunked(Chunked::new()));
        }
        let Some(length) = length else { return Ok(Body::Connection) };
        let size_bytes_max = self.body_size_bytes_max;
        match usize::try_from(length) {
            Ok(length) if length <= size_bytes_max => Ok(Body::Length(length)),
            _ => Err(HttpFailure::TooLarge { part: "body", size_bytes_max }),
        }
    }
}
