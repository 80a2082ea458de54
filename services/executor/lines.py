"""The lines that the executor shows to people; their wording is a contract with scripts and eyes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from services.executor.orders import NewOrder
from shared.clock import utc
from shared.messages import Command, Event, Fill, Funding, Mode, Opening, Reason, Severity, Totals

NAMED_ORDERS = 5
"""Orders that a line names; of more it says how many."""


def filled(fill: Fill, session_fees_usd: Decimal) -> Event:
    """`rebate` is what we received: negative when the fill cost a fee; `fill` is what `explain` takes."""
    return Event(
        tag="SHADOW FILL" if fill.mode == "shadow" else "LIVE FILL",
        coin=fill.coin,
        text=(
            f"{fill.coin} {fill.side} L{fill.level} @ {fill.px} | sz=${fill.px * fill.sz:.2f}"
            f" | rebate=${-fill.fee_usd:.4f} | total_rebates=${-session_fees_usd:.4f}"
        ),
        time_ms=fill.time_ms,
        fields={"fill": f"{fill.coin}:{fill.seq}"},
    )


def session(mode: Mode, totals: Totals) -> Event:
    return Event(
        tag=f"{mode.upper()} SESSION",
        text=(
            f"{mode.capitalize()} PnL: ${totals.pnl_usd:.4f} | Volume: ${totals.volume_usd:.2f}"
            f" | Rebates: ${-totals.fees_usd:.4f} | Fills: {totals.fills}"
        ),
    )


def reconciled() -> Event:
    return Event(tag="RECONCILE", text="✅ Inventory matches. No dark fills detected.")


def unreconciled(coin: str, difference: str) -> Event:
    return Event(
        level="warning",
        tag="RECONCILE",
        coin=coin,
        text=f"⚠️ {coin}: {difference}. Nothing is quoted on this coin.",
    )


def rejected(order: NewOrder, reason: Reason, count: int) -> Event:
    """A price that the market overtook is the daily life of post-only orders; anything else is not."""
    return Event(
        level="info" if reason is Reason.WOULD_CROSS else "warning",
        tag="REJECTED",
        coin=order.coin,
        text=f"{order.coin} {order.side} L{order.level} @ {order.px} reason={reason} | rejected={count}",
    )


def funding_paid(paid: Funding) -> Event:
    oracle = f" @ {paid.oracle_px}" if paid.oracle_px else ""
    return Event(
        tag="FUNDING",
        coin=paid.coin,
        text=(
            f"{paid.coin} {'received' if paid.usd >= 0 else 'paid'} ${abs(paid.usd):.6f}"
            f" on {paid.position_sz}{oracle} | rate_1h={paid.rate_frac:f}"
        ),
    )


def funding_missed(coin: str, hours: int) -> Event:
    return Event(
        level="warning",
        tag="FUNDING",
        coin=coin,
        text=f"{coin}: {hours} hour(s) not booked, oracle price and rate of that time are unknown.",
    )


def killed(reason: str, resting: int, held: Mapping[str, Decimal]) -> Event:
    positions = ", ".join(f"{coin} {position_sz}" for coin, position_sz in held.items()) or "none"
    orders = f"{resting} orders are not known to be gone" if resting else "no order rests"
    return Event(
        level="error",
        tag="KILL SWITCH",
        text=f"🛑 {reason}. {orders}; positions kept: {positions}. This process ends and comes back halted.",
    )


def canceled_everything(count: int, why: str) -> Event:
    return Event(level="warning", tag="CANCEL ALL", text=f"{count} orders cancelled: {why}")


# ---- exits ---------------------------------------------------------------------------------------------------


def exits_ordered(command: Command) -> Event:
    how = {"reduce_only": "only orders towards flat", "flatten": "positions are worked off at the own touch"}
    what = "positions are closed at what the book offers" if command.now else how[command.action]
    return Event(
        level="warning",
        tag=command.action.upper().replace("_", " "),
        text=f"{', '.join(command.coins) or 'all coins'}: {what}, until resume | {command.who}: {command.reason}",
    )


def flat(coin: str) -> Event:
    return Event(tag="FLATTEN", coin=coin, text=f"✅ {coin} is flat.")


# ---- live: the account at the venue --------------------------------------------------------------------------


def confirmed(account: str, without: Sequence[str], expires_ms: int) -> Event:
    gates = f" WITHOUT {', '.join(without)}" if without else ""
    return Event(
        level="warning",
        tag="CONFIRM LIVE",
        text=f"LIVE on account {account}{gates}: real orders until {utc(expires_ms):%Y-%m-%d %H:%M} UTC.",
    )


def unconfirmed(fault: str) -> Event:
    """The confirmation has ended, or holds again after the clock went back."""
    if not fault:
        return Event(level="warning", tag="CONFIRM LIVE", text="The confirmation holds: quoting begins.")
    return Event(
        level="error",
        tag="CONFIRM LIVE",
        text=f"🛑 Nothing is quoted: {fault}; stop and start again to confirm anew. Positions are kept.",
    )


def still_there(what: str, orders: Sequence[NewOrder]) -> Event:
    """`orders` may still rest."""
    named = ", ".join(f"{order.coin} {order.side} {order.sz} @ {order.px}" for order in orders[:NAMED_ORDERS])
    more = f" and {len(orders) - NAMED_ORDERS} more" if len(orders) > NAMED_ORDERS else ""
    left = f", and may leave {named}{more}" if orders else ""
    text = f"🛑 The session ends although {what}{left}; look at the account."
    return Event(level="error", tag="RECONCILE", text=text)


def cancels_refused(count: int, text: str) -> Event:
    return Event(
        level="error",
        tag="REJECTED",
        text=f"⚠️ Cancels are refused and tried again, {count} so far. The venue says: {text}",
    )


def dark_fill(fill: Fill, ours: bool) -> Event:
    """Of an order of ours that the stream kept silent about or that filled while nobody listened, or of another
    hand's."""
    if ours:
        when = "found by asking" if fill.level else "from before this start, found by asking"
        whose = f"order {fill.cloid}: {when}, booked"
    else:
        whose = f"no order of ours (cloid {fill.cloid or 'none'}), booked: does somebody else trade here?"
    return Event(
        level="error",
        tag="DARK FILL",
        coin=fill.coin,
        text=f"{fill.coin} {fill.side} {fill.sz} @ {fill.px} of {whose}",
        time_ms=fill.time_ms,
    )


def opened(opening: Opening) -> Event:
    return Event(
        tag="RECONCILE",
        coin=opening.coin,
        text=(
            f"{opening.coin}: opening balance {opening.position_sz} at a cost of ${opening.cost_usd:.6f}, as the"
            " venue has it"
        ),
    )


def recovering(why: str) -> Event:
    return Event(level="warning", tag="RECONCILE", text=f"Frozen until the account is known again: {why}.")


def unread(reason: str) -> Event:
    return Event(
        level="warning", tag="RECONCILE", text=f"The account cannot be read and is asked for again: {reason}"
    )


def still_resting(count: int) -> Event:
    return Event(level="error", tag="RECONCILE", text=f"⚠️ {count} own orders still rest; cancelling goes on.")


def recovered(swept: int, dark_fills: int, duration_ms: int) -> Event:
    """The seeds' words where there is nothing else to say."""
    found = f"⚠️ {dark_fills} dark fills booked." if dark_fills else "No dark fills detected."
    return Event(
        tag="RECONCILE",
        text=f"{'⚠️' if dark_fills else '✅'} Inventory matches. {found}",
        fields={"swept": swept, "dark_fills": dark_fills, "duration_ms": duration_ms},
    )


def refused(why: list[str]) -> Event:
    return Event(
        level="error",
        tag="RECONCILE",
        text=f"🛑 Nothing will be quoted until `market_maker resume`: {'; '.join(why)}",
        fields={"why": why},
    )


def baseline(cash_usd: Decimal, difference_usd: Decimal | None) -> Event:
    """`difference_usd`: what the account has more than the books of before; None when they begin."""
    if difference_usd is None:
        return Event(tag="RECONCILE", text=f"Books opened on an account with ${cash_usd:.6f} of cash.")
    return Event(
        level="warning",
        tag="RECONCILE",
        text=(
            f"⚠️ The account's cash has changed by ${difference_usd:.6f} besides trading; taken for deposits or"
            " withdrawals, and the books go on from there."
        ),
        fields={"difference_usd": str(difference_usd)},
    )


def untied(coin: str, difference: str) -> Event:
    stops = (
        f"{coin} is not quoted"
        if coin
        else "Nothing is quoted; if it is a deposit or a withdrawal, `market_maker resume` takes it for one"
    )
    return Event(level="error", tag="TIE OUT", coin=coin, text=f"⚠️ {coin or 'account'}: {difference}. {stops}.")


def tied(cash_usd: Decimal, positions: int, level: Severity = "debug") -> Event:
    return Event(
        level=level,
        tag="TIE OUT",
        text=f"✅ {positions} positions and ${cash_usd:.6f} of cash: our books are equal to the venue's.",
    )


def tied_again(coin: str) -> Event:
    return Event(
        level="warning", tag="TIE OUT", coin=coin, text=f"✅ {coin or 'account'}: equal to the venue again."
    )
