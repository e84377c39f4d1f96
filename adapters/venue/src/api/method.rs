//! The methods of REST and WS API, what they weigh and what they ask for.

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Ping,
    Time,
    ExchangeInfo,
    Depth,
    Trades,
    HistoricalTrades,
    AggTrades,
    Klines,
    AvgPrice,
    TickerDay,
    TickerPrice,
    TickerBook,
    OrderPlace,
    OrderTest,
    OrderStatus,
    OrderCancel,
    OrderCancelReplace,
    OrderAmend,
    OrderAmendments,
    OpenOrders,
    CancelAll,
    AllOrders,
    Account,
    Commission,
    MyTrades,
    OrderLimits,
    PreventedMatches,
    MyFilters,
    /// `sapi` endpoints that clients ask at their start.
    Nothing,
    SystemStatus,
    TradeFee,
    SessionLogon,
    SessionStatus,
    SessionLogout,
    SessionSubscriptions,
    Subscribe,
    SubscribeSigned,
    Unsubscribe,
}

use Method as M;

/// Verb, path, method.
const REST: &[(&str, &str, Method)] = &[
    ("GET", "/api/v3/ping", M::Ping),
    ("GET", "/api/v3/time", M::Time),
    ("GET", "/api/v3/exchangeInfo", M::ExchangeInfo),
    ("GET", "/api/v3/depth", M::Depth),
    ("GET", "/api/v3/trades", M::Trades),
    ("GET", "/api/v3/historicalTrades", M::HistoricalTrades),
    ("GET", "/api/v3/aggTrades", M::AggTrades),
    ("GET", "/api/v3/klines", M::Klines),
    ("GET", "/api/v3/uiKlines", M::Klines),
    ("GET", "/api/v3/avgPrice", M::AvgPrice),
    ("GET", "/api/v3/ticker/24hr", M::TickerDay),
    ("GET", "/api/v3/ticker/price", M::TickerPrice),
    ("GET", "/api/v3/ticker/bookTicker", M::TickerBook),
    ("POST", "/api/v3/order", M::OrderPlace),
    ("POST", "/api/v3/order/test", M::OrderTest),
    ("GET", "/api/v3/order", M::OrderStatus),
    ("DELETE", "/api/v3/order", M::OrderCancel),
    ("POST", "/api/v3/order/cancelReplace", M::OrderCancelReplace),
    ("PUT", "/api/v3/order/amend/keepPriority", M::OrderAmend),
    ("GET", "/api/v3/order/amendments", M::OrderAmendments),
    ("GET", "/api/v3/openOrders", M::OpenOrders),
    ("DELETE", "/api/v3/openOrders", M::CancelAll),
    ("GET", "/api/v3/allOrders", M::AllOrders),
    ("GET", "/api/v3/account", M::Account),
    ("GET", "/api/v3/account/commission", M::Commission),
    ("GET", "/api/v3/myTrades", M::MyTrades),
    ("GET", "/api/v3/rateLimit/order", M::OrderLimits),
    ("GET", "/api/v3/myPreventedMatches", M::PreventedMatches),
    ("GET", "/api/v3/myFilters", M::MyFilters),
    ("GET", "/sapi/v1/system/status", M::SystemStatus),
    ("GET", "/sapi/v1/asset/tradeFee", M::TradeFee),
    ("GET", "/sapi/v1/capital/config/getall", M::Nothing),
    ("GET", "/sapi/v1/margin/allAssets", M::Nothing),
    ("GET", "/sapi/v1/margin/allPairs", M::Nothing),
    ("GET", "/sapi/v1/margin/isolated/allPairs", M::Nothing),
];

/// Name, method.
const WS: &[(&str, Method)] = &[
    ("ping", M::Ping),
    ("time", M::Time),
    ("exchangeInfo", M::ExchangeInfo),
    ("depth", M::Depth),
    ("trades.recent", M::Trades),
    ("trades.historical", M::HistoricalTrades),
    ("trades.aggregate", M::AggTrades),
    ("klines", M::Klines),
    ("uiKlines", M::Klines),
    ("avgPrice", M::AvgPrice),
    ("ticker.24hr", M::TickerDay),
    ("ticker.price", M::TickerPrice),
    ("ticker.book", M::TickerBook),
    ("order.place", M::OrderPlace),
    ("order.test", M::OrderTest),
    ("order.status", M::OrderStatus),
    ("order.cancel", M::OrderCancel),
    ("order.cancelReplace", M::OrderCancelReplace),
    ("order.amend.keepPriority", M::OrderAmend),
    ("order.amendments", M::OrderAmendments),
    ("openOrders.status", M::OpenOrders),
    ("openOrders.cancelAll", M::CancelAll),
    ("allOrders", M::AllOrders),
    ("account.status", M::Account),
    ("account.commission", M::Commission),
    ("myTrades", M::MyTrades),
    ("account.rateLimits.orders", M::OrderLimits),
    ("myPreventedMatches", M::PreventedMatches),
    ("myFilters", M::MyFilters),
    ("session.logon", M::SessionLogon),
    ("session.status", M::SessionStatus),
    ("session.logout", M::SessionLogout),
    ("session.subscriptions", M::SessionSubscriptions),
    ("userDataStream.subscribe", M::Subscribe),
    ("userDataStream.subscribe.signature", M::SubscribeSigned),
    ("userDataStream.unsubscribe", M::Unsubscribe),
];

impl Method {
    /// The method of a verb and a path.
    pub(crate) fn of_rest(verb: &str, path: &str) -> Option<Self> {
        let found = REST.iter().find(|(method, at, _)| *method == verb && *at == path);
        found.map(|(_, _, method)| *method)
    }

    /// The method of a name of the WS API.
    pub(crate) fn of_ws(name: &str) -> Option<Self> {
        WS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }

    /// Whether it needs an account.
    pub(crate) fn is_signed(self) -> bool {
        self.is_order_entry()
            || matches!(
                self,
                M::OrderTest
                    | M::OrderStatus
                    | M::OrderAmendments
                    | M::OpenOrders
                    | M::AllOrders
                    | M::Account
                    | M::Commission
                    | M::MyTrades
                    | M::OrderLimits
                    | M::PreventedMatches
                    | M::MyFilters
                    | M::TradeFee
                    | M::SessionLogon
                    | M::SubscribeSigned
            )
    }

    /// Whether it places or cancels; success weighs nothing then.
    pub(crate) fn is_order_entry(self) -> bool {
        matches!(
            self,
            M::OrderPlace | M::OrderCancel | M::OrderCancelReplace | M::OrderAmend | M::CancelAll
        )
    }

    /// Whether its answers show the order counts.
    pub(crate) fn counts_orders(self) -> bool {
        matches!(self, M::OrderPlace | M::OrderCancelReplace)
    }

    /// Its weight. `has_symbol`, `has_order` and `limit` are what some weights depend on.
    pub(crate) fn weight(self, has_symbol: bool, has_order: bool, limit: usize) -> u32 {
        match self {
            M::Ping
            | M::Time
            | M::OrderPlace
            | M::OrderTest
            | M::OrderCancel
            | M::OrderCancelReplace
            | M::CancelAll
            | M::Nothing
            | M::SystemStatus
            | M::TradeFee => 1,
            M::Depth => match limit {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                _ => 250,
            },
            M::Klines
            | M::AvgPrice
            | M::SessionLogon
            | M::SessionStatus
            | M::SessionLogout
            | M::SessionSubscriptions
            | M::Subscribe
            | M::SubscribeSigned
            | M::Unsubscribe => 2,
            M::TickerPrice | M::TickerBook => {
                if has_symbol {
                    2
                } else {
                    4
                }
            }
            M::TickerDay => {
                if has_symbol {
                    2
                } else {
                    80
                }
            }
            M::OpenOrders => {
                if has_symbol {
                    6
                } else {
                    80
                }
            }
            M::MyTrades => {
                if has_order {
                    5
                } else {
                    20
                }
            }
            M::AggTrades | M::OrderStatus | M::OrderAmend | M::OrderAmendments => 4,
            M::ExchangeInfo | M::AllOrders | M::Account | M::Commission | M::PreventedMatches => 20,
            M::Trades | M::HistoricalTrades => 25,
            M::OrderLimits | M::MyFilters => 40,
        }
    }
}
