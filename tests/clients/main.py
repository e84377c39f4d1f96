"""Proof by strangers: clients written by others trade against `tickwheel venue`.

    main.py --binary PATH [--seed N] [--venue ARGUMENTS] [CASE..]   cases such as `ccxt.book`, or `ccxt`, or `book`
    main.py --list

Each case has a fresh venue. The output ends with `N passed, N failed`; a failure shows its seed and what the
venue said.
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import inspect
import logging
import os
import shlex
import sys
import tempfile
import time
import traceback
import warnings

import scenario
import with_ccxt
import with_python_binance
import with_sdk
from trader import check
from venue import Venue

CASE_TIMEOUT_S = 90
HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = [with_ccxt, with_python_binance, with_sdk]
# Scenario and the venue's arguments for it. 0 %: no generated participant acts.
STILL, MOVING = ("--speed", 0), ()
SCENARIOS = [
    ("life", scenario.life, STILL),
    ("refusals", scenario.refusals, STILL),
    ("kinds", scenario.kinds, STILL),
    ("limits", scenario.limits, STILL),
    ("restart", scenario.restart, STILL),
    ("book", scenario.book, MOVING),
    ("reports", scenario.reports, MOVING),
    ("cut", scenario.cut, MOVING),
    ("gap", scenario.gap, MOVING),
    ("trades", scenario.trades, MOVING),
]


@dataclasses.dataclass(frozen=True)
class Case:
    """One client in one scenario, against a venue of its own."""

    name: str
    play: object
    module: object
    # Of the venue.
    arguments: tuple
    trader: object
    is_tls: bool = False


def cases():
    """Every case, in the order in which they run."""
    for module in MODULES:
        for name, play, arguments in SCENARIOS:
            yield Case(f"{module.NAME}.{name}", play, module, arguments, module.Trader)
    for module in (with_ccxt, with_sdk):
        yield Case(f"{module.NAME}.life-over-ws-api", scenario.life, module, STILL, module.WsApiTrader)
    yield Case("ccxt.reports-after-cut", scenario.reports_after_cut, with_ccxt, MOVING, with_ccxt.Trader)
    yield Case("ccxt.life-over-tls", scenario.life, with_ccxt, STILL, with_ccxt.Trader, True)
    yield Case("ccxt.book-over-tls", scenario.book, with_ccxt, MOVING, with_ccxt.Trader, True)


class Kept(logging.Handler):
    """What the clients log, to be shown with a failure and not otherwise."""

    LINES_MAX = 200

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = collections.deque(maxlen=self.LINES_MAX)

    def emit(self, record):
        self.lines.append(f"{record.name}: {record.getMessage()}")


async def play_case(venue, case):
    """Two traders of one client, and the scenario."""
    async with contextlib.AsyncExitStack() as stack:
        more = {}
        if case.is_tls:
            check("ca_file" in venue.said, "the venue names no ca_file")
            more["tls"] = venue.said["ca_file"]
        traders = []
        for account in venue.accounts[:2]:
            traders.append(await stack.enter_async_context(case.trader(venue, account, **more)))
        arguments = [venue, traders]
        if "module" in inspect.signature(case.play).parameters:
            arguments.append(case.module)
        return await case.play(*arguments)


async def run_case(options, seed, case):
    """One case against its own venue. Returns what it has to say; raises when it failed."""
    with tempfile.TemporaryDirectory(prefix="tickwheel-clients-") as state:
        return await run_case_in(options, seed, case, state)


async def run_case_in(options, seed, case, state):
    """The case, with a folder for a venue that keeps its state."""
    arguments = [*case.arguments, *shlex.split(options.venue)]
    if case.play is scenario.restart:
        arguments += ["--state", state]
    venue = Venue(options.binary, seed, arguments)
    try:
        async with venue:
            return await asyncio.wait_for(play_case(venue, case), CASE_TIMEOUT_S)
    except BaseException as error:
        error.add_note(f"seed {seed}; command: {' '.join(venue.command)}")
        words = venue.last_words() if venue.process else ""
        error.add_note(f"the venue's stderr:\n{words}" if words else "the venue's stderr is empty")
        raise


def words_of(error):
    """What failed, where, and what came before it: one line for each exception of the chain."""
    lines, found = [], error
    while found is not None:
        trace = traceback.extract_tb(found.__traceback__)
        ours = [at for at in trace if at.filename.startswith(HERE)]
        # Our own frames, and the one in which it was raised.
        shown = ours + [at for at in trace[-1:] if at not in ours]
        where = " > ".join(f"{os.path.basename(at.filename)}:{at.lineno}" for at in shown)
        # An expectation of ours says what it wants.
        kind = "" if isinstance(found, AssertionError) else f"{type(found).__name__}: "
        lines += [f"{kind}{found}", f"  at {where}"]
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    lines += getattr(error, "__notes__", [])
    return "  " + "\n".join(lines).replace("\n", "\n  ")


def is_chosen(name, words):
    """A case is named whole, by its client or by its scenario."""
    return not words or name in words or any(part in words for part in name.split(".", 1))


def main():
    parser = argparse.ArgumentParser(description="clients of others against tickwheel venue")
    parser.add_argument("case", nargs="*", help="such as ccxt.book, ccxt, or book; all without any")
    parser.add_argument("--binary", help="the tickwheel binary")
    parser.add_argument("--seed", type=int, default=7, help="seed of the first case; each next one has the next")
    parser.add_argument("--venue", default="", help="more arguments of the venue, such as --venue='--speed 300'")
    parser.add_argument("--list", action="store_true", help="names the cases")
    options = parser.parse_args()
    every = list(cases())
    if options.list:
        print("\n".join(case.name for case in every))
        return 0
    chosen = [(index, case) for index, case in enumerate(every) if is_chosen(case.name, options.case)]
    if not chosen or not options.binary:
        parser.error("no such case (--list names them)" if options.binary else "--binary is missing")
    # Their warnings are not ours to mend.
    warnings.simplefilter("ignore")
    kept = Kept()
    logging.getLogger().addHandler(kept)
    passed = failed = 0
    begin = time.monotonic()
    for index, case in chosen:
        seed, case_begin = options.seed + index, time.monotonic()
        kept.lines.clear()
        try:
            said = asyncio.run(run_case(options, seed, case))
        except Exception as error:
            failed += 1
            print(f"FAILED {case.name} (seed {seed}, {time.monotonic() - case_begin:.1f} s)", flush=True)
            print(words_of(error))
            print("".join(f"  the client's log: {line}\n" for line in kept.lines), end="", flush=True)
        else:
            passed += 1
            said = f": {said}" if said else ""
            print(f"passed {case.name} (seed {seed}, {time.monotonic() - case_begin:.1f} s){said}", flush=True)
    print(f"{time.monotonic() - begin:.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
