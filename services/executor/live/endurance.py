"""Can this configuration last on the address's request budget? Asked before the first order is sent."""

from dataclasses import dataclass
from math import ceil, floor, sqrt

from services.executor.config import ExecutorConfig
from services.executor.live.budget import REDUCE_BELOW_FRAC, REQUEST_PRICE_USD, Budget
from services.executor.live.forecast import hours_to_empty
from shared.hyperliquid.account import RateLimit


@dataclass(frozen=True, slots=True)
class Expected:
    """What a configuration will do, as measured in shadow or feared.

    `replacements_per_hour` counts how often each of the orders moves; `requests_per_replacement` is 2 for a cancel
    and a place, 1 for a modify. `volume_usd_per_hour` is all coins' together, as far as it earns requests.
    `by_threshold`: orders move as often as max_bps_diff lets them; False: as often as is wanted at least.
    """

    coins: int
    orders_per_coin: int
    replacements_per_hour: float
    volume_usd_per_hour: float
    requests_per_replacement: int = 2
    by_threshold: bool = True

    @property
    def orders(self) -> int:
        return self.coins * self.orders_per_coin

    @property
    def requests_per_hour(self) -> float:
        return self.orders * self.replacements_per_hour * self.requests_per_replacement


@dataclass(frozen=True, slots=True)
class Plan:
    """It lasts. `text` is the arithmetic; `hours` None: for ever."""

    text: str
    hours: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """It does not. `text` is the arithmetic with the reason, `remedies` are alternatives."""

    text: str
    hours: float | None
    remedies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sum:
    """The numbers of one check, requests and requests an hour."""

    needed: float
    free: int
    counted_on: float
    """What trading earns, as far as it may be spent."""
    horizon_h: float

    @property
    def hours(self) -> float | None:
        return hours_to_empty(self.free, self.needed, self.counted_on)

    @property
    def affordable(self) -> float:
        return self.free / self.horizon_h + self.counted_on


def check_lasts(config: ExecutorConfig, rate_limit: RateLimit, expected: Expected) -> Plan | Refusal:
    """Refuse what would use the budget up within `budget_horizon_h`, cannot start, or could not be cancelled."""
    budget, reserve = Budget.told(rate_limit), config.budget_cancel_reserve
    numbers = _Sum(
        expected.requests_per_hour,
        budget.left - reserve - expected.orders,
        config.budget_respend_frac * expected.volume_usd_per_hour,
        config.budget_horizon_h,
    )
    text, hours = _arithmetic(config, budget, expected, numbers), numbers.hours
    if expected.orders > reserve:
        return Refusal(
            f"{expected.orders:,} orders may rest, but only {reserve:,} requests are kept to cancel them.\n{text}",
            hours,
            (f"budget_cancel_reserve of {expected.orders:,} or more", "fewer coins or levels"),
        )
    least = max(ceil(REDUCE_BELOW_FRAC * config.budget_full_requests), reserve + expected.orders + 1)
    if budget.left < least:
        return Refusal(
            f"{budget.left:,} requests are left, and {least:,} are needed to start: a tenth of a full budget, the"
            f" reserve and one for each order.\n{text}",
            hours,
            (_buy(config.budget_full_requests - budget.left, "fill the budget"),),
        )
    if hours is not None and hours < config.budget_horizon_h:
        return Refusal(
            f"The request budget would last {_span(hours)}.\n{text}", hours, _remedies(config, expected, numbers)
        )
    return Plan(f"The request budget lasts {_span(hours)}.\n{text}", hours)


# ---- in words ------------------------------------------------------------------------------------------------


def _arithmetic(config: ExecutorConfig, budget: Budget, expected: Expected, numbers: _Sum) -> str:
    bought = f" + {budget.bought:,} bought" if budget.bought else ""
    net = numbers.needed - numbers.counted_on
    lasts = "for ever" if net <= 0 else f"{max(numbers.free, 0):,} / {net:,.0f} per h = {_span(numbers.hours)}"
    return (
        f"  needs  {expected.coins} coins x {expected.orders_per_coin} orders"
        f" x {expected.replacements_per_hour:,.4g} replacements/h"
        f" x {expected.requests_per_replacement} requests = {numbers.needed:,.0f} requests/h\n"
        f"  earns  ${expected.volume_usd_per_hour:,.0f}/h traded, of which {config.budget_respend_frac:.0%}"
        f" is spent again = {numbers.counted_on:,.0f} requests/h\n"
        f"  has    {budget.cap:,} allowed - 1 never let through{bought} - {budget.used:,} used"
        f" - {config.budget_cancel_reserve:,} kept for cancels - {expected.orders:,} to place the orders once"
        f" = {max(numbers.free, 0):,}\n"
        f"  lasts  {lasts}; {_span(numbers.horizon_h)} are asked for, which allow"
        f" {numbers.affordable:,.0f} requests/h"
    )


def _remedies(config: ExecutorConfig, expected: Expected, numbers: _Sum) -> tuple[str, ...]:
    """Each alone would do."""
    missing = numbers.needed - numbers.affordable
    return (
        _fewer_coins(expected, numbers),
        *((_replace_less(config, expected, numbers),) if expected.by_threshold else ()),
        *_shorter_horizon(config, numbers),
        _buy(missing * numbers.horizon_h, f"go on like this for {_span(numbers.horizon_h)}"),
    )


def _fewer_coins(expected: Expected, numbers: _Sum) -> str:
    """Needs, earnings and first orders shrink with the number of coins; what the address has does not."""
    has_per_hour = (numbers.free + expected.orders) / numbers.horizon_h
    coin_per_hour = (numbers.needed - numbers.counted_on + expected.orders / numbers.horizon_h) / expected.coins
    coins = max(floor(has_per_hour / coin_per_hour), 0)
    if not coins:
        return f"fewer coins are not enough: one alone needs {numbers.needed / expected.coins:,.0f} requests/h"
    return f"fewer coins: {coins} instead of {expected.coins}"


def _shorter_horizon(config: ExecutorConfig, numbers: _Sum) -> tuple[str, ...]:
    """In whole hours; less than one is no horizon."""
    hours = floor(numbers.hours or 0)
    return (f"budget_horizon_h = {hours} instead of {config.budget_horizon_h:g}",) if hours else ()


def _replace_less(config: ExecutorConfig, expected: Expected, numbers: _Sum) -> str:
    """An order's replacements fall with the square of the distance that it may be off."""
    factor = sqrt(numbers.needed / numbers.affordable)
    rate = numbers.affordable / expected.orders / expected.requests_per_replacement
    return (
        f"wider threshold: {rate:,.3g} replacements/h of each order, about {factor:,.2g} times max_bps_diff"
        f" ({config.max_bps_diff * factor:,.3g} bps instead of {config.max_bps_diff:g}) and spreads to match"
    )


def _buy(requests: float, purpose: str) -> str:
    return (
        f"buy requests: {requests:,.0f} to {purpose} cost ${requests * REQUEST_PRICE_USD:,.2f}"
        " (reserveRequestWeight, signed by the master key)"
    )


def _span(hours: float | None) -> str:
    if hours is None:
        return "for ever"
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:,.0f} h"
