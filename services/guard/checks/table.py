"""Every rule of the guard, in the order in which reasons are told."""

from collections.abc import Callable

from services.guard.checks.book import StaleBook
from services.guard.checks.budget import RequestBudget
from services.guard.checks.drawdown import DailyLoss
from services.guard.checks.ofi import Ofi
from services.guard.checks.stall import Stall
from services.guard.config import GuardConfig
from services.guard.rules import Check, Level, Rule
from shared.errors import ConfigError

ON_EVERYTHING: tuple[Callable[[GuardConfig], Check], ...] = (DailyLoss, Stall, RequestBudget)
ON_A_COIN: tuple[Callable[[str, GuardConfig], Check], ...] = (StaleBook, Ofi)


def rules(config: GuardConfig) -> tuple[Rule, ...]:
    """All rules, those on everything first."""
    general = [make(config).rule for make in ON_EVERYTHING]
    return (*general, *(make("", config).rule for make in ON_A_COIN))


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
