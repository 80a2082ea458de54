"""Known answers of the screener and of funding: names of the reference vectors to the project's own functions."""

import dataclasses
from collections.abc import Callable

from services.screener import bars, pricing
from shared import funding


def _atr(high, low, close, n) -> dict:
    answer = bars.atr([bars.Bar(*bar) for bar in zip(high, low, close, strict=True)], n)
    return {"tr": answer.tr, "atr": answer.atr, "atr_fraction_last": answer.fraction_last}


def _hl_rate(avg_premium) -> dict:
    rate = funding.hl_rate(avg_premium)
    return {"rate_8h": rate.rate_8h_frac, "rate_1h_paid": rate.rate_1h_frac, "annual": rate.annual_frac}


def _payment(position, oracle_px, rate_1h) -> dict:
    return {"pnl_usd": funding.payment(position, oracle_px, rate_1h)}


def _ar1(f, horizons) -> dict:
    answer = dataclasses.asdict(funding.ar1(f, horizons))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in answer.items()}


def _score(**inputs) -> dict:
    return pricing.score(**inputs)._asdict()


FUNCTIONS: dict[str, Callable[..., dict]] = {
    "vol.atr": _atr,
    "screener.score": _score,
    "funding.hl_rate": _hl_rate,
    "funding.payment": _payment,
    "funding.ar1": _ar1,
}
