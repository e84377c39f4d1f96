"""ccxt and ccxt.pro: unified names (`BTC/USDT`, open/closed/canceled), numbers as floats."""

import asyncio

import ccxt
import ccxt.pro

from trader import BASE, QUOTE, Book, Fill, Order, decimal, until

PAIR = f"{BASE}/{QUOTE}"
NAME = "ccxt"

# What the venue refuses, and how ccxt tells its users.
REFUSALS = {
    "bad signature": (ccxt.AuthenticationError, "-1022"),
    "insufficient balance": (ccxt.InsufficientFunds, "insufficient balance"),
    "filter failure": (ccxt.BadRequest, "Filter failure: NOTIONAL"),
    "unknown order to cancel": (ccxt.OrderNotFound, "-2011"),
    "unknown order to look at": (ccxt.OrderNotFound, "-2013"),
    "post only that would trade": (ccxt.OrderImmediatelyFillable, "immediately match"),
    "duplicate client id": (ccxt.InvalidOrder, "Duplicate order sent."),
}


class Exchange(ccxt.pro.binance):
    """ccxt's Binance, pointed elsewhere, with a record of the execution reports that pass through it."""

    def __init__(self, config):
        super().__init__(config)
        self.seen_reports = []

    def get_exceptions_by_url(self, url, exactOrBroad):
        """ccxt chooses its table of spot errors by the venue's public host name."""
        return super().get_exceptions_by_url("https://api.binance.com/", exactOrBroad)

    def handle_order_update(self, client, message):
        """Every report, before ccxt merges those of one order."""
        if message.get("e") == "executionReport":
            self.seen_reports.append(message)
        return super().handle_order_update(client, message)


def exchange(venue, account, tls=None):
    """A client of one account."""
    where = venue.said if tls is None else {name: venue.said[name + "_tls"] for name in ("rest", "stream", "ws_api")}
    config = {"apiKey": account.api_key, "secret": account.secret, "enableRateLimit": False}
    if tls is not None:
        config["cafile"] = tls
    made = Exchange(config)
    # A watch gives what is new since the last one.
    made.newUpdates = True
    made.options.update(
        {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    )
    # As deep as the venue's snapshots; ccxt's own limit is 1,000 levels.
    made.options["watchOrderBookLimit"] = 5000
    for key in list(made.urls["api"]):
        if key in ("public", "private", "v1"):
            made.urls["api"][key] = where["rest"] + "/api/v3"
        elif key.startswith("sapi"):
            made.urls["api"][key] = where["rest"] + "/sapi/v1"
    made.urls["api"]["ws"]["spot"] = where["stream"] + "/ws"
    made.urls["api"]["ws"]["ws-api"]["spot"] = where["ws_api"]
    return made


def order(found):
    """ccxt's order in the words of the wire."""
    filled = decimal(found["filled"])
    words = {"closed": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED"}
    status = words.get(found["status"]) or ("PARTIALLY_FILLED" if filled else "NEW")
    return Order(str(found["id"]), found["clientOrderId"], status, filled)


def fill(found):
    """ccxt's own trade."""
    return Fill(
        str(found["id"]), str(found["order"]), decimal(found["price"]), decimal(found["amount"]),
        decimal(found["fee"]["cost"]), found["fee"]["currency"], found["takerOrMaker"] == "maker",
    )


class Trader:
    """One account through ccxt."""

    def __init__(self, venue, account, tls=None):
        self.venue, self.account = venue, account
        self.client = exchange(venue, account, tls)
        self.watching, self.broken_count = [], 0

    async def __aenter__(self):
        try:
            await self.client.load_markets()
        except BaseException:
            await self.client.close()
            raise
        return self

    async def __aexit__(self, kind, error, trace):
        for task in self.watching:
            task.cancel()
        await asyncio.gather(*self.watching, return_exceptions=True)
        await self.client.close()

    async def place(self, side, quantity, price, client_id, force="GTC"):
        params = {"newClientOrderId": client_id, "timeInForce": force}
        placed = await self.client.create_order(PAIR, "limit", side.lower(), float(quantity), float(price), params)
        return order(placed)

    async def market(self, side, quantity):
        return order(await self.client.create_order(PAIR, "market", side.lower(), float(quantity)))

    async def raw(self, **words):
        """An order in the venue's words; returns its id."""
        kind, side = words.pop("type").lower(), words.pop("side").lower()
        numbers = {name: float(words.pop(name, 0)) or None for name in ("quantity", "price")}
        words = {name: str(word) for name, word in words.items()}
        placed = await self.client.create_order(PAIR, kind, side, numbers["quantity"], numbers["price"], words)
        return str(placed["id"])

    async def replace(self, order_id, side, quantity, price):
        """Cancels an order and places another; returns the id of that."""
        found = await self.client.edit_order(order_id, PAIR, "limit", side.lower(), float(quantity), float(price))
        return str(found["id"])

    async def cancel_all(self):
        await self.client.cancel_all_orders(PAIR)

    async def whole_depth(self):
        await self.client.fetch_order_book(PAIR, 5000)

    async def cancel(self, order_id):
        return order(await self.client.cancel_order(order_id, PAIR))

    async def look(self, order_id):
        return order(await self.client.fetch_order(order_id, PAIR))

    async def open_ids(self):
        return [str(found["id"]) for found in await self.client.fetch_open_orders(PAIR)]

    async def balances(self):
        found = await self.client.fetch_balance()
        return {asset: (decimal(found[asset]["free"]), decimal(found[asset]["used"])) for asset in (BASE, QUOTE)}

    async def fills(self):
        return [fill(found) for found in await self.client.fetch_my_trades(PAIR)]

    async def rates(self):
        """Maker and taker fee."""
        found = await self.client.fetch_balance()
        rates = found["info"]["commissionRates"]
        return decimal(rates["maker"]), decimal(rates["taker"])

    def stranger(self):
        """The same key with a wrong secret."""
        wrong = type(self.account)(self.account.api_key, "x" * len(self.account.secret))
        return Trader(self.venue, wrong)

    async def connected_again(self):
        """ccxt connects with the next call."""

    async def start_reports(self):
        """Orders, trades and balances are watched as a user would; returns once ccxt has a place for balances."""
        await self.client.authenticate({"type": "spot"})
        for watch in (self.client.watch_orders, self.client.watch_my_trades, self.client.watch_balance):
            self.watching.append(asyncio.get_running_loop().create_task(self.watch(watch)))
        await until(lambda: self.alive() and "spot" in self.client.balance, "the watch of balances")

    async def watch(self, watch):
        while True:
            try:
                await watch()
            except ccxt.NetworkError:
                # The connection is lost; the next watch connects and subscribes.
                self.broken_count += 1

    async def subscribed_again(self):
        """The user stream after its connection was lost."""
        await until(lambda: self.alive() and self.broken_count == len(self.watching), "every watch to notice")
        await self.client.authenticate({"type": "spot"})

    def alive(self):
        """Raises what ended a watch."""
        for task in self.watching:
            if task.done():
                task.result()
        return True

    def reports(self):
        """Execution reports so far, oldest first, and the last word on each balance."""
        self.alive()
        kept = self.client.balance["spot"]
        words = {asset: kept[asset] for asset in (BASE, QUOTE) if asset in kept}
        return list(self.client.seen_reports), {
            asset: (decimal(one["free"]), decimal(one["used"])) for asset, one in words.items()
        }

    def kept(self):
        """Orders and trades in ccxt's own caches, which it fills from the reports."""
        orders = {found.id: found for found in map(order, self.client.orders or [])}
        return orders, [fill(found) for found in self.client.myTrades or []]

    async def trades(self):
        """Trades of the market: id, price, quantity."""
        while True:
            for one in await self.client.watch_trades(PAIR):
                yield str(one["id"]), decimal(one["price"]), decimal(one["amount"])

    async def books(self):
        """The book that ccxt keeps, after each of its updates."""
        while True:
            try:
                book = await self.client.watch_order_book(PAIR)
            except (ccxt.NetworkError, ccxt.ChecksumError):
                # A lost connection, a gap: ccxt begins anew with the next watch.
                self.broken_count += 1
                continue
            sides = [{decimal(row[0]): decimal(row[1]) for row in book[side]} for side in ("bids", "asks")]
            yield Book(book["nonce"], sides[0], sides[1])


class WsApiTrader(Trader):
    """The same account; orders go over the WebSocket API. Balances do not: `fetch_balance_ws` of ccxt 4.5.90
    reads the answer of the spot market as if it were one of futures, and finds no asset in it."""

    async def place(self, side, quantity, price, client_id, force="GTC"):
        params = {"newClientOrderId": client_id, "timeInForce": force}
        placed = await self.client.create_order_ws(PAIR, "limit", side.lower(), float(quantity), float(price), params)
        return order(placed)

    async def cancel(self, order_id):
        return order(await self.client.cancel_order_ws(order_id, PAIR))

    async def look(self, order_id):
        return order(await self.client.fetch_order_ws(order_id, PAIR))

    async def open_ids(self):
        return [str(found["id"]) for found in await self.client.fetch_open_orders_ws(PAIR)]

    async def fills(self):
        return [fill(found) for found in await self.client.fetch_my_trades_ws(PAIR)]


def retry_after_s(client, error):
    """Seconds to wait, when the error says that the limit is reached."""
    if not isinstance(error, ccxt.DDoSProtection) or "-1003" not in str(error):
        return None
    return int(client.client.last_response_headers["Retry-After"])


def is_refusal(error, what):
    """Whether the client's exception is the right one for it."""
    kind, words = REFUSALS[what]
    return isinstance(error, kind) and words in str(error)
