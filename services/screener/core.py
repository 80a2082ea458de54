"""Measures every coin, ranks them by expected income and publishes their settings. Pure.

Its absence is harmless: the quoter goes on with the last settings, or the defaults.
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

import msgspec

from services.screener.coin import Coin, Verdict
from services.screener.config import ScreenerConfig
from shared.messages import (
    AssetConfig,
    AssetConfigList,
    AssetCtx,
    Book,
    Event,
    Message,
    Severity,
    Trades,
    Universe,
)
from shared.service import Tick

PRIOR_MIN_MARKOUTS = 50
REMEMBER_MS = 600_000
"""Settings published longer ago are no starting point for bounded changes."""
SHOWN = 3
FIRST_WAIT_MS = 3000
"""So long the first publication waits for coins that have shown no book while others have."""


class Screener:
    """One object for all coins; `overrides` are the fields people fixed in `[assets.COIN]`."""

    def __init__(self, config: ScreenerConfig, overrides: Mapping[str, Mapping[str, Any]]) -> None:
        self._config, self._overrides = config, overrides
        self._coins: dict[str, Coin] = {}
        self._due_ms: int | None = None
        self._begun_ms: int | None = None
        self._version = 0

    def restore(self, now_ms: int, msg: Message) -> None:
        """Our own last word: spreads go on from there, and a coin left out stays out until it pays again."""
        if isinstance(msg, AssetConfig) and msg.coin in self._coins:
            self._version = max(self._version, msg.version)
            if now_ms - msg.published_ms <= REMEMBER_MS:
                self._coins[msg.coin].published = msg

    def step(self, now_ms: int, msg: object) -> Iterable[Message]:
        if isinstance(msg, Universe):
            self._follow(msg)
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

    def _follow(self, universe: Universe) -> None:
        self._coins = {
            meta.coin: self._coins.get(meta.coin)
            or Coin(meta.coin, self._config, self._overrides.get(meta.coin, {}))
            for meta in universe.coins
        }

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
        coins = [coin for coin in self._coins.values() if coin.measured]
        if not coins:
            return []
        self._version += 1
        prior_bps = self._as_prior(coins)
        ranked = _rank([coin.verdict(now_ms, self._version, prior_bps) for coin in coins])
        out: list[Message] = [verdict.config for verdict in ranked]
        out.append(AssetConfigList(configs=tuple(verdict.config for verdict in ranked), published_ms=now_ms))
        out.append(_summary(ranked, self._config.min_markouts))
        for verdict in ranked:
            coin = self._coins[verdict.config.coin]
            out += _changes(coin.published, verdict)
            coin.published = verdict.config
        return out

    def _as_prior(self, coins: Iterable[Coin]) -> float:
        """Median adverse selection of the coins that have been measured: what to expect of one that has not."""
        samples = [coin.adverse() for coin in coins]
        known = [sample.mean_bps for sample in samples if sample.n >= PRIOR_MIN_MARKOUTS]
        return max(0.0, median(known)) if known else self._config.adverse_selection_prior_bps


def _rank(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Best first by the cautious income per hour; only coins with a known edge carry a rank."""
    ordered = sorted(
        verdicts,
        key=lambda v: (v.config.edge_bps is None, -v.score.score_usd_per_hour, v.config.coin),
    )
    return [
        verdict._replace(config=msgspec.structs.replace(verdict.config, rank=rank))
        if verdict.config.edge_bps is not None
        else verdict
        for rank, verdict in enumerate(ordered, 1)
    ]


def _summary(ranked: list[Verdict], min_markouts: int) -> Event:
    known = [verdict for verdict in ranked if verdict.config.edge_bps is not None]
    best = ", ".join(_shown(verdict) for verdict in known[:SHOWN])
    best = best or f"none yet, a coin needs {min_markouts} market orders"
    left_out = ", ".join(f"{v.config.coin} ({_why_not(v)})" for v in ranked if not v.config.enabled)
    text = f"{len(ranked)} coins, {len(known)} with a measured edge. Best: {best}."
    return Event(tag="SCREENER", text=text + (f" Not quoted: {left_out}." if left_out else ""))


def _changes(before: AssetConfig | None, verdict: Verdict) -> Iterable[Event]:
    """A line per coin whose permission or regime has changed."""
    config = verdict.config
    was_on, was_regime = (before.enabled, before.regime) if before else (True, "calm")
    if config.enabled != was_on:
        text = f"{config.coin} quoted again: {_shown(verdict)}."
        if not config.enabled:
            text = f"{config.coin} not quoted: {_why_not(verdict)}."
        level: Severity = "info" if config.enabled else "warning"
        yield Event(level=level, tag="SCREENER", coin=config.coin, text=text)
    if config.regime != was_regime:
        text = f"{config.coin} regime {was_regime} → {config.regime} (ATR {config.atr_fraction:.3%})."
        yield Event(tag="SCREENER", coin=config.coin, text=text)


def _shown(verdict: Verdict) -> str:
    edge = f"{verdict.config.coin} {verdict.score.edge_bps:+.2f} bps at {verdict.config.base_spread_bps:.2f}"
    return f"{edge} ({verdict.trades_per_min:.0f} trades, ${verdict.usd_per_min:,.0f} a minute)"


def _why_not(verdict: Verdict) -> str:
    if verdict.by_hand:
        return "switched off by hand"
    return f"edge {verdict.score.edge_bps:+.2f} ± {verdict.score.se_bps:.2f} bps"
