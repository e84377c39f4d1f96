//! `tickwheel secrets`: are all secrets there, safe and good? Also templates of key files and of a Vault policy.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use binance::account::{AccountQuery, AccountState};
use clap::{Args, Subcommand, ValueEnum};
use config::Config;
use engine::clock::Clock;
use engine::event::Mode;
use secret::key::{ApiKey, KeySecret};
use secret::{Secret, SecretStore, SecretUri};
use serde_json::{Value, json};
use wire::http::HttpConfig;

use crate::run::connected;
use crate::secrets::{self, Credentials};
use crate::{exit, session};

/// How long the venue may take for each question.
const VENUE_NS_MAX: u64 = 10_000_000_000;
/// Name of a key in a configuration whose value is the path of a file that holds an API key.
const KEY_FILES: [&str; 2] = ["wire.key_file", "guard.key_file"];
/// Where the name of a secret holds an API key.
const KEYS: [&str; 1] = ["secrets.key"];

/// Arguments of `tickwheel secrets`.
#[derive(Args, Debug)]
pub(crate) struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Fetch every secret that the configuration names and say what is wrong with it. Prints none of them.
    Verify(VerifyArgs),
    /// Write a template of a key file that only its owner can read.
    Init(InitArgs),
    /// Print the Vault policy that lets an engine read what its configuration names, and nothing else.
    Policy(ConfigArgs),
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// Configuration file instead of a built-in profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "paper")]
    profile: String,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also ask the venue, signed with the key, whether it takes it.
    #[arg(long)]
    venue: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct InitArgs {
    /// The file; must not exist.
    file: PathBuf,
    /// How the key signs.
    #[arg(long, value_enum, default_value_t = Kind::Hmac)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Hmac,
    Ed25519,
}

/// Runs the command.
pub(crate) fn run(args: &SecretsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        SecretsCommand::Verify(args) => verify(args),
        SecretsCommand::Init(args) => init(args),
        SecretsCommand::Policy(args) => policy(args),
    }
}

/// A secret that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    /// Dotted key.
    key: String,
    uri: SecretUri,
    /// Whether it must hold an API key.
    is_key: bool,
}

/// What was found out about one of them.
#[derive(Debug)]
struct Row {
    key: String,
    place: String,
    is_good: bool,
    detail: String,
}

/// Every name of a secret in the configuration, in whatever section it stands.
fn named(config: &Config) -> anyhow::Result<Vec<Named>> {
    let value = serde_json::to_value(config).context("read the configuration")?;
    let mut found = Vec::new();
    walk(&value, "", &mut found)?;
    Ok(found)
}

fn walk(value: &Value, key: &str, found: &mut Vec<Named>) -> anyhow::Result<()> {
    let below =
        |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, &below(name), found)?;
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{key}[{index}]"), found)?;
            }
        }
        Value::String(text) => {
            if KEY_FILES.contains(&key) {
                let (key, uri) = (key.to_string(), SecretUri::file(text));
                found.push(Named { key, uri, is_key: true });
            } else if secrets::is_name(text) {
                let uri = secrets::parse(key, text)?;
                found.push(Named { key: key.to_string(), uri, is_key: KEYS.contains(&key) });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let (config, origin) =
        session::read_config(args.config.config.as_deref(), &args.config.profile)?;
    let mode = config.mode(&origin)?;
    let clock = Clock::new();
    let mut store = secrets::store(&config, mode, &clock)?;
    let mut rows = Vec::new();
    if let Some(health) = store.vault_health() {
        rows.push(row("secrets.vault", "", health.map_err(Into::into)));
    }
    for named in named(&config)? {
        let detail = look(&mut store, &named);
        let place = named.uri.to_string();
        rows.push(row(&named.key, &place, detail.map(|(detail, _)| detail)));
        if args.venue && named.is_key && named.key != "guard.key_file" {
            let asked = ask_venue((&config, &origin), &mut store, &named, &clock);
            rows.push(row("venue", &place, asked));
        }
    }
    rows.push(row("process", "", core_dumps()));
    let is_good = rows.iter().all(|row| row.is_good);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", to_json(mode, is_good, &rows))?;
    } else {
        out.write_all(to_text(&origin, mode, &rows).as_bytes())?;
    }
    Ok(ExitCode::from(if is_good { exit::GOOD } else { exit::NO }))
}

fn row(key: &str, place: &str, detail: anyhow::Result<String>) -> Row {
    let is_good = detail.is_ok();
    let detail = detail.unwrap_or_else(|error| crate::chain(&error));
    Row { key: key.to_string(), place: place.to_string(), is_good, detail }
}

/// What can be said of a secret without saying it, and the key in it if it is one.
fn look(store: &mut SecretStore, named: &Named) -> anyhow::Result<(String, Option<Credentials>)> {
    let text = store.fetch(&named.uri)?;
    let version = match (&named.uri, store.version(&named.uri)) {
        (SecretUri::Vault { .. }, Some(version)) => format!(", version {version}"),
        _ => String::new(),
    };
    if !named.is_key {
        return Ok((format!("{} bytes{version}", text.size_bytes()), None));
    }
    let (detail, credentials) = key_in(&text, &named.uri)?;
    Ok((format!("{detail}{version}"), Some(credentials)))
}

fn key_in(text: &Secret, uri: &SecretUri) -> anyhow::Result<(String, Credentials)> {
    let key = ApiKey::parse(text, uri)?;
    let credentials = Credentials::of(&key, uri)?;
    let kind = match key.secret {
        KeySecret::Hmac(_) => "HMAC-SHA256",
        KeySecret::Ed25519(_) => "Ed25519",
    };
    Ok((format!("API key that signs with {kind}"), credentials))
}

/// Whether the venue takes the key: one signed question that changes nothing.
fn ask_venue(
    (config, origin): (&Config, &str),
    store: &mut SecretStore,
    named: &Named,
    clock: &Clock,
) -> anyhow::Result<String> {
    let (_, credentials) = look(store, named)?;
    let credentials = credentials.ok_or_else(|| anyhow!("{} holds no API key", named.uri))?;
    let wire = config.wire.as_ref().context("the configuration has no [wire]")?;
    let rest = connected::rest_url(wire, origin)?;
    let tls = if rest.starts_with("https://") {
        Some(secrets::client_config(wire.ca_file.as_ref(), "wire.ca_file")?)
    } else {
        None
    };
    let query = AccountQuery {
        rest_url: &rest,
        http: HttpConfig { tls, ..HttpConfig::default() },
        signer: &credentials.signer,
        api_key: &credentials.api_key,
        timeout_ns_max: VENUE_NS_MAX,
    };
    let state = AccountState::fetch(&query, clock)?;
    if !state.can_trade {
        return Err(anyhow!("{rest} takes the key, and its account may not trade"));
    }
    Ok(format!("{rest} takes it: the account may trade ({})", state.permissions.join(", ")))
}

fn core_dumps() -> anyhow::Result<String> {
    secret::harden::forbid_core_dumps()?;
    Ok("no core dumps".to_string())
}

fn to_text(origin: &str, mode: Mode, rows: &[Row]) -> String {
    let mut text = format!("secrets of {origin}, mode {}\n", mode.name());
    for row in rows {
        let word = if row.is_good { "ok  " } else { "FAIL" };
        let key = if row.place.is_empty() {
            row.key.clone()
        } else {
            format!("{} = {}", row.key, row.place)
        };
        let line = [word, "  ", &key, ": ", &row.detail, "\n"];
        text.push_str(&line.concat());
    }
    text
}

fn to_json(mode: Mode, is_good: bool, rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({ "key": row.key, "place": row.place, "ok": row.is_good, "detail": row.detail })
        })
        .collect();
    json!({ "ok": is_good, "mode": mode.name(), "secrets": rows })
}

fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let path = &args.file;
    let mut file = new_private(path).with_context(|| format!("create {}", path.display()))?;
    let secret = match args.kind {
        Kind::Hmac => "secret = \"\"\n",
        Kind::Ed25519 => {
            "private_key = \"\"\"\n-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n\"\"\"\n"
        }
    };
    let text = format!(
        "# An API key. Only the owner may read this file (mode 600); never put it under version control.\n\
         # Permissions at the venue: read and spot trading. No withdrawals. Restrict it to your address.\n\
         api_key = \"\"\n{secret}"
    );
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    println!(
        "{} is written, mode 600: fill it in, then `tickwheel secrets verify`",
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A new file that only its owner can read from its first moment on.
fn new_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn policy(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let (config, origin) = session::read_config(args.config.as_deref(), &args.profile)?;
    let text = policy_of(&named(&config)?);
    if text.is_empty() {
        return Err(anyhow!("{origin}: names no secret of a Vault"));
    }
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The least that an engine needs, in Vault's own language.
fn policy_of(named: &[Named]) -> String {
    let mut paths: Vec<&str> = named
        .iter()
        .filter_map(|named| match &named.uri {
            SecretUri::Vault { path, .. } => Some(path.as_str()),
            SecretUri::File(_) | SecretUri::Env(_) | SecretUri::Systemd(_) => None,
        })
        .collect();
    if paths.is_empty() {
        return String::new();
    }
    paths.sort_unstable();
    paths.dedup();
    let rule =
        |path: &str, word: &str| format!("path \"{path}\" {{\n  capabilities = [\"{word}\"]\n}}\n");
    let mut text: String = paths.iter().map(|path| rule(path, "read")).collect();
    text.push_str(&rule("auth/token/lookup-self", "read"));
    text.push_str(&rule("auth/token/renew-self", "update"));
    text
}

#[cfg(test)]
mod tests;
