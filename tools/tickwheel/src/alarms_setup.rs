//! From `[alarms]` to a watch: names, thresholds, and the channels with their secrets.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use alarm::board::BoardSettings;
use alarm::channel::console::Console;
use alarm::channel::shape::Shape;
use alarm::channel::smtp::{Security, Smtp, SmtpSettings};
use alarm::channel::webhook::{Webhook, WebhookSettings};
use alarm::channel::{ChannelSettings, Courier, Parts, SecretSource};
use alarm::rules::RuleSettings;
use alarm::{Names, Severity, WatchSettings};
use anyhow::{Context as _, anyhow};
use config::Config;
use config::alarm::{AlarmsSection, SmtpSection, WebhookSection};
use engine::clock::Clock;
use secret::{SecretStore, SecretUri};
use wire::tls::{TlsRoots, client_config};

const MS_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000 * MS_NS;

/// Directory of history and state, below the data directory.
pub(crate) fn directory(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("alarms")
}

/// What a watch of that data directory is told. It begins at `first_sequence` where nothing is saved.
pub(crate) fn settings(
    config: &Config,
    section: &AlarmsSection,
    (data_dir, stats_path): (&Path, &Path),
    first_sequence: u64,
) -> WatchSettings {
    let seconds = |value: u32| u64::from(value) * SECOND_NS;
    let ms = |value: u32| u64::from(value) * MS_NS;
    WatchSettings {
        dir: directory(data_dir),
        journal_dir: data_dir.join("journal"),
        stats_path: stats_path.to_path_buf(),
        guard_dir: None,
        guard_offset: None,
        first_sequence,
        is_standby: false,
        board: BoardSettings {
            escalate_ns: seconds(section.escalate_s),
            repeat_ns: seconds(section.repeat_s),
            repeat_count_max: section.repeat_count_max,
            cool_down_ns: seconds(section.cool_down_s),
            quiet_ns: seconds(section.quiet_s),
            alarm_count_max: usize::try_from(section.alarm_count_max).unwrap_or(usize::MAX),
        },
        rules: RuleSettings {
            refused_count_max: section.refused_count_max,
            reject_count_max: section.reject_count_max,
            order_unknown_ns: seconds(section.order_unknown_s),
            order_stale_ns: seconds(section.order_stale_s),
            locked_ns: seconds(section.locked_s),
            down_ns: ms(section.down_ms),
            start_ns: ms(section.start_ms),
            unsynced_max: section.unsynced_max,
            disk_free_min: u64::from(section.disk_free_mib_min) << 20,
            ..RuleSettings::default()
        },
        names: names(config),
    }
}

/// The same for a watch in a process of its own: a journal that is shorter than what was read of it is not known
/// there, only in the engine.
pub(crate) fn standby(
    config: &Config,
    section: &AlarmsSection,
    data_dir: &Path,
    first_sequence: u64,
) -> WatchSettings {
    let places = (data_dir, data_dir);
    WatchSettings { is_standby: true, ..settings(config, section, places, first_sequence) }
}

fn names(config: &Config) -> Names {
    Names {
        instance: config.engine.name.clone(),
        instruments: config.instrument.iter().map(|it| it.symbol.clone()).collect(),
        strategies: config.strategy.iter().map(|it| it.name().to_string()).collect(),
        operators: config.operator.iter().map(|it| it.name.clone()).collect(),
        ..Names::default()
    }
}

/// The channels. Secrets are asked for at each delivery, so a rotated one needs no restart.
pub(crate) fn channels(
    config: &Config,
    section: &AlarmsSection,
    origin: &str,
    clock: &Clock,
) -> anyhow::Result<Vec<Parts>> {
    let store = crate::secrets::store(config, config.mode(origin)?, clock)?;
    let store = Arc::new(Mutex::new(store));
    let mut parts = Vec::new();
    if section.console {
        let settings = channel("console", &section.console_severity_min)?;
        parts.push(Parts { settings, courier: Box::new(Console::stderr()) });
    }
    for webhook in &section.webhook {
        let context = || format!("{origin}: alarms.webhook {}", webhook.name);
        let courier = webhook_courier(webhook, &store).with_context(context)?;
        let settings = channel(&webhook.name, &webhook.severity_min)?;
        parts.push(Parts { settings, courier });
    }
    for smtp in &section.smtp {
        let context = || format!("{origin}: alarms.smtp {}", smtp.name);
        let courier = smtp_courier(smtp, &store).with_context(context)?;
        let settings = channel(&smtp.name, &smtp.severity_min)?;
        parts.push(Parts { settings, courier });
    }
    Ok(parts)
}

fn channel(name: &str, severity_min: &str) -> anyhow::Result<ChannelSettings> {
    let severity_min = Severity::from_name(severity_min)
        .ok_or_else(|| anyhow!("channel {name}: no severity \"{severity_min}\""))?;
    Ok(ChannelSettings { name: name.to_string(), severity_min, ..ChannelSettings::default() })
}

fn source(name: &str, store: &Arc<Mutex<SecretStore>>) -> anyhow::Result<SecretSource> {
    let uri = SecretUri::parse(name)?;
    let store = Arc::clone(store);
    Ok(Box::new(move || {
        // A thread that panicked while it held the store left a cache, which is whole.
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        store.get(&uri).ok()
    }))
}

fn tls(ca_file: Option<&String>) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let Some(path) = ca_file else { return Ok(client_config(TlsRoots::WebPki)?) };
    let text = std::fs::read(path).with_context(|| format!("read ca_file {path}"))?;
    client_config(TlsRoots::Pem(&text)).with_context(|| format!("ca_file {path}"))
}

fn webhook_courier(
    section: &WebhookSection,
    store: &Arc<Mutex<SecretStore>>,
) -> anyhow::Result<Box<dyn Courier>> {
    Ok(Box::new(Webhook::new(WebhookSettings {
        url: source(&section.url_secret, store)?,
        shape: Shape::from_name(&section.shape)
            .ok_or_else(|| anyhow!("no shape \"{}\"", section.shape))?,
        tls: tls(section.ca_file.as_ref())?,
        request_ns_max: u64::from(section.timeout_ms) * MS_NS,
    })))
}

fn smtp_courier(
    section: &SmtpSection,
    store: &Arc<Mutex<SecretStore>>,
) -> anyhow::Result<Box<dyn Courier>> {
    let password = section.password_secret.as_ref().map(|name| source(name, store)).transpose()?;
    Ok(Box::new(Smtp::new(SmtpSettings {
        host: section.host.clone(),
        port: section.port,
        security: Security::from_name(&section.security)
            .ok_or_else(|| anyhow!("no security \"{}\"", section.security))?,
        user: section.user.clone(),
        password,
        from: section.from.clone(),
        to: section.to.clone(),
        tls: tls(section.ca_file.as_ref())?,
        request_ns_max: u64::from(section.timeout_ms) * MS_NS,
    })))
}
