//! Keys of accounts: added and revoked while the venue runs, as people do it on a venue's web page.

use crate::config::{ApiKey, ConfigError};
use crate::exchange::{ConnectionId, Exchange};

impl Exchange {
    /// Gives an account one more key. It is forgotten when the venue ends or is restarted; the configured ones come back.
    pub fn add_key(&mut self, account: &str, key: ApiKey) -> Result<(), ConfigError> {
        let mut config = self.config.clone();
        let Some(known) = config.accounts.iter_mut().find(|known| known.name == account) else {
            return Err(ConfigError::Name { what: "account", name: account.to_string() });
        };
        known.keys.push(key);
        config.check()?;
        self.config = config;
        Ok(())
    }

    /// Takes a key away. Requests with it are refused from here on, sessions and subscriptions that it made are
    /// over; the connections that had one are answered, so that they can be closed. `None`: there is no such key.
    pub fn revoke_key(&mut self, api_key: &str) -> Option<Vec<ConnectionId>> {
        self.key(api_key)?;
        for account in &mut self.config.accounts {
            account.keys.retain(|key| key.api_key != api_key);
        }
        let mut ended = Vec::new();
        for (id, connection) in &mut self.connections {
            let had = connection.subscriptions.len();
            connection.subscriptions.retain(|_, subscription| subscription.api_key != api_key);
            let session = connection.session.take_if(|session| session.api_key == api_key);
            if session.is_some() || connection.subscriptions.len() < had {
                ended.push(*id);
            }
        }
        Some(ended)
    }
}
