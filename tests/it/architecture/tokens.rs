//! Words, numbers and signs of a Rust source, without its comments and strings.
//!
//! Rules about sources look at tokens, so that a comment may name what the code must not do.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Identifier or keyword.
    Word,
    /// Number without fraction or exponent.
    Integer,
    /// Number with fraction, exponent or a float suffix.
    Float,
    /// One character of punctuation.
    Sign,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
    /// Inside an item under `#[cfg(test)]`.
    pub(crate) in_test: bool,
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { source, at: 0, line: 1, found: Vec::new() };
    while lexer.at < source.len() {
        lexer.step();
    }
    mark_tests(&mut lexer.found);
    lexer.found
}

/// Whether the texts of `found` from `at` on are `wanted`.
pub(crate) fn follows(found: &[Token<'_>], at: usize, wanted: &[&str]) -> bool {
    let texts = found.iter().skip(at).map(|token| token.text);
    texts.take(wanted.len()).eq(wanted.iter().copied())
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    found: Vec<Token<'a>>,
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

impl Lexer<'_> {
    /// The byte `ahead` of the present place; 0 after the end.
    fn peek(&self, ahead: usize) -> u8 {
        self.source.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, count: usize) {
        let end = (self.at + count).min(self.source.len());
        // The end of a skip need not be the border of a character.
        let skipped = &self.source.as_bytes()[self.at..end];
        self.line += skipped.split(|byte| *byte == b'\n').count() - 1;
        self.at = end;
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = &self.source[self.at..self.at + length];
        self.found.push(Token { kind, text, line: self.line, in_test: false });
        self.at += length;
    }

    /// Length of the run of word bytes from `ahead` on.
    fn word_length(&self, ahead: usize) -> usize {
        let rest = self.source.as_bytes().iter().skip(self.at + ahead);
        rest.take_while(|byte| is_word(**byte)).count()
    }

    fn step(&mut self) {
        match self.peek(0) {
            byte if byte.is_ascii_whitespace() => self.skip(1),
            b'/' if self.peek(1) == b'/' => {
                let rest = &self.source[self.at..];
                self.skip(rest.find('\n').unwrap_or(rest.len()));
            }
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'"' => self.string(),
            b'\'' => self.character_or_lifetime(),
            byte if byte.is_ascii_digit() => self.number(),
            byte if is_word(byte) => self.word(),
            _ => self.push(Kind::Sign, 1),
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_u32;
        while self.at < self.source.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.skip(2);
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    /// From the opening quote to the closing one.
    fn string(&mut self) {
        self.skip(1);
        while self.at < self.source.len() {
            match self.peek(0) {
                b'\\' => self.skip(2),
                b'"' => return self.skip(1),
                _ => self.skip(1),
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        let rest = &self.source[self.at + 1..];
        if rest.starts_with('\\') {
            // The escaped character itself may be a quote.
            let length = rest[2..].find('\'').map_or(rest.len(), |end| end + 3);
            return self.skip(1 + length);
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        if rest[first..].starts_with('\'') {
            return self.skip(first + 2);
        }
        self.skip(1);
        let length = self.word_length(0);
        self.skip(length);
    }

    fn number(&mut self) {
        let is_field = self.found.last().is_some_and(|token| token.text == ".");
        let is_decimal = !(self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'o' | b'b'));
        let mut length = self.word_length(0);
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b"_.".contains(&b));
        let mut kind = Kind::Integer;
        if is_decimal && !is_field && self.peek(length) == b'.' {
            let after = self.peek(length + 1);
            if after.is_ascii_digit() {
                kind = Kind::Float;
                length += 1 + self.word_length(length + 1);
            } else if after != b'.' && !is_word(after) {
                kind = Kind::Float;
                length += 1;
            }
        }
        let text = &self.source[self.at..self.at + length];
        // `1e-3`: the sign ends the run of word bytes. `1usize-3` is a difference.
        let is_cut = text.strip_suffix(['e', 'E']).is_some_and(digits);
        if is_decimal && is_cut && matches!(self.peek(length), b'+' | b'-') {
            length += 1 + self.word_length(length + 1);
            kind = Kind::Float;
        }
        let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
        let has_exponent = mantissa.len() < text.len() && digits(mantissa);
        if is_decimal && (has_exponent || text.ends_with("f32") || text.ends_with("f64")) {
            kind = Kind::Float;
        }
        self.push(kind, length);
    }

    fn word(&mut self) {
        let length = self.word_length(0);
        let prefix = &self.source[self.at..self.at + length];
        let hashes = self.source[self.at + length..].bytes().take_while(|b| *b == b'#').count();
        match (prefix, self.peek(length), self.peek(length + hashes)) {
            ("b" | "c", b'"', _) => {
                self.skip(length);
                self.string();
            }
            ("b", b'\'', _) => {
                self.skip(length);
                self.character_or_lifetime();
            }
            ("r" | "br" | "cr", _, b'"') => {
                self.skip(length + hashes + 1);
                let end = format!("\"{}", "#".repeat(hashes));
                let rest = &self.source[self.at..];
                self.skip(rest.find(&end).map_or(rest.len(), |at| at + end.len()));
            }
            _ => self.push(Kind::Word, length),
        }
    }
}

/// Marks the items under `#[cfg(test)]`: up to the `;` or the closing brace that ends each.
fn mark_tests(found: &mut [Token<'_>]) {
    let mut at = 0;
    while at < found.len() {
        if !follows(found, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at += 1;
            continue;
        }
        let mut depth = 0_i32;
        let begin = at;
        while at < found.len() {
            match found[at].text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            let ends = matches!(found[at].text, ";" | "}") && depth == 0;
            at += 1;
            if ends {
                break;
            }
        }
        for token in &mut found[begin..at] {
            token.in_test = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let words: Vec<String> = tokens(source)
            .iter()
            .map(|token| match token.kind {
                Kind::Word | Kind::Sign => token.text.to_string(),
                Kind::Integer => format!("i:{}", token.text),
                Kind::Float => format!("f:{}", token.text),
            })
            .collect();
        assert_eq!(words.join(" "), expected, "{source}");
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        check("a // unsafe\nb /* f64 /* f32 */ 1.5 */ c", "a b c");
        check(r#"f("unsafe \" 1.5", b"f64", 'x', '\'', '\n', b'"') g"#, "f ( , , , , , ) g");
        check("r\"unsafe\" r#\"say \"f64\"\"# br##\"\"#\"## z", "z");
        check("&'a str + 'static + '{' + x", "& str + + + x");
    }

    #[test]
    fn floats_are_told_from_integers_ranges_and_fields() {
        check("1 1_000u64 0xe5 0x1f64 0b1", "i:1 i:1_000u64 i:0xe5 i:0x1f64 i:0b1");
        check(
            "1.5 1. 1e9 2.5e-3 1e-3 3f64 4_f32",
            "f:1.5 f:1. f:1e9 f:2.5e-3 f:1e-3 f:3f64 f:4_f32",
        );
        check("0..5 x.0.1 1.max(2)", "i:0 . . i:5 x . i:0 . i:1 i:1 . max ( i:2 )");
        check("1usize-3", "i:1usize - i:3");
    }

    #[test]
    fn items_under_cfg_test_are_marked() {
        let source = "fn a() { 1 } #[cfg(test)] #[x] mod t { fn b() { 2 } } fn c() { 3 }
                      #[cfg(test)] mod far; fn d() { 4 }";
        let marked: Vec<&str> = tokens(source)
            .iter()
            .filter(|token| token.kind == Kind::Integer && token.in_test)
            .map(|token| token.text)
            .collect();
        assert_eq!(marked, ["2"]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let source = "a\n\"x\ny\"\n/*\n*/ b";
        let lines: Vec<usize> = tokens(source).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 5]);
    }
}
