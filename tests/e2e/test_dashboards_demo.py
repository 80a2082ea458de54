"""Every question of every dashboard, asked of a real Prometheus that scrapes a running demonstration.

The answers, or the stated reasons why there are none, are printed and written to `questions.txt` in the test's
folder.
"""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from grafana.build import BOARDS, FOLDER
from grafana.frame import MODE, STATE
from grafana.picture.source import Source
from grafana.questions import Question, filled, questions
from market_maker.deployment import supervisor_pid
from scripts import dashboard_pictures
from services import SERVICES, load
from shared.clock import wall_ms
from tests.conftest import server_binaries, wait_until
from tests.fixtures.command_line import cli, own_place

ROOT = Path(__file__).resolve().parents[2]
COINS = "BTC,NEAR,TON"
COIN = "NEAR"
RANGE_S = 60.0
WITHIN_S = 90.0
"""For a machine that others use too; usually ten seconds."""


@dataclass(frozen=True)
class Demo:
    """A running market maker, and the Prometheus that watches it."""

    place: dict[str, str]
    address: str

    def source(self) -> Source:
        return Source(self.address, wall_ms() / 1000, RANGE_S)

    def words(self, expr: str, label: str) -> set[str]:
        """What a panel that shows names would show."""
        try:
            return {series.labels[label] for series in self.source().now(expr)}
        except OSError:
            return set()


def settings(base: int, rules: list[Path]) -> str:
    ports = {name: load(name).metrics_port - 9090 + base for name in SERVICES if load(name).metrics_port}
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in ports.items()
        if name != "watchdog"
    ]
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return yaml.safe_dump({"global": often, "rule_files": [str(path) for path in rules], "scrape_configs": jobs})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if shutil.which("prometheus") is None or not server_binaries():
        pytest.skip("no Prometheus or no Redis-compatible server on this machine")
    folder = tmp_path_factory.mktemp("demo")
    place = own_place(folder)
    base = int(place["MM_METRICS_PORT"])
    (folder / "prometheus.yml").write_text(settings(base, sorted((ROOT / "prometheus/rules").glob("*.yml"))))
    address = f"127.0.0.1:{base + 32}"
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address={address}", "--log.level=error",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        started = cli(place, "launch", "--demo", "--local", "--coins", COINS)
        assert started.returncode == 0, started.stderr
        yield Demo(place, f"http://{address}")
    finally:
        server.terminate()
        server.wait(timeout=20)
        cli(place, "launch", "--stop")
        pid = supervisor_pid(Path(place["MM_RUN_DIR"]))
        if pid is not None:
            os.killpg(pid, signal.SIGKILL)


def seen_long_enough(demo: Demo) -> bool:
    """Ten scrapes of every coin and of every service, and something that was traded."""
    needed = {
        "min(count_over_time(mm_mid_price[1m])) >= 10": 1,
        "min(count_over_time(up[1m])) >= 10": 1,
        "sum(mm_orders_filled_total) > 0": 1,
        "job:mm_quote_cycle_seconds:p99_5m": 1,
    }
    try:
        return all(len(demo.source().now(expr)) >= count for expr, count in needed.items())
    except OSError:
        return False


def asked(demo: Demo) -> Iterator[tuple[Question, str]]:
    """Each question with a sample of its answer; empty where there is none."""
    source = demo.source()
    for name in BOARDS:
        for question in questions(json.loads((FOLDER / name).read_text())):
            series = source.now(filled(question.expr, COIN, range_s=RANGE_S))
            labels = ",".join(f"{key}={text}" for key, text in sorted(series[0].labels.items())) if series else ""
            yield question, f"{series[0].last:g} {{{labels}}}, {len(series)} series" if series else ""


def test_every_question_is_answered_or_has_a_reason(demo: Demo, tmp_path: Path) -> None:
    wait_until(lambda: seen_long_enough(demo), WITHIN_S)
    answers = list(asked(demo))
    lines = [
        f"{question.board} | {question.title} | {answer or f'nothing: {question.reason}'} | {question.expr}"
        for question, answer in answers
    ]
    (tmp_path / "questions.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    assert len(lines) > 200
    assert [line for line, (question, answer) in zip(lines, answers, strict=True)
            if not answer and question.reason is None] == []  # fmt: skip


def test_every_rule_of_the_running_prometheus_is_in_order(demo: Demo) -> None:
    wait_until(lambda: seen_long_enough(demo), WITHIN_S)
    with urllib.request.urlopen(f"{demo.address}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    assert groups
    assert {rule["name"]: rule.get("lastError", "") for group in groups for rule in group["rules"]
            if rule["health"] == "err"} == {}  # fmt: skip


def test_the_first_row_tells_shadow_and_whether_it_runs(demo: Demo) -> None:
    wait_until(lambda: demo.words(MODE, "mode") == {"SHADOW"}, WITHIN_S)
    wait_until(lambda: demo.words(STATE, "state") == {"RUNNING"}, WITHIN_S)


@pytest.mark.parametrize("board", ["grid", "coin"])
def test_a_picture_of_a_board_shows_its_coins(demo: Demo, board: str, tmp_path: Path) -> None:
    """The page that is photographed; the photograph itself where there is a browser."""
    wait_until(lambda: seen_long_enough(demo), WITHIN_S)
    model = json.loads((FOLDER / f"{board}.json").read_text())
    page, height = dashboard_pictures.render(model, dashboard_pictures.View(demo.source(), COIN))
    for text in ("SHADOW", "RUNNING", COIN, "<path"):
        assert text in page
    assert height > 1000
    try:
        dashboard_pictures.browser()
    except dashboard_pictures.PictureError:
        return
    arguments = ["--prometheus", demo.address, "--board", board, "--minutes", "1", "--to", str(tmp_path)]
    assert dashboard_pictures.main([*arguments, "--coin", COIN, "--part", "0.2"]) == 0
    assert (tmp_path / f"{board}.png").read_bytes().startswith(b"\x89PNG")


def test_a_halt_is_seen_with_who_did_it(demo: Demo) -> None:
    """The last one: nothing quotes after it."""
    assert cli(demo.place, "halt", "a look at the dashboard").returncode == 0
    wait_until(lambda: demo.words(STATE, "state") == {"HALTED: operator"}, WITHIN_S)
    halted = next(
        q for q in questions(json.loads((FOLDER / "grid.json").read_text())) if q.title.endswith("Halted")
    )
    assert demo.words(halted.expr, "reason") == {"operator"}
