"""Everything that is looked at before live trading may be confirmed, and what it can lose."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from market_maker import doctor
from market_maker.doctor import Finding
from market_maker.live import account, gates
from market_maker.live.account import AccountFacts, Needs
from market_maker.live.losses import Losses, losses, render
from market_maker.options import Checked, venue_url
from services import trading_settings
from services.ingestor.universe import choose
from shared.clock import wall_ms
from shared.config import load_assets
from shared.confirmation import VALID_MS, code_version, configuration_hash
from shared.errors import ConfigError, VenueError
from shared.fees import FEE_TIERS, builder_dex_factor
from shared.hyperliquid.rest import Asset, InfoClient
from shared.hyperliquid.signing import require_fast_signing
from shared.messages import ZERO, AssetConfig
from shared.secrets import EXECUTOR_KEY, read_credentials
from shared.units import exact

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Preflight:
    """`without` names the gates that were accepted although they are not green."""

    findings: tuple[Finding, ...]
    losses: Losses
    without: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not any(finding.verdict == "FAIL" for finding in self.findings)


@dataclass(frozen=True)
class _Outside:
    """What needs the venue; None where it or the key is missing."""

    findings: tuple[Finding, ...]
    coins: tuple[Asset, ...] | None = None
    account: AccountFacts | None = None


def refuse_live(checked: Checked, accepted: Sequence[str], say: Callable[[str], None]) -> NoReturn:
    """Show what a live start would show, and start nothing.

    Raises:
        ConfigError: always.
    """
    for line in lines(examine(checked, accepted)):
        say(line)
    raise ConfigError(
        "live execution is not part of this version: nothing was started; unset MM_SHADOW_MODE for shadow mode"
    )


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
        findings=(*doctor.machine(config), _signing(), *outside.findings, *gate_check.findings),
        losses=losses(
            config,
            _assets(checked, outside.coins),
            rate * (builder_dex_factor(Decimal(1), False) if config.dex else 1),
            facts.state.margin_summary.account_value if facts else None,
        ),
        without=gate_check.without,
    )


def lines(preflight: Preflight) -> Iterator[str]:
    yield "Before live trading:"
    yield from (doctor.line(finding) for finding in preflight.findings)
    yield ""
    yield from render(preflight.losses)
    yield ""
    failures = [finding.subject for finding in preflight.findings if finding.verdict == "FAIL"]
    yield f"Not ready for live trading: {', '.join(failures)}." if failures else "Ready for live trading."


# ---- machine, gates ------------------------------------------------------------------------------------------


def _signing() -> Finding:
    try:
        require_fast_signing()
    except ConfigError as error:
        return Finding("FAIL", "signing", str(error))
    return Finding("ok", "signing", "coincurve")


def _gates(checked: Checked, accepted: Sequence[str]) -> gates.GateCheck:
    try:
        evidence = gates.read_evidence(checked.launcher.data_dir)
    except ConfigError as error:
        return gates.GateCheck((Finding("FAIL", "gates", str(error)),), ())
    configuration = configuration_hash(trading_settings(), load_assets())
    return gates.check(evidence, configuration, code_version(), wall_ms(), accepted)


# ---- venue, account ------------------------------------------------------------------------------------------


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
        named = Finding("ok", "coins", f"{len(coins)}: {', '.join(meta.name for meta, _ in coins)}")
        try:
            credentials = read_credentials(EXECUTOR_KEY)
            facts = await account.ask(client, credentials, checked.launcher.dex)
        except ConfigError as error:
            return _Outside((venue, named, Finding("FAIL", "key", str(error))), coins)
        except VenueError as error:
            return _Outside((venue, named, Finding("FAIL", "account", str(error))), coins)
    judged = account.judge(facts, credentials, _needs(checked, coins))
    return _Outside((venue, named, *judged), coins, facts)


def _needs(checked: Checked, coins: Iterable[Asset]) -> Needs:
    config, assets = checked.launcher, load_assets()
    limits = [(assets.get(meta.name, AssetConfig(coin=meta.name)), meta.maxLeverage) for meta, _ in coins]
    margins = [exact(asset.max_inv_usd) / leverage for asset, leverage in limits if asset.enabled]
    return Needs(
        balance_usd=config.starting_balance_usd,
        daily_stop_usd=config.starting_balance_usd * exact(config.global_halt_drawdown_pct),
        margin_usd=sum(margins, ZERO),
        fee_tier=config.fee_tier,
        until_ms=wall_ms() + VALID_MS,
    )


def _assets(checked: Checked, coins: tuple[Asset, ...] | None) -> list[AssetConfig]:
    """One for each coin that would be quoted; without the venue as many as there may be."""
    config, assets = checked.launcher, load_assets()
    names = [meta.name for meta, _ in coins] if coins else list(config.coins or [""] * config.top_n)
    return [assets.get(name, AssetConfig(coin=name)) for name in names]
