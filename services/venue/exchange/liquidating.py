"""Liquidations carried out: market orders to the book, or the backstop takes the positions (reference page §9)."""

from services.venue.exchange.account import Account
from services.venue.exchange.desk import Desk
from services.venue.exchange.facts import Filled, Liquidated, Matched, Side
from services.venue.exchange.liquidation import (
    WHOLE_MS,
    Sale,
    Taken,
    Verdict,
    debt,
    isolated_verdict,
    judged_again,
    pay_debt,
    sales,
    take_over,
    verdict,
)
from services.venue.exchange.listing import usd
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.trading import Trading
from services.venue.exchange.triggers import slippage_px
from services.venue.exchange.world import World
from services.venue.market.book import grid_step, trade_hash, trade_id

BACKSTOP_ADDRESS = "0x" + "b5" * 20
"""The vault that takes over what the book cannot; it holds on to it and is not liquidated itself."""


def run(desk: Desk, trading: Trading) -> None:
    """Judge every pool that holds a position, and act; then nobody is left in debt. Who was safe still is while
    his money, his positions and their marks are the same."""
    world = desk.world
    moved = _moved(desk)
    for account in tuple(world.accounts):
        concerned = account.stirred or any(not moved.isdisjoint(pool.positions) for pool in account.pools.values())
        if concerned and account.address != BACKSTOP_ADDRESS:
            account.stirred = False
            for dex, pool in account.pools.items():
                if pool.positions:
                    for found in _verdicts(world, account, dex):
                        account.stirred = True
                        _act(desk, trading, account, found)
                if pool.raw_usd < 0 and debt(account, dex):
                    pay_debt(world, account, _backstop(world), dex)


def _moved(desk: Desk) -> set[str]:
    """Coins whose mark is another than at the last judgement."""
    marks = {coin: listing.mark_px for coin, listing in desk.world.listings.items()}
    before, desk.judged_at = desk.judged_at, marks
    return {coin for coin, px in marks.items() if before.get(coin) != px}


def _verdicts(world: World, account: Account, dex: str) -> list[Verdict]:
    positions = account.pools[dex].positions
    isolated = [coin for coin, position in positions.items() if position.isolated_usd is not None]
    found = [isolated_verdict(world, account, world.listings[coin]) for coin in isolated]
    if len(isolated) < len(positions):
        found.insert(0, verdict(world, account, dex))
    return [each for each in found if each.kind != "none"]


def _act(desk: Desk, trading: Trading, account: Account, found: Verdict) -> None:
    """Orders of the account go first. Sales end as soon as the pool is safe again, or is the backstop's (in the
    next block); nothing is sold where the book has no price worth taking."""
    world = desk.world
    desk.end_all(account, "liquidatedCanceled", _coins(world, found))
    if found.kind == "backstop":
        _note(world, account, found)
        for taken in take_over(world, account, _backstop(world), found):
            _note_taken(world, account, taken)
        return
    noted = False
    for sale in sales(world, account, found):
        now = judged_again(world, account, found)
        if now.kind != "market":
            return
        limit_px = _limit_px(world, now, sale)
        if _has_liquidity(desk, sale, limit_px):
            if not noted:
                _note(world, account, found)
                noted = True
            _sell(desk, trading, account, sale, limit_px)


def _sell(desk: Desk, trading: Trading, account: Account, sale: Sale, limit_px: int) -> None:
    if sale.partial:
        account.liquidate_whole_until_ms = desk.world.now_ms + WHOLE_MS
    order = AccountOrder(
        desk.world.next_oid(),
        account,
        desk.world.listings[sale.coin],
        sale.sign,
        limit_px,
        sale.lots,
        tif="LiquidationMarket",
        placed_ms=desk.world.now_ms,
        reduce_only=True,
    )
    trading.take(order, order.px)
    if order.lots == 0:
        trading.complete(order)
    elif desk.live(order):
        desk.drop(order, "canceled")
    trading.keep_reduce_only(account, order.listing)


def _coins(world: World, found: Verdict) -> tuple[str, ...]:
    """Whose orders go: all of the dex for a cross pool, one coin for an isolated position."""
    return found.coins if found.isolated else tuple(listing.coin for listing in world.listings_of(found.dex))


def _limit_px(world: World, found: Verdict, sale: Sale) -> int:
    """As far as a market order goes, but never to where the pool would be worth less than nothing."""
    listing, lots = world.listings[sale.coin], sale.lots
    bankrupt_px = listing.mark_px + sale.sign * (found.account_value // lots)
    bankrupt_px -= sale.sign * (bankrupt_px * sale.sign % grid_step(max(bankrupt_px, 1), listing.sz_decimals))
    furthest_px = slippage_px(listing.mark_px, sale.sign, listing.sz_decimals)
    return sale.sign * min(sale.sign * bankrupt_px, sale.sign * furthest_px)


def _has_liquidity(desk: Desk, sale: Sale, limit_px: int) -> bool:
    best_px = desk.books[sale.coin].best_px(-1 if sale.sign == 1 else 1)
    if best_px is None or desk.world.listings[sale.coin].halted:
        return False
    return sale.sign * limit_px >= sale.sign * best_px


def _backstop(world: World) -> Account:
    return world.accounts.get(BACKSTOP_ADDRESS) or world.accounts.open(BACKSTOP_ADDRESS, world.now_ms, "vault")


def _note(world: World, account: Account, found: Verdict) -> None:
    world.note(
        Liquidated(
            time_ms=world.now_ms,
            user=account.address,
            dex=found.dex,
            account_value_usd=usd(found.account_value),
            maintenance_usd=usd(found.maintenance),
            method="market" if found.kind == "market" else "backstop",
        )
    )


def _note_taken(world: World, account: Account, taken: Taken) -> None:
    """Both sides of the hand-over; there are no fees."""
    listing = world.listings[taken.coin]
    oid, vault_oid = world.next_oid(), world.next_oid()
    px, sz, tid, tx_hash = listing.px(taken.px), listing.sz(taken.lots), trade_id(oid, vault_oid), trade_hash(oid)
    sides: tuple[Side, Side] = ("B", "A") if taken.sign == 1 else ("A", "B")
    world.note(
        Matched(
            time_ms=world.now_ms,
            coin=taken.coin,
            px=px,
            sz=sz,
            tid=tid,
            hash=tx_hash,
            taker_side=sides[0],
            taker=account.address,
            maker=BACKSTOP_ADDRESS,
            taker_oid=oid,
            maker_oid=vault_oid,
        )
    )
    parties = (account.address, oid, taken.change), (BACKSTOP_ADDRESS, vault_oid, taken.backstop_change)
    for side, (user, own_oid, change) in zip(sides, parties, strict=True):
        world.note(
            Filled(
                time_ms=world.now_ms,
                user=user,
                coin=taken.coin,
                px=px,
                sz=sz,
                side=side,
                start_position=listing.sz(change.start_lots),
                dir=change.dir,
                closed_pnl=usd(change.closed_pnl),
                hash=tx_hash,
                oid=own_oid,
                crossed=own_oid == oid,
                fee=usd(0),
                tid=tid,
                liquidated_user=account.address,
                liquidation_mark_px=px,
                liquidation_method="backstop",
            )
        )
