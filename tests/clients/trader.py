"""What a scenario asks of a client, and the words in which each client's answers are compared.

Each client has one adapter (`with_*.py`) that says these things with the client's own calls and reads the
answers out of the client's own objects. Nothing here speaks to the venue by itself.
"""

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal

BASE, QUOTE, SYMBOL = "BTC", "USDT", "BTCUSDT"
UNIT = Decimal("0.00000001")
# A condition that does not come true within this time never will.
WAIT_S = 15


@dataclass
class Order:
    """An order as the client sees it. Status: NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED."""

    id: str
    client_id: str
    status: str
    filled: Decimal


@dataclass(frozen=True)
class Fill:
    """An own trade as the client sees it."""

    id: str
    order: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool


@dataclass
class Book:
    """The client's own book after the update `id`."""

    id: int
    bids: dict
    asks: dict


def decimal(value):
    """A number as the client holds it. The shortest text of a float is the decimal it was read from."""
    return Decimal(value if isinstance(value, str) else repr(value))


def check(is_right, what):
    """An expectation, in words."""
    if not is_right:
        raise AssertionError(what)


def equal(found, expected, what):
    """Two values that must be equal."""
    check(found == expected, f"{what}: found {found}, expected {expected}")


async def until(condition, what, timeout_s=WAIT_S):
    """Waits for a condition (a coroutine function, or a plain one) and returns what it gave."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        await asyncio.sleep(0.005)
