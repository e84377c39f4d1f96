"""A fresh `tickwheel venue` for one case, and an own plain view of it.

    Venue       the process: started with a seed, its one JSON line read, ended by SIGTERM
    Plain       GETs over bare HTTP, without any of the clients: what they are compared with

The plain view comes from 127.0.0.2: its requests cost the client under test no request weight.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
STDERR_LINES_SHOWN = 40


@dataclass(frozen=True)
class Account:
    """A test account with an HMAC key."""

    api_key: str
    secret: str


class VenueError(Exception):
    """The venue did not start, or did not end as it should."""


class Venue:
    """`async with Venue(binary, seed, arguments) as venue`."""

    def __init__(self, binary, seed, arguments=()):
        self.command = [binary, "venue", "--listen", "127.0.0.1:0", "--seed", str(seed), "--json"]
        self.command += [str(argument) for argument in arguments]
        self.seed = seed
        self.process = None
        self.said = {}

    async def __aenter__(self):
        self.stderr = tempfile.TemporaryFile()
        await self.start()
        return self

    async def start(self):
        """Starts the process and reads its line."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=self.stderr
        )
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), START_TIMEOUT_S)
            if not line:
                code = await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
                raise VenueError(f"it ended with {code} before it served")
            self.said = json.loads(line)
            self.rest, self.stream, self.ws_api = (self.said[name] for name in ("rest", "stream", "ws_api"))
            self.accounts = [Account(one["api_key"], one["secret"]) for one in self.said["accounts"]]
        except BaseException:
            await self.kill()
            raise

    async def __aexit__(self, kind, error, trace):
        if self.process.returncode is not None:
            raise VenueError(f"it ended by itself with {self.process.returncode}") from error
        self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except asyncio.TimeoutError:
            await self.kill()
            raise VenueError(f"SIGTERM did not end it within {STOP_TIMEOUT_S} s") from error
        if code != 0 and error is None:
            raise VenueError(f"SIGTERM ended it with {code}, not 0")

    async def kill(self):
        """Ends the process whatever it does."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def kill_and_start_again(self):
        """SIGKILL, then the same command at the same address. Keys come from the seed, so they stay."""
        before = self.accounts
        await self.kill()
        self.command[self.command.index("--listen") + 1] = self.rest.removeprefix("http://")
        await self.start()
        if self.accounts != before:
            raise VenueError("it came back with other keys")

    def last_words(self):
        """The end of its stderr."""
        self.stderr.seek(0, os.SEEK_SET)
        lines = self.stderr.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-STDERR_LINES_SHOWN:])


class Plain:
    """The venue without a client: unsigned GETs."""

    def __init__(self, venue):
        self.rest = venue.rest
        self.snapshots_taken = 0

    async def __aenter__(self):
        # Linux gives the whole of 127/8 to the loopback; elsewhere only 127.0.0.1 can be bound.
        address = ("127.0.0.2", 0) if sys.platform == "linux" else None
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=address))
        return self

    async def __aexit__(self, kind, error, trace):
        await self.session.close()

    async def get(self, path, **query):
        """The body of a GET that must succeed."""
        async with self.session.get(self.rest + path, params=query) as answer:
            body = await answer.text()
            if answer.status != 200:
                raise VenueError(f"GET {path} {query}: {answer.status}: {body[:300]}")
            return json.loads(body)

    async def fault(self, **words):
        """Orders a fault; the words are those of a line of a script of faults."""
        async with self.session.post(self.rest + "/tickwheel/faults", json=words) as answer:
            if answer.status != 200:
                raise VenueError(f"fault {words}: {answer.status}: {await answer.text()}")

    async def depth(self, symbol):
        """The whole book: update id, bids and asks as price to quantity."""
        self.snapshots_taken += 1
        book = await self.get("/api/v3/depth", symbol=symbol, limit=5000)
        sides = [{Decimal(price): Decimal(quantity) for price, quantity in book[side]} for side in ("bids", "asks")]
        return book["lastUpdateId"], sides[0], sides[1]
