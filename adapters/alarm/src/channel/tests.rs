//! Tests of channels: queue, order, bounds, restarts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::console::Console;
use super::testing::{notices, wait_until};
use super::*;
use crate::notice::What;

const LONG_NS: u64 = 30_000 * MS_NS;

/// A courier that does as it is told and remembers what it brought.
#[derive(Clone, Debug, Default)]
struct Puppet {
    brought: Arc<Mutex<Vec<Vec<u64>>>>,
    tries: Arc<AtomicUsize>,
    /// Fails so often with this, then works.
    fails: Arc<Mutex<VecDeque<DeliveryError>>>,
    /// Does not come back while this is set.
    hangs: Arc<AtomicBool>,
}

impl Puppet {
    fn failing(errors: &[DeliveryError]) -> Puppet {
        let fails = Arc::new(Mutex::new(errors.iter().copied().collect()));
        Puppet { fails, ..Puppet::default() }
    }

    fn brought(&self) -> Vec<u64> {
        self.brought.lock().unwrap().concat()
    }
}

impl Courier for Puppet {
    fn deliver(&mut self, message: &Message<'_>, _: &Clock) -> Result<(), DeliveryError> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        while self.hangs.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if let Some(error) = self.fails.lock().unwrap().pop_front() {
            return Err(error);
        }
        let numbers = message.notices.iter().map(|notice| notice.notice).collect();
        self.brought.lock().unwrap().push(numbers);
        Ok(())
    }
}

/// Habits without waits.
fn quick() -> ChannelSettings {
    ChannelSettings {
        name: "test".to_string(),
        gather_ns: MS_NS,
        pause_ns: 0,
        backoff_ns_min: MS_NS,
        backoff_ns_max: 2 * MS_NS,
        ..ChannelSettings::default()
    }
}

fn start(dir: &Path, settings: ChannelSettings, puppet: &Puppet, backlog: &[Notice]) -> Channel {
    let parts = Parts { settings, courier: Box::new(puppet.clone()) };
    Channel::start(parts, 3, (dir, "paper"), backlog, &Clock::new()).unwrap()
}

fn push_all(channel: &Channel, notices: &[Notice]) {
    for notice in notices {
        channel.push(notice);
    }
}

#[test]
fn what_fails_is_tried_again_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let errors = [DeliveryError::Unreachable, DeliveryError::Silent, DeliveryError::Protocol];
    let puppet = Puppet::failing(&errors);
    let channel = start(dir.path(), quick(), &puppet, &[]);
    push_all(&channel, &notices(Code::LinkDown, 0, 3));
    wait_until("all are brought", || puppet.brought().len() == 3);
    assert_eq!(puppet.brought(), [1, 2, 3]);
    wait_until("it is well again", || channel.health().failed_in_row == 0);
    assert_eq!(channel.health().lost_count, 0);
    channel.stop();
    assert!(channel.wait(LONG_NS, &Clock::new()));
}

#[test]
fn what_is_refused_is_given_up_and_the_next_is_brought() {
    let dir = tempfile::tempdir().unwrap();
    let puppet = Puppet::failing(&[DeliveryError::Refused { status: 400 }; 3]);
    let channel = start(dir.path(), quick(), &puppet, &[]);
    push_all(&channel, &notices(Code::LinkDown, 0, 1));
    wait_until("it is given up", || channel.health().lost_count == 1);
    push_all(&channel, &notices(Code::LinkDown, 1, 1));
    wait_until("the next is brought", || puppet.brought() == [2]);
}

#[test]
fn a_courier_that_hangs_holds_up_nobody_and_the_queue_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let puppet = Puppet::default();
    puppet.hangs.store(true, Ordering::SeqCst);
    let settings = ChannelSettings { queue_count_max: 10, batch_count_max: 5, ..quick() };
    let channel = start(dir.path(), settings, &puppet, &[]);
    let page = notices(Code::KillUsed, 0, 1);
    push_all(&channel, &page);
    wait_until("it hangs", || 0 < puppet.tries.load(Ordering::SeqCst));
    // A thousand more: none of these calls waits for the courier.
    for round in 0..10 {
        push_all(&channel, &notices(Code::FillsLate, 1 + round * 100, 100));
    }
    assert_eq!(channel.waiting_count(), 10);
    assert_eq!(channel.health().lost_count, 991);
    puppet.hangs.store(false, Ordering::SeqCst);
    wait_until("the rest is brought", || channel.waiting_count() == 0);
    let expected: Vec<u64> = [1].into_iter().chain(993..=1001).collect();
    assert_eq!(puppet.brought(), expected, "the page and the newest");
    assert!(puppet.brought.lock().unwrap().iter().all(|batch| batch.len() <= 5));
}

#[test]
fn what_comes_together_is_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let puppet = Puppet::default();
    let settings = ChannelSettings { gather_ns: 2_000 * MS_NS, ..quick() };
    let channel = start(dir.path(), settings, &puppet, &[]);
    push_all(&channel, &notices(Code::LinkDown, 0, 20));
    wait_until("it is brought", || puppet.brought().len() == 20);
    assert_eq!(puppet.brought.lock().unwrap().len(), 1);
}

#[test]
fn what_was_not_delivered_is_delivered_by_the_next_engine() {
    let dir = tempfile::tempdir().unwrap();
    let all = notices(Code::LinkDown, 0, 6);
    let puppet = Puppet::default();
    let channel =
        start(dir.path(), ChannelSettings { batch_count_max: 2, ..quick() }, &puppet, &[]);
    push_all(&channel, &all[..2]);
    wait_until("two are brought", || channel.waiting_count() == 0);
    *puppet.fails.lock().unwrap() = [DeliveryError::Unreachable; 50].into();
    push_all(&channel, &all[2..4]);
    channel.stop();
    assert!(channel.wait(LONG_NS, &Clock::new()));
    assert_eq!(puppet.brought(), [1, 2]);
    // The next engine has them in its history, and two more.
    let puppet = Puppet::default();
    let channel = start(dir.path(), quick(), &puppet, &all);
    wait_until("the rest is brought", || puppet.brought().len() == 4);
    assert_eq!(puppet.brought(), [3, 4, 5, 6]);
    channel.stop();
    assert!(channel.wait(LONG_NS, &Clock::new()));
    // Nothing comes twice.
    let puppet = Puppet::default();
    let channel = start(dir.path(), quick(), &puppet, &all);
    channel.stop();
    assert!(channel.wait(LONG_NS, &Clock::new()));
    assert_eq!(puppet.brought(), Vec::<u64>::new());
}

#[test]
fn a_channel_that_is_new_does_not_tell_old_stories() {
    let dir = tempfile::tempdir().unwrap();
    let puppet = Puppet::default();
    let channel = start(dir.path(), quick(), &puppet, &notices(Code::KillUsed, 0, 5));
    channel.stop();
    assert!(channel.wait(LONG_NS, &Clock::new()));
    assert_eq!(puppet.brought(), Vec::<u64>::new());
}

#[test]
fn a_channel_takes_what_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let puppet = Puppet::default();
    puppet.hangs.store(true, Ordering::SeqCst);
    let settings = ChannelSettings { severity_min: Severity::Page, ..quick() };
    let channel = start(dir.path(), settings, &puppet, &[]);
    let check = |notice: &Notice, is_taken: bool| {
        let before = channel.waiting_count();
        channel.push(notice);
        assert_eq!(channel.waiting_count() - before, usize::from(is_taken), "{notice:?}");
    };
    let page = &notices(Code::KillUsed, 0, 1)[0];
    check(&notices(Code::FillsLate, 0, 1)[0], false);
    check(&notices(Code::LinkDown, 0, 1)[0], false);
    check(page, true);
    check(&Notice { silenced: true, ..page.clone() }, false);
    let escalated = Notice {
        what: What::Escalated,
        severity: Severity::Page,
        ..notices(Code::LinkDown, 0, 1)[0].clone()
    };
    check(&escalated, true);
    // That it fails is for the others to tell.
    let failing = Notice { code: Code::ChannelFailing, ..page.clone() };
    check(&Notice { subject: Subject::Channel(3), ..failing.clone() }, false);
    check(&Notice { subject: Subject::Channel(2), ..failing }, true);
    puppet.hangs.store(false, Ordering::SeqCst);
}

#[test]
fn the_console_has_a_line_a_notice() {
    let mut out = Vec::new();
    let all = notices(Code::LinkDown, 0, 2);
    let message = Message { instance: "paper", notices: &all };
    Console::new(&mut out).deliver(&message, &Clock::new()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("[CRITICAL] alarm 1 link-down (venue 0): "), "{text}");
    assert!(text.contains("-> docs/runbooks/venue-restart.md\n"), "{text}");
}
