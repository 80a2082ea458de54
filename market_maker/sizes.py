"""The sizes and stops of a start in a few lines: what follows from the capital, and what somebody has set."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from market_maker.settings_file import source
from services.executor.config import ExecutorConfig
from services.guard.checks.table import levels, rules
from services.guard.config import GuardConfig
from services.guard.rules import LEVELS, Level
from shared.config import SIZES, EngineConfig, config_file, load_assets, read_file
from shared.messages import ZERO, AssetConfig
from shared.sizing import COMFORTABLE_ORDER_USD, LIQUIDITY_FRAC
from shared.units import exact

_DOES: dict[Level, str] = {
    "off": "no stop",
    "widen": "widens",
    "reduce": "reduce",
    "pull": "pulls",
    "halt": "halts",
}


def lines(configs: Mapping[str, EngineConfig]) -> Iterator[str]:
    """`configs` by service. Each line ends with where its number comes from.

    Raises:
        ConfigError: a level for a rule that does not exist.
    """
    guard, executor = configs["guard"], configs["executor"]
    assert isinstance(guard, GuardConfig) and isinstance(executor, ExecutorConfig)
    usual, assets = guard.sized(AssetConfig(coin="")), load_assets(guard)
    follows = "default" if guard.capital_usd is None else "from capital_usd"
    yield f"Sizes and stops: {_capital(guard)}"
    yield _line("limit a coin", _usd(usual.max_inv_usd), follows)
    yield _line("orders a side", _orders(usual), follows)
    for coin, asset in assets.items():
        written = [name for name in SIZES if name in read_file()["assets"][coin]]
        if written:
            text = f"limit {_usd(asset.max_inv_usd)}, orders {_orders(asset)}"
            yield _line(coin, text, f"{', '.join(written)}: {config_file()}")
    yield _line("all at their limit", _usd(_most_held_usd(guard, usual, assets)), "")
    stop_usd = guard.starting_balance_usd * exact(guard.global_halt_drawdown_pct)
    does = {name: _DOES[level] for name, level in levels(guard).items()}
    part, daily = f"{guard.global_halt_drawdown_pct:.1%} of it, {does['daily_loss']}", does["daily_loss_usd"]
    for label, section, name, value in (
        ("balance", "engine", "starting_balance_usd", guard.starting_balance_usd),
        (part, "engine", "global_halt_drawdown_pct", stop_usd),
        (f"daily loss, {daily}", "guard", "max_daily_loss_usd", guard.max_daily_loss_usd),
        (f"positions, {does['position_value']}", "guard", "max_position_value_usd", guard.max_position_value_usd),
    ):
        yield _line(label, _usd(value), source(guard, name, section))
    yield _line("requote at", f"{executor.max_bps_diff:g} bps", source(executor, "max_bps_diff", "executor"))
    yield from _changed_rules(guard)
    smallest_usd = exact(usual.min_order_usd) * min(map(exact, usual.tier_sizes))
    if smallest_usd < COMFORTABLE_ORDER_USD:
        yield (
            f"  careful: orders of {_usd(smallest_usd)} may be cut to lots below the $10 that the venue takes, and"
            " are left out then"
        )


def _changed_rules(guard: GuardConfig) -> Iterator[str]:
    """What a person has made of a rule; a looser one is told apart."""
    for rule in rules(guard):
        level = guard.rule_levels.get(rule.name, rule.level)
        if level != rule.level:
            looser = ", looser" if LEVELS.index(level) < LEVELS.index(rule.level) else ""
            text = f"{level} instead of {rule.level}{looser}"
            yield _line(f"rule {rule.name}", text, source(guard, "rule_levels", "guard"))


def _capital(config: EngineConfig) -> str:
    coins = f"{config.coin_count} coin{'s' * (config.coin_count > 1)}"
    if config.capital_usd is None:
        return f"{coins}, as configured (MM_CAPITAL_USD derives them)"
    frac = LIQUIDITY_FRAC[config.spread_profile]
    share = _usd(config.capital_usd / config.coin_count)
    profile = f"profile {config.spread_profile} rests {frac:.0%} of it a side"
    return f"{_usd(config.capital_usd)} over {coins} is {share} each; {profile}"


def _most_held_usd(config: EngineConfig, usual: AssetConfig, assets: Mapping[str, AssetConfig]) -> Decimal:
    """Without names, as many of the written coins as may be quoted are taken, the largest limits first."""
    if config.coins:
        chosen = [assets.get(coin, usual) for coin in config.coins]
    else:
        written = sorted(assets.values(), key=lambda asset: -asset.max_inv_usd)[: config.top_n]
        chosen = [*written, *[usual] * (config.top_n - len(written))]
    return sum((exact(asset.max_inv_usd) for asset in chosen if asset.enabled), ZERO)


def _orders(asset: AssetConfig) -> str:
    tiers = zip(asset.tier_sizes, asset.tier_multipliers, strict=False)
    return " ".join(_usd(exact(asset.min_order_usd) * exact(size)) for size, _ in tiers)


def _usd(value: Decimal | float) -> str:
    return f"${value:,.2f}"


def _line(label: str, value: str, where: str) -> str:
    return f"  {label:<19} {value:<32} {where}".rstrip()
