"""How the first half hour looks: a table that stays on a terminal, a line for each change elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from shared.clock import utc
from shared.first30.watch import First30, Item

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.live import Live

STYLES = {"ok": "green", "waiting": "dim", "WARN": "bold yellow", "RED": "bold white on red"}
COLUMNS = {"min": 5, "item": 15, "verdict": 7, "value": 0, "threshold": 0}
"""And what a narrow terminal leaves them at least."""
AROUND = 6
"""Lines of the screen that are no items: title, heads, and what to run."""


class Screen(Protocol):
    """Where a watch is shown."""

    def begin(self, watch: First30) -> None: ...
    def show(self, watch: First30, changed: Sequence[Item], silence: str) -> None: ...


def title(watch: First30, silence: str = "") -> str:
    point = watch.history.point
    mode = watch.history.now.mode.upper()
    told = f"; NO NEWS: {silence}" if silence else ""
    return (
        f"{mode}, minute {watch.history.minutes:.1f} of {watch.length:g}: {watch.outcome};"
        f" PnL ${point.pnl_usd:+.2f}, {point.fills} fills, volume ${point.volume_usd:.2f}{told}"
    )


class _Lines:
    """The state at the beginning, then what changes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._silence = ""

    def begin(self, watch: First30) -> None:
        print(title(watch), file=self._out, flush=True)
        for item in watch.items.values():
            print(f"  {item.text}", file=self._out, flush=True)

    def show(self, watch: First30, changed: Sequence[Item], silence: str) -> None:
        stamp = f"{utc(watch.history.now.time_ms):%H:%M:%S}"
        if silence and not self._silence:
            print(f"{stamp} NO NEWS: {silence}", file=self._out, flush=True)
        self._silence = silence
        for item in changed:
            print(f"{stamp} {item.text}", file=self._out, flush=True)


class _Table:
    def __init__(self, live: "Live") -> None:
        self._live = live

    def begin(self, watch: First30) -> None:
        self.show(watch, (), "")

    def show(self, watch: First30, changed: Sequence[Item], silence: str) -> None:
        self._live.update(picture(watch, silence, self._live.console.height), refresh=True)


def picture(watch: First30, silence: str, height: int) -> "Group":
    """What asks for attention is always there; what is well goes first where the screen is low."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    items = list(watch.items.values())
    room = max(4, height - AROUND)
    calm = [item for item in items if item.verdict == "ok"]
    hidden = calm[: max(0, len(items) - room)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, least in COLUMNS.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=least)
    for item in items:
        if item not in hidden:
            style = STYLES[item.verdict]
            table.add_row(
                item.stage, item.name, Text(item.verdict, style), item.value, Text(item.threshold, "dim")
            )
    parts: list[RenderableType] = [Text(title(watch, silence), "bold red" if silence else "bold"), table]
    if hidden:
        parts.append(Text(f"and {len(hidden)} more that are ok", "dim"))
    commands = dict.fromkeys(
        item.command for verdict in ("RED", "WARN") for item in items if item.verdict == verdict
    )
    parts += [Text(f"run: {command}", "bold") for command in list(commands)[: AROUND - 3]]
    return Group(*parts)


@contextmanager
def lines_to(out: TextIO) -> Iterator[Screen]:
    yield _Lines(out)


@contextmanager
def screen_on(out: TextIO) -> Iterator[Screen]:
    """A table on a terminal, lines elsewhere."""
    if not out.isatty():
        yield _Lines(out)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=out), auto_refresh=False, transient=False) as live:
        yield _Table(live)
