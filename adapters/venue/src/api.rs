//! What clients say and hear: REST and WS API, over one set of methods.
//!
//! ```text
//!  REST: query + form --+                                  +--> public (market data)
//!                       +--> params --> limits, sign --> perform --> orders (trading)
//!  WS API: JSON --------+                                  +--> queries (accounts)
//! ```
//!
//! **Invariant:** foreign bytes never panic: whatever comes, the answer is JSON.

pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod limits;
mod method;
mod orders;
mod params;
mod public;
mod queries;
mod rest;
mod shapes;
mod sign;
mod ws;

#[cfg(test)]
mod tests;

pub use public::Candle;

use error::ApiError;
use method::Method;
use params::Params;

use crate::exchange::Exchange;
use crate::order::TimeUnit;

/// A request that passed its limits and its signature.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    method: Method,
    params: &'a Params,
    /// Whose; methods that need an account have one.
    account: Option<usize>,
    unit: TimeUnit,
    now_ns: u64,
}

impl Call<'_> {
    fn account(&self) -> Result<usize, ApiError> {
        self.account.ok_or_else(no_key)
    }
}

/// A request without a key that needs one.
fn no_key() -> ApiError {
    ApiError::new(401, -2014, "API-key format invalid.")
}

/// A request with a key that is not known.
fn unknown_key() -> ApiError {
    ApiError::new(401, -2015, "Invalid API-key, IP, or permissions for action.")
}

impl Exchange {
    /// The account of a key, once the signature of the payload and the time stamp are good.
    fn authenticate(
        &self,
        api_key: Option<&str>,
        payload: &str,
        params: &Params,
        now_ns: u64,
    ) -> Result<usize, ApiError> {
        let api_key = api_key.filter(|key| sign::is_key_format(key)).ok_or_else(no_key)?;
        let (account, kind) = self.key(api_key).ok_or_else(unknown_key)?;
        let signature = params.required("signature")?;
        params.required("timestamp")?;
        if !sign::is_signed(kind, payload.as_bytes(), signature) {
            return Err(ApiError::bad(-1022, "Signature for this request is not valid."));
        }
        sign::check_time(params, self.server_ns(now_ns))?;
        Ok(account)
    }

    /// What a request weighs before it is known whether it succeeds.
    fn weight(method: Method, params: &Params) -> u32 {
        let limit = params.peek("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
        let has = |name: &str| params.peek(name).is_some();
        method.weight(has("symbol"), has("orderId"), limit)
    }

    /// What an answered request is charged.
    fn charged(method: Method, weight: u32, is_success: bool) -> u32 {
        if is_success && method.is_order_entry() && method != Method::OrderAmend {
            return 0;
        }
        weight
    }

    /// Does what a request asks for.
    fn perform(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        match call.method {
            Method::OrderPlace => self.order_place(call),
            Method::OrderTest => self.order_test(call),
            Method::OrderCancel => self.order_cancel(call),
            Method::OrderCancelReplace => self.cancel_replace(call),
            Method::OrderAmend => self.amend(call),
            Method::CancelAll => self.cancel_all(call),
            Method::OrderStatus => self.order_status(call),
            Method::OrderAmendments => self.order_amendments(call),
            Method::OpenOrders => self.open_orders(call),
            Method::AllOrders => self.all_orders(call),
            Method::Account => self.account_status(call),
            Method::Commission => self.commission(call),
            Method::MyTrades => self.my_trades(call),
            Method::OrderLimits => self.order_limits(call),
            Method::PreventedMatches => self.prevented_matches(call),
            Method::MyFilters => self.my_filters(call),
            Method::Ping => call.params.finish().map(|()| "{}".to_string()),
            Method::Time => self.time(call),
            Method::ExchangeInfo => self.exchange_info(call),
            Method::Depth => self.depth_json(call),
            Method::Trades | Method::HistoricalTrades => self.trades_json(call),
            Method::AggTrades => self.agg_trades(call),
            Method::Klines => self.klines(call),
            Method::AvgPrice => self.average(call),
            Method::TickerDay => self.ticker_day(call),
            Method::TickerPrice => self.ticker_price(call),
            Method::TickerBook => self.ticker_book(call),
            Method::TradeFee => self.trade_fee(call),
            Method::Nothing => Ok("[]".to_string()),
            Method::SystemStatus => Ok("{\"status\":0,\"msg\":\"normal\"}".to_string()),
            Method::SessionLogon
            | Method::SessionStatus
            | Method::SessionLogout
            | Method::SessionSubscriptions
            | Method::Subscribe
            | Method::SubscribeSigned
            | Method::Unsubscribe => Err(ApiError::bad(-1020, "This operation is not supported.")),
        }
    }

    /// The symbol that a request names.
    fn symbol_of(&self, params: &Params) -> Result<usize, ApiError> {
        self.symbol_named(params.required("symbol")?)
    }

    /// The symbol of a name.
    fn symbol_named(&self, name: &str) -> Result<usize, ApiError> {
        let found = self.symbol_index(name).map(|symbol| symbol.0);
        found.ok_or_else(|| ApiError::bad(-1121, "Invalid symbol."))
    }
}
