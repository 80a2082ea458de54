"""What live trading can lose, in dollars, before it is started."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.guard.checks.daily_loss import nearest_stop_usd
from services.guard.checks.table import levels
from services.guard.config import GuardConfig
from shared.messages import ZERO, AssetConfig
from shared.units import exact

GAPS = (Decimal("0.01"), Decimal("0.03"), Decimal("0.10"))
FILLS_PER_HOUR = 10
"""Of each coin: what the first gate asks for at least, so the fees of a session worth having."""


@dataclass(frozen=True)
class Losses:
    """Dollars. Negative fees are rebates."""

    balance_usd: Decimal
    daily_stop_usd: Decimal | None
    """None: a person has taken the halt from the rules that stop a day."""
    coins: int
    most_held_usd: Decimal
    """All coins at their inventory limits on the same, wrong side."""
    order_usd: Decimal
    """Average order of all ladders."""
    maker_rate: Decimal
    account_usd: Decimal | None
    """None: the account could not be asked."""

    def gap_usd(self, gap: Decimal) -> Decimal:
        return self.most_held_usd * gap

    @property
    def fees_per_hour_usd(self) -> Decimal:
        return self.coins * FILLS_PER_HOUR * self.order_usd * self.maker_rate


def daily_stop_usd(config: GuardConfig) -> Decimal | None:
    """The nearer of the two limits of a day's loss that halt; None: a person lets neither."""
    return nearest_stop_usd(config, levels(config), config.starting_balance_usd, ending=("halt",))


def losses(
    config: GuardConfig, assets: Sequence[AssetConfig], maker_rate: Decimal, account_usd: Decimal | None
) -> Losses:
    """Of the coins that may be quoted; `maker_rate` as fraction of the notional, + is paid."""
    quoted = [asset for asset in assets if asset.enabled]
    orders = [exact(asset.min_order_usd) * exact(size) for asset in quoted for size in asset.tier_sizes]
    return Losses(
        balance_usd=config.starting_balance_usd,
        daily_stop_usd=daily_stop_usd(config),
        coins=len(quoted),
        most_held_usd=sum((exact(asset.max_inv_usd) for asset in quoted), ZERO),
        order_usd=sum(orders, ZERO) / len(orders) if orders else ZERO,
        maker_rate=maker_rate,
        account_usd=account_usd,
    )


def render(lost: Losses) -> Iterator[str]:
    yield "What it can lose:"
    yield from _daily_stop(lost)
    for gap in GAPS:
        yield _line(lost.gap_usd(gap), f"a gap of {gap:.0%} against all inventory limits{_of_account(lost, gap)}")
    yield _line(None, f"({lost.coins} coins, ${lost.most_held_usd:,.0f} in all, every one on the wrong side)")
    rate = f"maker rate {lost.maker_rate * 10_000:.2f} bps"
    about = f"fees an hour at {FILLS_PER_HOUR} fills a coin of ${lost.order_usd:.2f} on average, {rate}"
    yield _line(lost.fees_per_hour_usd, about)


def _daily_stop(lost: Losses) -> Iterator[str]:
    if lost.daily_stop_usd is None:
        yield f"{'NO':>14}  daily stop: rule_levels takes the halt from daily_loss and daily_loss_usd"
        return
    stop = lost.daily_stop_usd / lost.balance_usd
    yield _line(lost.daily_stop_usd, f"daily stop: {stop:.1%} of ${lost.balance_usd:,.0f}; it cancels and halts,")
    yield _line(None, "it does not close positions, and a gap does not wait for it")


def _line(usd: Decimal | None, text: str) -> str:
    amount = "" if usd is None else f"${usd:,.2f}"
    return f"{amount:>14}  {text}"


def _of_account(lost: Losses, gap: Decimal) -> str:
    if not lost.account_usd:
        return ""
    return f", {lost.gap_usd(gap) / lost.account_usd:.0%} of the account"
