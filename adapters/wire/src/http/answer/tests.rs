//! The parser: whole, in pieces, damaged.

use super::*;

const LIMIT: usize = 10_000;

/// All answers of a connection that sends these pieces and ends; the last line says how.
fn read(pieces: &[&[u8]], heads: &[bool]) -> Vec<String> {
    let mut answers = Answers::new(LIMIT, LIMIT);
    let mut told = Vec::new();
    let mut take = |answers: &mut Answers, at_end: bool| {
        loop {
            let is_head = heads.get(told.len()).copied().unwrap_or(false);
            match answers.is_complete(is_head, at_end) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(error.to_string()),
            }
            let mut line = String::new();
            let closes = answers.deliver(|status, headers, body| {
                let word = headers.get("x-word").unwrap_or("-");
                line = format!("{status} {word} {}", String::from_utf8_lossy(body));
            });
            told.push(if closes { format!("{line} closes") } else { line });
            if !answers.has_rest() {
                return None;
            }
        }
    };
    for piece in pieces {
        answers.push(piece);
        if let Some(error) = take(&mut answers, false) {
            told.push(error);
            return told;
        }
    }
    let end = take(&mut answers, true);
    let rest = answers.has_rest().then(|| "rest".to_string());
    told.extend(end.or(rest));
    told
}

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Word: one\r\n\r\nhello\
    HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
    x-word: two\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n\
    HTTP/1.1 204 No Content\r\nX-WORD: three\r\n\r\n\
    HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n\
    HTTP/1.1 404 Not Found\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n\
    HTTP/1.1 200 OK\r\nX-Word: last\r\n\r\nuntil the end";

const TOLD: [&str; 6] = [
    "200 one hello",
    "200 two abc0123456789",
    "204 three ",
    "200 - ",
    "404 - ",
    "200 last until the end closes",
];

#[test]
fn answers_split_at_any_byte_are_the_same() {
    assert_eq!(read(&[STREAM], &[]), TOLD);
    let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
    assert_eq!(read(&bytes, &[]), TOLD);
    for first in 0..STREAM.len() {
        let (head, tail) = STREAM.split_at(first);
        assert_eq!(read(&[head, tail], &[]), TOLD, "split at {first}");
        for size in [1, 2, 7] {
            let mut pieces = vec![head];
            pieces.extend(tail.chunks(size));
            // Some of all, the rest of the test is quadratic.
            if first % 23 == 0 {
                assert_eq!(read(&pieces, &[]), TOLD, "split at {first} and every {size}");
            }
        }
    }
}

#[test]
fn single_answers_are_taken_or_refused() {
    let no_http = |what: &str| format!("the answer is no HTTP: {what}");
    let table: [(&str, &str); 18] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nabc",
            "200 - abc closes",
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 - abc closes"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", "200 - abc"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\n\r\n", "304 - "),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\na", "200 - a"),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "200 - a"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            "two content lengths",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a content length that is no number"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "a content length that is no number"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "a content length beyond 64 bits",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "a content length and a transfer encoding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "a transfer encoding other than chunked",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "a switch to a protocol that nobody asked for",
        ),
        ("HTTP/2 200\r\n\r\n", "a broken head"),
        ("\x00\x01garbage", "a broken head"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz", "a chunk without a length"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
            "a chunk longer than its length",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123456\r\n",
            "a chunk length of more than 15 digits",
        ),
    ];
    for (bytes, expected) in table {
        let told = read(&[bytes.as_bytes()], &[]);
        let expected =
            if expected.starts_with(['2', '3']) { expected.into() } else { no_http(expected) };
        assert_eq!(told, [expected], "{bytes:?}");
    }
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_announces() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(read(&[bytes], &[true, false]), ["200 - ", "200 - ok"]);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_there() {
    let told = read(&[b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n"], &[]);
    assert_eq!(told, ["the body of the answer has more than 10000 bytes"]);
    let chunk = format!("{:x}\r\n{}\r\n", 4_000, "x".repeat(4_000));
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let told = read(&[head, chunk.as_bytes(), chunk.as_bytes(), chunk.as_bytes()], &[]);
    assert_eq!(told, ["the body of the answer has more than 10000 bytes"]);
    let told = read(&[b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 10_001]], &[]);
    assert_eq!(told, ["the body of the answer has more than 10000 bytes"]);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(10_000));
    assert_eq!(read(&[long.as_bytes()], &[]), ["the head of the answer has more than 10000 bytes"]);
    let endless = format!("1;{}", "e".repeat(9_000));
    let told = read(&[head, endless.as_bytes()], &[]);
    assert_eq!(told, ["the answer is no HTTP: endless lines between chunks"]);
}

#[test]
fn the_buffer_of_a_long_connection_stays_small() {
    let one = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let mut answers = Answers::new(LIMIT, LIMIT);
    let mut count = 0;
    // Pieces that never end where an answer does.
    let stream = one.repeat(5_000);
    for piece in stream.chunks(997) {
        answers.push(piece);
        while answers.is_complete(false, false).unwrap() {
            answers
                .deliver(|status, _, body| assert_eq!((status, body), (200, b"hello".as_slice())));
            count += 1;
        }
        assert!(answers.inbox.capacity() < 8_192, "{}", answers.inbox.capacity());
    }
    assert_eq!(count, 5_000);
}

#[test]
fn damaged_answers_never_panic() {
    let mut random = crate::testing::Random(0x5eed);
    for seed in 0..20_000 {
        let mut bytes = STREAM.to_vec();
        random.damage(&mut bytes);
        let cut = random.below(bytes.len());
        let (head, tail) = bytes.split_at(cut);
        let in_pieces = read(&[head, tail], &[]);
        let whole = read(&[&bytes], &[]);
        // How an answer is refused may depend on the pieces, whether it is there may not.
        let answers = |told: &[String]| {
            let is_answer = |line: &&String| line.as_bytes()[0].is_ascii_digit();
            told.iter().filter(is_answer).cloned().collect::<Vec<_>>()
        };
        assert_eq!(answers(&in_pieces), answers(&whole), "mutation {seed}");
    }
}
