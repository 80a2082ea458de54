"""Decides, per coin, the ladder we want or the reason why there is none. Pure: time and messages in, messages out.

A book, a fill or a changed permit is answered at once; everything else (ages, leases running out, funding, new
settings) is looked at on the tick. Nothing is waited for but a book and a lease: without settings from the
screener, funding or warm-up the defaults are quoted, so there is no cold-start deadlock.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from services.quoter import governor
from services.quoter.coin import Coin
from services.quoter.config import QuoterConfig
from services.quoter.honesty import honest_ladder
from services.quoter.notices import RegimeNotice, SideNotice
from services.quoter.placement import Limits, Placed, place_side, room_usd
from services.quoter.strategies import STRATEGIES
from services.quoter.strategies.view import Ladder, MarketView
from shared.book_check import dated_ahead
from shared.messages import (
    AssetConfig,
    AssetCtx,
    Book,
    Event,
    Fill,
    Message,
    Mode,
    Opening,
    PositionState,
    Reason,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Universe,
)
from shared.service import Tick
from shared.units import Side, exact, reducible_sz

REPEAT_TARGET_MS = 1000
"""An unchanged target is repeated this often: its age tells the executor that we are alive."""
TICK_MS = 100
Trigger = Literal["book", "time"]


class Quoter:
    """One object for all coins; the only state is what the newest messages said."""

    def __init__(self, config: QuoterConfig, assets: Mapping[str, AssetConfig]) -> None:
        self._config, self._assets = config, assets
        self._mode: Mode = config.mode
        self._pause_after_ms = config.book_pause_after_s * 1000
        self._coins: dict[str, Coin] = {}
        self._sides: dict[str, tuple[SideNotice, SideNotice]] = {}
        self._regimes: dict[str, RegimeNotice] = {}
        self._epoch, self._epoch_since_ms = 0, -1.0
        self._looked_ms = 0
        self._screener = _ScreenerWatch(config)
        self._unknown_strategies: set[tuple[str, str]] = set()

    def restore(self, now_ms: int, msg: Message) -> None:
        """Inventory known before the first quote after a restart."""
        if isinstance(msg, PositionState):
            if msg.mode == self._mode:
                self._coin(now_ms, msg.coin).take_position(msg)
        elif isinstance(msg, (Fill, Opening)):
            self._take_booking(now_ms, msg)

    def step(self, now_ms: int, msg: object) -> Iterable[Message]:
        if isinstance(msg, Book):
            return self._on_book(now_ms, msg)
        if isinstance(msg, Tick):
            return self._on_tick(now_ms)
        if isinstance(msg, RiskLease):
            return self._on_lease(now_ms, msg)
        if isinstance(msg, (Fill, Opening)):
            changed = self._take_booking(now_ms, msg)
            return self._quote(now_ms, self._coin(now_ms, msg.coin), "time") if changed else ()
        if isinstance(msg, AssetCtx):
            coin = self._coin(now_ms, msg.coin)
            coin.ctx = msg
            coin.measure()
        elif isinstance(msg, AssetConfig):
            self._coin(now_ms, msg.coin).take_config(msg)
            self._screener.saw(now_ms, msg)
        elif isinstance(msg, Universe):
            return self._on_universe(now_ms, msg)
        return ()

    # ---- inputs ----

    def _take_booking(self, now_ms: int, msg: Fill | Opening) -> bool:
        """Did it change what we hold? Live orders are not made from the positions of the shadow, nor theirs from
        the live ones."""
        if msg.mode != self._mode:
            return False
        coin = self._coin(now_ms, msg.coin)
        return coin.take_fill(msg) if isinstance(msg, Fill) else coin.take_opening(msg)

    def _coin(self, now_ms: int, name: str) -> Coin:
        coin = self._coins.get(name)
        if coin is None:
            defaults = self._assets.get(name) or self._config.sized(AssetConfig(coin=name))
            coin = self._coins[name] = Coin(name, self._config, defaults, now_ms)
            coin.measure()
            self._sides[name] = (SideNotice(name, "bid", now_ms), SideNotice(name, "ask", now_ms))
            self._regimes[name] = RegimeNotice(name)
        return coin

    def _on_universe(self, now_ms: int, universe: Universe) -> list[Message]:
        decimals = {meta.coin: meta.sz_decimals for meta in universe.coins}
        for name in decimals:
            self._coin(now_ms, name)
        out: list[Message] = []
        for name, coin in self._coins.items():
            coin.sz_decimals = decimals.get(name)
            out += self._quote(now_ms, coin, "time")
        return out

    def _on_book(self, now_ms: int, book: Book) -> list[Message]:
        """The newest connection is the one of the book received last; older ones' books are not used."""
        if dated_ahead(now_ms, book):
            return []
        if book.epoch != self._epoch and book.received_ms > self._epoch_since_ms:
            self._epoch, self._epoch_since_ms = book.epoch, book.received_ms
        coin = self._coin(now_ms, book.coin)
        coin.book = book
        coin.books_seen += 1
        return self._quote(now_ms, coin, "book")

    def _on_lease(self, now_ms: int, lease: RiskLease) -> Iterable[Message]:
        coin = self._coin(now_ms, lease.coin)
        before, coin.lease = coin.lease, lease
        coin.measure()
        unchanged = before is not None and _allows(before) == _allows(lease)
        return () if unchanged else self._quote(now_ms, coin, "time")

    def _on_tick(self, now_ms: int) -> list[Message]:
        """A look at every coin, once per quote interval (a tick may come a little early)."""
        if now_ms - self._looked_ms < self._config.quote_interval_ms - TICK_MS // 2:
            return []
        self._looked_ms = now_ms
        out: list[Message] = []
        for coin in self._coins.values():
            if coin.sz_decimals is not None:
                out += self._quote(now_ms, coin, "time")
        out += self._screener.look(now_ms, [c for c in self._coins.values() if c.sz_decimals is not None])
        return out

    # ---- one coin's quotes ----

    def _quote(self, now_ms: int, coin: Coin, trigger: Trigger) -> list[Message]:
        """The coin's target if it differs from the last one or that is a second old, and lines about changes."""
        coin.governor.advance(now_ms)
        book = coin.book
        age_s = (now_ms - book.received_ms) / 1000 if book else 0.0
        stale = governor.staleness(coin.books_seen, age_s, self._config.book_widen_after_s)
        multiplier = governor.combined(coin.governor.multiplier, stale)
        bid, ask = coin.permits(now_ms, self._pause_after_ms, self._epoch)
        touch = (book.bids[0].px, book.asks[0].px) if book and book.bids and book.asks else None
        key = (
            touch, multiplier, coin.widening, coin.size_frac, coin.position_sz, coin.config, bid, ask,
            coin.sz_decimals, coin.governor.regime,
        )  # fmt: skip
        last = coin.last_target
        if key == coin.last_key and last is not None:
            if now_ms - last.computed_ms < REPEAT_TARGET_MS:
                return []
            source_ms = book.received_ms if book else 0.0
            target = msgspec.structs.replace(last, source_ms=source_ms, computed_ms=now_ms, trigger=trigger)
        else:
            target = self._target(now_ms, coin, trigger, multiplier, bid, ask)
        coin.last_key, coin.last_target = key, target
        return [target, *self._notices(now_ms, coin, target, multiplier, stale)]

    def _target(
        self, now_ms: int, coin: Coin, trigger: Trigger, multiplier: float, bid: SidePermit, ask: SidePermit
    ) -> TargetQuotes:
        config, book = coin.config, coin.book
        mid_px = coin.mid_px
        widening = governor.left_to_widen(multiplier, coin.widening)
        half_spread_bps, shift_bps = config.base_spread_bps * multiplier * widening, 0.0
        bids, asks = Placed((), bid.reason or Reason.HALTED), Placed((), ask.reason or Reason.HALTED)
        strategy = STRATEGIES.get(config.strategy)
        if strategy is None:
            bids = asks = Placed((), Reason.COIN_DISABLED)
        elif book is not None and (bid.allow != "none" or ask.allow != "none"):
            inventory_usd = float(coin.position_sz * mid_px)
            best_bid_px, best_ask_px = float(book.bids[0].px), float(book.asks[0].px)
            view = MarketView(
                float(mid_px), best_bid_px, best_ask_px, inventory_usd, multiplier, self._config.skew_gain
            )

            def ladder_at(inventory_usd: float) -> Ladder:
                ladder = strategy(view._replace(inventory_usd=inventory_usd), config)
                return ladder.widened(view.mid_px, widening)

            ladder = honest_ladder(coin.name, config, ladder_at, inventory_usd)
            half_spread_bps, shift_bps = ladder.half_spread_bps, ladder.shift_bps
            bids, asks = self._side(coin, "bid", bid, ladder), self._side(coin, "ask", ask, ladder)
        return TargetQuotes(
            coin=coin.name,
            source_ms=book.received_ms if book else 0.0,
            computed_ms=now_ms,
            trigger=trigger,
            mid_px=float(mid_px),
            half_spread_bps=half_spread_bps,
            shift_bps=shift_bps,
            multiplier=multiplier,
            regime=coin.governor.regime,
            bids=bids.levels,
            asks=asks.levels,
            bid_reason=bids.reason,
            ask_reason=asks.reason,
            max_inv_usd=config.max_inv_usd,
            position_sz=coin.position_sz,
        )

    def _side(self, coin: Coin, side: Side, permit: SidePermit, ladder: Ladder) -> Placed:
        if permit.allow == "none":
            return Placed((), permit.reason or Reason.HALTED)
        assert coin.book is not None and coin.sz_decimals is not None
        mid_px, max_inv_usd = coin.mid_px, exact(coin.config.max_inv_usd)
        reduce_sz = reducible_sz(side, coin.position_sz) if permit.allow == "reduce" else None
        if reduce_sz is not None and reduce_sz == 0:
            return Placed((), permit.reason or Reason.REDUCE_ONLY)
        return place_side(
            side,
            ladder.bids if side == "bid" else ladder.asks,
            coin.book.asks[0].px if side == "bid" else coin.book.bids[0].px,
            mid_px,
            coin.sz_decimals,
            Limits(
                max_inv_usd,
                room_usd(side, max_inv_usd, coin.position_sz, mid_px),
                reduce_sz,
                exact(coin.size_frac),
            ),
            self._config.clamp_skip_bps,
        )

    def _notices(
        self, now_ms: int, coin: Coin, target: TargetQuotes, multiplier: float, stale: float
    ) -> Iterable[Event]:
        bid, ask = self._sides[coin.name]
        for event in (
            bid.update(now_ms, target.bid_reason),
            ask.update(now_ms, target.ask_reason),
            self._regimes[coin.name].update(now_ms, multiplier, coin.governor, stale),
        ):
            if event is not None:
                yield event
        name = coin.config.strategy
        if name not in STRATEGIES and (coin.name, name) not in self._unknown_strategies:
            self._unknown_strategies.add((coin.name, name))
            text = f"unknown strategy {name!r} for {coin.name}; there are: {', '.join(STRATEGIES)}. Not quoted."
            yield Event(level="error", tag="CONFIG", coin=coin.name, text=text)


def _allows(lease: RiskLease) -> tuple[SidePermit, SidePermit, float, float]:
    """What of a lease moves quotes."""
    return lease.bid, lease.ask, lease.spread_multiplier, lease.size_multiplier


class _ScreenerWatch:
    """Says once that the screener is absent, silent about a coin, or has stopped; quoting goes on regardless."""

    def __init__(self, config: QuoterConfig) -> None:
        self._grace_ms, self._old_ms = config.config_grace_s * 1000, config.config_old_after_s * 1000
        self._first_ms: int | None = None
        self._newest_ms = 0
        self._said_absent = self._said_old = False
        self._said_coins: set[str] = set()

    def saw(self, now_ms: int, config: AssetConfig) -> None:
        if self._first_ms is None:
            self._first_ms = now_ms
        self._newest_ms = max(self._newest_ms, config.published_ms)
        self._said_coins.discard(config.coin)

    def look(self, now_ms: int, coins: list[Coin]) -> Iterable[Event]:
        if self._first_ms is None:
            if not self._said_absent and any(now_ms - coin.known_since_ms >= self._grace_ms for coin in coins):
                self._said_absent = True
                text = "Redis unavailable. Using default configs."
                yield Event(level="warning", tag="SCREENER", text=text)
            return
        for coin in coins:
            waited_ms = now_ms - max(self._first_ms, coin.known_since_ms)
            if not coin.has_config and coin.name not in self._said_coins and waited_ms >= self._grace_ms:
                self._said_coins.add(coin.name)
                text = f"No config for {coin.name}. Using defaults."
                yield Event(level="warning", tag="SCREENER", coin=coin.name, text=text)
        old = now_ms - self._newest_ms > self._old_ms
        if old and not self._said_old:
            age_s = (now_ms - self._newest_ms) // 1000
            yield Event(level="warning", tag="SCREENER", text=f"Last config is {age_s} s old. Quoting on with it.")
        self._said_old = old
