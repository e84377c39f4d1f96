//! Commands to the venue itself, under `/tickwheel/` on the same port.
//!
//! | request | does |
//! |---|---|
//! | `POST /tickwheel/faults` | adds the script of the body; `"on":"time"` without `at_ms` is now |
//! | `DELETE /tickwheel/faults` | forgets every fault |
//! | `GET /tickwheel/faults` | how many have fired |
//! | `POST /tickwheel/keys` | adds a key: `account`, `api_key`, and `secret` or `public_key` (Ed25519, base64) |
//! | `DELETE /tickwheel/keys` | revokes the key `api_key`; its connections are closed |
//! | `GET /tickwheel/state` | accounts, orders, fills, books and trades |

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{ApiKey, KeyKind};
use crate::exchange::{ConnectionId, Exchange, RestAnswer, SymbolIndex};
use crate::fault::FaultPlan;
use crate::money::text;
use crate::serve::core::Core;
use crate::serve::peer::Command;
use crate::serve::requests::HttpRequest;

/// Levels of each side and trades that the state tells.
const LEVEL_COUNT: usize = 5000;
const TRADE_COUNT: usize = 1000;

pub(crate) fn answer(core: &mut Core, request: &HttpRequest<'_>) -> RestAnswer {
    let (path, _) = request.parts();
    let (status, body) = match (request.method, path) {
        // Whoever may trade from elsewhere may not break the venue from there.
        (_, _) if !request.is_local => (403, json!({ "error": "only from this machine" })),
        ("POST", "/tickwheel/faults") => add(core, request.body),
        ("DELETE", "/tickwheel/faults") => {
            core.faults.clear();
            (200, json!({}))
        }
        ("GET", "/tickwheel/faults") => (200, json!({ "fired": core.faults.fired_count() })),
        ("POST", "/tickwheel/keys") => match add_key(core, request.body) {
            Ok(()) => (200, json!({})),
            Err(error) => (400, json!({ "error": error })),
        },
        ("DELETE", "/tickwheel/keys") => revoke_key(core, request.body),
        ("GET", "/tickwheel/state") => (200, state(&core.exchange)),
        (_, _) => (404, json!({ "error": "no such command" })),
    };
    RestAnswer { status, headers: Vec::new(), body: body.to_string() }
}

fn add(core: &mut Core, body: &[u8]) -> (u16, Value) {
    let plan = std::str::from_utf8(body)
        .map_err(|error| error.to_string())
        .and_then(|script| FaultPlan::parse(script).map_err(|error| error.to_string()));
    match plan {
        Ok(plan) => {
            let count = plan.faults.len();
            for fault in plan.faults {
                core.faults.add(fault);
            }
            (200, json!({ "added": count }))
        }
        Err(error) => (400, json!({ "error": error })),
    }
}

/// A key as a request tells it. What is wrong with it is told without it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    account: Option<String>,
    api_key: String,
    secret: Option<String>,
    public_key: Option<String>,
}

impl KeyRequest {
    fn read(body: &[u8]) -> Result<KeyRequest, String> {
        serde_json::from_slice(body).map_err(|error| format!("line {}: no key", error.line()))
    }

    fn kind(&self) -> Option<KeyKind> {
        match (&self.secret, &self.public_key) {
            (Some(secret), None) => Some(KeyKind::Hmac { secret: secret.clone() }),
            (None, Some(text)) => {
                let bytes = BASE64.decode(text.as_bytes()).ok()?;
                Some(KeyKind::Ed25519 { public_key: bytes.try_into().ok()? })
            }
            (Some(_) | None, Some(_) | None) => None,
        }
    }
}

fn add_key(core: &mut Core, body: &[u8]) -> Result<(), String> {
    let request = KeyRequest::read(body)?;
    let kind = request.kind().ok_or("either secret or public_key (32 bytes in base64)")?;
    let account = request.account.ok_or("account is missing")?;
    let key = ApiKey { api_key: request.api_key, kind };
    core.exchange.add_key(&account, key).map_err(|error| error.to_string())
}

fn revoke_key(core: &mut Core, body: &[u8]) -> (u16, Value) {
    let request = match KeyRequest::read(body) {
        Ok(request) => request,
        Err(error) => return (400, json!({ "error": error })),
    };
    match revoke(core, &request.api_key) {
        Some(count) => (200, json!({ "closed": count })),
        None => (404, json!({ "error": "no such key" })),
    }
}

/// Revokes a key and closes the connections that lived on it; how many.
pub(crate) fn revoke(core: &mut Core, api_key: &str) -> Option<usize> {
    let ended = core.exchange.revoke_key(api_key)?;
    for ConnectionId(id) in &ended {
        core.commands.push(Command::Close(*id, 1008, "the key was revoked"));
    }
    Some(ended.len())
}

fn amount(value: i64) -> String {
    text(i128::from(value))
}

fn state(exchange: &Exchange) -> Value {
    let seen = exchange.inspect();
    let name = |symbol: SymbolIndex| exchange.symbols()[symbol.0].name.clone();
    let accounts: Vec<Value> = seen
        .accounts
        .iter()
        .map(|account| {
            let balances: Vec<Value> = account
                .balances
                .iter()
                .map(|balance| {
                    let (free, locked) = (text(balance.free), text(balance.locked));
                    json!({ "asset": balance.asset, "free": free, "locked": locked })
                })
                .collect();
            json!({ "name": account.name, "balances": balances })
        })
        .collect();
    let orders: Vec<Value> = seen
        .orders
        .iter()
        .map(|order| {
            json!({
                "symbol": name(order.symbol),
                "account": order.account.0,
                "orderId": order.order_id,
                "firstClientOrderId": order.client_id_first,
                "clientOrderId": order.client_id,
                "side": order.side.word(),
                "type": order.kind.word(),
                "status": order.status.word(),
                "price": amount(order.price),
                "origQty": amount(order.quantity),
                "executedQty": amount(order.executed),
                "cummulativeQuoteQty": amount(order.executed_quote),
            })
        })
        .collect();
    let fills: Vec<Value> = seen
        .fills
        .iter()
        .map(|fill| {
            json!({
                "symbol": name(fill.symbol),
                "account": fill.account.0,
                "orderId": fill.order_id,
                "id": fill.trade_id,
                "price": amount(fill.price),
                "qty": amount(fill.quantity),
                "commission": amount(fill.commission),
                "commissionAsset": fill.commission_asset,
                "isBuyer": fill.is_buyer,
                "isMaker": fill.is_maker,
                "time": fill.time_ns / 1_000_000,
            })
        })
        .collect();
    let books: Vec<Value> =
        (0..exchange.symbols().len()).map(|at| book(exchange, SymbolIndex(at))).collect();
    json!({ "accounts": accounts, "orders": orders, "fills": fills, "books": books })
}

fn book(exchange: &Exchange, symbol: SymbolIndex) -> Value {
    let depth = exchange.depth(symbol, LEVEL_COUNT);
    let levels = |side: &[(i64, i64)]| -> Vec<Value> {
        side.iter().map(|(price, quantity)| json!([amount(*price), amount(*quantity)])).collect()
    };
    let trades: Vec<Value> = exchange
        .trades(symbol)
        .rev()
        .take(TRADE_COUNT)
        .map(|trade| {
            json!({
                "id": trade.id,
                "price": amount(trade.price),
                "qty": amount(trade.quantity),
                "time": trade.time_ns / 1_000_000,
                "isBuyerMaker": trade.is_buyer_maker,
            })
        })
        .collect();
    json!({
        "symbol": exchange.symbols()[symbol.0].name,
        "lastUpdateId": depth.update_id,
        "bids": levels(&depth.bids),
        "asks": levels(&depth.asks),
        "trades": trades,
    })
}
