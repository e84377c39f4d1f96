"""What every client must live through. Each is written once and played through each client's adapter.

    life       an order: placed, partly filled by the second account, cancelled; money right at each step
    refusals   what the venue refuses reaches the user as the client's own exception
    kinds      market by cost, post only, fill or kill, stop, replacement, self-trade prevention, cancel all
    limits     too many requests: the client's exception, with the time to wait
    restart    the venue is killed and started again: order, trades and balances are as before
    book       the book that the client keeps equals the venue's, at equal update ids, while the market runs
    cut, gap   the same after the stream was cut, or left diffs out
    trades     the trade stream tells every trade of the market once, as the trade list has it
    reports    every execution report arrives once, in order, and adds up to the trades and the balances
"""

import asyncio
from collections import OrderedDict
from decimal import ROUND_DOWN, Decimal

from trader import BASE, QUOTE, SYMBOL, UNIT, check, equal, until
from venue import Plain

TICK = Decimal("0.01")
# Comparisons in one run of `book`.
BOOKS_COMPARED = 5
# Of the books that the client had lately, so many are kept to be found by their id.
BOOKS_KEPT = 256
BOOK_TIMEOUT_S = 40
# Times that `reports` places each kind of order.
ROUNDS = 2
# Trades of the market in one run of `trades`.
TRADES_HEARD = 8
# Whole books that no client may have within a minute.
REQUESTS_MAX = 30
# Snapshots of the whole book that the plain view may take: 250 of 6,000 weight a minute each.
SNAPSHOTS_MAX = 23


def fee_of(amount, rate):
    """A fee is cut to 8 decimals."""
    return (amount * rate).quantize(UNIT, ROUND_DOWN)


async def best(plain):
    """Best bid and ask and what rests at the bid, None where a side is empty."""
    _, bids, asks = await plain.depth(SYMBOL)
    return (max(bids) if bids else None), (min(asks) if asks else None), bids


async def quiet_price(plain):
    """A price for a buy order at the head of the book, and the quantity that rests there before it."""
    bid, ask, bids = await best(plain)
    if bid is None:
        return Decimal("61800.00") if ask is None else ask - 100 * TICK, Decimal(0)
    if ask is None or ask - bid > TICK:
        return bid + TICK, Decimal(0)
    return bid, bids[bid]


async def life(venue, traders):
    """The market stands still: every figure is known."""
    buyer, seller = traders
    async with Plain(venue) as plain:
        price, ahead = await quiet_price(plain)
        maker, taker = await buyer.rates()
        first, first_of_seller = await buyer.balances(), await seller.balances()
        quantity, part = Decimal("0.01000"), Decimal("0.00400")

        placed = await buyer.place("BUY", quantity, price, "strangers-1")
        equal((placed.status, placed.filled, placed.client_id), ("NEW", 0, "strangers-1"), "placed")
        locked = price * quantity
        free, held = first[QUOTE]
        equal((await buyer.balances())[QUOTE], (free - locked, held + locked), "quote after the order")
        check(placed.id in await buyer.open_ids(), "the order is among the open ones")
        _, bids, _ = await plain.depth(SYMBOL)
        equal(bids[price], ahead + quantity, "the book shows the order")

        sold = await seller.place("SELL", ahead + part, price, "strangers-2", "IOC")
        equal((sold.status, sold.filled), ("FILLED", ahead + part), "the second account's order")
        seen = await buyer.look(placed.id)
        equal((seen.status, seen.filled), ("PARTIALLY_FILLED", part), "partly filled")
        mine = [fill for fill in await buyer.fills() if fill.order == placed.id]
        equal(len(mine), 1, "own trades of the order")
        fee = fee_of(part, maker)
        equal((mine[0].price, mine[0].quantity, mine[0].is_maker), (price, part, True), "the maker's trade")
        equal((mine[0].fee, mine[0].fee_asset), (fee, BASE), "the maker's fee, out of what it received")
        theirs = [fill for fill in await seller.fills() if fill.order == sold.id]
        equal(sum(fill.quantity for fill in theirs), ahead + part, "the taker's trades")
        for fill in theirs:
            expected = (fee_of(fill.price * fill.quantity, taker), QUOTE, False)
            equal((fill.fee, fill.fee_asset, fill.is_maker), expected, "the taker's fee")
        check(mine[0].id in [fill.id for fill in theirs], "both sides name the trade by the same id")
        now = await buyer.balances()
        equal(now[BASE], (first[BASE][0] + part - fee, first[BASE][1]), "base after the fill")
        left = price * (quantity - part)
        equal(now[QUOTE], (free - price * quantity, held + left), "quote after the fill")
        now = await seller.balances()
        equal(now[BASE], (first_of_seller[BASE][0] - ahead - part, first_of_seller[BASE][1]), "the seller's base")
        gained = sum(fill.price * fill.quantity - fill.fee for fill in theirs)
        equal(now[QUOTE], (first_of_seller[QUOTE][0] + gained, first_of_seller[QUOTE][1]), "the seller's quote")

        await buyer.cancel(placed.id)
        seen = await buyer.look(placed.id)
        equal((seen.status, seen.filled), ("CANCELED", part), "cancelled")
        equal((await buyer.balances())[QUOTE], (free - price * part, held), "quote after the cancel")
        check(placed.id not in await buyer.open_ids(), "the order is no longer open")
        _, bids, _ = await plain.depth(SYMBOL)
        check(price not in bids, "the book no longer shows the order")


async def refused(module, what, attempt):
    """An attempt that the client must answer with its exception for that."""
    try:
        answer = await attempt
    except Exception as error:
        check(module.is_refusal(error, what), f"{what}: the client raised {type(error).__name__}: {error}")
        return
    raise AssertionError(f"{what}: accepted: {answer}")


async def refusals(venue, traders, module):
    """The market stands still. A refusal changes nothing: the balances say so at the end."""
    trader = traders[0]
    async with Plain(venue) as plain:
        bid, ask, _ = await best(plain)
        anchor = bid or ask or Decimal("61800.00")
    low = (anchor * Decimal("0.99")).quantize(TICK)
    open_order = await trader.place("BUY", Decimal("0.00100"), low, "strangers-3")
    before = await trader.balances()
    has = before[QUOTE][0]

    much = (has / low * 2).quantize(Decimal("0.001"))
    await refused(module, "duplicate client id", trader.place("BUY", Decimal("0.00100"), low, "strangers-3"))
    await refused(module, "insufficient balance", trader.place("BUY", much, low, "strangers-4"))
    await refused(module, "filter failure", trader.place("BUY", Decimal("0.00001"), low, "strangers-5"))
    # ccxt rounds to tick and step before it sends.
    if "price off the tick" in module.REFUSALS:
        odd = low + Decimal("0.001")
        await refused(module, "price off the tick", trader.place("BUY", Decimal("0.00100"), odd, "strangers-6"))
        odd = Decimal("0.001001")
        await refused(module, "quantity off the step", trader.place("BUY", odd, low, "strangers-7"))
    await refused(module, "unknown order to look at", trader.look("987654321"))
    await refused(module, "unknown order to cancel", trader.cancel("987654321"))
    async with trader.stranger() as stranger:
        await refused(module, "bad signature", stranger.balances())
    equal(await trader.balances(), before, "balances after the refusals")
    await trader.cancel(open_order.id)
    await refused(module, "unknown order to cancel", trader.cancel(open_order.id))
    # A client id is free again when its order is closed.
    again = await trader.place("BUY", Decimal("0.00100"), low, "strangers-3")
    await trader.cancel(again.id)


async def kinds(venue, traders, module):
    """The market stands still. Orders of other kinds, each with its end."""
    trader, other = traders
    small = Decimal("0.00100")
    async with Plain(venue) as plain:
        bid, ask, bids = await best(plain)
        check(bid is not None and ask is not None, "both sides have quotes")

        async def ends(what, order_id, status, filled):
            found = await trader.look(order_id)
            equal((found.status, found.filled), (status, filled), what)

        spent = Decimal("50.00")
        before = await trader.balances()
        bought = await trader.look(await trader.raw(side="BUY", type="MARKET", quoteOrderQty=spent))
        equal(bought.status, "FILLED", "market order by its cost")
        cost = before[QUOTE][0] - (await trader.balances())[QUOTE][0]
        step = Decimal("0.00001")
        check(cost <= spent < cost + ask * step * 2, f"market order by its cost: {cost} of {spent}")

        resting = {"side": "BUY", "type": "LIMIT_MAKER", "quantity": small, "price": bid - TICK}
        maker = await trader.raw(**resting)
        await ends("post only", maker, "NEW", 0)
        _, ask, _ = await best(plain)
        await refused(module, "post only that would trade", trader.raw(**{**resting, "price": ask}))

        moved = await trader.replace(maker, "BUY", small * 2, bid - 2 * TICK)
        await ends("the replaced one", maker, "CANCELED", 0)
        await ends("its replacement", moved, "NEW", 0)
        check(moved != maker, "a replacement has an id of its own")

        limit = {"side": "SELL", "type": "LIMIT", "price": bid}
        much = bids[bid] + small
        killed = await trader.raw(**limit, timeInForce="FOK", quantity=much)
        await ends("fill or kill of more than there is", killed, "EXPIRED", 0)
        some = await trader.raw(**limit, timeInForce="IOC", quantity=much)
        await ends("immediate or cancel of more than there is", some, "EXPIRED", bids[bid])

        # The last trade was at the old bid; a stop at or above it would go off at once.
        bid, _, _ = await best(plain)
        head = min(bid + TICK, limit["price"] - TICK)
        stop = {"side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": small}
        stopped = await trader.raw(**stop, stopPrice=head, price=head - 50 * TICK)
        await ends("a stop that waits", stopped, "NEW", 0)
        # A trade of others at the stop's price sets it off; it sells to the best bid, which is ours.
        await other.raw(side="BUY", type="LIMIT", timeInForce="GTC", quantity=small * 2, price=head)
        hit = await trader.raw(**{**limit, "price": head}, timeInForce="IOC", quantity=small)
        await ends("the order that sets the stop off", hit, "FILLED", small)
        await ends("a stop that went off", stopped, "FILLED", small)

        bid, ask, _ = await best(plain)
        head = bid + TICK
        own = {"type": "LIMIT", "price": head, "quantity": small, "selfTradePreventionMode": "EXPIRE_MAKER"}
        first = await trader.raw(**own, side="BUY", timeInForce="GTC")
        second = await trader.raw(**own, side="SELL", timeInForce="GTC")
        found = await trader.look(first)
        check(found.status in ("EXPIRED", "EXPIRED_IN_MATCH"), f"an own order that was met: {found}")
        equal(found.filled, 0, "filled by oneself")
        await ends("the order that met one's own", second, "NEW", 0)
        await trader.cancel_all()
        equal(await trader.open_ids(), [], "open orders after all were cancelled")
        equal((await trader.balances())[QUOTE][1], before[QUOTE][1], "quote still held")
        equal((await trader.balances())[BASE][1], before[BASE][1], "base still held")


async def limits(venue, traders, module):
    """Too many requests: the client's own exception, with the time to wait; others are not hit."""
    trader = traders[0]
    for sent in range(REQUESTS_MAX):
        try:
            await trader.whole_depth()
        except Exception as error:
            wait_s = module.retry_after_s(trader, error)
            check(wait_s is not None, f"the client raised {type(error).__name__}: {error}")
            check(0 < wait_s <= 60, f"seconds to wait: {wait_s}")
            break
    else:
        raise AssertionError(f"{REQUESTS_MAX} requests of 250 weight each were not too many")
    async with Plain(venue) as plain:
        await plain.depth(SYMBOL)
    return f"after {sent} whole books, {wait_s} s to wait"


async def restart(venue, traders):
    """The venue is killed and started again over its state: nothing that it acknowledged is lost."""
    buyer, seller = traders
    async with Plain(venue) as plain:
        price, ahead = await quiet_price(plain)
        bid, _, _ = await best(plain)
    low = (bid * Decimal("0.98")).quantize(TICK)
    far = await buyer.place("BUY", Decimal("0.00100"), low, "restart-far")
    met = await buyer.place("BUY", Decimal("0.00500"), price, "restart-met")
    await seller.place("SELL", ahead + Decimal("0.00200"), price, "restart-hit", "IOC")
    equal((await buyer.look(met.id)).status, "PARTIALLY_FILLED", "the order before")
    far_before, fills_before = await buyer.look(far.id), await buyer.fills()
    total_before = await total_of(buyer)
    await venue.kill_and_start_again()

    async def again():
        # Connections of before are gone; a client may need a try to notice.
        try:
            return await buyer.look(far.id)
        except Exception:
            return None

    equal(await until(again, "the venue answers again"), far_before, "the order that rests far away")
    await buyer.connected_again()
    # Quotes are made anew, and some may have met the order at the head of the book.
    fills = await buyer.fills()
    equal(fills[: len(fills_before)], fills_before, "trades of before")
    check({fill.order for fill in fills} == {met.id}, "trades are of the order that was met")
    found = await buyer.look(met.id)
    equal(found.filled, sum(fill.quantity for fill in fills), "filled of the order that was met")
    for fill in fills[len(fills_before) :]:
        total_before[BASE] += fill.quantity - fill.fee
        total_before[QUOTE] -= fill.quantity * fill.price
    equal(await total_of(buyer), total_before, "what the account owns")
    await buyer.cancel(far.id)
    equal((await buyer.look(far.id)).status, "CANCELED", "the order of before")
    fresh = await buyer.place("BUY", Decimal("0.00100"), low, "restart-far")
    check(met.id not in (fresh.id, far.id) and int(fresh.id) > int(met.id), f"ids go on: {met.id}, {fresh.id}")
    await buyer.cancel_all()
    equal({asset: held for asset, (_, held) in (await buyer.balances()).items()}, {BASE: 0, QUOTE: 0}, "held")


async def total_of(trader):
    """Free and held together."""
    return {asset: free + held for asset, (free, held) in (await trader.balances()).items()}


async def book(venue, traders):
    """The market runs. Books are compared whole: every price and quantity of both sides."""
    return await compare_books(venue, traders[0], None)


async def cut(venue, traders):
    """The connection of the stream is reset: the client connects again, and its book is right again."""
    return await compare_books(venue, traders[0], {"on": "time", "do": "cut", "scope": "stream"})


async def gap(venue, traders):
    """Diffs are left out: the client must notice, take a new snapshot, and be right again."""
    return await compare_books(venue, traders[0], {"on": "stream", "stream": "btcusdt@depth*", "do": "gap", "frames": 3})


async def compare_books(venue, trader, fault):
    """Compares books at equal ids; a fault happens after the second, and only books after it count then."""
    had, news = OrderedDict(), asyncio.Event()

    async def keep():
        async for found in trader.books():
            had[found.id] = (dict(found.bids), dict(found.asks))
            while len(had) > BOOKS_KEPT:
                had.popitem(last=False)
            news.set()

    keeping = asyncio.get_running_loop().create_task(keep())

    async def next_news():
        """The next update of the client's book, or what went wrong with it."""
        news.clear()
        waiting = asyncio.get_running_loop().create_task(news.wait())
        done, _ = await asyncio.wait({keeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if keeping in done:
            waiting.cancel()
            keeping.result()
            raise AssertionError("the client's book ended")

    compared, updates, newer_than, broken_before = [], 0, 0, 0
    try:
        async with Plain(venue) as plain, asyncio.timeout(BOOK_TIMEOUT_S):
            while len(compared) < BOOKS_COMPARED:
                met = f"ids never met: compared {compared}, the client's last {list(had)[-9:]}"
                check(plain.snapshots_taken < SNAPSHOTS_MAX, met)
                # Right after a diff the venue's id is most likely still the one that the diff ended with.
                await next_news()
                update_id, bids, asks = await plain.depth(SYMBOL)
                while not had or next(reversed(had)) < update_id:
                    await next_news()
                if update_id not in had or update_id in compared or update_id <= newer_than:
                    continue
                for side, venues, clients in zip(("bids", "asks"), (bids, asks), had[update_id]):
                    compare(f"{side} at {update_id}", venues, clients)
                check(bids and asks, f"a side of the book is empty at {update_id}")
                compared.append(update_id)
                updates = max(updates, len(bids) + len(asks))
                if fault is not None and len(compared) == 2:
                    broken_before = trader.broken_count
                    await plain.fault(**fault)
                    newer_than = next(reversed(had))
            if fault is not None:
                equal((await plain.get("/tickwheel/faults"))["fired"], 1, "faults that happened")
    except TimeoutError:
        raise AssertionError(f"compared only {compared} in {BOOK_TIMEOUT_S} s") from None
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    equal(len(set(compared)), BOOKS_COMPARED, "books of different ids")
    if fault is not None:
        check(broken_before < trader.broken_count, "the client noticed nothing")
    said = f", {trader.broken_count - broken_before} times begun again" if fault else ""
    return f"{BOOKS_COMPARED} books of up to {updates} levels, ids {compared[0]}..{compared[-1]}{said}"


def compare(what, venues, clients):
    """Names the first few levels that differ."""
    clients = {price: quantity for price, quantity in clients.items() if quantity}
    if venues == clients:
        return
    prices = sorted(price for price in venues.keys() | clients.keys() if venues.get(price) != clients.get(price))
    shown = [f"{price}: venue {venues.get(price)}, client {clients.get(price)}" for price in prices[:5]]
    raise AssertionError(f"{what}: {len(prices)} levels differ: " + "; ".join(shown))


async def reports(venue, traders):
    """The market runs and trades with our orders as it likes; the sums hold whatever it does."""
    await traders[0].start_reports()
    return await compare_reports(venue, traders)


async def reports_after_cut(venue, traders):
    """The same on a second connection, after the first was reset."""
    await traders[0].start_reports()
    async with Plain(venue) as plain:
        await plain.fault(on="time", do="cut", scope="ws_api")
    await traders[0].subscribed_again()
    return await compare_reports(venue, traders)


async def compare_reports(venue, traders):
    """Places orders of several kinds and compares what was heard with what can be asked."""
    buyer, seller = traders
    first = await buyer.balances()
    ids = []
    async with Plain(venue) as plain:
        for round_index in range(ROUNDS):
            ids.append((await buyer.market("BUY", Decimal("0.00200"))).id)
            bid, ask, _ = await best(plain)
            low = (bid * Decimal("0.99")).quantize(TICK)
            rests = await buyer.place("BUY", Decimal("0.00300"), low, f"reports-rest-{round_index}")
            ids.append(rests.id)
            await buyer.cancel(rests.id)
            # Far below the market: no bid, so it expires unfilled.
            ids.append((await buyer.place("BUY", Decimal("0.00300"), low, f"reports-ioc-{round_index}", "IOC")).id)
            ids.append((await buyer.market("SELL", Decimal("0.00100"))).id)
            ids.append(await met_by_the_other(buyer, seller, plain, round_index))
    orders = {order_id: await buyer.look(order_id) for order_id in ids}
    ends = {"FILLED", "CANCELED", "EXPIRED"}
    check(all(one.status in ends for one in orders.values()), f"orders that are still open: {orders}")
    await until(
        lambda: ended(buyer.reports()[0]) >= set(ids), lambda: f"last report of {set(ids) - ended(buyer.reports()[0])}"
    )
    fills, last = await buyer.fills(), await buyer.balances()
    await until(lambda: buyer.reports()[1] == last, lambda: f"balances by events {buyer.reports()[1]}, asked {last}")
    heard = buyer.reports()[0]
    executions = [report["I"] for report in heard]
    check(executions == sorted(set(executions)), f"execution ids are not strictly rising: {executions}")
    for order_id, one in orders.items():
        of_order(order_id, one, [report for report in heard if str(report["i"]) == order_id])
    named = {report["c"] for report in heard if report["x"] == "NEW"}
    for round_index in range(ROUNDS):
        for name in ("rest", "ioc", "met"):
            check(f"reports-{name}-{round_index}" in named, f"no report with our id reports-{name}-{round_index}")
    equal({str(report["i"]) for report in heard}, set(ids), "orders with reports")
    told = {
        (str(one["t"]), str(one["i"]), Decimal(one["L"]), Decimal(one["l"]), Decimal(one["n"]), one["N"], one["m"])
        for one in heard
        if one["x"] == "TRADE"
    }
    asked = {(one.id, one.order, one.price, one.quantity, one.fee, one.fee_asset, one.is_maker) for one in fills}
    equal(told, asked, "trades by events and by request")
    if hasattr(buyer, "kept"):
        # A client that keeps orders and trades itself, from the same reports.
        kept_orders, kept_fills = buyer.kept()
        ours = {str(report["i"]): report["c"] for report in heard if report["x"] == "NEW"}
        expected = {key: (ours[key], one.status, one.filled) for key, one in orders.items()}
        found = {key: (one.client_id, one.status, one.filled) for key, one in kept_orders.items()}
        equal(found, expected, "orders in the client's cache, by our ids")
        equal(set(kept_fills), set(fills), "trades in the client's cache")
    change = {BASE: Decimal(0), QUOTE: Decimal(0)}
    sides = {str(report["i"]): report["S"] for report in heard}
    for fill in fills:
        sign = 1 if sides[fill.order] == "BUY" else -1
        change[BASE] += sign * fill.quantity
        change[QUOTE] -= sign * fill.quantity * fill.price
        change[fill.fee_asset] -= fill.fee
    for asset, moved in change.items():
        equal(sum(last[asset]), sum(first[asset]) + moved, f"{asset} by the sum of the trades")
    return f"{len(heard)} reports of {len(ids)} orders, {len(fills)} trades"


async def trades(venue, traders):
    """The market runs. The stream must not leave one out between the first and the last."""
    heard = []
    try:
        async with asyncio.timeout(BOOK_TIMEOUT_S):
            async for trade in traders[0].trades():
                heard.append(trade)
                if len(heard) == TRADES_HEARD:
                    break
    except TimeoutError:
        raise AssertionError(f"only {len(heard)} trades in {BOOK_TIMEOUT_S} s") from None
    ids = [int(trade[0]) for trade in heard]
    equal(ids, list(range(ids[0], ids[0] + TRADES_HEARD)), "trade ids")
    async with Plain(venue) as plain:
        asked = await plain.get("/api/v3/trades", symbol=SYMBOL, limit=1000)
    told = {(str(one["id"]), Decimal(one["price"]), Decimal(one["qty"])) for one in asked}
    check(set(heard) <= told, f"trades of the stream that the list does not have: {set(heard) - told}")
    return f"{TRADES_HEARD} trades, ids {ids[0]}..{ids[-1]}"


async def met_by_the_other(buyer, seller, plain, round_index):
    """A buy order at the head of the book, hit by the second account, the rest cancelled."""
    bid, ask, _ = await best(plain)
    price = bid + TICK if ask - bid > TICK else bid
    mine = await buyer.place("BUY", Decimal("0.00500"), price, f"reports-met-{round_index}")
    for part in range(2):
        await seller.place("SELL", Decimal("0.00150"), price, f"reports-hit-{round_index}-{part}", "IOC")
    if (await buyer.look(mine.id)).status in ("NEW", "PARTIALLY_FILLED"):
        try:
            await buyer.cancel(mine.id)
        except Exception:
            # The market may have been faster; then there is nothing to cancel.
            equal((await buyer.look(mine.id)).status, "FILLED", "an order that cannot be cancelled")
    return mine.id


def ended(heard):
    """Orders whose last report is there."""
    return {str(report["i"]) for report in heard if report["X"] in ("FILLED", "CANCELED", "EXPIRED")}


def of_order(order_id, order, heard):
    """The reports of one order: NEW first, sums that never fall, one end."""
    words = [report["x"] for report in heard]
    equal(words[:1], ["NEW"], f"the first report of order {order_id}")
    total = Decimal(0)
    for report in heard:
        total += Decimal(report["l"])
        equal(Decimal(report["z"]), total, f"sum in a report of order {order_id}: {words}")
    equal(total, order.filled, f"filled of order {order_id}")
    ends = [report["X"] for report in heard if report["X"] in ("FILLED", "CANCELED", "EXPIRED")]
    equal(ends, [order.status], f"ends of order {order_id}: {words}")
    equal(heard[-1]["X"], order.status, f"the last report of order {order_id}")
    ours = heard[0]["c"]
    if order.status == "CANCELED":
        # The cancel has an id of its own, and the order goes by it from then on.
        equal(heard[-1]["C"], ours, f"our id in the report of the cancel of order {order_id}")
        equal(heard[-1]["c"], order.client_id, f"the id of the cancel of order {order_id}")
        check(order.client_id != ours, f"order {order_id} still goes by our id")
    else:
        equal({report["c"] for report in heard}, {order.client_id}, f"ids in the reports of order {order_id}")
