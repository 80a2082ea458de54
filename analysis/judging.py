"""From bounds to verdicts: what every gate that judges coin by coin does alike."""

from collections.abc import Collection, Mapping

from analysis.estimates import Judgement

FAR_HOURS = 60 * 24.0
"""A difference that takes longer to tell from zero is none to wait for."""


def in_words(hours: float) -> str:
    """How much more data."""
    if hours > FAR_HOURS:
        return f"more than {FAR_HOURS / 24:.0f} days of data"
    return f"about {max(hours, 0.1):.{0 if hours >= 10 else 1}f} h more data"


def named(names: Collection[str], most: int = 8) -> str:
    """For a sentence."""
    listed = ", ".join(list(names)[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def overall(by_coin: Mapping[str, Judgement], nothing: str) -> Judgement:
    """GO if any coin is; names those to trade and those to leave. `nothing` says that no coin will do."""
    go, no_go, open_ = (
        [coin for coin, one in by_coin.items() if one.verdict == verdict]
        for verdict in ("GO", "NO-GO", "NOT ENOUGH DATA")
    )
    remove = f"; remove: {named(no_go)}" if no_go else ""
    if go:
        undecided = f"; undecided: {named(open_)}" if open_ else ""
        return Judgement("GO", f"{len(go)} of {len(by_coin)} coins: {named(go)}{remove}{undecided}.")
    if by_coin and not open_:
        return Judgement("NO-GO", f"{nothing}{remove}.")
    reason = f"{len(open_)} of {len(by_coin)} coins are undecided{remove}."
    if len(open_) == 1:
        reason = f"{open_[0]}: {by_coin[open_[0]].reason.rstrip('.')}{remove}."
    needs = [by_coin[coin].needs for coin in open_]
    return Judgement("NOT ENOUGH DATA", reason, f"{open_[0]}: {needs[0]}" if len(set(needs)) > 1 else needs[0])
