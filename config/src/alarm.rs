//! `[alarms]`: when a person is told, and how.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::schema::Config;
use crate::validate::{conflict, range};

/// Most channels of a kind. Arbitrary.
const CHANNEL_COUNT_MAX: usize = 16;

/// `[alarms]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmsSection {
    /// A line on standard error for each alarm.
    pub console: bool,
    /// Mildest alarm of the console: `warning`, `critical` or `page`.
    pub console_severity_min: String,
    /// A critical alarm that nobody acknowledged for so long becomes a page, s.
    pub escalate_s: u32,
    /// A critical alarm or a page that nobody acknowledged is told again after so long, s.
    pub repeat_s: u32,
    /// At most so often.
    pub repeat_count_max: u32,
    /// How long a condition must stay clear until its alarm is over, s.
    pub cool_down_s: u32,
    /// How long what happened must not happen again until its alarm is over, s.
    pub quiet_s: u32,
    /// Most alarms at once.
    pub alarm_count_max: u32,
    /// Refusals of one strategy within ten seconds.
    pub refused_count_max: u32,
    /// Rejects by the venue of one strategy's orders within a minute.
    pub reject_count_max: u32,
    /// How long an order may be unknown, s.
    pub order_unknown_s: u32,
    /// How long an order may work without a word, s.
    pub order_stale_s: u32,
    /// How long a venue may be locked, s.
    pub locked_s: u32,
    /// How long a book, a link or a connection may be bad before that is told, ms.
    pub down_ms: u32,
    /// The same at the start of a session, ms.
    pub start_ms: u32,
    /// Records of the journal that may not be on the disk yet.
    pub unsynced_max: u64,
    /// Free space of the journal's file system, MiB.
    pub disk_free_mib_min: u32,
    /// Webhooks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook: Vec<WebhookSection>,
    /// Mail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smtp: Vec<SmtpSection>,
}

impl Default for AlarmsSection {
    fn default() -> AlarmsSection {
        AlarmsSection {
            console: true,
            console_severity_min: severity_min(),
            escalate_s: 300,
            repeat_s: 900,
            repeat_count_max: 3,
            cool_down_s: 60,
            quiet_s: 300,
            alarm_count_max: 256,
            refused_count_max: 50,
            reject_count_max: 10,
            order_unknown_s: 30,
            order_stale_s: 900,
            locked_s: 30,
            down_ms: 2_000,
            start_ms: 10_000,
            unsynced_max: 5_000_000,
            disk_free_mib_min: 1_024,
            webhook: Vec::new(),
            smtp: Vec::new(),
        }
    }
}

fn severity_min() -> String {
    "warning".to_string()
}

/// `[[alarms.webhook]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Its name, in messages and of its file: letters, digits and hyphens.
    pub name: String,
    /// Name of the secret that is the address: `file:/path` and the like, see `[secrets]`.
    pub url_secret: String,
    /// `slack`, `discord` or `plain`.
    pub shape: String,
    /// Mildest alarm: `warning`, `critical` or `page`.
    #[serde(default = "severity_min")]
    pub severity_min: String,
    /// PEM file of the authority that signed the peer's certificate; default: the public ones.
    pub ca_file: Option<String>,
    /// Longest wait for an answer, ms.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
}

/// `[[alarms.smtp]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSection {
    /// Its name, in messages and of its file: letters, digits and hyphens.
    pub name: String,
    /// The mail server, as its certificate has it.
    pub host: String,
    /// Its port.
    #[serde(default = "smtp_port")]
    pub port: u16,
    /// `starttls`, `tls`, or `none` for a server on this machine.
    #[serde(default = "starttls")]
    pub security: String,
    /// User name, where the server wants one.
    pub user: Option<String>,
    /// Name of the secret that is the password, see `[secrets]`.
    pub password_secret: Option<String>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Mildest alarm: `warning`, `critical` or `page`.
    #[serde(default = "severity_min")]
    pub severity_min: String,
    /// PEM file of the authority that signed the server's certificate; default: the public ones.
    pub ca_file: Option<String>,
    /// Longest time for one mail, ms.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
}

fn timeout_ms() -> u32 {
    10_000
}
fn smtp_port() -> u16 {
    587
}
fn starttls() -> String {
    "starttls".to_string()
}

fn one_of(origin: &str, key: &str, value: &str, known: &[&str]) -> Result<(), ConfigError> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(range(origin, key, value, &format!("one of {}", known.join(", "))))
}

const SEVERITIES: [&str; 3] = ["warning", "critical", "page"];

impl Config {
    pub(crate) fn validate_alarms(&self, origin: &str) -> Result<(), ConfigError> {
        let Some(alarms) = &self.alarms else { return Ok(()) };
        alarms.check_numbers(origin)?;
        one_of(origin, "alarms.console_severity_min", &alarms.console_severity_min, &SEVERITIES)?;
        let names = alarms.webhook.iter().map(|channel| &channel.name);
        let names: Vec<&String> = names.chain(alarms.smtp.iter().map(|it| &it.name)).collect();
        if CHANNEL_COUNT_MAX < names.len() {
            let must = format!("at most {CHANNEL_COUNT_MAX}");
            return Err(range(origin, "alarms channels", names.len(), &must));
        }
        for (index, name) in names.iter().enumerate() {
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain || !(1..=20).contains(&name.len()) || *name == "console" {
                let must = "1 to 20 letters, digits and hyphens, and not \"console\"";
                return Err(range(origin, "alarms channel name", name, must));
            }
            if names[..index].contains(name) {
                return Err(conflict(origin, format!("two channels of [alarms] are named {name}")));
            }
        }
        for webhook in &alarms.webhook {
            self.check_webhook(origin, webhook)?;
        }
        for smtp in &alarms.smtp {
            self.check_smtp(origin, smtp)?;
        }
        Ok(())
    }

    fn check_webhook(&self, origin: &str, webhook: &WebhookSection) -> Result<(), ConfigError> {
        let key = |key: &str| format!("alarms.webhook {}.{key}", webhook.name);
        one_of(origin, &key("shape"), &webhook.shape, &["slack", "discord", "plain"])?;
        one_of(origin, &key("severity_min"), &webhook.severity_min, &SEVERITIES)?;
        check_timeout(origin, &key("timeout_ms"), webhook.timeout_ms)?;
        self.check_secret_name(origin, &key("url_secret"), Some(&webhook.url_secret))
    }

    fn check_smtp(&self, origin: &str, smtp: &SmtpSection) -> Result<(), ConfigError> {
        let key = |key: &str| format!("alarms.smtp {}.{key}", smtp.name);
        one_of(origin, &key("security"), &smtp.security, &["starttls", "tls", "none"])?;
        one_of(origin, &key("severity_min"), &smtp.severity_min, &SEVERITIES)?;
        check_timeout(origin, &key("timeout_ms"), smtp.timeout_ms)?;
        self.check_secret_name(origin, &key("password_secret"), smtp.password_secret.as_deref())?;
        if smtp.host.is_empty() || smtp.port == 0 || smtp.to.is_empty() {
            let what = format!("{}: host, port and at least one receiver in to", key(""));
            return Err(conflict(origin, what));
        }
        for address in smtp.to.iter().chain([&smtp.from]) {
            let is_address = address.is_ascii()
                && address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
                && address.split('@').filter(|part| !part.is_empty()).count() == 2
                && address.matches('@').count() == 1;
            if !is_address {
                return Err(range(origin, &key("address"), address, "name@host in ASCII"));
            }
        }
        if smtp.user.is_some() != smtp.password_secret.is_some() {
            let what = format!("{}: user and password_secret belong together", key("user"));
            return Err(conflict(origin, what));
        }
        let is_here = matches!(smtp.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if smtp.security == "none" && (!is_here || smtp.user.is_some()) {
            let what = format!(
                "{} = \"none\" is for a server on this machine, without a password",
                key("security")
            );
            return Err(conflict(origin, what));
        }
        Ok(())
    }
}

fn check_timeout(origin: &str, key: &str, timeout_ms: u32) -> Result<(), ConfigError> {
    if (100..=60_000).contains(&timeout_ms) {
        return Ok(());
    }
    Err(range(origin, key, timeout_ms, "between 100 and 60000"))
}

impl AlarmsSection {
    fn check_numbers(&self, origin: &str) -> Result<(), ConfigError> {
        for (key, value, min, max) in [
            ("escalate_s", self.escalate_s, 1, 86_400),
            ("repeat_s", self.repeat_s, 1, 86_400),
            ("repeat_count_max", self.repeat_count_max, 0, 100),
            ("cool_down_s", self.cool_down_s, 0, 86_400),
            ("quiet_s", self.quiet_s, 1, 86_400),
            ("alarm_count_max", self.alarm_count_max, 1, 4_096),
            ("refused_count_max", self.refused_count_max, 1, 4_000),
            ("reject_count_max", self.reject_count_max, 1, 4_000),
            ("order_unknown_s", self.order_unknown_s, 1, 86_400),
            ("order_stale_s", self.order_stale_s, 1, 604_800),
            ("locked_s", self.locked_s, 1, 86_400),
            // More would be later than the five seconds within which an alarm must come.
            ("down_ms", self.down_ms, 0, 4_000),
            ("start_ms", self.start_ms, 0, 600_000),
            ("disk_free_mib_min", self.disk_free_mib_min, 1, 1 << 24),
        ] {
            if !(min..=max).contains(&value) {
                let must = format!("between {min} and {max}");
                return Err(range(origin, &format!("alarms.{key}"), value, &must));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the paper profile with this `[alarms]`.
    #[track_caller]
    fn check(section: &str, expected: &str) {
        let paper = crate::profile("paper").unwrap();
        let mut config = Config::parse(paper, "paper").unwrap();
        let found = match toml::from_str::<AlarmsSection>(section) {
            Err(error) => error.message().to_string(),
            Ok(section) => {
                config.alarms = Some(section);
                let verdict = config.validate_alarms("x");
                verdict.map_or_else(|error| error.to_string(), |()| "good".to_string())
            }
        };
        assert!(found.contains(expected), "{section}: {found}");
    }

    const WEBHOOK: &str =
        "[[webhook]]\nname = \"ops\"\nurl_secret = \"file:/u\"\nshape = \"slack\"\n";
    const SMTP: &str = "[[smtp]]\nname = \"mail\"\nhost = \"mx.example\"\nfrom = \"a@b.example\"\n\
                        to = [\"c@d.example\"]\n";

    #[test]
    fn sections_are_taken() {
        check("", "good");
        check(WEBHOOK, "good");
        check(&format!("{WEBHOOK}severity_min = \"page\"\n{SMTP}"), "good");
        check(&format!("{SMTP}user = \"u\"\npassword_secret = \"systemd:p\""), "good");
        check("down_ms = 4000\nrepeat_count_max = 0", "good");
    }

    #[test]
    fn sections_that_cannot_work_are_refused_by_name() {
        check("down_ms = 4001", "alarms.down_ms = 4001");
        check("escalate_s = 0", "alarms.escalate_s");
        check("console_severity_min = \"loud\"", "one of warning, critical, page");
        check("other = 1", "unknown field");
        check(&format!("{WEBHOOK}timeout_ms = 99"), "alarms.webhook ops.timeout_ms");
        check(&WEBHOOK.replace("slack", "pager"), "one of slack, discord, plain");
        check(&WEBHOOK.replace("ops", "a b"), "letters, digits and hyphens");
        check(&WEBHOOK.replace("ops", "console"), "not \"console\"");
        check(&format!("{WEBHOOK}{WEBHOOK}"), "two channels of [alarms] are named ops");
        check(
            &WEBHOOK.replace("file:/u", "https://hooks.example/x"),
            "must be the name of a secret",
        );
        check(&SMTP.replace("a@b.example", "a b@c"), "name@host");
        check(&SMTP.replace("c@d.example", "c@"), "name@host");
        check(&format!("{SMTP}user = \"u\""), "belong together");
        check(&format!("{SMTP}security = \"none\""), "on this machine");
        check(&format!("{SMTP}security = \"ssl\""), "one of starttls, tls, none");
    }

    #[test]
    fn a_secret_that_stands_where_its_name_belongs_is_not_repeated() {
        let text = WEBHOOK.replace("file:/u", "https://hooks.example/canary");
        let mut config = Config::parse(crate::profile("paper").unwrap(), "paper").unwrap();
        config.alarms = Some(toml::from_str(&text).unwrap());
        let error = config.validate_alarms("x").unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
