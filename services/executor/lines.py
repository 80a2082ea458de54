"""The lines that the executor shows to people; their wording is a contract with scripts and eyes."""

from decimal import Decimal

from services.executor.orders import NewOrder
from shared.messages import Event, Fill, Funding, Reason, Totals


def shadow_fill(fill: Fill, session_fees_usd: Decimal) -> Event:
    """`rebate` is what we received: negative when the fill cost a fee."""
    return Event(
        tag="SHADOW FILL",
        coin=fill.coin,
        text=(
            f"{fill.coin} {fill.side} L{fill.level} @ {fill.px} | sz=${fill.px * fill.sz:.2f}"
            f" | rebate=${-fill.fee_usd:.4f} | total_rebates=${-session_fees_usd:.4f}"
        ),
        time_ms=fill.time_ms,
    )


def shadow_session(session: Totals) -> Event:
    return Event(
        tag="SHADOW SESSION",
        text=(
            f"Shadow PnL: ${session.pnl_usd:.4f} | Volume: ${session.volume_usd:.2f}"
            f" | Rebates: ${-session.fees_usd:.4f} | Fills: {session.fills}"
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
    return Event(
        tag="FUNDING",
        coin=paid.coin,
        text=(
            f"{paid.coin} {'received' if paid.usd >= 0 else 'paid'} ${abs(paid.usd):.6f}"
            f" on {paid.position_sz} @ {paid.oracle_px} | rate_1h={paid.rate_frac:f}"
        ),
    )


def funding_missed(coin: str, hours: int) -> Event:
    return Event(
        level="warning",
        tag="FUNDING",
        coin=coin,
        text=f"{coin}: {hours} hour(s) not booked, oracle price and rate of that time are unknown.",
    )


def canceled_everything(count: int, why: str) -> Event:
    return Event(level="warning", tag="CANCEL ALL", text=f"{count} orders cancelled: {why}")
