"""What is not there: days of a coin that others have, families, coins that end before the rest."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta

from analysis.integrity.findings import Finding
from analysis.integrity.gaps import CRITICAL_MS, EVERY, Span, shown
from services.converter.source import DAY_MS
from shared.clock import ms_of_day
from shared.data_files import DEPTH, TICKS, TRADES, coin_folder
from shared.incidents import Incident

Present = Mapping[str, Mapping[str, set[date]]]
"""Days with good rows by family and coin."""


def missing(
    present: Present, spans: Mapping[str, Span], incidents: Sequence[Incident], coins: Collection[str] | None
) -> list[Finding]:
    """A coin must have a day that others have, if a start named it or it has ticks before and after."""
    ticks = present.get(TICKS.name, {})
    days = sorted({day for own in ticks.values() for day in own})
    if not days:
        return []
    named = {(coin, day) for coin, day in _named(incidents, days) if coins is None or coin in coins}
    between = {(coin, day) for coin, own in ticks.items() for day in days if min(own) < day < max(own)}
    found = [
        _absent(TICKS.name, coin, day, "a start of the bot names the coin" if (coin, day) in named else "")
        for coin, day in sorted(named | between)
        if day not in ticks.get(coin, ())
    ]
    whole = {days[0] + timedelta(n) for n in range((days[-1] - days[0]).days)} - set(days)
    found += [_absent(TICKS.name, EVERY, day, "no coin has ticks") for day in sorted(whole)]
    for family in (DEPTH, TRADES):
        own = present.get(family.name, {})
        recorded = {day for other in own.values() for day in other}
        found += [
            _absent(family.name, coin, day, "")._replace(kind="missing_family")
            for coin in sorted(ticks)
            for day in sorted((ticks[coin] & recorded) - own.get(coin, set()))
        ]
    return found + list(_ended(spans))


def _absent(family: str, coin: str, day: date, text: str) -> Finding:
    folder = coin if coin == EVERY else coin_folder(coin)
    return Finding("missing_day", f"{family}/{folder}/{day}.csv", coin, text=text)


def _named(incidents: Sequence[Incident], days: Sequence[date]) -> Iterator[tuple[str, date]]:
    """Coins and days of runs whose start named its coins, where the run lasted for most of the day."""
    marks = [incident for incident in incidents if incident.kind in ("start", "stop")]
    for i, start in enumerate(marks):
        coins = start.fields.get("coins", ())
        if start.kind != "start" or not isinstance(coins, list | tuple):
            continue
        end_ms = marks[i + 1].time_ms if i + 1 < len(marks) else ms_of_day(days[-1]) + DAY_MS
        for day in days:
            from_ms = max(start.time_ms, ms_of_day(day))
            if min(end_ms, ms_of_day(day) + DAY_MS) - from_ms > DAY_MS // 2:
                yield from ((str(coin), day) for coin in coins)


def _ended(spans: Mapping[str, Span]) -> Iterator[Finding]:
    last_ms = max(span.to_ms for span in spans.values())
    for coin, span in sorted(spans.items()):
        if last_ms - span.to_ms >= CRITICAL_MS:
            text = f"{shown(last_ms - span.to_ms)} before the last tick of the others"
            yield Finding("ended", f"{TICKS.name}/{coin_folder(coin)}", coin, text=text)
