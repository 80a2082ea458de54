"""Losses, positions and books: a person trades on the bot's account, the market falls, money leaves, and the venue
does not say what the account holds."""

import asyncio
from decimal import Decimal

from market_maker.drill.stack import Setup, Stack
from tests.bench.alert_drill.cause import Cause, Scene, command, fault
from tests.bench.alert_drill.watching import fires

MUCH_USD, FEW_LIMITS_USD = 6_000, 1_600
"""Of an account of $10,000 that may lose $500 a day, at a limit of $200 a coin."""
CRASH_S, READ_S = 30.0, 20.0
NEAR, BEYOND = -0.077, -0.1
"""Moves that cost `MUCH_USD` most of the day's budget, and more than that."""


async def _buy(stack: Stack, coin: str, usd: int) -> None:
    mark_px = Decimal((await stack.world.coins())[coin]["mark_px"])
    await stack.world.order(stack.account, coin, "buy", str(round(usd / mark_px, 3)))


async def _sell(stack: Stack, coin: str) -> None:
    """All that is left of it."""
    pools = (await stack.world.account(stack.account))["dexs"].values()
    held = {each["coin"]: Decimal(each["szi"]) for pool in pools for each in pool["positions"]}
    if held.get(coin, Decimal(0)) > 0:
        await stack.world.order(stack.account, coin, "sell", str(held[coin]), reduce_only=True)


async def _move(stack: Stack, coin: str, frac: float) -> None:
    """No one-sided takers: it is the loss that is looked at, not the cascade."""
    await stack.world.start_fault(fault="crash", coin=coin, frac=frac, for_s=CRASH_S, takers_per_s=0)
    await asyncio.sleep(CRASH_S)


async def _buy_too_much(stack: Stack) -> None:
    await _buy(stack, "ETH", FEW_LIMITS_USD)


async def _sell_too_much(stack: Stack) -> None:
    await _sell(stack, "ETH")


async def _fall(stack: Stack) -> None:
    await _buy(stack, "BTC", MUCH_USD)
    await _move(stack, "BTC", NEAR)


async def _recover(stack: Stack) -> None:
    await _move(stack, "BTC", 1 / (1 + NEAR) - 1)
    await _sell(stack, "BTC")


async def _fall_too_far(stack: Stack) -> None:
    await _buy(stack, "BTC", MUCH_USD)
    await _move(stack, "BTC", BEYOND)


async def _sell_and_resume(stack: Stack) -> None:
    """The loss is taken, or the money is known to be gone: it goes on from there, as soon as the executor knows
    the account again."""
    await _sell(stack, "BTC")
    await asyncio.sleep(READ_S)
    await command("resume")(stack)


async def _withdraw(stack: Stack) -> None:
    """Not in one go: after a trade of another hand the account is read anew, and money that has gone meanwhile is
    refused at once."""
    await _buy(stack, "BTC", MUCH_USD)
    await asyncio.sleep(READ_S)
    await stack.world.withdraw_all(stack.account)


_TOO_MUCH = Cause(
    "a person buys eight limits of a coin on the account",
    (fires("PositionBeyondLimit", asset="ETH"), fires("InventoryHigh", asset="ETH")),
    _buy_too_much,
    _sell_too_much,
)
_NEAR = Cause(
    "the market falls until nine tenths of the day's budget are lost",
    (
        fires("HaltNear", rule="daily_loss"),
        fires("DayBudgetLow"),
        fires("DrawdownLive", asset="BTC"),
        fires("HighDrawdown", asset="BTC"),
    ),
    _fall,
    _recover,
    within_s=720.0,
)
_BEYOND = Cause(
    "the market falls until the day's budget is lost",
    (fires("RuleHalted", rule="daily_loss"),),
    _fall_too_far,
    _sell_and_resume,
)
_UNCHECKED = fault(
    "the venue answers no question for minutes",
    fires("LedgerUnchecked"),
    within_s=600.0,
    fault="http_5xx",
    path="/info",
    status=502,
)
_LEFT = Cause(
    "money leaves the account behind a large position",
    (fires("LedgerMismatch"), fires("RuleHalted", rule="ledger_mismatch"), fires("LiquidationNear")),
    _withdraw,
    _sell_and_resume,
)

SCENE = Scene(
    "money",
    "trades of a person on the account, losses, money that leaves, an account that cannot be read",
    Setup(coins=4, seed=1),
    ((_TOO_MUCH, _NEAR), (_BEYOND,), (_UNCHECKED,), (_LEFT,)),
)
