"""What it would cost to close positions at the book as it is shown: pure arithmetic and its table.

Two ways: to rest at our own side's touch earns half the spread and pays the maker fee, if somebody comes; to take
what the other side shows costs half the spread, the walk through the book and the taker fee. Costs are + when they
cost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal

from market_maker.snapshot import STALE_BOOK_MS
from shared.book_check import book_fault
from shared.fees import maker_rate, taker_rate
from shared.messages import ZERO, Book, CoinStatus, Depth, Level, Reason
from shared.units import ORDER_CAP_FRAC, exact, fee_usd

_BPS = Decimal(10_000)
Direction = Literal["sell", "buy"]


@dataclass(frozen=True)
class Way:
    """One way out of `sz` coins: notional, fee, and what it costs against the mid."""

    sz: Decimal
    ntl_usd: Decimal
    fee_usd: Decimal
    cost_usd: Decimal
    """Against the mid, fee included."""

    @property
    def px(self) -> Decimal | None:
        """Average price."""
        return self.ntl_usd / self.sz if self.sz else None


@dataclass(frozen=True)
class Exit:
    """One position and the ways out of it."""

    coin: str
    position_sz: Decimal
    mid_px: Decimal
    touch_bps: Decimal
    """From the mid to the touch: half the spread."""
    rest: Way
    """All of it at our own side's touch."""
    take: Way
    """As much as the other side shows, as far as an order goes through the touch."""
    slices: int
    """Orders that it takes: none may be above its part of the coin's inventory limit."""

    @property
    def direction(self) -> Direction:
        return "sell" if self.position_sz > 0 else "buy"

    @property
    def sz(self) -> Decimal:
        return abs(self.position_sz)

    @property
    def value_usd(self) -> Decimal:
        return self.sz * self.mid_px

    @property
    def beyond_sz(self) -> Decimal:
        """What the shown depth does not take."""
        return self.sz - self.take.sz

    def way(self, now: bool) -> Way:
        return self.take if now else self.rest

    def cost_bps(self, now: bool) -> Decimal | None:
        """Of the value that goes this way."""
        way = self.way(now)
        return way.cost_usd / (way.sz * self.mid_px) * _BPS if way.sz else None


@dataclass(frozen=True)
class NoBook:
    """A position whose price nobody knows now."""

    coin: str
    position_sz: Decimal
    reason: Reason


@dataclass(frozen=True)
class Terms:
    """What orders cost and how far they go."""

    fee_tier: int
    slippage_bps: float
    """How far through the touch an order that takes may go."""


def shown(book: Book, depth: Depth | None, direction: Direction) -> tuple[Level, ...]:
    """The levels that an order of that direction meets, best first: the fast book, and beyond its last price the
    slow one, if it is of the same connection."""
    fast = book.bids if direction == "sell" else book.asks
    if depth is None or depth.epoch != book.epoch:
        return fast
    slow = depth.bids if direction == "sell" else depth.asks
    last_px = fast[-1].px
    return (*fast, *(lvl for lvl in slow if (lvl.px < last_px if direction == "sell" else lvl.px > last_px)))


def within(levels: Sequence[Level], slippage_bps: float) -> tuple[Level, ...]:
    """Those not further through the touch than that."""
    most = exact(slippage_bps) / _BPS * levels[0].px
    return tuple(lvl for lvl in levels if abs(lvl.px - levels[0].px) <= most)


def walk(levels: Iterable[Level], sz: Decimal) -> tuple[Decimal, Decimal]:
    """(size, notional) of what the levels give for up to `sz`."""
    taken_sz = ntl_usd = ZERO
    for level in levels:
        piece_sz = min(level.sz, sz - taken_sz)
        taken_sz += piece_sz
        ntl_usd += piece_sz * level.px
    return taken_sz, ntl_usd


def slices(value_usd: Decimal, max_inv_usd: Decimal) -> int:
    """Orders for so much value under the cap of a single one."""
    return int((value_usd / (ORDER_CAP_FRAC * max_inv_usd)).to_integral_value(ROUND_CEILING))


def preview(
    now_ms: float, status: CoinStatus, book: Book | None, depth: Depth | None, max_inv_usd: float, terms: Terms
) -> Exit | NoBook:
    """The ways out of a coin's position at this book, if it is one that the executor would trade on."""
    coin, position_sz = status.coin, status.position_sz
    fault = book_fault(now_ms, book, book.epoch if book else 0, STALE_BOOK_MS)
    if fault or book is None:
        return NoBook(coin, position_sz, fault or Reason.NO_BOOK)
    bid_px, ask_px = book.bids[0].px, book.asks[0].px
    direction: Direction = "sell" if position_sz > 0 else "buy"
    sz, mid_px = abs(position_sz), (bid_px + ask_px) / 2
    own_px = ask_px if direction == "sell" else bid_px
    taken_sz, taken_usd = walk(within(shown(book, depth, direction), terms.slippage_bps), sz)
    return Exit(
        coin=coin,
        position_sz=position_sz,
        mid_px=mid_px,
        touch_bps=(ask_px - mid_px) / mid_px * _BPS,
        rest=_way(direction, mid_px, sz, sz * own_px, maker_rate(terms.fee_tier, coin)),
        take=_way(direction, mid_px, taken_sz, taken_usd, taker_rate(terms.fee_tier, coin)),
        slices=slices(sz * mid_px, exact(max_inv_usd)),
    )


def _way(direction: Direction, mid_px: Decimal, sz: Decimal, ntl_usd: Decimal, rate: Decimal) -> Way:
    fee = fee_usd(ntl_usd, rate)
    worse_usd = sz * mid_px - ntl_usd if direction == "sell" else ntl_usd - sz * mid_px
    return Way(sz, ntl_usd, fee, worse_usd + fee)


# ---- for people and programs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """All positions to be closed."""

    exits: tuple[Exit, ...]
    unpriced: tuple[NoBook, ...]
    now: bool
    """Take from the book, instead of resting at the touch."""
    terms: Terms

    @property
    def value_usd(self) -> Decimal:
        return sum((out.value_usd for out in self.exits), ZERO)

    @property
    def cost_usd(self) -> Decimal:
        return sum((out.way(self.now).cost_usd for out in self.exits), ZERO)

    @property
    def fee_usd(self) -> Decimal:
        return sum((out.way(self.now).fee_usd for out in self.exits), ZERO)

    @property
    def taken_usd(self) -> Decimal:
        """Value at mid of what the shown depth takes."""
        return sum((out.take.sz * out.mid_px for out in self.exits), ZERO)


def previews(
    now_ms: float,
    statuses: Sequence[CoinStatus],
    books: Mapping[str, Book],
    depths: Mapping[str, Depth],
    limits_usd: Mapping[str, float],
    *,
    now: bool,
    terms: Terms,
) -> Preview:
    """Of every coin with a position, the largest value first; `limits_usd` are the coins' inventory limits."""
    found = [
        preview(now_ms, status, books.get(status.coin), depths.get(status.coin), limits_usd[status.coin], terms)
        for status in statuses
        if status.position_sz
    ]
    exits = sorted((out for out in found if isinstance(out, Exit)), key=lambda out: -out.value_usd)
    return Preview(tuple(exits), tuple(out for out in found if isinstance(out, NoBook)), now, terms)


def facts(preview: Preview) -> dict[str, Any]:
    """JSON-ready; money as exact decimal text."""
    return {
        "now": preview.now,
        "fee_tier": preview.terms.fee_tier,
        "slippage_bps": preview.terms.slippage_bps,
        "value_usd": _text(preview.value_usd),
        "cost_usd": _text(preview.cost_usd),
        "fee_usd": _text(preview.fee_usd),
        "shown_depth_takes_usd": _text(preview.taken_usd),
        "coins": [_exit_facts(out, preview.now) for out in preview.exits],
        "without_book": [
            {"coin": out.coin, "position_sz": _text(out.position_sz), "reason": out.reason}
            for out in preview.unpriced
        ],
    }


def _exit_facts(out: Exit, now: bool) -> dict[str, Any]:
    way, bps = out.way(now), out.cost_bps(now)
    return {
        "coin": out.coin,
        "side": out.direction,
        "position_sz": _text(out.position_sz),
        "value_usd": _text(out.value_usd),
        "mid_px": _text(out.mid_px),
        "touch_bps": round(float(out.touch_bps), 3),
        "shown_depth_takes_sz": _text(out.take.sz),
        "beyond_shown_depth_sz": _text(out.beyond_sz),
        "average_px": None if way.px is None else float(way.px),
        "cost_bps": None if bps is None else round(float(bps), 3),
        "cost_usd": _text(way.cost_usd),
        "fee_usd": _text(way.fee_usd),
        "slices": out.slices,
    }


COLUMNS = (
    "coin", "side", "size", "value $", "mid", "touch bps", "depth takes", "average", "cost bps", "cost $",
    "slices",
)  # fmt: skip


def render(preview: Preview, mode: str) -> Iterator[str]:
    """The preview as lines."""
    how = "taking what the book shows" if preview.now else "resting at the touch"
    count = len(preview.exits) + len(preview.unpriced)
    yield f"FLATTEN {mode.upper()}: {count} position{'s' * (count != 1)}, {how}"
    table = [COLUMNS, *(_row(out, preview.now) for out in preview.exits)]
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
    for row in table:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    for out in preview.unpriced:
        yield f"  {out.coin}: {out.position_sz:f}, no price now ({out.reason}); it waits for a book"
    beyond = [f"{out.coin} {out.beyond_sz:f}" for out in preview.exits if out.beyond_sz]
    if beyond:
        left_out = "; the cost leaves that out" if preview.now else ""
        far = f"{preview.terms.slippage_bps:g} bps through the touch"
        yield f"  beyond what the book shows up to {far}: {', '.join(beyond)}{left_out}"
    yield _total(preview)


def _row(out: Exit, now: bool) -> tuple[str, ...]:
    way, bps = out.way(now), out.cost_bps(now)
    return (
        out.coin,
        out.direction,
        f"{out.sz:f}",
        f"{out.value_usd:,.2f}",
        f"{out.mid_px.normalize():f}",
        f"{out.touch_bps:.2f}",
        f"{out.take.sz / out.sz:.0%}",
        "-" if way.px is None else f"{way.px:.6g}",
        "-" if bps is None else f"{bps:.2f}",
        f"{way.cost_usd:,.4f}",
        str(out.slices),
    )


def _total(preview: Preview) -> str:
    kind = "taker" if preview.now else "maker"
    if_filled = "" if preview.now else ", if it is filled there"
    take_usd = sum((out.take.cost_usd for out in preview.exits), ZERO)
    instead = "" if preview.now else f"; taking it at once (--now) ${take_usd:,.4f}"
    return (
        f"  total ${preview.value_usd:,.2f}; cost ${preview.cost_usd:,.4f} against the mid,"
        f" ${preview.fee_usd:,.4f} of it {kind} fees of tier {preview.terms.fee_tier}{if_filled}{instead}"
    )


def _text(value: Decimal) -> str:
    return format(value, "f")
