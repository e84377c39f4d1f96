//! A venue that serves in a thread of its own, and the handle by which tests and commands reach it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::Clock;
use wire::poller::{Stopper, Turn};
use wire::server::Server;

use crate::config::{ApiKey, ConfigError};
use crate::exchange::{AccountView, Depth, Exchange, Inspection, SymbolIndex, Trade};
use crate::fault::{Action, Fault, FaultId};
use crate::serve::admin;
use crate::serve::certificates::Certificates;
use crate::serve::core::Core;
use crate::serve::service::{Door, lock};
use crate::serve::{ServeError, VenueConfig};

/// Longest wait for a socket, so that what a handle did leaves soon.
const WAIT_MAX: Duration = Duration::from_millis(1);
/// Levels of each side that a view has.
const LEVEL_COUNT_MAX: usize = 5000;

/// The addresses of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueUrls {
    /// `http://host:port`.
    pub rest: String,
    /// `ws://host:port`.
    pub stream: String,
    /// `ws://host:port/ws-api/v3`.
    pub ws_api: String,
    /// `https://host:port`.
    pub rest_tls: String,
    /// `wss://host:port`.
    pub stream_tls: String,
    /// `wss://host:port/ws-api/v3`.
    pub ws_api_tls: String,
}

/// A symbol at one moment.
#[derive(Clone, Debug)]
pub struct MarketView {
    /// Its name.
    pub symbol: String,
    /// Its book.
    pub depth: Depth,
    /// Its last trades, oldest first.
    pub trades: Vec<Trade>,
}

/// A venue at one moment: the oracle of tests.
#[derive(Clone, Debug)]
pub struct VenueView {
    /// Accounts, orders and fills.
    pub inspection: Inspection,
    /// The symbols, in the order of the configuration.
    pub markets: Vec<MarketView>,
    /// Faults that have fired.
    pub fault_count: u64,
}

/// Reaches a running venue from any thread.
#[derive(Clone, Debug)]
pub struct VenueHandle {
    core: Arc<Mutex<Core>>,
    clock: Clock,
}

impl VenueHandle {
    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        lock(&self.core).faults.add(fault)
    }

    /// Forgets every fault.
    pub fn clear_faults(&self) {
        lock(&self.core).faults.clear();
    }

    /// How often a fault has fired.
    pub fn fired(&self, id: FaultId) -> u64 {
        lock(&self.core).faults.fired(id)
    }

    /// Lets something happen now, to every connection of its scope.
    pub fn affect(&self, action: &Action) {
        lock(&self.core).affect(action, None);
    }

    /// Does something to the exchange, such as an order of a participant; then everybody is told.
    pub fn with_exchange<R>(&self, act: impl FnOnce(&mut Exchange, u64) -> R) -> R {
        let mut core = lock(&self.core);
        let now_ns = self.clock.now_ns().max(core.now_ns());
        let result = act(&mut core.exchange, now_ns);
        core.settle();
        result
    }

    /// Gives an account one more key.
    pub fn add_key(&self, account: &str, key: ApiKey) -> Result<(), ConfigError> {
        lock(&self.core).exchange.add_key(account, key)
    }

    /// Takes a key away and closes the connections that lived on it; how many. `None`: no such key.
    pub fn revoke_key(&self, api_key: &str) -> Option<usize> {
        admin::revoke(&mut lock(&self.core), api_key)
    }

    /// Connections that speak WebSocket: of streams and of the WS API.
    pub fn connection_counts(&self) -> (usize, usize) {
        lock(&self.core).connection_counts()
    }

    /// Accounts, orders, fills, books and trades at one moment.
    pub fn inspect(&self) -> VenueView {
        let core = lock(&self.core);
        let exchange = &core.exchange;
        let market = |(place, symbol): (usize, &crate::config::SymbolConfig)| MarketView {
            symbol: symbol.name.clone(),
            depth: exchange.depth(SymbolIndex(place), LEVEL_COUNT_MAX),
            trades: exchange.trades(SymbolIndex(place)).copied().collect(),
        };
        VenueView {
            inspection: exchange.inspect(),
            markets: exchange.symbols().iter().enumerate().map(market).collect(),
            fault_count: core.faults.fired_count(),
        }
    }
}

/// A venue that is about to serve.
#[derive(Debug)]
pub struct Venue {
    server: Server,
    door: Door,
    core: Arc<Mutex<Core>>,
    clock: Clock,
    urls: VenueUrls,
    ca_pem: String,
    accounts: Vec<AccountView>,
}

impl Venue {
    /// Loads the state, opens the market and listens.
    pub fn open(config: VenueConfig) -> Result<Venue, ServeError> {
        let clock = Clock::new();
        let (listen, listen_tls) = (config.listen, config.listen_tls);
        let certificates = Certificates::make()?;
        let socket = |address: SocketAddr| {
            move |source| ServeError::Socket { address: address.to_string(), source }
        };
        let mut server = Server::new().map_err(socket(listen))?;
        let (_, plain) = server.listen(listen, None).map_err(socket(listen))?;
        let tls = Some(certificates.server);
        let (_, tls) = server.listen(listen_tls, tls).map_err(socket(listen_tls))?;
        let core = Core::new(config, clock.now_ns())?;
        let accounts = core.exchange.accounts();
        let core = Arc::new(Mutex::new(core));
        Ok(Venue {
            server,
            door: Door::new(Arc::clone(&core)),
            core,
            clock,
            urls: urls(plain, tls),
            ca_pem: certificates.ca_pem,
            accounts,
        })
    }

    /// Opens a venue and serves in a thread of its own.
    pub fn start(config: VenueConfig) -> Result<RunningVenue, ServeError> {
        let mut venue = Venue::open(config)?;
        let handle = venue.handle();
        let (urls, ca_pem) = (venue.urls.clone(), venue.ca_pem.clone());
        let (accounts, stopper) = (venue.accounts.clone(), venue.stopper());
        let thread = std::thread::Builder::new()
            .name("venue".to_string())
            .spawn(move || venue.serve(|| false))
            .map_err(|source| ServeError::Socket { address: urls.rest.clone(), source })?;
        Ok(RunningVenue { handle, urls, ca_pem, accounts, stopper, thread: Some(thread) })
    }

    /// Serves until `ends` says so, the stopper is used, or something fails that nobody can repair.
    pub fn serve(&mut self, mut ends: impl FnMut() -> bool) -> Result<(), ServeError> {
        loop {
            let turn = self
                .server
                .run_once(WAIT_MAX, &self.clock, &mut self.door)
                .map_err(|source| ServeError::Socket { address: self.urls.rest.clone(), source })?;
            if let Some(failure) = lock(&self.core).failure.take() {
                return Err(failure);
            }
            if turn == Turn::Stop || ends() {
                return Ok(());
            }
        }
    }

    /// Reaches it from other threads.
    pub fn handle(&self) -> VenueHandle {
        VenueHandle { core: Arc::clone(&self.core), clock: self.clock.clone() }
    }

    /// Stops it.
    pub fn stopper(&self) -> Stopper {
        self.server.stopper()
    }

    /// Where it listens.
    pub fn urls(&self) -> &VenueUrls {
        &self.urls
    }

    /// The authority that signed its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The accounts with their keys and secrets.
    pub fn accounts(&self) -> &[AccountView] {
        &self.accounts
    }
}

/// A venue in a thread. It ends when this is dropped.
#[derive(Debug)]
pub struct RunningVenue {
    /// Faults, a look inside, orders of participants.
    pub handle: VenueHandle,
    /// Where it listens.
    pub urls: VenueUrls,
    /// The authority that signed its certificate.
    pub ca_pem: String,
    /// The accounts with their keys and secrets.
    pub accounts: Vec<AccountView>,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl RunningVenue {
    /// Ends it; its failure, if it failed.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServeError> {
        // The loop looks at the flag within a millisecond also where it cannot be woken.
        drop(self.stopper.stop());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // A panic of the venue's thread has been printed by it.
        thread.join().unwrap_or(Ok(()))
    }
}

impl Drop for RunningVenue {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        drop(self.end());
    }
}

fn urls(plain: SocketAddr, tls: SocketAddr) -> VenueUrls {
    VenueUrls {
        rest: format!("http://{plain}"),
        stream: format!("ws://{plain}"),
        ws_api: format!("ws://{plain}/ws-api/v3"),
        rest_tls: format!("https://{tls}"),
        stream_tls: format!("wss://{tls}"),
        ws_api_tls: format!("wss://{tls}/ws-api/v3"),
    }
}
