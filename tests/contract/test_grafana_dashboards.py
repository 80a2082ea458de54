"""The dashboards: as built, within the rules of the house, and answered by a real Prometheus.

The history comes from the real monitor core fed with a made-up session, not from metric text.
"""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from grafana.build import BOARDS, FOLDER, render
from grafana.frame import first_row
from grafana.grid import COLUMNS
from grafana.questions import filled, panels, questions
from shared.metrics import GRID
from tests.fixtures.monitor_session import service_metrics, write_history

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
HISTORY_S, EVERY_S = 720, 15
COIN, STEP_S = "BTC", 55
MOMENTARY = {
    "Touch, ladder and fills": "mm_last_fill_price",
    "Why a side rests or not": "mm_side_blocked",
    "Time not quoted": "mm_noquote_seconds_total",
    "Rules of the guard": "mm_rule_closeness",
    "Requests that went wrong": "mm_exchange_errors_total",
}
"""Panels with a metric of which they may have nothing to tell: no new fill, nothing held back, nothing wrong."""
EMPTY_WHEN_WELL = {
    "absent(mm_kill_switch_triggered)": "asks whether the metric is missing",
}
"""Expressions that a healthy session answers with nothing, each with the reason."""


def boards() -> list[dict]:
    return [json.loads((FOLDER / name).read_text()) for name in BOARDS]


def rules() -> list[dict]:
    return [
        rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    ]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"(?<![\w:])mm_\w+", expression))


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_file_is_what_the_code_builds(name):
    assert (FOLDER / name).read_text() == render(name), "run: python -m grafana.build"


@pytest.mark.parametrize("board", boards(), ids=list(BOARDS))
def test_every_panel_keeps_the_rules_of_the_house(board):
    assert board["uid"] and [v["type"] for v in board["templating"]["list"]][0] == "datasource"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    for panel in panels(board):
        assert panel["title"] and panel["description"], panel["id"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        for target in panel["targets"]:
            assert not re.search(r"\b(rate|irate)\([^)]*\[\d", target["expr"]), "fixed window in rate()"
            assert "topk" not in target["expr"] or target["instant"], "topk over a range draws everyone"


def test_dashboards_and_rules_use_only_metrics_that_exist():
    known = {metric.name for metric in GRID} | service_metrics()
    expressions = [question.expr for board in boards() for question in questions(board)]
    used = set().union(*map(names_in, expressions + [rule["expr"] for rule in rules()]))
    assert used - known == set()
    assert {metric.name for metric in GRID} - used == set(), "measured and shown nowhere"


def test_every_board_begins_with_the_same_row_and_leads_to_the_others():
    built = [builder.build() for builder in first_row()]
    wanted = [(panel.title, tuple(vars(panel.grid_pos)[key] for key in "xywh")) for panel in built]
    for board in boards():
        tops = [panel for panel in board["panels"] if panel["gridPos"]["y"] == 0]
        assert [(panel["title"], tuple(panel["gridPos"][key] for key in "xywh")) for panel in tops] == wanted
        assert [(link["type"], link["tags"]) for link in board["links"]] == [("dashboards", board["tags"])]
        assert board["refresh"] == "5s" and board["timezone"] == "utc"
        assert [entry["name"] for entry in board["annotations"]["list"]] == ["Halted", "Restarts", "Fills"]
    assert len({board["uid"] for board in boards()}) == len(BOARDS)


def test_whatever_names_a_coin_leads_to_its_board():
    uids = {board["uid"]: board for board in boards()}
    seen = 0
    for board in boards():
        for panel in panels(board):
            by_coin = any("{{asset}}" in target.get("legendFormat", "") for target in panel["targets"])
            rows = any(item["matcher"]["options"] == "Coin" for item in panel["fieldConfig"]["overrides"] or [])
            if not by_coin and not (rows and "rule" not in panel["title"].lower()):
                continue
            links = re.findall(r"/d/([\w-]+)/\S*?var-(\w+)=", json.dumps(panel["fieldConfig"]["overrides"]))
            assert links, panel["title"]
            for uid, variable in links:
                assert variable in {entry["name"] for entry in uids[uid]["templating"]["list"]}
            seen += 1
    assert seen > 15


def test_provisioning_names_the_source_and_the_folder():
    sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())
    assert [(item["uid"], item["type"]) for item in sources["datasources"]] == [("prometheus", "prometheus")]
    providers = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/market_maker.yml").read_text())
    assert [item["folder"] for item in providers["providers"]] == ["Market maker"]


# ---- against a real Prometheus ----

Ask = Callable[[str], list[dict]]


def now() -> float:
    return time.time()  # noqa: TID251 (a real server lives in real time)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Instant queries to a Prometheus that holds twelve minutes of a session and runs our rules, which look at
    the present only; everything else is asked of the session's end."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("no prometheus on this machine")
    folder = tmp_path_factory.mktemp("prometheus")
    session = write_history(folder / "history.om", (int(now()) - HISTORY_S) * 1000, HISTORY_S, EVERY_S)
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history.om", folder / "data"]
    subprocess.run(blocks, check=True, capture_output=True, timeout=60)
    hasty = folder / "rules"
    hasty.mkdir()
    for path in RULES:
        (hasty / path.name).write_text(re.sub(r"\binterval: \d+s", "interval: 1s", path.read_text()))
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [f"{hasty}/*.yml"]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)

    def query(expression: str) -> list[dict]:
        at = now() if ":mm_" in expression else session.now_ms / 1000
        parameters = urllib.parse.urlencode({"query": expression, "time": at})
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{parameters}", timeout=10) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]["result"]

    try:
        recorded = [rule["record"] for rule in rules() if "record" in rule]
        _wait_for(lambda: all(query(name) for name in recorded), server, folder / "log")
        yield query
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(recorded: Callable[[], bool], server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the recording rules have been evaluated; they look at the present only."""
    deadline = now() + 30
    while True:
        try:
            if recorded():
                return
        except OSError:
            assert server.poll() is None, log.read_text()
        assert now() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.mark.parametrize("board", boards(), ids=list(BOARDS))
def test_every_panel_query_finds_series(ask: Ask, board: dict):
    """Annotations may have nothing to tell; `test_dashboards_demo` has their reasons."""
    assert all(ask(name) for name in MOMENTARY.values())
    empty = [
        (question.title, question.expr)
        for question in questions(board)
        if question.place >= 0
        and MOMENTARY.get(question.title) not in question.metrics
        and not ask(filled(question.expr, COIN, STEP_S))
    ]
    assert empty == []


def test_every_column_of_the_table_knows_every_coin(ask: Ask):
    without_an_order = {"Our bid", "Our ask"}
    for heading, expression, _ in COLUMNS:
        coins = [row["metric"]["asset"] for row in ask(filled(expression, COIN))]
        assert len(coins) == len(set(coins)) or heading.endswith("state"), heading
        assert len(set(coins)) == 30 or heading in without_an_order, heading


def test_every_alert_expression_is_answered_from_series_that_exist(ask: Ask):
    for rule in rules():
        answer = ask(rule["expr"])
        if rule["expr"] in EMPTY_WHEN_WELL:
            assert answer == []
            continue
        for name in names_in(rule["expr"]) | ({rule["record"]} if "record" in rule else set()):
            assert ask(name), f"{name} in {rule}"


def test_label_values_of_the_coin_variable(ask: Ask):
    assert len({row["metric"]["asset"] for row in ask("mm_mid_price")}) == 30
