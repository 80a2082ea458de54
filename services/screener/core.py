"""Measures every coin, ranks them by expected income and publishes their settings. Pure.

Its absence is harmless: the quoter goes on with the last settings, or the defaults.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from services.screener import lines
from services.screener.coin import Coin, Verdict
from services.screener.config import ScreenerConfig
from services.screener.history import MIN_HOURS, HistoryRead, day, objection
from shared.funding import HOUR_MS
from shared.market_profile import MarketProfile
from shared.messages import (
    AssetConfig,
    AssetConfigList,
    AssetCtx,
    Book,
    Event,
    Message,
    Trades,
    Universe,
)
from shared.service import Tick

PRIOR_MIN_MARKOUTS = 50
REMEMBER_MS = 600_000
"""Settings published longer ago are no starting point for bounded changes."""
FIRST_WAIT_MS = 3000
"""So long the first publication waits for coins that have shown no book while others have."""
MAX_CHANGES_PER_HOUR = 3
"""Coins, of all, that may be dropped or taken back after their first verdict: an edge near zero must not flap."""


class Screener:
    """One object for all coins; `overrides` are the fields people fixed in `[assets.COIN]`."""

    def __init__(self, config: ScreenerConfig, overrides: Mapping[str, Mapping[str, Any]]) -> None:
        self._config, self._overrides = config, overrides
        self._coins: dict[str, Coin] = {}
        self._due_ms: int | None = None
        self._begun_ms: int | None = None
        self._version = 0
        self._history: HistoryRead | None = None
        self._history_line = ""
        self._changed_ms: deque[int] = deque(maxlen=MAX_CHANGES_PER_HOUR)

    def restore(self, now_ms: int, msg: Message) -> None:
        """Our own last word: spreads go on from there, and a coin left out stays out until it pays again."""
        if isinstance(msg, AssetConfig) and msg.coin in self._coins:
            self._version = max(self._version, msg.version)
            if now_ms - msg.published_ms <= REMEMBER_MS:
                self._coins[msg.coin].restore(msg)

    def step(self, now_ms: int, msg: object) -> Iterable[Message]:
        if isinstance(msg, Universe):
            self._follow(msg)
        elif isinstance(msg, HistoryRead):
            self._history = msg
            return self._use_history(now_ms)
        elif isinstance(msg, Tick):
            return self._on_tick(now_ms)
        elif isinstance(msg, (Book, Trades, AssetCtx)):
            coin = self._coins.get(msg.coin)
            if coin is None:
                return ()
            if isinstance(msg, Book):
                coin.on_book(now_ms, msg)
            elif isinstance(msg, Trades):
                coin.on_trades(now_ms, msg)
            else:
                coin.on_ctx(now_ms, msg)
        return ()

    def judged(self, now_ms: int) -> list[Verdict]:
        """All coins of which anything is known, best first, without a word to anybody."""
        return self._judge(now_ms, [coin for coin in self._coins.values() if coin.known])

    def _follow(self, universe: Universe) -> None:
        self._coins = {
            meta.coin: self._coins.get(meta.coin)
            or Coin(meta.coin, meta.sz_decimals, self._config, self._overrides.get(meta.coin, {}))
            for meta in universe.coins
        }

    def _use_history(self, now_ms: int) -> list[Message]:
        """Give each coin its past, as long as that is worth anything; says so when that changes."""
        read = self._history
        if read is None:
            return []
        problem = objection(read, self._config.venue, now_ms)
        profile = read.profile if not problem else None
        long = [coin for coin in profile.coins if coin.hours_of_data >= MIN_HOURS] if profile else []
        past = {coin.coin: coin for coin in long}
        for coin in self._coins.values():
            coin.history = past.get(coin.name)
        line = _history_line(profile, problem)
        if line == self._history_line:
            return []
        self._history_line = line
        return [Event(tag="SCREENER", level="warning" if read.problem else "info", text=line)]

    def _on_tick(self, now_ms: int) -> Iterable[Message]:
        for coin in self._coins.values():
            coin.on_second(now_ms)
        if not self._is_due(now_ms):
            return ()
        self._due_ms = now_ms + int(self._config.screener_interval_s * 1000)
        return self._publish(now_ms)

    def _is_due(self, now_ms: int) -> bool:
        """First as soon as there are books, so that nothing is quoted for long at a spread below its fee."""
        if self._due_ms is not None:
            return now_ms >= self._due_ms
        measured = sum(coin.measured for coin in self._coins.values())
        if measured and self._begun_ms is None:
            self._begun_ms = now_ms
        return self._begun_ms is not None and (
            measured == len(self._coins) or now_ms - self._begun_ms >= FIRST_WAIT_MS
        )

    # ---- publishing ----

    def _publish(self, now_ms: int) -> list[Message]:
        out: list[Message] = [*self._use_history(now_ms)]
        coins = [coin for coin in self._coins.values() if coin.measured]
        if not coins:
            return out
        self._version += 1
        ranked = self._bounded(now_ms, self._judge(now_ms, coins))
        out += [verdict.config for verdict in ranked]
        out.append(AssetConfigList(configs=tuple(verdict.config for verdict in ranked), published_ms=now_ms))
        out.append(lines.summary(ranked, self._config.min_markouts))
        for verdict in ranked:
            coin = self._coins[verdict.config.coin]
            out += lines.changes(coin.published, verdict)
            coin.published = verdict.config
            coin.told = coin.told or verdict.config
        return out + self._moved(coins)

    def _judge(self, now_ms: int, coins: Sequence[Coin]) -> list[Verdict]:
        others_bps = self._as_prior(coins)
        return _rank([coin.verdict(now_ms, self._version, others_bps) for coin in coins])

    def _as_prior(self, coins: Sequence[Coin]) -> float:
        """Median adverse selection of the coins that have been measured: what to expect of one that has not."""
        samples = [coin.adverse() for coin in coins]
        known = [sample.mean_bps for sample in samples if sample.n >= PRIOR_MIN_MARKOUTS]
        known = known or [coin.history.adverse_bps.value for coin in coins if coin.history is not None]
        return max(0.0, median(known)) if known else self._config.adverse_selection_prior_bps

    def _bounded(self, now_ms: int, ranked: list[Verdict]) -> list[Verdict]:
        """Not more coins dropped or taken back than an hour allows; what loses most goes first."""
        turning = sorted(
            (verdict for verdict in ranked if self._turns(verdict)),
            key=lambda v: (v.config.enabled, -abs(v.config.parts.usd_per_hour) if v.config.parts else 0.0),
        )
        held: set[str] = set()
        for verdict in turning:
            if len(self._changed_ms) == MAX_CHANGES_PER_HOUR and now_ms - self._changed_ms[0] < HOUR_MS:
                held.add(verdict.config.coin)
            else:
                self._changed_ms.append(now_ms)
        return [_held(verdict) if verdict.config.coin in held else verdict for verdict in ranked]

    def _turns(self, verdict: Verdict) -> bool:
        """A first verdict is no change of mind, nor is what a person has written."""
        before = self._coins[verdict.config.coin].published
        if before is None or before.edge_bps is None or verdict.by_hand:
            return False
        return before.enabled != verdict.config.enabled

    def _moved(self, coins: Iterable[Coin]) -> list[Message]:
        pairs = [(coin.told, coin.published) for coin in coins if coin.told and coin.published]
        moved = lines.moved_most(pairs)
        for _, config in moved:
            self._coins[config.coin].told = config
        return [lines.spread_line(told, config) for told, config in moved]


def _rank(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Best first by the cautious income per hour; only coins with a known edge carry a rank."""
    ordered = sorted(
        verdicts,
        key=lambda v: (
            v.config.edge_bps is None, -v.config.parts.usd_per_hour_low if v.config.parts else 0.0, v.config.coin
        ),
    )  # fmt: skip
    return [
        verdict._replace(config=msgspec.structs.replace(verdict.config, rank=rank))
        if verdict.config.edge_bps is not None
        else verdict
        for rank, verdict in enumerate(ordered, 1)
    ]


def _held(verdict: Verdict) -> Verdict:
    config = verdict.config
    reason = f"{config.reason or f'edge {config.edge_bps:+.2f} bps'}; {MAX_CHANGES_PER_HOUR} coins have changed"
    config = msgspec.structs.replace(config, enabled=not config.enabled, reason=f"{reason} within the hour")
    return verdict._replace(config=config)


def _history_line(profile: MarketProfile | None, problem: str) -> str:
    if profile is None:
        return f"No history, the live window alone: {problem}."
    hours = [coin.hours_of_data for coin in profile.coins if coin.hours_of_data >= MIN_HOURS]
    if not hours:
        return f"No history, the live window alone: no coin has the {MIN_HOURS:.0f} h that it takes."
    return f"History to {day(profile.last_ms)}: {len(hours)} coins, up to {max(hours):.0f} h each."
