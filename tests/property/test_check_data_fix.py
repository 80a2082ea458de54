"""Whatever happens to the files, --fix loses no good row, keeps what was there, and has nothing to do twice."""

import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.integrity import KINDS, examine, repair
from shared.clock import ms_of_day
from shared.data_files import DEPTH, TICKS, TRADES

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
NOW_MS = ms_of_day(date(2026, 2, 1))
COINS = ("BTC", "kPEPE")
FAMILIES = {family.name: family for family in (TICKS, TRADES, DEPTH)}
Place = tuple[str, str, date]
"""Family, coin and day."""


def row(name: str, coin: str, day: date, i: int) -> bytes:
    family = FAMILIES[name]
    time_ms, px = ms_of_day(day) + 40_000_000 + 700 * i, 100 + i
    if family is TICKS:
        return f"{time_ms},{coin},{px}.0,{px + 1}.0,{px}.5,{1e4 / (px + 0.5):.4f}".rstrip("0").encode()
    if family is TRADES:
        return f"{time_ms},{coin},{px}.5,0.{i + 1},{'BA'[i % 2]},{10**14 + i}".encode()
    levels = [f"{px - n}.0,3.{n + 1}" for n in range(5)] + [f"{px + 1 + n}.0,0.{n + 1}" for n in range(5)]
    return f"{time_ms},{coin},{','.join(levels)}".encode()


PLACES: list[Place] = [(family, coin, day) for family in FAMILIES for coin in COINS for day in DAYS]
GOOD = {place: [row(*place, i) for i in range(12)] for place in PLACES}


def _header(place: Place) -> bytes:
    return FAMILIES[place[0]].header.encode()


class Damage:
    """Files as lists of lines, the header first; and the rows that something was done to."""

    def __init__(self) -> None:
        self.files = {place: [_header(place), *rows] for place, rows in GOOD.items()}
        self.lost: set[bytes] = set()

    def lose(self, line: bytes) -> None:
        """A line is about to be damaged: whatever row is in it is lost."""
        self.lost |= {row for rows in GOOD.values() for row in rows if row in line}

    def content(self, place: Place) -> bytes:
        return b"".join(line + b"\n" for line in self.files[place])


def tear(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    damage.lose(lines[i])
    lines[i] = lines[i][: k % (len(lines[i]) + 1)]


def tear_and_join(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    if i + 1 < len(lines):
        torn = lines[i][: k % (len(lines[i]) + 1)]
        damage.lose(lines[i])
        lines[i : i + 2] = [torn + lines[i + 1]]


def zero_before(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    lines[i] = b"\0" * (k + 1) + lines[i]


def zero_inside(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    damage.lose(lines[i])
    at = k % (len(lines[i]) + 1)
    lines[i] = lines[i][:at] + b"\0" * 4 + lines[i][at + 4 :]


def not_text(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    damage.lose(lines[i])
    at = k % (len(lines[i]) + 1)
    lines[i] = lines[i][:at] + b"\xe2\x82" + lines[i][at:]


def swap_columns(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    fields = lines[i].split(b",")
    fields[2:4] = reversed(fields[2:4])
    damage.lose(lines[i])
    lines[i] = b",".join(fields)


def repeat_block(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    lines[k % len(lines) + 1 : k % len(lines) + 1] = lines[i : i + 4]


def reorder(damage: Damage, place: Place, i: int, k: int) -> None:
    lines = damage.files[place]
    lines.insert(1 + k % (len(lines) - 1), lines.pop(i))


def repeat_header(damage: Damage, place: Place, i: int, k: int) -> None:
    damage.files[place].insert(i, _header(place))


def windows(damage: Damage, place: Place, i: int, k: int) -> None:
    damage.files[place] = [line + b"\r" for line in damage.files[place]]


def mark(damage: Damage, place: Place, i: int, k: int) -> None:
    damage.files[place][0] = b"\xef\xbb\xbf" + damage.files[place][0]


def no_header(damage: Damage, place: Place, i: int, k: int) -> None:
    damage.files[place][0] = damage.files[place][0][:k] + b"?" + damage.files[place][0][k + 1 :]


def elsewhere(damage: Damage, place: Place, i: int, k: int) -> None:
    others = [other for other in PLACES if other[0] == place[0] and other != place]
    other = damage.files[others[k % len(others)]]
    other.insert(1 + k % len(other), damage.files[place].pop(i))


Harm = Callable[[Damage, Place, int, int], None]
KINDS_OF_DAMAGE: list[Harm] = [
    tear, tear_and_join, zero_before, zero_inside, not_text, swap_columns, repeat_block, reorder, repeat_header,
    windows, mark, no_header, elsewhere,
]  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS_OF_DAMAGE), st.sampled_from(PLACES), st.integers(1, 11), st.integers(0, 60)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_no_good_row_is_lost(
    steps: list[tuple[Harm, Place, int, int]],
) -> None:
    damage = Damage()
    for harm, place, i, k in steps:
        if len(damage.files[place]) > 3:
            harm(damage, place, min(i, len(damage.files[place]) - 1), k)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        written = {}
        for place in PLACES:
            path = _path(data, place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(damage.content(place))
            written[path] = damage.content(place)
        repair(data, now_ms=NOW_MS)
        for place, rows in GOOD.items():
            path = _path(data, place)
            content = path.read_bytes() if path.exists() else b""
            lines = Counter(content.split(b"\n"))
            for good in rows:
                assert lines[good] == 1 or (good in damage.lost and lines[good] <= 1), (path, good)
            if FAMILIES[place[0]].ordered:
                times = [line.split(b",")[0] for line in content.split(b"\n")[1:-1]]
                assert times == sorted(times)
            assert written[path] == content or written[path] in _originals(data, path)
        report = examine(data, now_ms=NOW_MS)
        assert not [finding for finding in report.findings if KINDS[finding.kind].fixable]
        assert repair(data, now_ms=NOW_MS) == []


def _path(data: Path, place: Place) -> Path:
    return FAMILIES[place[0]].csv_path(data, place[1], place[2])


def _originals(data: Path, path: Path) -> list[bytes]:
    folder = data / "quarantine" / "originals" / path.relative_to(data).parent
    return [kept.read_bytes() for kept in folder.glob(f"{path.name}.*")]
