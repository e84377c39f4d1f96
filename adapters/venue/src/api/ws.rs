//! The WS API: one JSON text in, one out, with the session and subscriptions of the connection.

use crate::api::error::ApiError;
use crate::api::json::{Object, array, members, quoted};
use crate::api::method::Method;
use crate::api::params::Params;
use crate::api::{Call, sign};
use crate::config::KeyKind;
use crate::exchange::events::{Connection, Session, Subscription, stamp};
use crate::exchange::{ConnectionId, Exchange, WsOptions};
use crate::order::TimeUnit;

/// Longest id of a request.
const ID_SIZE_BYTES_MAX: usize = 36;
/// Active subscriptions of a connection.
const SUBSCRIPTION_COUNT_MAX: usize = 1000;
/// Subscriptions of a connection in its life.
const SUBSCRIPTION_ID_MAX: u32 = 65_535;

/// A request, once it is known to be one.
#[derive(Debug)]
struct Request<'a> {
    id: &'a str,
    method: Result<Method, ApiError>,
    params: Result<Params, ApiError>,
}

impl<'a> Request<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let members = members(text)?;
        let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
        let id = get("id").filter(|id| is_id(id)).unwrap_or("null");
        let unknown = || ApiError::bad(-1020, "This operation is not supported.");
        let method = match get("method").map(serde_json::from_str::<String>) {
            Some(Ok(name)) => Method::of_ws(&name).ok_or_else(unknown),
            Some(Err(_)) | None => Err(ApiError::missing("method")),
        };
        let params = match get("params") {
            None | Some("null") => Ok(Params::default()),
            Some(text) => Params::of_json(text),
        };
        Some(Self { id, method, params })
    }
}

/// Whether a raw value may be the id of a request.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let is_number = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let is_text = raw.starts_with('"') && raw.len() <= ID_SIZE_BYTES_MAX + 2;
    is_number || is_text || raw == "null"
}

impl Exchange {
    /// A WS API connection opened. One that is not announced has the default options.
    pub fn ws_opened(&mut self, connection: ConnectionId, options: WsOptions) {
        self.connections.insert(connection, Connection { options, ..Connection::default() });
    }

    /// A WS API connection is gone, with its session and subscriptions.
    pub fn ws_closed(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Answers one text message on a WS API connection.
    pub fn ws_api(&mut self, connection: ConnectionId, text: &[u8], now_ns: u64) -> String {
        let state = self.connections.entry(connection).or_default();
        state.since_ns.get_or_insert(now_ns);
        let options = state.options;
        let request = std::str::from_utf8(text).ok().and_then(Request::read);
        let Some(request) = request else {
            let error = ApiError::bad(-1135, "Invalid JSON Request");
            let object = Object::new().raw("id", "null").number("status", 400);
            return object.raw("error", &error.json()).end();
        };
        let mut shows_limits = options.return_rate_limits;
        let (mut account, mut counts_orders) = (None, false);
        let answer = match (request.method, request.params) {
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(method), Ok(params)) => {
                counts_orders = method.counts_orders();
                match params.flag("returnRateLimits", shows_limits) {
                    Err(error) => Err(error),
                    Ok(shows) => {
                        shows_limits = shows;
                        let weight = Self::weight(method, &params);
                        let admitted = self.limits.admit(options.client, weight, now_ns);
                        let answer = admitted.and_then(|()| {
                            account = self.ws_account(connection, method, &params, now_ns)?;
                            self.ws_perform(connection, (method, account), &params, now_ns)
                        });
                        let is_limited =
                            answer.as_ref().is_err_and(|error| matches!(error.status, 418 | 429));
                        if !is_limited {
                            let charged = Self::charged(method, weight, answer.is_ok());
                            self.limits.charge(options.client, charged, now_ns);
                        }
                        answer
                    }
                }
            }
        };
        let limits = shows_limits.then(|| {
            let account = account.filter(|_| counts_orders);
            let mut limits =
                account.map_or_else(Vec::new, |account| self.limits.orders_json(account, now_ns));
            limits.push(self.limits.weight_json(options.client, now_ns));
            array(limits.into_iter())
        });
        self.ws_answer(request.id, answer, limits, now_ns)
    }

    fn ws_answer(
        &self,
        id: &str,
        answer: Result<String, ApiError>,
        limits: Option<String>,
        now_ns: u64,
    ) -> String {
        let object = Object::new().raw("id", id);
        let object = match answer {
            Ok(result) => object.number("status", 200).raw("result", &result),
            Err(mut error) => {
                if let Some(after_ns) = error.retry_after_ns {
                    let server_ms = stamp(self.server_ns(now_ns), TimeUnit::Millisecond);
                    let data = Object::new().number("serverTime", server_ms);
                    let retry_ms = server_ms + after_ns.div_ceil(1_000_000);
                    error.data.get_or_insert(data.number("retryAfter", retry_ms).end());
                }
                object.number("status", error.status).raw("error", &error.json())
            }
        };
        match limits {
            Some(limits) => object.raw("rateLimits", &limits).end(),
            None => object.end(),
        }
    }

    /// The account of a request: by its own signature, else by the session.
    fn ws_account(
        &self,
        connection: ConnectionId,
        method: Method,
        params: &Params,
        now_ns: u64,
    ) -> Result<Option<usize>, ApiError> {
        let api_key = params.peek("apiKey");
        if !method.is_signed() {
            return Ok(None);
        }
        let session = self.connections.get(&connection).and_then(|state| state.session.as_ref());
        let needs_signature = matches!(method, Method::SessionLogon | Method::SubscribeSigned);
        let has_signature = api_key.is_some() || params.peek("signature").is_some();
        match session {
            Some(session) if !has_signature && !needs_signature => {
                sign::check_time(params, self.server_ns(now_ns))?;
                Ok(Some(session.account))
            }
            Some(_) | None => {
                self.authenticate(api_key, &params.payload(), params, now_ns).map(Some)
            }
        }
    }

    fn ws_perform(
        &mut self,
        connection: ConnectionId,
        (method, account): (Method, Option<usize>),
        params: &Params,
        now_ns: u64,
    ) -> Result<String, ApiError> {
        let state = self.connections.entry(connection).or_default();
        let unit = state.options.time_unit;
        let call = Call { method, params, account, unit, now_ns };
        if method == Method::SessionLogon {
            return self.logon(connection, &call);
        }
        if method == Method::SubscribeSigned {
            let api_key = params.peek("apiKey").unwrap_or_default().to_string();
            params.finish()?;
            return subscribe(state, (call.account()?, api_key), false);
        }
        if method == Method::Subscribe {
            params.finish()?;
            let session = state.session.as_ref();
            let known = session.map(|session| (session.account, session.api_key.clone()));
            return subscribe(state, known.ok_or_else(super::unknown_key)?, true);
        }
        if method == Method::Unsubscribe {
            return unsubscribe(state, params);
        }
        if method == Method::SessionLogout {
            params.finish()?;
            state.session = None;
            state.subscriptions.retain(|_, subscription| !subscription.is_of_session);
            return Ok(self.session_json(connection, now_ns));
        }
        if method == Method::SessionStatus {
            params.finish()?;
            return Ok(self.session_json(connection, now_ns));
        }
        if method == Method::SessionSubscriptions {
            params.finish()?;
            let ids = state.subscriptions.keys();
            return Ok(array(ids.map(|id| Object::new().number("subscriptionId", id).end())));
        }
        self.perform(&call)
    }

    /// `session.logon`: only keys of Ed25519 may.
    fn logon(&mut self, connection: ConnectionId, call: &Call<'_>) -> Result<String, ApiError> {
        let api_key = call.params.required("apiKey")?.to_string();
        call.params.finish()?;
        match self.key(&api_key) {
            Some((_, KeyKind::Ed25519 { .. })) => {}
            Some((_, KeyKind::Hmac { .. })) => {
                return Err(ApiError::bad(-4056, "HMAC_SHA256 API key is not supported."));
            }
            None => return Err(super::unknown_key()),
        }
        let session = Session { account: call.account()?, api_key, since_ns: call.now_ns };
        self.connections.entry(connection).or_default().session = Some(session);
        Ok(self.session_json(connection, call.now_ns))
    }

    fn session_json(&self, connection: ConnectionId, now_ns: u64) -> String {
        let Some(state) = self.connections.get(&connection) else { return "{}".to_string() };
        let unit = state.options.time_unit;
        let (key, since) = match &state.session {
            Some(session) => (quoted(&session.api_key), stamp(session.since_ns, unit).to_string()),
            None => ("null".to_string(), "null".to_string()),
        };
        Object::new()
            .raw("apiKey", &key)
            .raw("authorizedSince", &since)
            .number("connectedSince", stamp(state.since_ns.unwrap_or(now_ns), unit))
            .flag("returnRateLimits", state.options.return_rate_limits)
            .number("serverTime", stamp(self.server_ns(now_ns), unit))
            .flag("userDataStream", !state.subscriptions.is_empty())
            .end()
    }
}

fn subscribe(
    state: &mut Connection,
    (account, api_key): (usize, String),
    is_of_session: bool,
) -> Result<String, ApiError> {
    if state.subscriptions.values().any(|subscription| subscription.account == account) {
        return Err(ApiError::bad(-2035, "User Data Stream subscription already active."));
    }
    let is_full = SUBSCRIPTION_COUNT_MAX <= state.subscriptions.len();
    if is_full || SUBSCRIPTION_ID_MAX <= state.subscription_count {
        let message = "Maximum subscription ID reached for this connection.";
        return Err(ApiError::bad(-2042, message));
    }
    let id = state.subscription_count;
    state.subscription_count += 1;
    state.subscriptions.insert(id, Subscription { account, api_key, is_of_session });
    Ok(Object::new().number("subscriptionId", id).end())
}

fn unsubscribe(state: &mut Connection, params: &Params) -> Result<String, ApiError> {
    let id = params.number("subscriptionId")?;
    params.finish()?;
    match id {
        None => state.subscriptions.clear(),
        Some(id) => {
            let id = u32::try_from(id).ok();
            if id.and_then(|id| state.subscriptions.remove(&id)).is_none() {
                return Err(ApiError::bad(-2036, "User Data Stream subscription not active."));
            }
        }
    }
    Ok("{}".to_string())
}
