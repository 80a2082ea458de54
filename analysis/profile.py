"""The market profile that the screener reads, from the results of gates 1 to 4."""

import numpy as np

from analysis.bootstrap import Floats, intervals
from analysis.curves import seed_of
from analysis.edges import CoinEdges
from analysis.estimates import Estimate
from analysis.gate1 import Coin
from analysis.orders import HEADLINE_S, HORIZONS_S
from analysis.run import Found
from shared.market_profile import CoinProfile, MarketProfile, Measured, Rung

Z95 = 1.959964


def build(found: Found) -> MarketProfile:
    """Coins of which a number has no interval yet are left out: the screener then has the live window alone.

    Raises:
        ValueError: gates 1, 2 and 4 were not asked for.
    """
    if found.gate1 is None or found.gate2 is None or found.gate4 is None:
        raise ValueError("a market profile needs gates 1, 2 and 4")
    coins = []
    for name, coin in found.gate1.coins.items():
        hours, weekend = found.gate2.hours[name], found.gate4.weekend[name]
        reasons = (*found.gate2.reasons[name], *found.gate4.reasons[name])
        if (profile := _coin(name, coin, hours, weekend, reasons)) is not None:
            coins.append(profile)
    about = found.answer.about
    return MarketProfile(
        made_ms=about.made_ms,
        venue=about.venue,
        first_ms=about.first_ms,
        last_ms=about.last_ms,
        coins=tuple(coins),
    )


def _coin(
    name: str, coin: Coin, hours: tuple[float, ...], weekend: float, reasons: tuple[str, ...]
) -> CoinProfile | None:
    against_all = coin.market.adverse[HORIZONS_S.index(HEADLINE_S)]
    spread, adverse, beyond = map(measured, (coin.market.spread, against_all, _beyond(coin.edges)))
    if spread is None or adverse is None or beyond is None:
        return None
    return CoinProfile(
        coin=name,
        hours_of_data=coin.edges.hours,
        market_orders=coin.edges.orders,
        spread_bps=spread,
        adverse_bps=adverse,
        beyond_bps=beyond,
        rungs=tuple(
            Rung(
                half_spread_bps=point.half_spread_bps,
                adverse_bps=against,
                fills_per_hour=point.through_per_hour,
            )
            for point in coin.curve
            if (against := measured(point.adverse)) is not None
        ),
        hours=hours,
        weekend=weekend,
        reasons=reasons,
    )  # fmt: skip


def _beyond(edges: CoinEdges) -> Estimate:
    """1/κ: mean reach beyond the touch, both sides together."""
    sums = np.stack([edges.side_orders.sum(axis=1), edges.side_beyond.sum(axis=1)], axis=1)

    def mean(drawn: Floats) -> Floats:
        return drawn[..., [1]] / drawn[..., [0]]

    return intervals(sums, mean, [edges.orders], seed=seed_of(edges.coin, "beyond"))[0]


def measured(found: Estimate) -> Measured | None:
    """With the standard error that its interval amounts to; None without one."""
    if found.value is None or found.low is None or found.high is None:
        return None
    return Measured(found.value, (found.high - found.low) / (2 * Z95), found.n, found.n_effective)
