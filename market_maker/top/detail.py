"""One coin in full: ladder, leases, estimates, last fills."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.text import Text

from market_maker.operate import ENDED
from market_maker.risk_status import number
from market_maker.snapshot import Snapshot
from market_maker.top.view import STATE_STYLES, state
from shared.bus import Bus
from shared.clock import utc
from shared.messages import AssetConfig, Fill, OrderUpdate, QuoteLevel, RiskLease, SidePermit, TargetQuotes
from shared.streams import ASSET_CONFIG, FILLS, ORDERS
from shared.units import Side

ORDERS_BACK = 200
FILLS_BACK = 10
RESTS = "open"


@dataclass(frozen=True, slots=True)
class Told:
    """What the bus says of a coin beyond the look at everything."""

    config: AssetConfig | None
    orders: tuple[OrderUpdate, ...]
    """The newest of each that has not ended, of this life of the executor."""
    fills: tuple[Fill, ...]
    """Newest first."""


async def ask(bus: Bus, coin: str, snapshot: Snapshot) -> Told:
    """
    Raises:
        BusError: Redis does not answer.
    """
    configs = [
        entry for entry in await bus.stored(ASSET_CONFIG, (coin,), last=1) if isinstance(entry, AssetConfig)
    ]
    fills = [entry for entry in await bus.stored(FILLS, (coin,), last=FILLS_BACK) if isinstance(entry, Fill)]
    updates = [
        entry for entry in await bus.stored(ORDERS, (coin,), last=ORDERS_BACK) if isinstance(entry, OrderUpdate)
    ]
    executor = snapshot.heartbeats.get("executor")
    return Told(
        config=configs[-1] if configs else None,
        orders=tuple(living(updates, executor.started_ms if executor is not None else 0)),
        fills=tuple(reversed(fills)),
    )


def living(updates: Iterable[OrderUpdate], since_ms: float) -> Iterator[OrderUpdate]:
    """Orders that have not come to their end; nothing of an earlier executor rests."""
    newest = {update.cloid: update for update in updates if update.time_ms >= since_ms}
    return (update for update in newest.values() if update.status not in ENDED)


def picture(coin: dict[str, Any], snapshot: Snapshot, told: Told) -> Text:
    """`coin` is its line of the facts of `status`."""
    name = coin["coin"]
    parts = [
        _headline(coin),
        *_ladder(coin, snapshot.targets.get(name), told.orders),
        *_permits(snapshot.leases.get(name), snapshot.time_ms),
        *_estimates(snapshot.targets.get(name), told.config),
        *_fills(told.fills),
    ]
    return Text("\n").join(parts)


def _headline(coin: dict[str, Any]) -> Text:
    why = "; ".join(f"no {side}: {coin[f'{side}_reason']}" for side in ("bid", "ask") if coin[f"{side}_reason"])
    line = Text().append(f"{coin['coin']}  ", "bold").append(why or "quoting", STATE_STYLES[state(coin)])
    mid = (
        "no book"
        if coin["mid_px"] is None
        else (
            f"mid {coin['mid_px']:.8g}, spread {coin['spread_bps']:.2f} bps, book {coin['book_age_s']:.1f} s old"
        )
    )
    held = f"position {coin['position_sz'] or 0} (${coin['position_usd'] or 0})"
    return line.append(f"\n{mid}\n{held}, PnL ${float(coin['pnl_usd'] or 0):.4f}, {coin['fills']} fills", "")


def _title(words: str) -> Text:
    return Text(f"\n{words}", "bold underline")


def _ladder(coin: dict[str, Any], target: TargetQuotes | None, orders: Sequence[OrderUpdate]) -> Iterator[Text]:
    yield _title("ladder: wanted / of ours")
    wanted: dict[tuple[Side, int], QuoteLevel] = {}
    if target is not None:
        wanted |= {("ask", level.level): level for level in target.asks}
        wanted |= {("bid", level.level): level for level in target.bids}
    ours = {(order.side, order.level): order for order in orders}
    keys = sorted(wanted.keys() | ours.keys(), key=lambda of: of[1] if of[0] == "bid" else -of[1])
    for key in keys:
        side, level = key
        want, have = wanted.get(key), ours.get(key)
        style = "red" if side == "ask" else "green"
        yield Text(f"{side} L{level}  {_quote(want, coin['mid_px']):<34}", style).append(_order(have))
    if not keys:
        yield Text("nothing is wanted", "dim")


def _quote(level: QuoteLevel | None, mid_px: float | None) -> str:
    if level is None:
        return "-"
    away = f" {abs(float(level.px) - mid_px) / mid_px * 1e4:5.1f} bps" if mid_px else ""
    return f"{level.sz:f} @ {level.px:f}{away}"


def _order(order: OrderUpdate | None) -> str:
    if order is None:
        return "-"
    filled = f", {order.filled_sz:f} filled" if order.filled_sz else ""
    return f"{order.sz:f} @ {order.px:f} {'rests' if order.status == RESTS else order.status}{filled}"


def _permits(lease: RiskLease | None, now_ms: float) -> Iterator[Text]:
    yield _title("lease of the guard")
    if lease is None:
        yield Text("none", "bold red")
        return
    left_s = (lease.valid_until_ms - now_ms) / 1000
    ends = Text(f"ends in {left_s:.1f} s", "") if left_s > 0 else Text(f"ENDED {-left_s:.1f} s ago", "bold red")
    ofi = "not known" if lease.ofi is None else f"{lease.ofi:+.2f}"
    yield ends.append(
        f"; bid {_permit(lease.bid)}, ask {_permit(lease.ask)}; spreads x{lease.spread_multiplier:.2f},"
        f" sizes x{lease.size_multiplier:.2f}; OFI {ofi}",
        "",
    )


def _permit(permit: SidePermit) -> str:
    return permit.allow + (f" ({permit.reason})" if permit.reason else "")


def _estimates(target: TargetQuotes | None, config: AssetConfig | None) -> Iterator[Text]:
    yield _title("estimates")
    if target is not None:
        yield Text(
            f"half spread {target.half_spread_bps:.2f} bps (x{target.multiplier:.2f} of the governor in it),"
            f" shift {target.shift_bps:+.2f} bps, {target.regime}, limit ${target.max_inv_usd:.0f}"
        )
    if config is None:
        yield Text("no settings of the screener: defaults", "dim")
        return
    edge = "edge not known yet" if config.edge_bps is None else f"edge {config.edge_bps:+.2f} bps"
    yield Text(f"{edge}, fee {config.maker_fee_bps:.2f} bps, base half spread {config.base_spread_bps:.2f} bps")
    parts = config.parts
    if parts is not None:
        yield Text(
            f"adverse selection {parts.adverse_bps:.2f} bps of {parts.adverse_n} orders, 1/kappa"
            f" {parts.reach_bps:.2f} bps, {number(parts.fills_per_hour)} fills/h, ${parts.usd_per_hour:.3f}/h"
        )
    if config.reason:
        yield Text(config.reason, "yellow")


def _fills(fills: Sequence[Fill]) -> Iterator[Text]:
    yield _title("last fills")
    for fill in fills:
        sign = 1 if fill.side == "bid" else -1
        won = sign * (fill.mid_px - fill.px) / fill.mid_px * 10_000 if fill.mid_px else Decimal(0)
        yield Text(
            f"{utc(fill.time_ms):%H:%M:%S} {fill.mode} {fill.side} L{fill.level} {fill.sz:f} @ {fill.px:f}"
            f"  {won:+.2f} bps to the mid, fee ${fill.fee_usd:.4f}, then {fill.position_sz:f}",
            "green" if fill.side == "bid" else "red",
        )
    if not fills:
        yield Text("none yet", "dim")
