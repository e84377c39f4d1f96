"""python-binance: AsyncClient, BinanceSocketManager and DepthCacheManager."""

import asyncio
from decimal import Decimal

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.exceptions import BinanceAPIException
from binance.ws.constants import WSListenerState

from trader import BASE, QUOTE, SYMBOL, Book, Fill, Order, until

NAME = "python-binance"

# Code and words of the client's exception.
REFUSALS = {
    "bad signature": (-1022, "Signature"),
    "insufficient balance": (-2010, "Account has insufficient balance for requested action."),
    "filter failure": (-1013, "Filter failure: NOTIONAL"),
    "price off the tick": (-1013, "Filter failure: PRICE_FILTER"),
    "quantity off the step": (-1013, "Filter failure: LOT_SIZE"),
    "unknown order to cancel": (-2011, "Unknown order sent."),
    "unknown order to look at": (-2013, "Order does not exist."),
    "post only that would trade": (-2010, "Order would immediately match and take."),
    "duplicate client id": (-2010, "Duplicate order sent."),
}


def order(found):
    """An answer of the REST or WebSocket API. A cancel's answer has our id in origClientOrderId."""
    client_id = found.get("origClientOrderId") or found["clientOrderId"]
    return Order(str(found["orderId"]), client_id, found["status"], Decimal(found["executedQty"]))


class CountedManager(DepthCacheManager):
    """The client's own manager; a gap shows in nothing but the snapshot that it takes again."""

    snapshot_count = 0

    async def _init_cache(self):
        self.snapshot_count += 1
        await super()._init_cache()


class Trader:
    """One account through python-binance. Orders go over the WebSocket API, cancels over REST."""

    def __init__(self, venue, account):
        self.venue, self.account = venue, account
        # The addresses are attributes of the classes.
        AsyncClient.API_URL = venue.rest + "/api"
        AsyncClient.WS_API_URL = venue.ws_api
        BinanceSocketManager.STREAM_URL = venue.stream + "/"
        self.seen_reports, self.seen_balances = [], {}
        self.user_socket, self.listener = None, None
        self.broken_count = 0

    async def __aenter__(self):
        self.client = await AsyncClient.create(self.account.api_key, self.account.secret)
        self.sockets = BinanceSocketManager(self.client)
        return self

    async def __aexit__(self, kind, error, trace):
        if self.listener is not None:
            self.listener.cancel()
            await self.user_socket.__aexit__(kind, error, trace)
        # A client that is told to close while it connects again never ends.
        api = self.client.ws_api
        await until(lambda: api.ws_state != WSListenerState.RECONNECTING, "the socket of the client")
        # Otherwise the client waits 10 s for a last message before it closes.
        if api.ws is not None:
            api.ws_state = WSListenerState.EXITING
            await api.ws.close()
        await self.client.close_connection()

    async def place(self, side, quantity, price, client_id, force="GTC"):
        return order(
            await self.client.ws_create_order(
                symbol=SYMBOL, side=side, type="LIMIT", timeInForce=force, quantity=str(quantity),
                price=str(price), newClientOrderId=client_id, newOrderRespType="FULL",
            )
        )

    async def market(self, side, quantity):
        return order(await self.client.create_order(symbol=SYMBOL, side=side, type="MARKET", quantity=str(quantity)))

    async def raw(self, **words):
        """An order in the venue's words; returns its id."""
        words = {name: str(word) for name, word in words.items()}
        return str((await self.client.create_order(symbol=SYMBOL, **words))["orderId"])

    async def replace(self, order_id, side, quantity, price):
        """Cancels an order and places another; returns the id of that."""
        found = await self.client.cancel_replace_order(
            symbol=SYMBOL, side=side, type="LIMIT", timeInForce="GTC", quantity=str(quantity), price=str(price),
            cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order_id,
        )
        return str(found["newOrderResponse"]["orderId"])

    async def cancel_all(self):
        await self.client.cancel_all_open_orders(symbol=SYMBOL)

    async def whole_depth(self):
        await self.client.get_order_book(symbol=SYMBOL, limit=5000)

    async def cancel(self, order_id):
        return order(await self.client.cancel_order(symbol=SYMBOL, orderId=order_id))

    async def look(self, order_id):
        return order(await self.client.get_order(symbol=SYMBOL, orderId=order_id))

    async def open_ids(self):
        return [str(found["orderId"]) for found in await self.client.get_open_orders(symbol=SYMBOL)]

    async def balances(self):
        found = await self.client.get_account()
        words = {one["asset"]: (Decimal(one["free"]), Decimal(one["locked"])) for one in found["balances"]}
        return {asset: words[asset] for asset in (BASE, QUOTE)}

    async def fills(self):
        return [
            Fill(
                str(one["id"]), str(one["orderId"]), Decimal(one["price"]), Decimal(one["qty"]),
                Decimal(one["commission"]), one["commissionAsset"], one["isMaker"],
            )
            for one in await self.client.get_my_trades(symbol=SYMBOL)
        ]

    async def rates(self):
        found = (await self.client.get_account())["commissionRates"]
        return Decimal(found["maker"]), Decimal(found["taker"])

    def stranger(self):
        wrong = type(self.account)(self.account.api_key, "x" * len(self.account.secret))
        return Trader(self.venue, wrong)

    async def connected_again(self):
        """Its read loop connects again after a second or more. A request in between would connect too, and the
        answer would be read by nobody.
        """
        await until(lambda: self.client.ws_api.ws_state == WSListenerState.STREAMING, "the socket of the client")

    async def start_reports(self):
        self.user_socket = self.sockets.user_socket()
        await self.user_socket.__aenter__()
        self.listener = asyncio.get_running_loop().create_task(self.listen())

    async def listen(self):
        while True:
            event = await self.user_socket.recv()
            if event["e"] == "executionReport":
                self.seen_reports.append(event)
            elif event["e"] == "outboundAccountPosition":
                for one in event["B"]:
                    self.seen_balances[one["a"]] = (Decimal(one["f"]), Decimal(one["l"]))
            elif event["e"] == "error":
                raise AssertionError(f"the user stream failed: {event}")

    def reports(self):
        if self.listener.done():
            self.listener.result()
        words = {asset: self.seen_balances[asset] for asset in (BASE, QUOTE) if asset in self.seen_balances}
        return list(self.seen_reports), words

    async def trades(self):
        """Trades of the market: id, price, quantity."""
        async with self.sockets.trade_socket(SYMBOL) as socket:
            while True:
                event = await socket.recv()
                if event["e"] != "trade":
                    raise AssertionError(f"the trade stream failed: {event}")
                yield str(event["t"]), Decimal(event["p"]), Decimal(event["q"])

    async def books(self):
        manager = CountedManager(self.client, SYMBOL, limit=5000, conv_type=Decimal, ws_interval=100)
        async with manager:
            while True:
                cache = await manager.recv()
                if isinstance(cache, dict):
                    # It tells of the lost connection, and has begun to connect again.
                    continue
                self.broken_count = manager.snapshot_count
                yield Book(manager._last_update_id, dict(cache.get_bids()), dict(cache.get_asks()))


def retry_after_s(client, error):
    """Seconds to wait, when the error says that the limit is reached."""
    if not isinstance(error, BinanceAPIException) or (error.status_code, error.code) != (429, -1003):
        return None
    return int(error.response.headers["Retry-After"])


def is_refusal(error, what):
    code, words = REFUSALS[what]
    return isinstance(error, BinanceAPIException) and error.code == code and words in error.message
