"""`market_maker screen`: of the running screener, else of history, else nothing; and what its exit code says."""

import asyncio
import json

import msgspec
import pytest

from market_maker.screen import FRESH_MS, NEITHER, NOT_FOUND, NOTHING_EARNS, show
from shared.clock import wall_ms
from shared.market_profile import FILE, write
from shared.messages import CoinMeta, Universe
from shared.redis_bus import RedisBus
from tests.fixtures.screener_history import past, profile
from tests.unit.test_screener_core import Run
from tests.unit.test_screener_history import LOSING


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nobody")
    monkeypatch.setenv("MM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MM_RUN_DIR", str(tmp_path / "run"))


def recorded(folder, *coins, age_ms=3_600_000):
    write(folder, profile(*coins, last_ms=int(wall_ms()) - age_ms))


def asked(capsys, *only, folder=None):
    code = show(True, only, folder)
    return code, json.loads(capsys.readouterr().out)


def test_history_alone_ranks_and_says_so(tmp_path, capsys):
    recorded(tmp_path, past("GOOD", adverse=0.2), past("BAD", adverse=LOSING), past("FEW", market_orders=10))
    code, found = asked(capsys)
    assert code == 0 and found["source"] == "history" and "nothing runs now" in found["about"]
    assert [(coin["coin"], coin["rank"], coin["state"]) for coin in found["coins"]] == [
        ("GOOD", 1, "quote"), ("BAD", 2, "not quoted"), ("FEW", None, "NOT ENOUGH DATA"),
    ]  # fmt: skip
    good, bad, few = found["coins"]
    parts = good["half_spread_bps"] - good["adverse_bps"] - good["maker_fee_bps"] - good["funding_bps"]
    assert good["edge_bps"] == pytest.approx(parts, abs=1e-3)
    assert bad["reason"].startswith("edge -") and "190 more market orders" in few["reason"]


def test_the_table_for_people(tmp_path, capsys):
    recorded(tmp_path, past("GOOD", adverse=0.2), past("FEW", market_orders=10))
    assert show(False, (), None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 coins, from history alone: hyperliquid")
    few = next(line for line in lines if " FEW " in line)
    assert "NOT ENOUGH DATA" in few and few.count(" - ") >= 4, "no edge is shown that is not known"
    assert not any("…" in line for line in lines)


def test_old_history_is_shown_as_what_it_is(tmp_path, capsys):
    recorded(tmp_path, age_ms=80 * 24 * 3_600_000)
    code, found = asked(capsys, folder=tmp_path)
    assert code == 0 and "more than 7 days old, a running screener would not use it" in found["about"]


def test_minutes_of_history_are_not_enough(tmp_path, capsys):
    recorded(tmp_path, past("LONG"), past("SHORT", hours_of_data=0.3))
    code, found = asked(capsys)
    assert code == 0 and [coin["coin"] for coin in found["coins"]] == ["LONG"]
    assert "too short, 3 h needed: SHORT 0.3 h" in found["about"]
    recorded(tmp_path, past("SHORT", hours_of_data=0.3))
    code, found = asked(capsys)
    assert code == NEITHER and "NOT ENOUGH DATA, a coin needs 3 h of history (SHORT 0.3 h)" in found["cause"]


def test_no_coin_earns(tmp_path, capsys):
    recorded(tmp_path, past("BAD", adverse=LOSING))
    assert asked(capsys)[0] == NOTHING_EARNS


def test_neither_running_nor_recorded(tmp_path, capsys):
    code, found = asked(capsys)
    assert code == NEITHER and "market_maker analyze --write-profile" in found["cause"]
    recorded(tmp_path)
    (tmp_path / FILE).write_bytes(b"{}")
    assert asked(capsys)[0] == NEITHER


def test_a_coin_that_is_not_there(tmp_path, capsys):
    recorded(tmp_path)
    assert show(False, ["DOGE"], None) == NOT_FOUND
    assert "not among the coins measured: DOGE" in capsys.readouterr().err


@pytest.mark.parametrize("age_ms", [0, FRESH_MS + 60_000])
def test_the_running_screener_comes_first_while_it_is_fresh(tmp_path, capsys, monkeypatch, redis_server, age_ms):
    recorded(tmp_path, past("OLD"))
    url = f"{redis_server}?db={7 + bool(age_ms)}"
    monkeypatch.setenv("REDIS_URL", url)
    run = Run("BTC")
    run.market(300)
    config = run.configs()[-1]
    now_ms = int(wall_ms()) - age_ms

    async def publish():
        bus = RedisBus(url)
        await bus.publish([
            Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=now_ms),
            msgspec.structs.replace(config, published_ms=now_ms),
        ])  # fmt: skip
        await bus.close()

    asyncio.run(publish())
    code, found = asked(capsys)
    assert found["source"] == ("history" if age_ms else "running")
    if not age_ms:
        assert (code, found["coins"][0]["coin"]) == (NOTHING_EARNS, "BTC"), (
            "200 market orders have not come by yet"
        )
        assert found["coins"][0]["live_min"] == pytest.approx(4.5, abs=0.1)
