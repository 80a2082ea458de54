"""A harvester that is killed anywhere and starts again writes the file that an undisturbed one writes."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Close, Harvester, Repaired
from shared.messages import Book, Level, Message, Trade, Trades
from shared.service import Tick

MIDNIGHT = 1771804800000
COINS = ("BTC", "xyz:TSLA")

price = st.integers(1, 3)
book = st.tuples(st.sampled_from(COINS), price, st.integers(1, 2), st.just("book"))
trade = st.tuples(st.sampled_from(COINS), price, st.integers(1, 4), st.just("trades"))
step = st.tuples(st.sampled_from([0, 1, 70, 400, 600]), st.one_of(book, trade, st.just("tick")))


def messages(steps: list[tuple[int, object]]) -> list[Message | Tick]:
    """Market data around a UTC midnight; times never go back, trade ids are unique."""
    found: list[Message | Tick] = []
    time_ms, tid = MIDNIGHT - 1500, 0
    for gap_ms, what in steps:
        time_ms += gap_ms
        match what:
            case (coin, px, count, "trades"):
                prints = tuple(Trade(Decimal(px), Decimal(1), "B", time_ms, tid + i) for i in range(count))
                tid += count
                found.append(Trades(coin=coin, received_ms=time_ms, epoch=1, trades=prints))
            case (coin, px, sz, "book"):
                bids, asks = (Level(Decimal(px), Decimal(sz)),), (Level(Decimal(px + 1), Decimal(1)),)
                found.append(Book(coin=coin, time_ms=time_ms, received_ms=time_ms, epoch=1, bids=bids, asks=asks))
            case _:
                found.append(Tick())
    return found


def feed(folder: Path, inputs: list[Message | Tick], tidy: bool) -> None:
    """One life of the service over `inputs`, ended in order or by a kill that loses what was not written."""
    core, archive = Harvester(HarvesterConfig(data_dir=folder)), Archive(folder, max_open_files=4)
    for message in inputs:
        effects = list(core.step(0, message))
        if effects:
            assert all(isinstance(result, Repaired) for result in archive.apply(effects))
    if tidy:
        archive.apply([Close()])
    else:
        for file in archive._files.values():
            file.close()


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.glob("*/*/*.csv"))}


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=40), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 25)), max_size=3))
def test_restarts_lose_and_double_nothing(steps: list[tuple[int, object]], kills: list[tuple[float, int]]) -> None:
    inputs = messages(steps)
    with TemporaryDirectory() as name:
        undisturbed, killed = Path(name, "undisturbed"), Path(name, "killed")
        feed(undisturbed, inputs, tidy=True)
        for part, torn_bytes in kills:  # each life reads the streams from their start
            feed(killed, inputs[: int(part * len(inputs))], tidy=False)
            for path in killed.glob("*/*/*.csv"):
                size = path.stat().st_size
                with path.open("r+b") as file:
                    file.truncate(max(0, size - torn_bytes))
        core, archive = Harvester(HarvesterConfig(data_dir=killed)), Archive(killed)
        for message in inputs:
            effects = list(core.step(0, message))
            archive.apply(effects)
        archive.apply([Close()])
        assert contents(killed) == contents(undisturbed)


@settings(max_examples=50, deadline=None)
@given(st.lists(step, min_size=1, max_size=40), st.floats(0, 1))
def test_rows_are_unique_and_in_order_whatever_is_redelivered(
    steps: list[tuple[int, object]], part: float
) -> None:
    """Also when only the newer part of a stream is still there, so that sampling begins anew."""
    inputs = messages(steps)
    with TemporaryDirectory() as name:
        folder = Path(name)
        feed(folder, inputs, tidy=True)
        feed(folder, inputs[int(part * len(inputs)) :], tidy=True)
        for file, text in contents(folder).items():
            rows = text.split("\n")[1:-1]
            assert len(set(rows)) == len(rows)
            times = [int(row.split(",")[0]) for row in rows]
            assert times == sorted(times) or file.startswith("trades")
