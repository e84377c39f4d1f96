//! Planted secrets are found, and what only looks like one is not. Nothing planted here stands in this file as it is
//! looked for: it is put together.

use super::*;

/// Rules that fit a text, in order.
fn rules_of(text: &str) -> Vec<&'static str> {
    look_at("x.rs", text.as_bytes()).iter().map(|finding| finding.hit.rule).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(rules_of(text), expected, "{text}");
}

/// So many letters and digits of all kinds.
fn mixed(count: usize) -> String {
    let letters =
        ['q', 'Z', '7', 'm', 'K', '2', 'x', 'B', '9', 'r', 'T', '4', 'v', 'L', '8', 'w', 'G', '3'];
    let more = ['n', 'H', '5', 'd', 'P', '1', 'c', 'Y', '6', 's'];
    letters.into_iter().chain(more).cycle().take(count).collect()
}

#[test]
fn planted_tokens_are_found() {
    let capitals = mixed(16).to_ascii_uppercase();
    check(&format!("id = {}{capitals}", "AKIA"), &["aws"]);
    check(&format!("{}{}", "ghp_", mixed(36)), &["github"]);
    check(&format!("{}{}", "github_pat_", mixed(82)), &["github"]);
    check(&format!("{}{}", "glpat-", mixed(20)), &["gitlab"]);
    check(&format!("{}1234567890-{}", "xoxb-", mixed(24)), &["slack"]);
    check(&format!("{}{}", "sk_live_", mixed(24)), &["stripe"]);
    check(&format!("{}{}", "AIza", mixed(35)), &["google"]);
    check(&format!("X-Vault-Token: {}{}", "hvs.", mixed(24)), &["vault"]);
    let hook = format!("https://{}T00000000/B00000000/{}", "hooks.slack.com/services/", mixed(24));
    check(&hook, &["webhook"]);
    let hook = format!("https://{}123456789012345678/{}", "discord.com/api/webhooks/", mixed(68));
    check(&hook, &["webhook"]);
}

#[test]
fn what_only_begins_like_a_token_is_not_one() {
    check("AKIA and ghp_ and xoxb- are how tokens begin, hvs.short too", &[]);
    check(&format!("MAKIA{}", mixed(16).to_ascii_uppercase()), &[]);
    check("https://hooks.slack.com/services/T.../B.../...", &[]);
}

#[test]
fn planted_private_keys_are_found_and_templates_are_not() {
    for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
        check(&format!("a\n{begin}\n{}\n{end}\n", mixed(64).replace('q', "+")), &["pem"]);
        check(&format!("\"{begin}\\n{}\\n{end}\"", mixed(50).replace('q', "+")), &["pem"]);
        check(&format!("{begin}\n\n{end}\n"), &[]);
    }
    check(&format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", mixed(60)), &[]);
    check(&format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", mixed(60)), &[]);
}

#[test]
fn planted_passwords_in_addresses_are_found() {
    check(&format!("postgres://bob:{}@db/x", "hunter2"), &["url-password"]);
    check(&format!("smtp://a:{}@h:25 and http://b:{}@i", "one1", "two2"), &["url-password"; 2]);
    check("http://user:password@host/ https://user:{secret}@host https://u:$PW@h https://u@h", &[]);
    check("https://host:8080/a@b", &[]);
    check("mailto:a@b", &[]);
}

#[test]
fn planted_keys_of_exchanges_are_found() {
    check(&format!("KEY = \"{}\"", mixed(64)), &["exchange-key"]);
    check(&mixed(63), &[]);
    check(&mixed(65), &[]);
    check(&"0123456789abcdef".repeat(4), &[]);
    check(&"Aa1".repeat(22)[..64], &[]);
}

#[test]
fn planted_values_of_secret_names_are_found() {
    for line in [
        format!("api_secret = \"{}\"", mixed(20)),
        format!("\"password\": \"{}\"", mixed(32)),
        format!("TOKEN='{}'", mixed(24)),
        format!("private_key: '{}'", mixed(44)),
    ] {
        check(&line, &["assigned"]);
    }
    check(&format!("secret = \"{}\"", mixed(19)), &[]);
    check("secret = \"a-long-text-in-words-without-any-digit\"", &[]);
    check("password = read_password(\"prompt\")", &[]);
    check(&format!("digest = \"{}\"", mixed(40)), &[]);
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    let text = format!("a\r\nb\n\n{}{}\r\n", "glpat-", mixed(20));
    assert_eq!(look_at("x", text.as_bytes())[0].line, 4);
    let pem = format!("\r\n-----BEGIN PRIVATE KEY-----\r\n{}\r\n-----END", mixed(50));
    assert_eq!((rules_of(&pem), look_at("x", pem.as_bytes())[0].line), (vec!["pem"], 2));
}

#[test]
fn bytes_that_are_no_text_are_looked_at_for_what_says_what_it_is() {
    let mut bytes = vec![0, 255, 0];
    bytes.extend_from_slice(format!("{}{}\0{}", "ghp_", mixed(36), mixed(64)).as_bytes());
    let found = look_at("capture.bin", &bytes);
    assert_eq!(found.iter().map(|one| one.hit.rule).collect::<Vec<_>>(), ["github"]);
}

#[test]
fn files_that_hold_keys_are_known_by_their_names() {
    for (name, is_found) in [
        (".env", true),
        ("a/.env.production", true),
        ("a/.env.example", false),
        ("a/id_ed25519", true),
        ("a/server.key", true),
        ("b/server.pem", true),
        ("b/key.toml", true),
        ("0123456789ab:b/server.pem", true),
        ("src/key.rs", false),
        ("docs/.key", false),
        ("environment.rs", false),
    ] {
        let found = look_at(name, b"").iter().any(|one| one.hit.rule == "file-name");
        assert_eq!(found, is_found, "{name}");
    }
}

#[test]
fn a_finding_is_never_shown_whole() {
    let secret = mixed(64);
    let shown = look_at("x", secret.as_bytes())[0].to_string();
    assert!(shown.starts_with("x:1: exchange-key: qZ7m... ("), "{shown}");
    assert!(!shown.contains(&secret[..8]), "{shown}");
}

#[test]
fn exceptions_need_a_reason_and_are_for_one_file() {
    let text = mixed(64);
    let mark = fingerprint(&text);
    let finding = |place: &str| look_at(place, text.as_bytes()).remove(0);
    let line =
        format!("# comment\n\nexchange-key {mark} a.rs # a key of nobody, made for a test\n");
    let mut allowed = Allowed::parse(&line).unwrap();
    assert_eq!((allowed.idle().len(), allowed.count()), (1, 1));
    assert!(!allowed.takes(&finding("b.rs")));
    assert!(allowed.takes(&finding("a.rs")));
    assert!(allowed.takes(&finding("0123456789ab:old.rs")), "older versions, wherever they were");
    assert!(allowed.idle().is_empty());
    let mut other = Allowed::parse(&line.replace(&mark, "0000000000000000")).unwrap();
    assert!(!other.takes(&finding("a.rs")));
    for line in [format!("exchange-key {mark} a.rs"), format!("exchange-key {mark} a.rs # none")] {
        assert!(Allowed::parse(&line).unwrap_err().to_string().contains("no reason"));
    }
    assert!(Allowed::parse("exchange-key a.rs # a reason that is long").is_err());
}

#[test]
fn the_history_is_looked_at_too() {
    let place = tempfile::tempdir().unwrap();
    if std::process::Command::new("git").arg("--version").output().is_err() {
        println!("skipped: the history: git is not installed");
        return;
    }
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git")
            .current_dir(place.path())
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.invalid",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let write = |text: &str| std::fs::write(place.path().join("a.txt"), text).unwrap();
    write("nothing\n");
    assert_eq!(scan(place.path(), Scope::default()).unwrap().1, 1, "without a repository too");
    git(&["init", "-q"]);
    write(&format!("{}{}\n", "ghp_", mixed(36)));
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "one"]);
    write("nothing\n");
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", &format!("two {}{}", "glpat-", mixed(20))]);
    write(&format!("{}{}\n", "AIza", mixed(35)));
    let found = |scope: Scope| -> Vec<String> {
        let (found, _) = scan(place.path(), scope).unwrap();
        found
            .iter()
            .map(|one| {
                let place = one.place.split(':').next_back().unwrap();
                format!("{} {place}", one.hit.rule)
            })
            .collect()
    };
    assert_eq!(found(Scope::default()), ["google a.txt"]);
    let all = found(Scope { history: true, staged: false });
    assert_eq!(all.len(), 3, "{all:?}");
    for one in ["google a.txt", "github a.txt", "gitlab message"] {
        assert!(all.iter().any(|found| found == one), "{one}: {all:?}");
    }
    let staged = Scope { history: false, staged: true };
    assert_eq!(found(staged), [""; 0]);
    git(&["add", "-A"]);
    write("nothing\n");
    assert_eq!(found(staged), ["google a.txt"], "what is staged, whatever the file holds now");
}
