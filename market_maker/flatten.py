"""`market_maker flatten`: what closing the positions costs, the typed word, and the way to flat as it happens."""

import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from market_maker import exit_preview
from market_maker.exit_preview import Preview, Terms
from market_maker.live.terminal import Question, require_typed
from market_maker.operate import reduces
from market_maker.operator_bus import (
    OK,
    REFUSED,
    TIMED_OUT,
    UNSENT,
    Answer,
    Sent,
    alive,
    executor_away,
    run,
    send,
    tell,
    unknown_coins,
    until,
)
from market_maker.snapshot import Snapshot, look, side_reasons
from services.executor.config import ExecutorConfig
from shared.bus import Bus
from shared.clock import wall_ms
from shared.config import load
from shared.errors import ConfigError
from shared.messages import AssetConfig, CoinStatus, Depth, Reason
from shared.streams import DEPTH

GOES_ON = "the bot goes on flattening; `market_maker status` shows it, `market_maker resume` ends it"
_NO_FEED = "no fresh market data; it goes on when the feed is back"
_NO_GUARD = "the guard is silent, and without its lease nothing is traded; `market_maker status` shows what runs"
_UNRECONCILED = (
    "live trading is refused or the books differ from the venue (`market_maker status` says how): nothing trades"
    " until `market_maker resume`, which ends this as well; resume first, then flatten"
)
_UNCONFIRMED = "the confirmation of live trading is over; start live trading again"
REMEDIES: dict[str, str] = {
    Reason.NO_LEASE: _NO_GUARD,
    Reason.LEASE_EXPIRED: _NO_GUARD,
    Reason.STALL: _NO_FEED,
    Reason.NO_BOOK: _NO_FEED,
    Reason.STALE_BOOK: _NO_FEED,
    Reason.RECONNECTING: _NO_FEED,
    Reason.UNRECONCILED: _UNRECONCILED,
    Reason.UNCONFIRMED: _UNCONFIRMED,
    Reason.REQUEST_BUDGET: "the request budget is used up; `market_maker status` shows when it is not",
    Reason.NO_UNIVERSE: "not a coin of this run; start with it among MM_COINS",
}


@dataclass(frozen=True)
class Wish:
    """What to flatten, and how."""

    coins: tuple[str, ...]
    """Empty: all."""
    now: bool

    def lines(self, snapshot: Snapshot) -> list[CoinStatus]:
        """What the executor tells of these coins."""
        return [status for status in snapshot.quoted.values() if not self.coins or status.coin in self.coins]

    def positions(self, snapshot: Snapshot) -> list[CoinStatus]:
        return [status for status in self.lines(snapshot) if status.position_sz]


def flatten(run_dir: Path, wish: Wish, *, dry_run: bool, timeout_s: float, as_json: bool) -> int:
    """Preview, question, command, progress; see the command's help for the exit codes."""
    config = load(ExecutorConfig)
    terms = Terms(config.fee_tier, config.flatten_slippage_bps)
    shown: list[tuple[Snapshot, Preview]] = []

    async def price(bus: Bus) -> Answer:
        snapshot = await look(bus, wall_ms())
        nothing = executor_away(snapshot) or unknown_coins(snapshot, wish.coins)
        if nothing:
            return nothing
        positions = wish.positions(snapshot)
        if not positions:
            return Answer(OK, "no position: nothing was sent", {"flat": True, "left": []})
        depths = {
            depth.coin: depth
            for depth in await bus.stored(DEPTH, [status.coin for status in positions], last=1)
            if isinstance(depth, Depth)
        }
        shown.append((snapshot, priced(snapshot, positions, depths, wish.now, terms)))
        return Answer(OK, "")

    answer = run(run_dir, price, UNSENT)
    if not shown:
        return tell("flatten", answer, as_json)
    snapshot, preview = shown[0]
    facts = exit_preview.facts(preview)
    if dry_run and as_json:
        print(json.dumps({"action": "flatten", "ok": True, "dry_run": True, "preview": facts}, indent=1))
        return OK
    out = sys.stderr if as_json else sys.stdout
    for line in [*exit_preview.render(preview, _mode(snapshot)), *warnings(snapshot)]:
        print(line, file=out)
    if dry_run:
        return OK
    answer = _asked(_mode(snapshot), as_json) or _carry_out(run_dir, wish, timeout_s, out)
    answer.facts.setdefault("preview", facts)
    return tell("flatten", answer, as_json)


def priced(
    snapshot: Snapshot, positions: list[CoinStatus], depths: dict[str, Depth], now: bool, terms: Terms
) -> Preview:
    limits_usd = {
        coin: snapshot.targets[coin].max_inv_usd
        if coin in snapshot.targets
        else AssetConfig(coin=coin).max_inv_usd
        for coin in (status.coin for status in positions)
    }
    return exit_preview.previews(
        snapshot.time_ms, positions, snapshot.books, depths, limits_usd, now=now, terms=terms
    )


def _mode(snapshot: Snapshot) -> str:
    return snapshot.account.mode if snapshot.account else "shadow"


def warnings(snapshot: Snapshot) -> list[str]:
    """What would keep the executor from trading."""
    found = []
    live = snapshot.account.live if snapshot.account else None
    if not alive(snapshot, "guard"):
        found.append(f"  careful: {_NO_GUARD}")
    if live is not None and live.phase == "refused":
        found.append(f"  careful: {_UNRECONCILED}")
    if live is not None and live.confirmed_until_ms <= snapshot.time_ms:
        found.append(f"  careful: {_UNCONFIRMED}")
    if snapshot.halt.halted:
        found.append(f"  halted ({snapshot.halt.reason}): flattening goes on all the same, quoting does not")
    return found


def _asked(mode: str, as_json: bool) -> Answer | None:
    """None: the words were typed."""
    words = "FLATTEN LIVE" if mode == "live" else "FLATTEN"
    try:
        require_typed(words, Question("flatten", "To close these positions type", "nothing was sent"), as_json)
    except ConfigError as error:
        return Answer(REFUSED, str(error))
    except KeyboardInterrupt:
        return Answer(REFUSED, "\ninterrupted: nothing was sent")
    return None


# ---- on the way ------------------------------------------------------------------------------------------------


def _carry_out(run_dir: Path, wish: Wish, timeout_s: float, out: TextIO) -> Answer:
    async def talk(bus: Bus) -> Answer:
        before = await look(bus, wall_ms())
        sent = await send(bus, before, "flatten", "flatten", wish.coins, wish.now)
        progress = Progress(sent, wish, out)
        done, now = await until(bus, progress.flat, timeout_s)
        return _result(done, sent, now, wish, timeout_s)

    return run(run_dir, talk, Answer(TIMED_OUT, f"\ninterrupted; {GOES_ON}", {"flat": False}))


@dataclass
class Progress:
    """Prints a line whenever less is left."""

    sent: Sent
    wish: Wish
    out: TextIO
    _last: str = ""

    def flat(self, now: Snapshot) -> bool:
        """Has the executor taken the command, and is there neither a position nor an order that could make one?"""
        if not self.sent.reported(now):
            return False
        left = self.wish.positions(now)
        line = ", ".join(f"{status.coin} {status.position_sz:f}" for status in left)
        if left and line != self._last:
            self._last = line
            after_s = (now.time_ms - self.sent.command.time_ms) / 1000
            print(f"{after_s:5.1f} s  ${_usd(left):,.2f} left: {line}", file=self.out, flush=True)
        return reduces(now, self.wish.coins) and not left and not any(map(rests, self.wish.lines(now)))


def rests(status: CoinStatus) -> bool:
    return bool(status.resting_bids or status.resting_asks)


def _result(done: bool, sent: Sent, now: Snapshot, wish: Wish, timeout_s: float) -> Answer:
    left = wish.positions(now)
    after_s = round((now.time_ms - sent.command.time_ms) / 1000, 1)
    facts = {
        "flat": done,
        "seconds": after_s,
        "left": [
            {"coin": status.coin, "position_sz": f"{status.position_sz:f}", "reason": why(now, status) or None}
            for status in left
        ],
    }
    if done:
        count = len(wish.positions(sent.before))
        return Answer(OK, f"flat after {after_s} s: {count} position{'s' * (count != 1)} closed", facts)
    if not sent.reported(now):
        text = "the executor has not reported since; it reads the command when it is back"
        return Answer(TIMED_OUT, f"not flat after {timeout_s:g} s: {text}", facts)
    return Answer(TIMED_OUT, "\n".join(_still_open(now, left, timeout_s)), facts)


def _still_open(now: Snapshot, left: list[CoinStatus], timeout_s: float) -> list[str]:
    reasons = {why(now, status) for status in left}
    remedies = dict.fromkeys(REMEDIES[reason] for reason in sorted(reasons) if reason in REMEDIES)
    if not left:
        return [f"no position after {timeout_s:g} s, but orders still rest", GOES_ON]
    return [
        f"not flat after {timeout_s:g} s, ${_usd(left):,.2f} left:",
        *(f"  {status.coin} {status.position_sz:f} {why(now, status) or 'resting'}" for status in left),
        *(f"  {remedy}" for remedy in remedies),
        GOES_ON,
    ]


def why(now: Snapshot, status: CoinStatus) -> str:
    """Why the closing side shows no order; empty where one rests."""
    bid_reason, ask_reason = side_reasons(now, status.coin)
    return ask_reason if status.position_sz > 0 else bid_reason


def _usd(left: list[CoinStatus]) -> Decimal:
    return sum((abs(status.position_sz) * status.mark_px for status in left), Decimal(0))
