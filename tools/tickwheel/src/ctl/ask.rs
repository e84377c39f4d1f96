//! Asking an engine: the connection, who asks, the request, what is printed of the reply.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::clock::Clock;
use engine::stats::StatsReader;
use operator::protocol::{Key, check_reason};
use operator::{Arguments, Client, ClientError, Outcome, Reply, Request, Verb};
use serde_json::{Value, json};

use super::{Common, NOT_PERMITTED, code_of, confirm, key, offline, show};
use crate::run::operator::find_socket;
use crate::session::Coded;
use crate::{exit, stat};

const NS_PER_MS: u64 = 1_000_000;
/// How long a kill or a flatten is awaited: orders must be cancelled and positions closed by the market.
const KILL_WAIT_MS: u64 = 60_000;

/// A command to be given.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) verb: Verb,
    pub(super) arguments: Arguments,
}

/// Where the engine keeps its files.
pub(super) fn data_dir(common: &Common) -> PathBuf {
    common.data_dir.clone().unwrap_or_else(stat::default_data_dir)
}

fn connect(common: &Common) -> Result<Client, ClientError> {
    Client::connect(&find_socket(&data_dir(common)))
}

/// What to do about an engine that nobody can ask.
fn unreachable(common: &Common, error: ClientError) -> anyhow::Error {
    if matches!(error, ClientError::Forbidden { .. }) {
        return Coded::new(NOT_PERMITTED, error.to_string()).into();
    }
    let dir = data_dir(common);
    let state = liveness(&dir);
    let text = format!("{}{state}", crate::chain(&anyhow::Error::new(error)));
    Coded::new(exit::USAGE, text).into()
}

/// What the stats file says about the engine, for the end of a message.
fn liveness(dir: &Path) -> String {
    let Ok(snapshot) = StatsReader::open(dir).and_then(|reader| reader.snapshot()) else {
        return format!("; {} holds no engine's stats file", dir.display());
    };
    let now_ns = Clock::new().now_ns();
    let liveness = snapshot.liveness(snapshot.engine.process.exists(), now_ns);
    format!(
        "; the engine is {} (an engine that is there and does not answer: tickwheel ctl kill --flag)",
        liveness.name()
    )
}

/// The request, with who asks and why.
fn request(common: &Common, asking: &Asking) -> anyhow::Result<Request> {
    let mut request = Request::new(asking.verb, asking.arguments.clone());
    request.operator.clone_from(&common.operator);
    if let Some(file) = &common.key_file {
        request.key = Some(Key(key::read(file)?));
    }
    request.reason = common.reason.clone().unwrap_or_default();
    let wait_ms = common.wait.map(|ns| ns / NS_PER_MS);
    let is_long = matches!(asking.verb, Verb::Kill | Verb::Flatten);
    request.wait_ms = wait_ms.or(is_long.then_some(KILL_WAIT_MS));
    Ok(request)
}

/// Gives a command and tells what became of it.
pub(super) fn command(common: &Common, asking: &Asking) -> anyhow::Result<ExitCode> {
    let mut request = request(common, asking)?;
    if asking.verb == Verb::Alive && request.reason.is_empty() {
        request.reason = "alive".to_string();
    }
    check_reason(&request.reason).map_err(|why| Coded::new(exit::USAGE, why))?;
    let mut client = connect(common).map_err(|error| unreachable(common, error))?;
    if confirm::is_needed(asking.verb) && !common.yes {
        confirm::require_terminal(asking.verb)?;
        let picture = picture(&mut client, common, asking)?;
        if !confirm::ask(asking, &picture)? {
            return Err(Coded::new(exit::NO, "nothing was done").into());
        }
    }
    let reply = client.ask(&request, &mut |reply| {
        if !common.json {
            println!("{}", reply.text);
        }
    })?;
    print(common, &reply, |_| String::new());
    Ok(ExitCode::from(code_of(reply.outcome)))
}

/// What a person must see before he says yes: the state, and what an order is worth.
fn picture(client: &mut Client, common: &Common, asking: &Asking) -> anyhow::Result<Value> {
    let (verb, arguments) = if asking.verb == Verb::Order {
        (Verb::Appraise, asking.arguments.clone())
    } else if asking.verb == Verb::LimitsSet {
        (Verb::LimitsShow, Arguments::default())
    } else {
        (Verb::Status, Arguments::default())
    };
    let reply = client.ask(&request(common, &Asking { verb, arguments })?, &mut |_| {})?;
    if reply.outcome != Outcome::Done {
        return Err(Coded::new(code_of(reply.outcome), reply.text).into());
    }
    Ok(reply.data)
}

/// Asks for something to be shown.
pub(super) fn show(
    common: &Common,
    verb: Verb,
    words: fn(&Value) -> String,
) -> anyhow::Result<ExitCode> {
    let mut client = connect(common).map_err(|error| unreachable(common, error))?;
    let asking = Asking { verb, arguments: Arguments::default() };
    let mut reply = client.ask(&request(common, &asking)?, &mut |_| {})?;
    if verb == Verb::Flags && reply.outcome == Outcome::Done {
        reply.data["alarms"] = offline::alarms(&data_dir(common));
    }
    print(common, &reply, words);
    Ok(ExitCode::from(code_of(reply.outcome)))
}

/// The state of a running engine, or what a dead one left.
pub(super) fn status(common: &Common) -> anyhow::Result<ExitCode> {
    let dir = data_dir(common);
    let asked = connect(common).and_then(|mut client| {
        let asking = Asking { verb: Verb::Status, arguments: Arguments::default() };
        let request = request(common, &asking)
            .map_err(|error| ClientError::Foreign { why: crate::chain(&error) })?;
        client.ask(&request, &mut |_| {})
    });
    let mut reply = match asked {
        Ok(reply) => reply,
        Err(ClientError::Unreachable { path, source }) => {
            let error = ClientError::Unreachable { path, source };
            let data = offline::status(&dir).map_err(|why| {
                Coded::new(exit::USAGE, format!("{error}; {}", crate::chain(&why)))
            })?;
            Reply::last(Outcome::Refused, error.to_string(), data)
        }
        Err(error) => return Err(unreachable(common, error)),
    };
    if !reply.data.is_null() {
        offline::add_liveness(&mut reply.data, &dir);
    }
    let code = code_of(reply.outcome);
    if !reply.data.is_null() {
        // That no engine answers is told by the picture itself.
        reply.outcome = if code == exit::NO { Outcome::Done } else { reply.outcome };
        reply.data["answered"] = json!(code == exit::GOOD);
    }
    print(common, &reply, show::status);
    Ok(ExitCode::from(code))
}

fn print(common: &Common, reply: &Reply, words: fn(&Value) -> String) {
    if common.json {
        let mut object = if reply.data.is_object() { reply.data.clone() } else { json!({}) };
        object["outcome"] = json!(reply.outcome);
        object["text"] = json!(reply.text);
        if let Some(command) = reply.command {
            object["command"] = json!(command);
        }
        println!("{object:#}");
        return;
    }
    let text = if reply.outcome == Outcome::Done && !reply.data.is_null() {
        words(&reply.data)
    } else {
        String::new()
    };
    if !text.is_empty() {
        print!("{text}");
    } else if matches!(reply.outcome, Outcome::Done | Outcome::NeedsConfirm) {
        println!("{}", reply.text);
    } else {
        eprintln!("tickwheel ctl: {}", reply.text);
    }
}
