"""Every rule of the guard, in the order in which reasons are told."""

from collections.abc import Callable

from services.guard.checks.adverse import AdverseSelection
from services.guard.checks.book import StaleBook
from services.guard.checks.budget import RequestBudget
from services.guard.checks.cascade import cascade_checks
from services.guard.checks.clock import ClockSkew
from services.guard.checks.daily_loss import DailyLoss, DailyLossUsd
from services.guard.checks.drawdown import Drawdown
from services.guard.checks.frozen import FrozenBook
from services.guard.checks.funding import FundingLimit
from services.guard.checks.inventory import Inventory
from services.guard.checks.ledger import ForeignOrders, LedgerMismatch
from services.guard.checks.machine import DiskFull, RedisMemory
from services.guard.checks.ofi import Ofi
from services.guard.checks.position_value import PositionValue
from services.guard.checks.prices import PricesApart
from services.guard.checks.quiet import QuietBook
from services.guard.checks.request_errors import RateLimitErrors, VenueErrors
from services.guard.checks.stall import Stall
from services.guard.checks.start import OtherStart
from services.guard.checks.toxicity import Toxicity
from services.guard.checks.watchdog import WatchdogLost
from services.guard.config import GuardConfig
from services.guard.rules import Check, Level, Rule
from shared.errors import ConfigError

ON_EVERYTHING: tuple[Callable[[GuardConfig], Check], ...] = (
    DailyLoss,
    DailyLossUsd,
    Drawdown,
    LedgerMismatch,
    RateLimitErrors,
    Stall,
    ForeignOrders,
    VenueErrors,
    ClockSkew,
    WatchdogLost,
    OtherStart,
    PositionValue,
    DiskFull,
    RedisMemory,
    RequestBudget,
)


def on_a_coin(coin: str, config: GuardConfig) -> tuple[Check, ...]:
    """The checks of one coin."""
    cascade, pull, kill = cascade_checks(coin, config)
    return (
        kill,
        StaleBook(coin, config),
        FrozenBook(coin, config),
        PricesApart(coin, config),
        pull,
        FundingLimit(coin, config),
        Ofi(coin, config),
        Inventory(coin, config),
        cascade,
        Toxicity(coin, config),
        AdverseSelection(coin, config),
        QuietBook(coin, config),
    )


def rules(config: GuardConfig) -> tuple[Rule, ...]:
    """All rules, those on everything first."""
    general = (make(config) for make in ON_EVERYTHING)
    return tuple(check.rule for check in (*general, *on_a_coin("", config)))


def levels(config: GuardConfig) -> dict[str, Level]:
    """What each rule does when it fires: its own level, or the one that a person chose.

    Raises:
        ConfigError: a level for a rule that does not exist.
    """
    own = {rule.name: rule.level for rule in rules(config)}
    for name in config.rule_levels:
        if name not in own:
            raise ConfigError(f"rule_levels: there is no rule {name!r}; there are {', '.join(own)}")
    return own | config.rule_levels
