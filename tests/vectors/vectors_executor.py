"""Known answers of the executor: names of the reference vectors to the project's own functions."""

from collections.abc import Callable
from itertools import accumulate

from services.executor.ledger import Ledger
from services.executor.queue_models import ProbQueue, v6_is_filled, v6_probability
from shared.funding import payment
from shared.units import exact


def _v6(order_size, trade_volumes) -> dict:
    volumes = list(accumulate(trade_volumes))
    filled = [index for index, volume in enumerate(volumes) if v6_is_filled(order_size, volume)]
    return {
        "probability": [v6_probability(order_size, volume) for volume in volumes],
        "fill_index": filled[0] if filled else None,
    }


def _prob(kind, n, queue_ahead0, level_qty0, order_size, events) -> dict:
    queue = ProbQueue(kind, n, front=queue_ahead0, level=level_qty0)
    front, filled, total = [], [], 0.0
    for what, qty in events:
        if what == "book":
            queue.displayed(qty)
        else:
            reached = queue.trade(qty, qty) if what == "trade" else queue.through()
            total = min(order_size, total + reached)
        front.append(queue.front)
        filled.append(total)
    return {"front": front, "filled": filled}


def _attribution(events, final_mid) -> dict:
    ledger = Ledger("X")
    for event in events:
        if event[0] == "fill":
            _, side, *numbers = event
            sz, px, mid, fee = map(exact, map(float, numbers))
            ledger.fill("bid" if side == "buy" else "ask", px, sz, fee, mid)
        elif event[0] == "mid":
            ledger.mark(exact(float(event[1])))
        else:
            ledger.fund(ledger.funding_hour_ms + 1, exact(float(event[1])))
    ledger.mark(exact(float(final_mid)))
    ledger.check()
    return {
        "total": float(ledger.total_usd),
        "spread_capture": float(ledger.capture_usd),
        "inventory": float(ledger.inventory_usd),
        "fees": float(ledger.fees_usd),
        "funding": float(ledger.funding_usd),
        "position": float(ledger.position_sz),
        "avg_entry": float(ledger.average_entry_px),
        "realized_gross": float(ledger.realized_usd),
        "unrealized": float(ledger.unrealized_usd),
    }


def _payment(position, oracle_px, rate_1h) -> dict:
    return {"pnl_usd": float(payment(exact(position), exact(oracle_px), exact(rate_1h)))}


FUNCTIONS: dict[str, Callable[..., dict]] = {
    "queue.v6": _v6,
    "queue.prob": _prob,
    "pnl.attribution": _attribution,
    "funding.payment": _payment,
}
