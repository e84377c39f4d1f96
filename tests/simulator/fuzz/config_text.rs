//! Configuration files.

use config::Config;

/// Any bytes as a configuration: refused, or the same again from its own text.
pub(super) fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse(text, "fuzz") {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().starts_with("fuzz: "), "the origin is missing: {error}");
            return;
        }
    };
    let again = Config::parse(&config.to_toml(), "again").expect("its own text is sound");
    assert_eq!(again, config);
    config.mode("fuzz").expect("a valid configuration has a mode");
    let table = config.instruments("fuzz").expect("a valid configuration has instruments");
    let limits = config.limits(&table, "fuzz").expect("a valid configuration has limits");
    assert_eq!(limits.instruments.len(), table.count());
    config.pipeline("fuzz").expect("a valid configuration makes a pipeline");
}

/// The built-in profiles.
pub(super) fn profile_seeds() -> Vec<Vec<u8>> {
    config::PROFILES.iter().map(|(_, text)| text.as_bytes().to_vec()).collect()
}
