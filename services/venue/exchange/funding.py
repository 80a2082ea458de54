"""Hourly funding (reference page §8.2)."""

from services.venue.exchange.world import World

HOUR_MS = 3_600_000


def due(before_ms: int, now_ms: int) -> bool:
    """An hour has begun in (before, now]."""
    raise NotImplementedError


def settle(world: World) -> None:
    """Pay one hour on every open position, the market's included: size x oracle price x rate, longs pay when it is
    positive. Payments are cut to micro-dollars; what that leaves over is in `world.funding_pool`.

    Notes a `FundingPaid` for every position of an account.
    """
    raise NotImplementedError
