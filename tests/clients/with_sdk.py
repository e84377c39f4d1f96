"""binance-sdk-spot, the official Python SDK: REST (blocking), WebSocket streams and WebSocket API."""

import asyncio
import contextlib
from decimal import Decimal

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError, ClientError, TooManyRequestsError, UnauthorizedError
from binance_sdk_spot.spot import Spot

from trader import BASE, QUOTE, SYMBOL, Book, Fill, Order, check

NAME = "sdk"

# The venue's words in the SDK's names.
SDK_NAMES = {
    "timeInForce": "time_in_force",
    "quoteOrderQty": "quote_order_qty",
    "stopPrice": "stop_price",
    "selfTradePreventionMode": "self_trade_prevention_mode",
}

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
    """A model of the SDK; a cancel's answer has our id in orig_client_order_id."""
    client_id = getattr(found, "orig_client_order_id", None) or found.client_order_id
    return Order(str(found.order_id), client_id, found.status, Decimal(found.executed_qty))


def balances(found):
    """Free and locked of both assets."""
    words = {one.asset: (Decimal(one.free), Decimal(one.locked)) for one in found.balances}
    return {asset: words[asset] for asset in (BASE, QUOTE)}


def fill(found):
    """An own trade."""
    return Fill(
        str(found.id), str(found.order_id), Decimal(found.price), Decimal(found.qty),
        Decimal(found.commission), found.commission_asset, found.is_maker,
    )


class Trader:
    """One account through the SDK."""

    def __init__(self, venue, account):
        self.venue, self.account = venue, account
        keys = {"api_key": account.api_key, "api_secret": account.secret}
        self.client = Spot(
            config_rest_api=ConfigurationRestAPI(base_path=venue.rest, timeout=5000, retries=0, **keys),
            config_ws_api=ConfigurationWebSocketAPI(stream_url=venue.ws_api, **keys),
        )
        self.seen_reports, self.seen_balances = [], {}
        self.has_ws_api, self.broken, self.broken_count = False, None, 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        if self.has_ws_api:
            await self.client.websocket_api.close_connection()

    async def connect(self):
        """The connection of the WebSocket API."""
        if not self.has_ws_api:
            await self.client.websocket_api.create_connection()
            self.has_ws_api = True

    async def call(self, method, **arguments):
        """A REST call; the SDK blocks, so it has a thread."""
        answer = await asyncio.to_thread(getattr(self.client.rest_api, method), **arguments)
        return answer.data()

    async def place(self, side, quantity, price, client_id, force="GTC"):
        return order(
            await self.call(
                "new_order", symbol=SYMBOL, side=side, type="LIMIT", time_in_force=force,
                quantity=float(quantity), price=float(price), new_client_order_id=client_id,
            )
        )

    async def market(self, side, quantity):
        return order(
            await self.call("new_order", symbol=SYMBOL, side=side, type="MARKET", quantity=float(quantity))
        )

    async def raw(self, **words):
        """An order in the venue's words; returns its id."""
        named = {SDK_NAMES.get(name, name): word for name, word in words.items()}
        for name in ("quantity", "price", "stop_price", "quote_order_qty"):
            if name in named:
                named[name] = float(named[name])
        return str((await self.call("new_order", symbol=SYMBOL, **named)).order_id)

    async def replace(self, order_id, side, quantity, price):
        """Cancels an order and places another; returns the id of that."""
        found = await self.call(
            "order_cancel_replace", symbol=SYMBOL, side=side, type="LIMIT", time_in_force="GTC",
            quantity=float(quantity), price=float(price), cancel_replace_mode="STOP_ON_FAILURE",
            cancel_order_id=int(order_id),
        )
        return str(found.new_order_response.order_id)

    async def cancel_all(self):
        await self.call("delete_open_orders", symbol=SYMBOL)

    async def whole_depth(self):
        await self.call("depth", symbol=SYMBOL, limit=5000)

    async def cancel(self, order_id):
        return order(await self.call("delete_order", symbol=SYMBOL, order_id=int(order_id)))

    async def look(self, order_id):
        return order(await self.call("get_order", symbol=SYMBOL, order_id=int(order_id)))

    async def open_ids(self):
        return [str(found.order_id) for found in await self.call("get_open_orders", symbol=SYMBOL)]

    async def balances(self):
        return balances(await self.call("get_account"))

    async def fills(self):
        return [fill(one) for one in await self.call("my_trades", symbol=SYMBOL)]

    async def rates(self):
        found = (await self.call("account_commission", symbol=SYMBOL)).standard_commission
        return Decimal(found.maker), Decimal(found.taker)

    def stranger(self):
        wrong = type(self.account)(self.account.api_key, "x" * len(self.account.secret))
        return Trader(self.venue, wrong)

    async def connected_again(self):
        """REST connects with the next call."""

    async def start_reports(self):
        await self.connect()
        answer = await self.client.websocket_api.user_data_stream_subscribe_signature()
        answer.stream.on("message", self.heard)

    def heard(self, event):
        """An event as a model; a payload that no model fits arrives as it was sent."""
        found = event.actual_instance
        name = type(found).__name__
        if name == "ExecutionReport":
            self.seen_reports.append({key: value for key, value in found.to_dict().items() if value is not None})
        elif name == "OutboundAccountPosition":
            for one in found.B:
                self.seen_balances[one.a] = (Decimal(one.f), Decimal(one.l))
        else:
            self.broken = f"the SDK has no model for {event}"

    def reports(self):
        check(self.broken is None, self.broken)
        words = {asset: self.seen_balances[asset] for asset in (BASE, QUOTE) if asset in self.seen_balances}
        return list(self.seen_reports), words

    @contextlib.asynccontextmanager
    async def stream(self, method, **arguments):
        """The events of a market stream, as models, in a queue; None when the connection is lost: the SDK
        connects again by itself only when the server announces its end. A client that lost its connection
        (13.2.0) leaves out the next subscription to the same stream, so each stream has a client of its own.
        """
        events = asyncio.Queue()
        config = ConfigurationWebSocketStreams(stream_url=self.venue.stream + "/stream")
        streams = Spot(config_ws_streams=config).websocket_streams
        await streams.create_connection()
        try:
            handle = await getattr(streams, method)(symbol=SYMBOL.lower(), **arguments)
            handle.on("message", events.put_nowait)
            streams.on_connection("close", lambda: events.put_nowait(None))
            yield events
        finally:
            await streams.close_connection()

    async def trades(self):
        """Trades of the market: id, price, quantity."""
        async with self.stream("trade") as events:
            while True:
                event = await events.get()
                yield str(event.t), Decimal(event.p), Decimal(event.q)

    async def books(self):
        """The documented algorithm over the SDK's stream and snapshot; the SDK keeps no book itself."""
        while True:
            async with self.stream("diff_book_depth", update_speed="100ms") as events:
                async for book in self.books_of(events):
                    yield book
            self.broken_count += 1

    async def books_of(self, events):
        """The books of one connection."""
        book = None
        while event := await events.get():
            if book is None:
                book = await self.snapshot_after(event)
            if event.U > book.id + 1:
                # A gap: the documented answer is to begin again.
                self.broken_count += 1
                book = await self.snapshot_after(event)
            if event.u > book.id:
                apply(book.bids, event.b)
                apply(book.asks, event.a)
                book.id = event.u
                yield book

    async def snapshot_after(self, event):
        """A snapshot that is not older than the event."""
        while True:
            found = await self.call("depth", symbol=SYMBOL, limit=5000)
            if found.last_update_id >= event.U - 1:
                return Book(found.last_update_id, levels(found.bids), levels(found.asks))


class WsApiTrader(Trader):
    """The same account; every request of an order's life goes over the WebSocket API."""

    async def __aenter__(self):
        await self.connect()
        return self

    async def ask(self, method, **arguments):
        """A request over the socket."""
        answer = await getattr(self.client.websocket_api, method)(**arguments)
        return answer.data().result

    async def place(self, side, quantity, price, client_id, force="GTC"):
        return order(
            await self.ask(
                "order_place", symbol=SYMBOL, side=side, type="LIMIT", time_in_force=force,
                quantity=float(quantity), price=float(price), new_client_order_id=client_id,
            )
        )

    async def cancel(self, order_id):
        return order(await self.ask("order_cancel", symbol=SYMBOL, order_id=int(order_id)))

    async def look(self, order_id):
        return order(await self.ask("order_status", symbol=SYMBOL, order_id=int(order_id)))

    async def open_ids(self):
        return [str(found.order_id) for found in await self.ask("open_orders_status", symbol=SYMBOL)]

    async def balances(self):
        return balances(await self.ask("account_status"))

    async def fills(self):
        return [fill(one) for one in await self.ask("my_trades", symbol=SYMBOL)]


def levels(rows):
    """Rows of a snapshot or a diff: price to quantity."""
    return {Decimal(price): Decimal(quantity) for price, quantity in map(list, map(unwrap, rows))}


def unwrap(row):
    """A row is a plain list, or a model around one."""
    return getattr(row, "root", row)


def apply(side, rows):
    """Absolute quantities; 0 removes."""
    for price, quantity in levels(rows).items():
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


def retry_after_s(client, error):
    """Seconds to wait, when the error says that the limit is reached."""
    if not isinstance(error, TooManyRequestsError) or error.status_code != -1003:
        return None
    return error.retry_after


def is_refusal(error, what):
    code, words = REFUSALS[what]
    kind = isinstance(error, (BadRequestError, ClientError, UnauthorizedError))
    return kind and error.status_code == code and words in error.error_message
