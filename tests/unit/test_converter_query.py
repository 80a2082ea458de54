"""What DuckDB reads of the files: few row groups for a stretch of time, and the documentation's own queries."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest

from services.converter import convert
from shared.clock import ms_of_day
from shared.data_files import TICKS

FIRST, DAYS, ROWS = date(2026, 2, 1), 4, 12_000
HOUR_MS = 3_600_000
NOON_MS = ms_of_day(FIRST + timedelta(days=2)) + 12 * HOUR_MS
DOCS = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of two coins, a row every 7.2 s, each day in several row groups; a CSV is left of each."""
    root = tmp_path_factory.mktemp("query")
    random = Random(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.converter.source.PIECE_BYTES", 64 * 1024)
        for coin, px in (("BTC", 68000), ("SOL", 200)):
            for day in (FIRST + timedelta(days=n) for n in range(DAYS)):
                path = root / "data" / "ticks" / coin / f"{day}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                start_ms = ms_of_day(day)
                lines = (
                    f"{start_ms + i * 7200},{coin},{bid}.0,{bid + 1}.0,{bid}.5,0.1471"
                    for i, bid in enumerate(random.choices(range(px, px + 1000), k=ROWS))
                )
                path.write_text("\n".join([TICKS.header, *lines]) + "\n")
        assert convert.main(["--data", str(root / "data"), "--keep-csv"]) == convert.OK
    return root


def test_a_stretch_of_time_needs_few_row_groups(folder: Path) -> None:
    """Those whose statistics reach into the hour; DuckDB itself says how many bytes it read."""
    everything = f"read_parquet('{folder}/data/parquet/*/*.parquet')"
    groups = duckdb.sql(
        f"""SELECT count(*), count(*) FILTER (stats_min_value::BIGINT < {NOON_MS + HOUR_MS}
                                              AND stats_max_value::BIGINT >= {NOON_MS})
            FROM parquet_metadata('{folder}/data/parquet/*/*.parquet') WHERE path_in_schema = 'timestamp_ms'"""
    ).fetchall()[0]
    assert groups[0] >= 2 * DAYS * 8 and groups[1] <= 4
    everything_read, footers_read, hour_read = (
        bytes_read(f"SELECT sum(bid), min(timestamp_ms) FROM {everything} WHERE {wanted}")
        for wanted in ("true", "timestamp_ms < 0", f"timestamp_ms BETWEEN {NOON_MS} AND {NOON_MS + HOUR_MS - 1}")
    )
    assert hour_read - footers_read < (everything_read - footers_read) / 10


def bytes_read(query: str) -> int:
    """As DuckDB measured it, in a session that knows nothing of the files yet."""
    with duckdb.connect() as connection:
        plan = json.loads(connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}").fetchall()[0][1])
    return int(plan["total_bytes_read"])


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def test_the_queries_of_the_documentation_run_as_they_stand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    first, *_ = answers = [duckdb.sql(query).fetchall() for query in snippets("sql")]
    assert len(answers) >= 3 and all(answers)
    assert first == [("BTC", pytest.approx(0.1471)), ("SOL", pytest.approx(0.1471))]


@pytest.mark.parametrize("number", range(2))
def test_the_python_of_the_documentation_runs_as_it_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(snippets("python")[number], names)
    assert len(names["minutes" if number else "ticks"]) > 100  # type: ignore[arg-type]
