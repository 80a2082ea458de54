"""The operator's orders that take risk away and the one that gives it back: halt, reduce-only, cancel-all, resume.

Each waits until its effect is visible on the bus. What takes risk away asks nothing; `resume` asks for the reasons
that it ends to be typed back at a terminal, because nobody resumes what he has not read.
"""

import getpass
import sys
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from market_maker import halt_preview
from market_maker.live.terminal import Question, require_typed
from market_maker.operator_bus import (
    OK,
    REFUSED,
    TIMED_OUT,
    UNSENT,
    Answer,
    Sent,
    alive,
    away,
    executor_away,
    poll,
    run,
    send,
    tell,
    unknown_coins,
    until,
)
from market_maker.snapshot import Snapshot, look
from shared.bus import Bus
from shared.clock import wall_ms
from shared.errors import ConfigError
from shared.messages import ZERO, OrderUpdate
from shared.streams import ORDERS

WITHIN_S = 10.0
MOST_CHARACTERS = 200
LOOKED = "I have looked"
"""Typed where the reason is not a person's."""
ENDED = ("filled", "canceled", "rejected")
_CENT = Decimal("0.01")
_RECENT_UPDATES = 200
"""Of a coin's orders, per look; many seconds' worth."""


def stated(reason: str) -> str:
    """The reason of a command.

    Raises:
        ConfigError: it says nothing, or more than anyone would type back.
    """
    text = typable(reason)
    if not text:
        raise ConfigError("REASON is empty; say why, `resume` asks for it")
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"REASON has {len(text)} characters, {MOST_CHARACTERS} at most: `resume` asks for it")
    return text


def typable(reason: str) -> str:
    """In one line of printable characters, with single spaces: a terminal takes no other."""
    return " ".join("".join(char if char.isprintable() else " " for char in reason).split())


# ---- halt ------------------------------------------------------------------------------------------------------


def halt(run_dir: Path, reason: str, as_json: bool = False, dry_run: bool = False) -> int:
    """Stop quoting everywhere and cancel what rests, until `resume`; or only say what that would do."""
    reason = stated(reason)

    async def talk(bus: Bus) -> Answer:
        return await halted(bus, reason, dry_run)

    return tell("halt", run(run_dir, talk), as_json)


async def halted(bus: Bus, reason: str, dry_run: bool = False) -> Answer:
    """The same over a bus, for a reason that is `stated`."""
    before = await look(bus, wall_ms())
    nothing = away(before)
    if nothing:
        return nothing
    if dry_run:
        return what_if_halted(before, reason)
    sent = await send(bus, before, "halt", reason)
    done, now = await until(bus, lambda now: now.halt.halted and clear(sent, now), WITHIN_S)
    facts = {"halted": now.halt.halted, "reason": now.halt.reason, "resting": now.resting}
    if done:
        return Answer(OK, f"halted: {now.halt.reason}; no order rests", facts)
    return Answer(TIMED_OUT, f"halt was sent, but after {WITHIN_S:.0f} s {unsettled(sent, now)}", facts)


def what_if_halted(now: Snapshot, reason: str) -> Answer:
    """What a halt would cancel, keep and ask; sends nothing."""
    after = halt_preview.halted(now, reason, getpass.getuser())
    asked = list(dict.fromkeys(words for _, words in holds(after)))
    facts = halt_preview.preview(now, reason, asked, budget_lines(after))
    return Answer(OK, "\n".join(halt_preview.render(facts)), facts)


def clear(sent: Sent, now: Snapshot) -> bool:
    """Nothing rests and nothing may, as the executor has said since."""
    return sent.reported(now) and not now.resting and not now.unknown_orders


def unsettled(sent: Sent, now: Snapshot) -> str:
    """What a halt still waits for."""
    if not now.halt.halted and not alive(now, "guard"):
        return "the guard, which keeps the halt, has not been heard of"
    if not now.halt.halted:
        return "mm:halt is not set"
    if not sent.reported(now):
        return "the executor has not reported; `market_maker status` shows what runs"
    unknown = f", {now.unknown_orders} are being looked up" if now.unknown_orders else ""
    return f"{now.resting} orders still rest{unknown}"


# ---- reduce-only -----------------------------------------------------------------------------------------------


def reduce_only(run_dir: Path, coins: Collection[str], reason: str, as_json: bool = False) -> int:
    """Allow only orders towards flat, of all coins or some, until `resume`."""
    reason = stated(reason)

    async def talk(bus: Bus) -> Answer:
        before = await look(bus, wall_ms())
        nothing = executor_away(before) or unknown_coins(before, coins)
        if nothing:
            return nothing
        sent = await send(bus, before, "reduce_only", reason, coins)
        done, now = await until(bus, lambda now: sent.reported(now) and reduces(now, coins), WITHIN_S)
        what = ", ".join(coins) or "all coins"
        facts = {"reduce_only": now.account.reduce_only if now.account else {}}
        if done:
            return Answer(OK, f"reduce-only: {what} ({reason}); `market_maker resume` ends it", facts)
        return Answer(
            TIMED_OUT, f"reduce-only was sent, but the executor does not show it after {WITHIN_S:.0f} s", facts
        )

    return tell("reduce_only", run(run_dir, talk), as_json)


def reduces(now: Snapshot, coins: Collection[str]) -> bool:
    """Are these coins, or all, allowed towards flat alone?"""
    held = now.account.reduce_only if now.account else {}
    return "" in held or (bool(coins) and all(coin in held for coin in coins))


# ---- cancel-all ------------------------------------------------------------------------------------------------


def cancel_all(run_dir: Path, reason: str, as_json: bool = False) -> int:
    """Cancel every resting order once; quoting goes on with the next target."""

    reason = typable(reason)

    async def talk(bus: Bus) -> Answer:
        before = await look(bus, wall_ms())
        nothing = executor_away(before)
        if nothing:
            return nothing
        resting = Resting.of(await orders(bus, before.listed), before.heartbeats["executor"].started_ms)
        await send(bus, before, "cancel_all", reason)
        over = await _wait_for_end(bus, resting)
        facts = {"canceled": resting.canceled, "filled": resting.filled, "still_rest": len(resting.open)}
        filled = f", {resting.filled} had been filled before" if resting.filled else ""
        if over:
            return Answer(OK, f"cancelled {resting.canceled} orders{filled}", facts)
        return Answer(
            TIMED_OUT,
            f"cancel-all was sent, but after {WITHIN_S:.0f} s {len(resting.open)} of the orders that rested are"
            f" not known to be over ({resting.canceled} cancelled{filled})",
            facts,
        )

    return tell("cancel_all", run(run_dir, talk), as_json)


@dataclass
class Resting:
    """The orders that were there before, by cloid, as their updates tell their ends."""

    open: dict[str, str]
    """cloid -> coin."""
    canceled: int = 0
    filled: int = 0

    @classmethod
    def of(cls, updates: Collection[OrderUpdate], since_ms: float) -> "Resting":
        """What has not come to its end, of this life of the executor: nothing of an earlier one rests."""
        newest = {update.cloid: update for update in updates if update.time_ms >= since_ms}
        return cls({cloid: update.coin for cloid, update in newest.items() if update.status not in ENDED})

    def take(self, updates: Collection[OrderUpdate]) -> None:
        for update in updates:
            if update.status in ENDED and self.open.pop(update.cloid, None) is not None:
                self.filled += update.status == "filled"
                self.canceled += update.status != "filled"


async def _wait_for_end(bus: Bus, resting: Resting) -> bool:
    async def all_over() -> bool:
        resting.take(await orders(bus, set(resting.open.values()), _RECENT_UPDATES))
        return not resting.open

    return await poll(all_over, WITHIN_S)


async def orders(bus: Bus, coins: Collection[str], last: int | None = None) -> list[OrderUpdate]:
    stored = await bus.stored(ORDERS, tuple(coins), last) if coins else []
    return [update for update in stored if isinstance(update, OrderUpdate)]


# ---- resume ----------------------------------------------------------------------------------------------------


def resume(run_dir: Path, as_json: bool = False) -> int:
    """End halt, reduce-only, flatten and refused live trading, after their reasons have been typed."""
    return tell("resume", _resume(run_dir, as_json), as_json)


def _resume(run_dir: Path, as_json: bool) -> Answer:
    found: list[tuple[str, str]] = []
    forgiven: list[str] = []

    async def ask(bus: Bus) -> Answer:
        snapshot = await look(bus, wall_ms())
        nothing = away(snapshot)
        if nothing:
            return nothing
        found.extend(holds(snapshot))
        forgiven.extend(budget_lines(snapshot))
        return Answer(OK, "not halted, no reduce-only: nothing to resume")

    answer = run(run_dir, ask, UNSENT)
    if answer.code or not found:
        return answer
    for text in [*(text for text, _ in found), *forgiven]:
        print(text, file=sys.stderr if as_json else sys.stdout)
    words = "; ".join(dict.fromkeys(reason for _, reason in found))
    question = Question("resume", "To resume quoting type", "nothing was changed")
    try:
        require_typed(words, question, on_stderr=as_json)
    except ConfigError as error:
        return Answer(REFUSED, str(error))
    except KeyboardInterrupt:
        return Answer(REFUSED, "\ninterrupted: nothing was changed")

    async def go_on(bus: Bus) -> Answer:
        before = await look(bus, wall_ms())
        unread = unread_holds(before, found)
        if unread:
            return Answer(REFUSED, "\n".join([*unread, "this came after the question: nothing was changed"]))
        sent = await send(bus, before, "resume", words)
        done, now = await until(bus, lambda now: sent.reported(now) and not still_held(now), WITHIN_S)
        left = still_held(now)
        if done:
            return Answer(OK, "resumed", {"left": left})
        silent = "" if sent.reported(now) else "the executor has not reported"
        why = "; ".join(filter(None, [*left, silent]))
        return Answer(TIMED_OUT, f"resume was sent, but after {WITHIN_S:.0f} s: {why}", {"left": left})

    return run(run_dir, go_on)


def still_held(now: Snapshot) -> list[str]:
    """What keeps quoting from going on. An account that is being read may still turn out to be refused."""
    live = now.account.live if now.account else None
    reading = live is not None and live.phase not in ("ready", "refused")
    return [text for text, _ in holds(now)] + ["the account at the venue is still being read"] * reading


def unread_holds(now: Snapshot, read: Collection[tuple[str, str]]) -> list[str]:
    """What `resume` would end by now although nobody has typed its reason."""
    reasons = {reason for _, reason in read}
    return [text for text, reason in holds(now) if reason not in reasons]


def budget_lines(snapshot: Snapshot) -> list[str]:
    """What the daily stop will no longer count, after a halt."""
    day_usd = snapshot.account.day_pnl_usd if snapshot.account and snapshot.halt.halted else ZERO
    return (
        [f"The daily loss budget begins anew: today's ${day_usd:.2f} will no longer count"]
        if day_usd <= -_CENT
        else []
    )


def holds(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Everything that `resume` ends: how it is told, and the reason to type."""
    found = []
    if snapshot.halt.halted:
        found.append((f"Halted by {snapshot.halt.who}: {snapshot.halt.reason}", typable(snapshot.halt.reason)))
    account = snapshot.account
    if account is None:
        return found
    for coin, reason in account.reduce_only.items():
        found.append((f"Reduce-only, {coin or 'all coins'}: {reason}", typable(reason)))
    if account.live is not None and account.live.phase == "refused":
        text = f"Live trading is refused until a person has looked: {'; '.join(account.live.refused)}"
        found.append((text, LOOKED))
    if account.live is not None and account.live.untied:
        differences = "; ".join(f"{coin or 'account'}: {by}" for coin, by in account.live.untied.items())
        found.append((f"Books and venue differ: {differences}", LOOKED))
    return found
