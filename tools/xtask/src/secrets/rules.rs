//! What a secret looks like.
//!
//! | rule | what |
//! |---|---|
//! | `file-name` | files that hold keys by their name: `.env`, `*.pem`, `*.key`, `id_ed25519`, `*.p12`, `*.jks` |
//! | `pem` | the body of a private key |
//! | `aws`, `github`, `gitlab`, `slack`, `stripe`, `google`, `vault` | tokens that say by their beginning whose they are |
//! | `webhook` | addresses of Slack and Discord, which are their own password |
//! | `url-password` | a password in a URL |
//! | `exchange-key` | 64 letters and digits as exchanges make keys |
//! | `assigned` | a long mixed text that is called secret, password or token |

/// A text that fits a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) rule: &'static str,
    pub(super) text: String,
}

/// How a token begins, which letters follow, and at least how many of them.
type Token = (&'static str, &'static str, fn(u8) -> bool, usize);

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
const fn is_dashed(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}
const fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
const fn is_path(byte: u8) -> bool {
    is_dashed(byte) || byte == b'/'
}
const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[rustfmt::skip]
const TOKENS: &[Token] = &[
    ("aws", "AKIA", is_capital, 16),
    ("aws", "ASIA", is_capital, 16),
    ("github", "ghp_", is_word, 30),
    ("github", "gho_", is_word, 30),
    ("github", "ghu_", is_word, 30),
    ("github", "ghs_", is_word, 30),
    ("github", "ghr_", is_word, 30),
    ("github", "github_pat_", is_word, 40),
    ("gitlab", "glpat-", is_dashed, 20),
    ("slack", "xoxb-", is_dashed, 20),
    ("slack", "xoxp-", is_dashed, 20),
    ("slack", "xoxa-", is_dashed, 20),
    ("slack", "xapp-", is_dashed, 20),
    ("stripe", "sk_live_", is_word, 20),
    ("google", "AIza", is_dashed, 35),
    ("vault", "hvs.", is_dashed, 24),
    ("vault", "hvb.", is_dashed, 24),
    ("webhook", "hooks.slack.com/services/", is_path, 30),
    ("webhook", "discord.com/api/webhooks/", is_path, 60),
    ("webhook", "discordapp.com/api/webhooks/", is_path, 60),
];

/// How the name of a value ends that is a secret.
const NAMES: &[&str] = &["secret", "password", "passwd", "token", "private_key", "secret_key"];
/// Shortest value of such a name that is judged.
const VALUE_SIZE_BYTES_MIN: usize = 20;
/// Length of keys as exchanges make them.
const KEY_SIZE_BYTES: usize = 64;
/// Base64 of a private key; an empty template has none.
const PEM_BODY_SIZE_BYTES_MIN: usize = 40;

/// A file that holds keys by its name.
pub(super) fn name(place: &str) -> Option<Hit> {
    let name = place.rsplit(['/', ':']).next().unwrap_or(place);
    let is_env = name == ".env" || (name.starts_with(".env.") && name != ".env.example");
    let is_key =
        ["id_rsa", "id_ecdsa", "id_ed25519", "key.toml", ".netrc", ".pgpass"].contains(&name);
    let has = |end: &str| name.len() > end.len() && name.ends_with(end);
    let is_store = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore"].into_iter().any(has);
    (is_env || is_key || is_store).then(|| Hit { rule: "file-name", text: name.to_string() })
}

/// Everything in a text that fits a rule, with its line. `is_close`: also what says nothing by its beginning.
pub(super) fn hits(text: &str, is_close: bool) -> Vec<(usize, Hit)> {
    let mut found = Vec::new();
    let mut begin = 0;
    for (index, line) in text.lines().enumerate() {
        let mut add = |hit: Hit| found.push((index + 1, hit));
        for token in TOKENS {
            tokens(line, token, &mut add);
        }
        if let Some(at) = line.find("-----BEGIN ")
            && let Some(body) = pem_body(&text[begin + at..])
        {
            add(Hit { rule: "pem", text: body });
        }
        if is_close {
            url_passwords(line, &mut add);
            exchange_keys(line, &mut add);
            assigned(line, &mut add);
        }
        // The line and what ended it.
        begin += line.len();
        begin += text[begin..].bytes().take_while(|byte| *byte == b'\r').count();
        begin += usize::from(text[begin..].starts_with('\n'));
    }
    found
}

/// The run of letters of a kind at the begin of a text.
fn run(text: &str, is_letter: fn(u8) -> bool) -> &str {
    let size = text.bytes().take_while(|byte| is_letter(*byte)).count();
    &text[..size]
}

fn tokens(line: &str, (rule, begin, is_letter, count): &Token, add: &mut impl FnMut(Hit)) {
    for (at, _) in line.match_indices(begin) {
        let is_inside = line[..at].bytes().next_back().is_some_and(is_word);
        let rest = run(&line[at + begin.len()..], *is_letter);
        if *count <= rest.len() && !(is_inside && *rule != "webhook") {
            add(Hit { rule, text: format!("{begin}{rest}") });
        }
    }
}

/// The base64 of a private key that begins here; `None` for certificates, public keys and templates.
fn pem_body(text: &str) -> Option<String> {
    let head_end = text.get(11..)?.find("-----")? + 11;
    if !text[..head_end].ends_with("PRIVATE KEY") {
        return None;
    }
    let rest = &text[head_end + 5..];
    let rest = &rest[..rest.find("-----END").unwrap_or(rest.len().min(4096)).min(rest.len())];
    // In sources a line end is written as two characters, and a text goes on with a backslash.
    let body: String =
        rest.replace("\\n", "").chars().filter(|c| c.is_ascii() && is_base64(*c as u8)).collect();
    (PEM_BODY_SIZE_BYTES_MIN <= body.len()).then_some(body)
}

fn url_passwords(line: &str, add: &mut impl FnMut(Hit)) {
    for (at, _) in line.match_indices("://") {
        let rest = &line[at + 3..];
        let is_end = |c: char| c.is_whitespace() || "/\"'`<>()?#,".contains(c);
        let authority = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((_, password)) = user.split_once(':') else { continue };
        let is_place = password.is_empty() || password.contains(['{', '$', '*', '.', '?', '%']);
        // Words of an example, such as user:password@host.
        let is_example = ["password", "pass", "secret", "pw"].contains(&password);
        if !is_place && !is_example {
            add(Hit { rule: "url-password", text: password.to_string() });
        }
    }
}

/// Letters of every kind, and many different ones.
fn is_mixed(text: &str, distinct_min: usize) -> bool {
    let has = |is: fn(&u8) -> bool| text.bytes().any(|byte| is(&byte));
    let mut seen = [false; 256];
    text.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && distinct_min <= seen.iter().filter(|seen| **seen).count()
}

fn exchange_keys(line: &str, add: &mut impl FnMut(Hit)) {
    // A part of a longer base64 text is none.
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/');
    let is_key = |word: &&str| word.len() == KEY_SIZE_BYTES && !word.contains(['+', '/']);
    for word in words.filter(is_key) {
        // The alphabet in order is no key.
        if is_mixed(word, 24) && !word.contains("abcdefgh") {
            add(Hit { rule: "exchange-key", text: word.to_string() });
        }
    }
}

fn assigned(line: &str, add: &mut impl FnMut(Hit)) {
    let lower = line.to_ascii_lowercase();
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let rest = line[at + name.len()..].trim_start_matches(['"', '\'', '`']).trim_start();
            let Some(rest) = rest.strip_prefix(['=', ':']) else { continue };
            let Some(value) = rest.trim_start().strip_prefix(['"', '\'']) else { continue };
            let value = run(value, |byte| is_base64(byte) || is_dashed(byte));
            if VALUE_SIZE_BYTES_MIN <= value.len() && is_mixed(value, 12) {
                add(Hit { rule: "assigned", text: value.to_string() });
            }
        }
    }
}
