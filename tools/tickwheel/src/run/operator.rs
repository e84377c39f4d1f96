//! The operator thread: socket, desk and journal tail on one loop.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use config::Config;
use config::operator::OperatorSection;
use engine::border::InboundProducer;
use engine::clock::Clock;
use engine::event::{Event, Mode};
use engine::stats::{CounterId, Snapshot, StatsHandle, StatsReader};
use journal::Tail;
use operator::server::{Heard, Ticket, wait_until};
use operator::socket::Socket;
use operator::{
    Desk, Edge, KernelCredentials, Operator, Peer, Reply, Role, Roster, Server, View, peer, roster,
};

use super::beside::{Context, Job, Life, Loss};

/// Name of the socket in a data directory.
pub(crate) const SOCKET_NAME: &str = "control.sock";
/// Longest wait for the sockets while nobody waits for the core.
const WAIT_MS_MAX: u32 = 20;
/// Wait while somebody does: the journal is looked at again so soon.
const ASKED_WAIT_MS: u32 = 1;
/// Batches of the journal between two looks at the sockets: a storm of records must not keep an operator
/// waiting.
const BATCH_COUNT_MAX: usize = 16;
/// Kind of the desk's words in the error log of the stats file.
const ERROR_OPERATOR: u32 = 5;

/// Where the socket of an engine is.
pub(crate) fn socket_path(config: &Config, data_dir: &Path) -> PathBuf {
    config.socket_in_force().path.map_or_else(|| data_dir.join(SOCKET_NAME), PathBuf::from)
}

/// The thread, unless the configuration says that there is none.
pub(crate) fn job(context: &Context<'_>) -> anyhow::Result<Option<Job>> {
    let section = context.config.socket_in_force();
    if !section.enabled {
        return Ok(None);
    }
    let roster = roster_of(context.config, context.mode)?;
    let limits = context.config.pipeline("configuration")?.limits;
    let ceilings = context.config.risk.ceilings.as_deref();
    let view = View::of(context.pipeline, limits).under(ceilings);
    let path = socket_path(context.config, context.data_dir);
    link(&path, &context.data_dir.join(SOCKET_NAME))?;
    let socket = Socket::bind(&path, section.permissions())?;
    let thread = Thread {
        server: Server::new(socket, KernelCredentials),
        desk: Desk::new(roster, view),
        hands: Hands {
            producer: context.producer.another(),
            clock: context.clock.clone(),
            stats: context.stats.clone(),
            reader: StatsReader::open(context.stats_path).context("read the own stats file")?,
            replies: Vec::new(),
        },
        journal_dir: context.journal_dir.to_path_buf(),
        first_sequence: context.first_sequence,
    };
    let body = Box::new(move |life: &Life| thread.run(life));
    Ok(Some(Job { name: "operator", loss: Loss::GoesOn, body }))
}

/// Makes a link to a socket that is elsewhere, so that the data directory still leads to it. What an engine before left
/// there goes.
fn link(path: &Path, link: &Path) -> anyhow::Result<()> {
    let is_link = std::fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink());
    if is_link {
        std::fs::remove_file(link).with_context(|| format!("remove {}", link.display()))?;
    }
    if path == link {
        return Ok(());
    }
    if std::fs::symlink_metadata(link).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(link).with_context(|| format!("remove {}", link.display()))?;
    }
    std::os::unix::fs::symlink(path, link)
        .with_context(|| format!("link {} to {}", link.display(), path.display()))
}

/// The socket that a data directory leads to.
pub(crate) fn find_socket(data_dir: &Path) -> PathBuf {
    let place = data_dir.join(SOCKET_NAME);
    std::fs::read_link(&place).unwrap_or(place)
}

/// The operators of a configuration.
pub(crate) fn roster_of(config: &Config, mode: Mode) -> anyhow::Result<Roster> {
    if config.operator.is_empty() {
        if mode == Mode::Live {
            return Err(anyhow!(
                "engine.mode = \"live\" needs operators: configure [[operator]] (docs/OPERATING.md)"
            ));
        }
        return Ok(Roster::local(peer::own_uid()));
    }
    let operators = (1..).zip(&config.operator).map(|(number, section)| operator(number, section));
    let operators: Option<Vec<Operator>> = operators.collect();
    operators.and_then(Roster::new).context("operators that the configuration has accepted")
}

fn operator(number: u16, section: &OperatorSection) -> Option<Operator> {
    let key_hash = match &section.key_hash {
        Some(text) => Some(roster::parse_hash(text)?),
        None => None,
    };
    let (name, role) = (section.name.clone(), Role::from_name(&section.role)?);
    Some(Operator { number, name, role, uid: section.uid, key_hash })
}

struct Thread {
    server: Server<KernelCredentials>,
    desk: Desk,
    hands: Hands,
    journal_dir: PathBuf,
    first_sequence: u64,
}

/// What the desk reaches with.
struct Hands {
    producer: InboundProducer,
    clock: Clock,
    stats: StatsHandle,
    reader: StatsReader,
    replies: Vec<(Ticket, Reply)>,
}

impl Edge for Hands {
    fn publish(&mut self, run: &[Event]) -> bool {
        let is_published = self.producer.publish_run(run).is_ok();
        if is_published {
            let count = u64::try_from(run.len()).unwrap_or(u64::MAX);
            self.stats.add(CounterId::InboundPublished, count);
        }
        is_published
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply) {
        self.replies.push((ticket, reply.clone()));
    }

    fn stats(&mut self) -> Option<Snapshot> {
        self.reader.snapshot().ok()
    }

    fn tell(&mut self, text: &str) {
        self.stats.error(ERROR_OPERATOR, self.clock.now_ns(), format_args!("operator: {text}"));
    }
}

impl Thread {
    fn run(mut self, life: &Life) -> anyhow::Result<()> {
        let mut tail = Tail::open(&self.journal_dir, self.first_sequence)?;
        while life.goes_on() {
            let is_behind = self.follow(&mut tail)?;
            self.serve(is_behind);
        }
        // The session's last records are there: whoever waits gets what they say.
        while self.follow(&mut tail)? {}
        self.desk.end(&mut self.hands);
        self.send();
        self.server.turn(0, &self.hands.clock, &mut |_| {});
        Ok(())
    }

    /// What is new in the journal; whether there may be more.
    fn follow(&mut self, tail: &mut Tail) -> anyhow::Result<bool> {
        for _ in 0..BATCH_COUNT_MAX {
            let records = tail.poll()?;
            if records.is_empty() {
                return Ok(false);
            }
            let now_ns = self.hands.clock.now_ns();
            for record in records {
                let event: &Event = bytemuck::cast_ref(record);
                self.desk.on_record(event, now_ns, &mut self.hands);
            }
        }
        Ok(true)
    }

    fn serve(&mut self, is_behind: bool) {
        self.send();
        let now_ns = self.hands.clock.now_ns();
        let wait_ms_max = match (is_behind, self.desk.is_waiting()) {
            (true, _) => 0,
            (false, true) => ASKED_WAIT_MS,
            (false, false) => WAIT_MS_MAX,
        };
        let wait_ms = wait_until(self.desk.due_ns(), now_ns, wait_ms_max);
        let mut lines: Vec<(Ticket, Peer, Vec<u8>)> = Vec::new();
        let mut gone: Vec<Ticket> = Vec::new();
        self.server.turn(wait_ms, &self.hands.clock, &mut |heard| match heard {
            Heard::Line { ticket, peer, line } => lines.push((ticket, peer, line.to_vec())),
            Heard::Gone { ticket } => gone.push(ticket),
        });
        let now_ns = self.hands.clock.now_ns();
        for (ticket, peer, line) in lines {
            self.desk.on_line((ticket, peer), &line, now_ns, &mut self.hands);
        }
        for ticket in gone {
            self.desk.forget(ticket);
        }
        self.desk.on_time(now_ns, &mut self.hands);
        self.send();
    }

    fn send(&mut self) {
        let now_ns = self.hands.clock.now_ns();
        for (ticket, reply) in self.hands.replies.drain(..) {
            self.server.send(ticket, &reply, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_elsewhere_is_found_from_the_data_directory() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, path) = (dir.path().join(SOCKET_NAME), elsewhere.path().join("s"));
        assert_eq!(find_socket(dir.path()), place);
        // A socket of an engine before, which was at the default place and was killed.
        drop(std::os::unix::net::UnixListener::bind(&place).unwrap());
        for _ in 0..2 {
            link(&path, &place).unwrap();
            assert_eq!(find_socket(dir.path()), path);
        }
        link(&place, &place).unwrap();
        assert_eq!(find_socket(dir.path()), place, "back at the default place, the link is gone");
        std::fs::write(&place, "precious").unwrap();
        assert!(link(&path, &place).is_err(), "a file that is neither stays");
    }

    #[test]
    fn live_needs_operators_and_paper_has_the_local_one() {
        let text = config::profile("generated").unwrap();
        let config = Config::parse(text, "generated").unwrap();
        let error = roster_of(&config, Mode::Live).unwrap_err().to_string();
        assert!(error.contains("[[operator]]"), "{error}");
        for mode in [Mode::Paper, Mode::DryRun] {
            let roster = roster_of(&config, mode).unwrap();
            let names: Vec<&str> = roster.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["local"], "{}", mode.name());
        }
        let more = "[[operator]]\nname = \"ann\"\nrole = \"risk\"\nuid = 5\n";
        let config = Config::parse(&format!("{text}\n{more}"), "test").unwrap();
        let roster = roster_of(&config, Mode::Live).unwrap();
        let ann = roster.get(1).unwrap();
        assert_eq!((ann.name.as_str(), ann.role, ann.uid), ("ann", Role::Risk, Some(5)));
        assert_eq!(roster.iter().count(), 1, "no local operator beside configured ones");
    }
}
