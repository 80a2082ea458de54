"""Everything that is looked at before live trading may be confirmed, and what it can lose."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker import machine
from market_maker.findings import Finding, line
from market_maker.live import account, gates
from market_maker.live.account import AccountFacts, Needs
from market_maker.live.losses import Losses, daily_stop_usd, losses, render
from market_maker.options import Checked, venue_url
from services import trading_settings
from services.executor.config import ExecutorConfig
from services.executor.live.endurance import Expected
from services.guard.config import GuardConfig
from services.ingestor.universe import choose
from shared.clock import wall_ms
from shared.config import load_assets
from shared.confirmation import VALID_MS, code_version, configuration_hash
from shared.errors import ConfigError, VenueError
from shared.fees import FEE_TIERS, builder_dex_factor
from shared.hyperliquid.rest import Asset, InfoClient
from shared.hyperliquid.signing import require_fast_signing
from shared.messages import ZERO, AssetConfig
from shared.secrets import EXECUTOR_KEY, WATCHDOG_KEY, read_address, read_credentials
from shared.units import exact

TIMEOUT_S = 5.0
LEAST_REPLACEMENTS_PER_HOUR = 4.0


@dataclass(frozen=True)
class Preflight:
    """`without` names the gates that were accepted although they are not green."""

    findings: tuple[Finding, ...]
    losses: Losses
    without: tuple[str, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """What keeps live trading out, by subject."""
        return tuple(dict.fromkeys(finding.subject for finding in self.findings if finding.verdict == "FAIL"))

    @property
    def passed(self) -> bool:
        return not self.failed


@dataclass(frozen=True)
class _Outside:
    """What needs the venue; None where it or the key is missing."""

    findings: tuple[Finding, ...]
    coins: tuple[Asset, ...] | None = None
    account: AccountFacts | None = None


def examine(checked: Checked, accepted: Sequence[str]) -> Preflight:
    """
    Raises:
        ConfigError: somebody accepts a gate that does not exist.
    """
    gates.check_names(accepted)
    outside = asyncio.run(_ask(checked))
    gate_check = _gates(checked, accepted)
    facts, config = outside.account, checked.launcher
    rate = facts.fees.user_add_rate if facts else FEE_TIERS[config.fee_tier].maker
    return Preflight(
        findings=(*machine.examine(config), _signing(), *outside.findings, *gate_check.findings),
        losses=losses(
            _guard(checked),
            _assets(checked, outside.coins),
            rate * (builder_dex_factor(Decimal(1), False) if config.dex else 1),
            facts.state.margin_summary.account_value if facts else None,
        ),
        without=gate_check.without,
    )


def lines(preflight: Preflight) -> Iterator[str]:
    yield "Before live trading:"
    yield from (line(finding) for finding in preflight.findings)
    yield ""
    yield from render(preflight.losses)
    yield ""
    missing = ", ".join(preflight.failed)
    if missing:
        yield f"Not ready for live trading: {missing}."
        return
    hours = VALID_MS // 3_600_000
    yield f"Ready for live trading, for {hours} h: then every order is cancelled, and positions stay."


# ---- machine, gates ------------------------------------------------------------------------------------------


def _signing() -> Finding:
    try:
        require_fast_signing()
    except ConfigError as error:
        return Finding("FAIL", "signing", str(error))
    return Finding("ok", "signing", "coincurve")


def _gates(checked: Checked, accepted: Sequence[str]) -> gates.GateCheck:
    try:
        evidence = gates.read_evidence(checked.launcher.data_dir, checked.launcher.confirmation_dir)
    except ConfigError as error:
        return gates.GateCheck((Finding("FAIL", "gates", str(error)),), ())
    return gates.check(evidence, gate_subject(checked), wall_ms(), accepted)


def gate_subject(checked: Checked) -> gates.Subject:
    """What evidence must be about."""
    return gates.Subject(
        venue=checked.launcher.venue,
        configuration=configuration_hash(trading_settings(), load_assets()),
        code=code_version(),
        account=configured_account(),
    )


def configured_account() -> str:
    """Empty where there is none, or none that could be one: the finding about the key says so."""
    try:
        return read_address()
    except ConfigError:
        return ""


# ---- venue, account ------------------------------------------------------------------------------------------


def key_findings(checked: Checked) -> tuple[Finding, ...]:
    """Whether the venue knows the account, and both keys may trade for it; asks the venue."""
    found = asyncio.run(_ask(checked)).findings
    return tuple(finding for finding in found if finding.subject in ("venue", "account", "key", "watchdog"))


async def _ask(checked: Checked) -> _Outside:
    """Questions as long as the one before was answered: an unreachable venue is one failure, not ten."""
    url = venue_url(checked.venue)
    async with InfoClient(url, TIMEOUT_S) as client:
        try:
            assets = await client.meta_and_ctxs(checked.launcher.dex)
        except VenueError as error:
            return _Outside((Finding("FAIL", "venue", str(error)),))
        venue = Finding("ok", "venue", f"{checked.launcher.venue}, {url}")
        try:
            coins = choose(assets, checked.launcher.coins, checked.launcher.top_n)
        except ConfigError as error:
            return _Outside((venue, Finding("FAIL", "coins", str(error))))
        coins_found = Finding("ok", "coins", f"{len(coins)}: {', '.join(meta.name for meta, _ in coins)}")
        watchdog, fault = _watchdog()
        named = (venue, coins_found, *fault)
        try:
            credentials = read_credentials(EXECUTOR_KEY)
            facts = await account.ask(client, credentials, watchdog, checked.launcher.dex)
        except ConfigError as error:
            return _Outside((*named, Finding("FAIL", "key", str(error))), coins)
        except VenueError as error:
            return _Outside((*named, Finding("FAIL", "account", str(error))), coins)
    judged = account.judge(facts, credentials, watchdog, _needs(checked, coins))
    return _Outside((*named, *judged), coins, facts)


def _watchdog() -> tuple[str | None, tuple[Finding, ...]]:
    """Address of the watchdog's key; a finding instead where there is none that could be used."""
    try:
        return read_credentials(WATCHDOG_KEY).agent, ()
    except ConfigError as error:
        return None, (Finding("FAIL", "watchdog", str(error)),)


def _needs(checked: Checked, coins: Iterable[Asset]) -> Needs:
    config, assets = checked.launcher, load_assets()
    executor = checked.configs["executor"]
    assert isinstance(executor, ExecutorConfig)
    limits = [
        (assets.get(meta.name) or config.sized(AssetConfig(coin=meta.name)), meta.maxLeverage) for meta, _ in coins
    ]
    margins = [exact(asset.max_inv_usd) / leverage for asset, leverage in limits if asset.enabled]
    return Needs(
        balance_usd=config.starting_balance_usd,
        daily_stop_usd=daily_stop_usd(_guard(checked)) or ZERO,
        margin_usd=sum(margins, ZERO),
        fee_tier=config.fee_tier,
        until_ms=wall_ms() + VALID_MS,
        executor=executor,
        quoting=least_quoting([asset for asset, _ in limits if asset.enabled]),
    )


def _guard(checked: Checked) -> GuardConfig:
    guard = checked.configs["guard"]
    assert isinstance(guard, GuardConfig)
    return guard


def least_quoting(assets: Sequence[AssetConfig]) -> Expected:
    """The least that is worth to be called quoting: every order is moved to where the market is once in a quarter
    of an hour, with a cancel and a place.

    How often orders would move if requests were free is no question here: the planner widens and paces until what
    is left lasts. Nor is anything counted on what trading earns: before the first fill nothing is earned.
    """
    levels = max((len(asset.tier_multipliers) for asset in assets), default=0)
    return Expected(
        coins=len(assets),
        orders_per_coin=2 * levels,
        replacements_per_hour=LEAST_REPLACEMENTS_PER_HOUR,
        volume_usd_per_hour=0.0,
        by_threshold=False,
    )


def _assets(checked: Checked, coins: tuple[Asset, ...] | None) -> list[AssetConfig]:
    """One for each coin that would be quoted; without the venue as many as there may be."""
    config, assets = checked.launcher, load_assets()
    names = [meta.name for meta, _ in coins] if coins else list(config.coins or [""] * config.top_n)
    return [assets.get(name) or config.sized(AssetConfig(coin=name)) for name in names]
