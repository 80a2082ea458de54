"""Known answers of the guard's formulas: the project's own code, floats in and out."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.guard.checks.drawdown import daily_stop
from services.guard.checks.ofi import OfiWindow, suppressed
from shared.messages import Trade
from shared.units import exact


def ofi_taker(trades: list[Any], window: int, threshold: float, min_trades: int) -> dict[str, Any]:
    rolling = OfiWindow(window, max_age_ms=600_000)
    for tid, (side, sz) in enumerate(trades):
        rolling.add(Trade(px=Decimal(1), sz=exact(sz), side=side, time_ms=0, tid=tid), now_ms=0)
    flow = rolling.flow(now_ms=0)
    no_bids, no_asks = suppressed(flow, threshold, min_trades)
    return {
        "n": flow.trades,
        "ofi": flow.ofi,
        "buy_share": flow.buy_share_frac,
        "suppress_bids": no_bids,
        "suppress_asks": no_asks,
    }


def v6_daily_stop(starting_balance: float, daily_pnl: float) -> dict[str, Any]:
    stop = daily_stop(exact(daily_pnl), exact(starting_balance), cap_frac=0.05)
    return {"drawdown_pct": float(stop.drawdown_frac) * 100, "halt": stop.breached}


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "ofi.taker": ofi_taker,
    "risk.v6_daily_stop": v6_daily_stop,
}
