"""Hourly funding: who owes what at the full hour, booked once.

A payment needs the oracle price and rate of that hour. They are taken from the newest asset context within a
minute of the hour; an hour without one is passed over and reported, never guessed. In live the venue's own records
are booked instead.
"""

from decimal import Decimal

from services.executor.ledger import Ledger
from shared.funding import HOUR_MS, payment
from shared.messages import AssetCtx, Funding
from shared.units import exact

CTX_WINDOW_MS = 60_000
_USD_STEP = Decimal("0.000001")
"""The venue states payments in micro-dollars."""


def funding_hour_ms(time_ms: int) -> int:
    """The full hour that a payment of the venue belongs to: the nearest one to when it was made."""
    return (time_ms + HOUR_MS // 2) // HOUR_MS * HOUR_MS


def settle(now_ms: int, ledger: Ledger, ctx: AssetCtx | None) -> tuple[Funding | None, int]:
    """The payment due now, already booked, and the number of hours that had to be passed over."""
    hour_ms = now_ms - now_ms % HOUR_MS
    last_ms = ledger.funding_hour_ms
    if hour_ms <= last_ms:
        return None, 0
    if last_ms == 0 or not ledger.position_sz:
        ledger.funding_hour_ms = hour_ms
        return None, 0
    hours = (hour_ms - last_ms) // HOUR_MS
    if ctx is not None and abs(ctx.received_ms - hour_ms) <= CTX_WINDOW_MS:
        rate = exact(ctx.funding_1h_frac)
        usd = payment(ledger.position_sz, ctx.oracle_px, rate).quantize(_USD_STEP)
        ledger.fund(hour_ms, usd)
        paid = Funding(
            coin=ledger.coin,
            hour_ms=hour_ms,
            usd=usd,
            position_sz=ledger.position_sz,
            oracle_px=ctx.oracle_px,
            rate_frac=rate,
        )
        return paid, hours - 1
    if now_ms - hour_ms <= CTX_WINDOW_MS:
        return None, 0
    ledger.funding_hour_ms = hour_ms
    return None, hours
