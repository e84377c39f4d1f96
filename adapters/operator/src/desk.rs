//! The desk: recognises who asks, checks what he may, makes commands of requests and answers of records.
//!
//! ```text
//!   line -> request -> operator -> role -> reason -> arguments -> [TEXT run + COMMAND] -> core
//!                                                                       number |
//!   reply <- answer, refusal, order, kill progress of that number <- records <-+
//! ```
//! The core answers every command once; what the answer led to stands in the same cascade. So a reply is
//! made when the cascade is over: at the next inbound record, or when none comes for a moment.

mod reply;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::event::{AnswerCode, Event, KillPhase, Kind, Scope};
use engine::stats::Snapshot;
use serde_json::Value;

use crate::command::{Draft, Said, draft};
use crate::peer::Peer;
use crate::protocol::{Arguments, Outcome, Reply, Request, WAIT_MS, check_reason};
use crate::role::Verb;
use crate::roster::{Operator, Roster};
use crate::server::Ticket;
use crate::view::View;

/// Commands that may wait for their answers.
const ASKED_COUNT_MAX: usize = 64;
/// Runs that may wait for room in the inbound ring.
const OUTBOX_COUNT_MAX: usize = 128;
/// Decisions of one command that are kept for its reply. A kill's cascade is longer; its figures come from
/// its own events.
const CASCADE_COUNT_MAX: usize = 64;
/// A cascade without a record for so long is over.
const SETTLE_NS: u64 = 20_000_000;
/// Refusals that are journaled in a window; the rest is counted. A wrong script must not fill the disk.
const REFUSED_COUNT_MAX: u32 = 60;
const REFUSED_WINDOW_NS: u64 = 60_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// What the desk needs from around it.
pub trait Edge {
    /// Publishes a run to the core, all or nothing; false when there is no room now.
    fn publish(&mut self, run: &[Event]) -> bool;
    /// Sends a reply.
    fn reply(&mut self, ticket: Ticket, reply: &Reply);
    /// A reading of the engine's stats.
    fn stats(&mut self) -> Option<Snapshot>;
    /// Puts a line into the engine's error log.
    fn tell(&mut self, text: &str);
}

/// A command that was published and is not over.
#[derive(Debug)]
struct Asked {
    ticket: Option<Ticket>,
    verb: Verb,
    scope: Option<Scope>,
    /// When it was accepted.
    since_ns: u64,
    deadline_ns: u64,
    /// Its answer, and what came with it.
    answer: Option<Event>,
    cascade: Vec<Event>,
    /// When its last record came.
    heard_ns: u64,
    /// The answer was told; the end of the kill is awaited.
    is_killing: bool,
}

/// Recognises, checks, asks the core, answers.
#[derive(Debug)]
pub struct Desk {
    roster: Arc<Roster>,
    /// What the journal tells.
    pub view: View,
    asked: BTreeMap<u64, Asked>,
    outbox: VecDeque<Vec<Event>>,
    last_number: u64,
    /// The command in whose cascade the records are.
    current: Option<u64>,
    refused_count: u32,
    refused_since_ns: u64,
}

/// Who waits for the reply, and to what.
#[derive(Clone, Copy)]
struct Asking<'a> {
    ticket: Ticket,
    peer: Peer,
    request: &'a Request,
}

/// A request that is not let through.
struct No<'a> {
    outcome: Outcome,
    operator: Option<&'a Operator>,
    text: String,
}

impl Desk {
    /// A desk for these operators, with the state of the engine before the session.
    pub fn new(roster: Roster, view: View) -> Desk {
        Desk {
            roster: Arc::new(roster),
            view,
            asked: BTreeMap::new(),
            outbox: VecDeque::new(),
            last_number: 0,
            current: None,
            refused_count: 0,
            refused_since_ns: 0,
        }
    }

    /// Unix time in ns, strictly rising: a command's number is unique in the journal.
    fn number(&mut self, now_ns: u64) -> u64 {
        self.last_number = now_ns.max(self.last_number + 1);
        self.last_number
    }

    /// When something must be looked at though nothing comes; `None` while nobody waits.
    pub fn due_ns(&self) -> Option<u64> {
        let due = |asked: &Asked| match asked.answer {
            Some(_) if !asked.is_killing => asked.heard_ns + SETTLE_NS,
            Some(_) | None => asked.deadline_ns,
        };
        self.asked.values().map(due).min()
    }

    /// Whether a command waits for its answer, or for room in the ring.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty() || !self.outbox.is_empty()
    }

    /// A line of a connection. Any bytes may come.
    pub fn on_line(
        &mut self,
        (ticket, peer): (Ticket, Peer),
        line: &[u8],
        now_ns: u64,
        edge: &mut dyn Edge,
    ) {
        let request = match Request::from_line(line) {
            Ok(request) => request,
            Err(why) => {
                let text = format!("no request: {why}");
                edge.reply(ticket, &Reply::last(Outcome::Invalid, text, Value::Null));
                return;
            }
        };
        let roster = Arc::clone(&self.roster);
        let from = Asking { ticket, peer, request: &request };
        match check(&roster, from) {
            Ok((operator, verb)) if verb.changes() => {
                self.on_command(from, operator, verb, now_ns, edge);
            }
            Ok((_, verb)) => {
                let reply = self.show(verb, &request.arguments, edge);
                edge.reply(ticket, &reply);
            }
            Err(no) => self.refuse(from, &no, now_ns, edge),
        }
    }

    fn on_command(
        &mut self,
        from: Asking<'_>,
        operator: &Operator,
        verb: Verb,
        now_ns: u64,
        edge: &mut dyn Edge,
    ) {
        let Asking { ticket, peer, request } = from;
        let drafted = self.admit(verb, request, operator);
        let draft = match drafted {
            Ok(draft) => draft,
            Err((outcome, text)) => {
                let no = No { outcome, operator: Some(operator), text };
                self.refuse(from, &no, now_ns, edge);
                return;
            }
        };
        let number = self.number(now_ns);
        let said = Said {
            number,
            operator: Some(operator),
            uid: peer.uid,
            verb: verb.name(),
            reason: &request.reason,
            arguments: &request.arguments,
            refused: None,
        };
        let Some(mut run) = said.to_events() else {
            let text = "reason and arguments are too long for a record";
            edge.reply(ticket, &Reply::last(Outcome::Invalid, text, Value::Null));
            return;
        };
        run.push(Event { source: operator.number, id: number, ..draft.event });
        for event in &mut run {
            event.time_ns = now_ns;
        }
        // The kill overtakes what waits for room.
        if verb == Verb::Kill {
            self.outbox.push_front(run);
        } else {
            self.outbox.push_back(run);
        }
        let asked = Asked {
            ticket: Some(ticket),
            verb,
            scope: draft.scope,
            since_ns: now_ns,
            deadline_ns: now_ns + request.wait_ms.unwrap_or(WAIT_MS) * NS_PER_MS,
            answer: None,
            cascade: Vec::new(),
            heard_ns: now_ns,
            is_killing: false,
        };
        self.asked.insert(number, asked);
        self.flush(edge);
    }

    /// Whether a command can be taken now, and what it is.
    fn admit(
        &self,
        verb: Verb,
        request: &Request,
        operator: &Operator,
    ) -> Result<Draft, (Outcome, String)> {
        check_reason(&request.reason).map_err(|why| (Outcome::Invalid, why))?;
        if self.view.is_ended {
            return Err((Outcome::Refused, "the session has ended".to_string()));
        }
        let is_full = ASKED_COUNT_MAX <= self.asked.len() || OUTBOX_COUNT_MAX <= self.outbox.len();
        // There is always room for a kill: at worst nobody waits for its answer.
        if is_full && verb != Verb::Kill {
            return Err((Outcome::Refused, "too many commands wait for the engine".to_string()));
        }
        if verb == Verb::Confirm {
            self.may_confirm(&request.arguments, operator)?;
        }
        draft(verb, &request.arguments, &self.view).map_err(|why| (Outcome::Invalid, why))
    }

    /// A confirmation needs the role of what it confirms. Whether it is another person the core says.
    fn may_confirm(
        &self,
        arguments: &Arguments,
        operator: &Operator,
    ) -> Result<(), (Outcome, String)> {
        let waiting = arguments.command.and_then(|number| self.view.waiting.get(&number));
        let verb = waiting.and_then(|given| Verb::from_name(&given.verb));
        match verb {
            Some(verb) if operator.role < verb.role() => {
                Err((Outcome::NotPermitted, too_low(operator, verb)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says no, and journals who was refused what.
    fn refuse(&mut self, from: Asking<'_>, no: &No<'_>, now_ns: u64, edge: &mut dyn Edge) {
        let Asking { ticket, peer, request } = from;
        edge.reply(ticket, &Reply::last(no.outcome, no.text.clone(), Value::Null));
        let looks_only = Verb::from_name(&request.verb).is_some_and(|verb| !verb.changes());
        if self.view.is_ended || (looks_only && no.outcome != Outcome::NotPermitted) {
            return;
        }
        if now_ns - self.refused_since_ns.min(now_ns) > REFUSED_WINDOW_NS {
            (self.refused_since_ns, self.refused_count) = (now_ns, 0);
        }
        self.refused_count = self.refused_count.saturating_add(1);
        if REFUSED_COUNT_MAX < self.refused_count || OUTBOX_COUNT_MAX <= self.outbox.len() {
            if self.refused_count == REFUSED_COUNT_MAX + 1 {
                edge.tell("too many refused requests in a minute: no more of them are journaled");
            }
            return;
        }
        let said = Said {
            number: self.number(now_ns),
            operator: no.operator,
            uid: peer.uid,
            verb: short(&request.verb),
            reason: short(&request.reason),
            arguments: &Arguments::default(),
            refused: Some(short(&no.text)),
        };
        if let Some(mut run) = said.to_events() {
            for event in &mut run {
                event.time_ns = now_ns;
            }
            self.outbox.push_back(run);
            self.flush(edge);
        }
    }

    /// Publishes what waits for room.
    pub fn flush(&mut self, edge: &mut dyn Edge) {
        while let Some(run) = self.outbox.front() {
            if !edge.publish(run) {
                return;
            }
            self.outbox.pop_front();
        }
    }

    /// The next record of the journal.
    pub fn on_record(&mut self, event: &Event, now_ns: u64, edge: &mut dyn Edge) {
        self.view.apply(event);
        if event.kind.is_inbound() {
            if let Some(number) = self.current.take() {
                self.settle(number, now_ns, edge);
            }
            if event.kind == Kind::COMMAND && self.asked.contains_key(&event.id) {
                self.current = Some(event.id);
            }
            return;
        }
        if let Some(asked) = self.current.and_then(|number| self.asked.get_mut(&number))
            && asked.cascade.len() < CASCADE_COUNT_MAX
        {
            asked.heard_ns = now_ns;
            asked.cascade.push(*event);
        }
        if event.kind == Kind::ANSWER
            && let Some(asked) = self.asked.get_mut(&event.id)
        {
            asked.answer = Some(*event);
            asked.heard_ns = now_ns;
        }
        if event.kind == Kind::KILL {
            self.on_kill(event, now_ns, edge);
        }
    }

    /// Tells how far a kill is to those who wait for it; its end ends their wait.
    fn on_kill(&mut self, event: &Event, now_ns: u64, edge: &mut dyn Edge) {
        let is_over =
            matches!(KillPhase::from_code(event.code), Some(KillPhase::Done | KillPhase::Late));
        let scope = Scope::from_tag(event.tag);
        let numbers: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, it)| it.is_killing && it.scope == scope)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            if is_over {
                self.end_kill(number, now_ns, edge);
            } else if let Some(ticket) = self.asked.get(&number).and_then(|it| it.ticket) {
                let data = self.view.kill_report_json(scope.unwrap_or(Scope::All), None);
                edge.reply(ticket, &reply::progress(number, event, data));
            }
        }
    }

    fn end_kill(&mut self, number: u64, now_ns: u64, edge: &mut dyn Edge) {
        let Some(asked) = self.asked.remove(&number) else { return };
        let Some(ticket) = asked.ticket else { return };
        let scope = asked.scope.unwrap_or(Scope::All);
        let took_ns = now_ns.saturating_sub(asked.since_ns);
        let stats = edge.stats();
        let picture = (&self.view, stats.as_ref());
        edge.reply(ticket, &reply::kill_end((number, asked.verb, scope), took_ns, picture));
    }

    /// The cascade of a command is over: replies, if it was answered.
    fn settle(&mut self, number: u64, now_ns: u64, edge: &mut dyn Edge) {
        let Some(asked) = self.asked.get_mut(&number) else { return };
        let Some(answer) = asked.answer else { return };
        asked.heard_ns = now_ns;
        let code = u16::try_from(answer.price).ok().and_then(AnswerCode::from_code);
        let is_kill = matches!(asked.verb, Verb::Kill | Verb::Flatten);
        if is_kill && code == Some(AnswerCode::Done) {
            asked.is_killing = true;
            let (scope, since_ns) = (asked.scope.unwrap_or(Scope::All), asked.since_ns);
            if reply::kill_is_over(scope, since_ns, &self.view) {
                self.end_kill(number, now_ns, edge);
            }
            return;
        }
        let Some(asked) = self.asked.remove(&number) else { return };
        let Some(ticket) = asked.ticket else { return };
        let told = reply::Told { number, verb: asked.verb, scope: asked.scope, answer };
        let stats = edge.stats();
        let picture = (&self.view, stats.as_ref());
        edge.reply(ticket, &reply::answered(&told, &asked.cascade, picture));
    }

    /// Time has passed: cascades that are over, waits that are.
    pub fn on_time(&mut self, now_ns: u64, edge: &mut dyn Edge) {
        self.flush(edge);
        let settled: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, it)| it.answer.is_some() && !it.is_killing)
            .filter(|(_, it)| it.heard_ns + SETTLE_NS <= now_ns)
            .map(|(number, _)| *number)
            .collect();
        for number in settled {
            self.settle(number, now_ns, edge);
        }
        let over: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, it)| it.deadline_ns <= now_ns)
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            self.give_up(number, edge);
        }
    }

    /// Nobody waits any longer; the engine goes on with it.
    fn give_up(&mut self, number: u64, edge: &mut dyn Edge) {
        let Some(asked) = self.asked.remove(&number) else { return };
        let Some(ticket) = asked.ticket else { return };
        let reply = if asked.is_killing {
            let scope = asked.scope.unwrap_or(Scope::All);
            let stats = edge.stats();
            reply::kill_late((number, asked.verb, scope), (&self.view, stats.as_ref()))
        } else {
            reply::unanswered(number, asked.verb)
        };
        edge.reply(ticket, &reply);
    }

    /// A connection is over: what it asked for is done all the same.
    pub fn forget(&mut self, ticket: Ticket) {
        for asked in self.asked.values_mut() {
            if asked.ticket == Some(ticket) {
                asked.ticket = None;
            }
        }
    }

    /// The session is over: everybody who waits is told.
    pub fn end(&mut self, edge: &mut dyn Edge) {
        let numbers: Vec<u64> = self.asked.keys().copied().collect();
        for number in numbers {
            self.give_up(number, edge);
        }
    }

    fn show(&self, verb: Verb, arguments: &Arguments, edge: &mut dyn Edge) -> Reply {
        let stats = edge.stats();
        let stats = stats.as_ref();
        #[expect(clippy::wildcard_enum_match_arm, reason = "commands do not come here")]
        match verb {
            Verb::Appraise => match reply::appraise(arguments, &self.view, stats) {
                Ok(data) => Reply::last(Outcome::Done, "appraisal", data),
                Err(why) => Reply::last(Outcome::Invalid, why, Value::Null),
            },
            Verb::Flags => Reply::last(Outcome::Done, "flags", self.view.flags_json()),
            Verb::LimitsShow => Reply::last(Outcome::Done, "limits", self.view.limits_json(stats)),
            _ => Reply::last(Outcome::Done, "status", self.view.status_json(stats)),
        }
    }
}

/// Who asks, and whether he may.
fn check<'a>(roster: &'a Roster, from: Asking<'_>) -> Result<(&'a Operator, Verb), No<'a>> {
    let Asking { peer, request, .. } = from;
    let found = roster.recognise(peer, request.operator.as_deref(), request.key.as_ref());
    let operator = found.map_err(|unknown| No {
        outcome: Outcome::NotPermitted,
        operator: None,
        text: unknown.to_string(),
    })?;
    let no = |outcome, text| No { outcome, operator: Some(operator), text };
    let verb = Verb::from_name(&request.verb).ok_or_else(|| {
        no(Outcome::Invalid, format!("there is no verb {}", short(&request.verb)))
    })?;
    if operator.role < verb.role() {
        return Err(no(Outcome::NotPermitted, too_low(operator, verb)));
    }
    Ok((operator, verb))
}

fn too_low(operator: &Operator, verb: Verb) -> String {
    format!(
        "{} has the role {}; {} needs {}",
        operator.name,
        operator.role.name(),
        verb.name(),
        verb.role().name()
    )
}

/// Not more of a foreign text than a record should hold.
fn short(text: &str) -> &str {
    let end = (0..=text.len().min(120)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
