"""Live: the account and its orders, the requests it may send, the consent to trade, and the second look at it."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from market_maker.drill.stack import Setup, Stack
from market_maker.live.gates import GATES, Evidence, GateResult, write_evidence
from shared.clock import wall_ms
from shared.confirmation import VALID_MS
from shared.hyperliquid.account_info import AccountInfo
from shared.hyperliquid.actions import Cancel, CancelWire
from shared.hyperliquid.exchange import ExchangeClient
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.rest import InfoClient
from tests.bench.alert_drill.cause import Cause, Scene, command
from tests.bench.alert_drill.watching import fires

MINUTE_MS, DAY_MS = 60_000, 86_400_000
CONFIRMED_MS = 33 * MINUTE_MS
EVIDENCE_LEFT_MS = DAY_MS + 3 * MINUTE_MS
CANCELS_A_REQUEST = 200
LEFT_REQUESTS = 300
TIMEOUT_S = 5.0


# ---- consent and evidence ------------------------------------------------------------------------------------


@contextmanager
def _old_evidence(folder: Path) -> Iterator[None]:
    """Of six days ago, valid for one more."""
    now_ms = int(wall_ms())
    evidence = Evidence(
        made_ms=now_ms - 6 * DAY_MS,
        until_ms=now_ms + EVIDENCE_LEFT_MS,
        configuration="",
        code="",
        venue="sim",
        account="",
        gates=dict.fromkeys(GATES, GateResult("GO", "for the drill")),
    )
    write_evidence(folder / "data", folder / "confirmation", evidence, b"{}")
    yield


async def _wait(stack: Stack) -> None:
    """Time passes."""


async def _confirm_again(stack: Stack) -> None:
    await stack.stop_bot()
    await stack.start_bot(VALID_MS)


async def _look_at_gates(stack: Stack) -> None:
    """2: not every gate is GO, of which the evidence tells as well."""
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "market_maker.cli", "gates", stdout=asyncio.subprocess.DEVNULL
    )
    assert await asked.wait() in (0, 2), "`market_maker gates` leaves evidence"


# ---- other hands ---------------------------------------------------------------------------------------------


def _foreign_order() -> Cause:
    oids: list[int] = []

    async def place(stack: Stack) -> None:
        status = await stack.world.order(stack.account, "BTC", "buy", "0.001", bps=300, tif="Gtc")
        oids.append(status["resting"]["oid"])

    async def clear(stack: Stack) -> None:
        await stack.world.cancel(stack.account, oids.pop())
        await command("resume")(stack)

    return Cause("a person places an order", (fires("ForeignOrders"), fires("RecoveryRefused")), place, clear)


async def _spend(stack: Stack) -> None:
    """Another program of the owner, with a key of its own, cancels order 1 again and again."""
    signer = await stack.new_key("other")
    limits = IpLimits()
    info = InfoClient(stack.world.url, TIMEOUT_S, limits)
    venue = ExchangeClient(
        stack.world.url, signer, NonceCounter(), limits, timeout_s=TIMEOUT_S, lifetime_ms=MINUTE_MS
    )
    async with info, venue:
        told = await AccountInfo(info, stack.account).rate_limit()
        surplus = told.n_requests_cap - told.n_requests_used - LEFT_REQUESTS
        for _ in range(surplus // CANCELS_A_REQUEST):
            await venue.send(Cancel((CancelWire(0, 1),) * CANCELS_A_REQUEST))


async def _trade_elsewhere(stack: Stack) -> None:
    """Each dollar of volume is one more request."""
    await stack.world.fund(stack.account, "0", "1000000")


# ---- the watchdog --------------------------------------------------------------------------------------------


async def _approve_other_key(stack: Stack) -> None:
    """The key that the watchdog holds loses its right; the new one lies in its file."""
    await stack.new_key("watchdog")


async def _restart_watchdog(stack: Stack) -> None:
    os.kill(stack.bot.pid("watchdog"), signal.SIGTERM)


def _nobody_cancels() -> Cause:
    faults: list[int] = []

    async def begin(stack: Stack) -> None:
        faults.append(await stack.world.start_fault(fault="http_5xx", path="/exchange"))
        os.kill(stack.bot.pid("executor"), signal.SIGSTOP)

    async def end(stack: Stack) -> None:
        await stack.world.end_fault(faults.pop())
        await asyncio.sleep(5)
        os.kill(stack.bot.pid("executor"), signal.SIGCONT)

    what = "executor stands still, and the venue takes no cancels"
    return Cause(what, (fires("OrdersWithoutExecutor"),), begin, end)


# ---- a venue that does not tell ------------------------------------------------------------------------------


def _silent_venue() -> Cause:
    faults: list[int] = []

    async def begin(stack: Stack) -> None:
        start, user = stack.world.start_fault, stack.account
        faults.append(await start(fault="http_5xx", path="/info"))
        faults.append(await start(fault="stall", channel="orderUpdates", user=user))
        faults.append(await start(fault="lose_answer", user=user))

    async def end(stack: Stack) -> None:
        for number in faults:
            await stack.world.end_fault(number)

    what = "answers to orders get lost, and questions are not answered"
    return Cause(what, (fires("UnknownOrders"), fires("VenueUnwatched")), begin, end)


SCENE = Scene(
    "orders",
    "the live account, its orders and its budget, the consent to trade on it, and its watchdog",
    Setup(coins=4, seed=4, volume_usd=5_000, confirmed_for_ms=CONFIRMED_MS),
    (
        (
            Cause("confirmed for 33 minutes", (fires("ConfirmationEnds"),), _wait, _confirm_again),
            Cause("evidence of six days ago", (fires("GateEvidenceEnds"),), _wait, _look_at_gates),
        ),
        (_foreign_order(),),
        (_nobody_cancels(),),
        (_silent_venue(),),
        (
            Cause(
                "another program spends the account's requests",
                (fires("ApiHeadroomLow"), fires("BudgetEmptySoon")),
                _spend,
                _trade_elsewhere,
                within_s=600,
            ),
            Cause(
                "the watchdog's key is revoked",
                (fires("WatchdogKeyInvalid"),),
                _approve_other_key,
                _restart_watchdog,
                within_s=400,
            ),
        ),
    ),
    around=_old_evidence,
)
