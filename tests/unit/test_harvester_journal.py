"""What the bot did itself becomes rows and incidents: fills, minutes of the account, the diary."""

import errno
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import WAITING_MAX, Close, Effect, Failed, Flush, Harvester, Note, Resumed
from services.harvester.rows import Row, usd
from shared.data_files import ACCOUNT, FILLS, TICKS
from shared.incidents import FILE, Incident, append, newest, read
from shared.messages import (
    AccountState,
    AccountStatus,
    AssetConfig,
    CoinStatus,
    Event,
    Fill,
    HaltState,
    Heartbeat,
    Message,
    Reason,
)
from shared.service import Stopping, Tick

T = 1771733340000  # 2026-02-22 04:09:00 UTC, a minute's begin
OWN, OLD = "20260222T040000Z-0wn1", "20260221T040000Z-01d1"
FOLDER = Path("records")


def fill(number: int = 1, time_ms: int = T, **changes: Any) -> Fill:
    usual = Fill(
        coin="BTC", fill_id=f"0xabc-{number}", seq=number, cloid="0xabc", mode="shadow", side="bid", level=1,
        px=Decimal("68020.5"), sz=Decimal("0.00018"), fee_usd=Decimal("0.001836"), mid_px=Decimal("68021.25"),
        realized_usd=Decimal("0"), position_sz=Decimal("0.00018"), time_ms=time_ms,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def coin(name: str = "BTC", **changes: Any) -> CoinStatus:
    usual = CoinStatus(
        coin=name, position_sz=Decimal("-0.5"), mark_px=Decimal(100), realized_usd=Decimal(1) / 3,
        unrealized_usd=Decimal("-2.5"), fees_usd=Decimal("0.25"), funding_usd=Decimal("-0.1"),
        volume_usd=Decimal(1234), fills=7, orders_placed=20, orders_canceled=9, orders_rejected=1, resting_bids=3,
        resting_asks=3,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def status(
    time_ms: int, *coins: CoinStatus, session_start_ms: int = T - 1000, mode: Any = "shadow"
) -> AccountStatus:
    return AccountStatus(
        time_ms=time_ms, mode="shadow", session_start_ms=session_start_ms, day_start_ms=0,
        starting_balance_usd=Decimal(1000), pnl_usd=Decimal(0), day_pnl_usd=Decimal(0), peak_pnl_usd=Decimal(0),
        fees_usd=Decimal(0), funding_usd=Decimal(0), volume_usd=Decimal(0), fills=0, coins=coins or (coin(),),
    )  # fmt: skip


def state(run_id: str, session_start_ms: int, mode: Any = "shadow") -> AccountState:
    return AccountState(
        session_start_ms=session_start_ms, day_start_ms=0, day_start_pnl_usd=Decimal(0),
        peak_pnl_usd=Decimal(0), run_id=run_id, mode=mode,
    )  # fmt: skip


def line(service: str, tag: str, text: str, time_ms: int = T, **more: Any) -> Event:
    return Event(service=service, tag=tag, text=text, time_ms=time_ms, **more)


def told(core: Harvester, *messages: object, now_ms: int = T) -> list[dict[str, str]]:
    """Rows as columns."""
    outputs = [output for message in messages for output in core.step(now_ms, message)]
    return [
        dict(zip(row.family.columns, row.line.split(","), strict=True)) for row in outputs if isinstance(row, Row)
    ]


def notes(core: Harvester, *messages: object, now_ms: int = T) -> list[Incident]:
    outputs = [output for message in messages for output in core.step(now_ms, message)]
    return [output.incident for output in outputs if isinstance(output, Note)]


def effects(core: Harvester, now_ms: int, message: object) -> list[Effect]:
    return [output for output in core.step(now_ms, message) if not isinstance(output, Message)]


def kinds(incidents: list[Incident]) -> list[str]:
    return [incident.kind for incident in incidents]


@pytest.fixture
def core() -> Harvester:
    return Harvester(HarvesterConfig(data_dir=FOLDER, run_id=OWN))


# ---- fills ----------------------------------------------------------------------------------------------------


def test_a_fill_is_a_row_in_the_order_of_the_columns(core: Harvester) -> None:
    (row,) = core.step(T, fill(realized_usd=Decimal(-1) / 3))
    assert isinstance(row, Row) and (row.family, row.coin, row.time_ms, row.key) == (FILLS, "BTC", T, "0xabc-1")
    assert row.line == (
        f"{T},BTC,{OWN},shadow,bid,1,68020.5,0.00018,0.001836,68021.25,-0.333333333,0.00018,1,0xabc-1"
    )


def test_both_modes_are_recorded_and_told_apart(core: Harvester) -> None:
    assert [row["mode"] for row in told(core, fill(1), fill(2, mode="live"))] == ["shadow", "live"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.0"),
        ("-0.0000000001", "0.0"),
        ("0.0000000014", "0.000000001"),
        ("-12.5", "-12.5"),
        ("999999.123456789", "999999.123456789"),
        ("123456789.123456789", "123456789.123457"),
    ],
)
def test_money_is_what_a_float_prints(value: str, text: str) -> None:
    assert usd(Decimal(value)) == text and Decimal(repr(float(text))) == Decimal(text)


def test_what_an_earlier_run_left_on_the_bus_is_of_that_run(core: Harvester) -> None:
    core.restore(T, state(OLD, T - 5000))
    rows = told(core, fill(1, T - 5001), fill(2, T - 1), fill(3, T), fill(4, T - 1, mode="live"))
    assert [row["run_id"] for row in rows] == ["", OLD, OWN, OWN]


def test_a_restart_in_a_run_goes_on_with_it(core: Harvester) -> None:
    core.restore(T, state(OWN, T - 5000))
    assert [row["run_id"] for row in told(core, fill(1, T - 6000), fill(2, T - 1))] == ["", OWN]


# ---- the account ----------------------------------------------------------------------------------------------


def test_a_minute_is_a_row_of_its_last_status_with_its_seconds(core: Harvester) -> None:
    core.step(T, AssetConfig(coin="BTC", max_inv_usd=50.0))
    one_sided = coin(resting_asks=0, ask_reason=Reason.MAX_INVENTORY)
    stopped = coin(
        resting_bids=0, resting_asks=0, bid_reason=Reason.HALTED, ask_reason=Reason.HALTED, orders_placed=21
    )
    first = [status(T + 1000 * second, coin()) for second in range(3)]
    assert told(core, *first, status(T + 4000, one_sided), status(T + 59_999, stopped)) == []
    (row,) = told(core, status(T + 60_000))
    assert row == {
        "timestamp_ms": str(T), "coin": "BTC", "run_id": OWN, "mode": "shadow", "position_sz": "-0.5",
        "mark_px": "100.0", "realized_usd": "0.333333333", "unrealized_usd": "-2.5", "fees_usd": "0.25",
        "funding_usd": "-0.1", "volume_usd": "1234.0", "fills": "7", "orders_placed": "21",
        "orders_canceled": "9", "orders_rejected": "1", "max_inv_usd": "50.0", "seen_s": "5", "two_sided_s": "3",
        "at_limit_s": "1", "halted_s": "1",
    }  # fmt: skip


def test_one_side_halted_is_not_halted(core: Harvester) -> None:
    told(core, status(T, coin(bid_reason=Reason.HALTED, ask_reason=Reason.MAX_INVENTORY)))
    (row,) = told(core, Stopping())
    assert (row["halted_s"], row["at_limit_s"]) == ("0", "1")


def test_the_limit_of_a_coin_nobody_configured_is_the_built_in_one(core: Harvester) -> None:
    told(core, status(T))
    (row,) = told(core, Stopping())
    assert Decimal(row["max_inv_usd"]) == Decimal(str(AssetConfig(coin="BTC").max_inv_usd))


def test_a_minute_ends_by_itself_when_nothing_more_comes(core: Harvester) -> None:
    told(core, status(T + 30_000), now_ms=T + 30_000)
    assert told(core, Tick(), now_ms=T + 59_999) == []
    assert [row["seen_s"] for row in told(core, Tick(), now_ms=T + 60_000)] == ["1"]
    assert told(core, Tick(), now_ms=T + 120_000) == []


def test_a_backlog_is_not_cut_by_the_clock(core: Harvester) -> None:
    """Read late, in two pieces with a tick between them: still one minute."""
    late_ms = T + 500_000
    told(core, status(T), now_ms=late_ms)
    assert told(core, Tick(), now_ms=late_ms + 1000) == []
    told(core, status(T + 1000), now_ms=late_ms + 1001)
    assert [row["seen_s"] for row in told(core, Tick(), now_ms=late_ms + 6001)] == ["2"]


def test_sessions_do_not_mix_in_a_minute(core: Harvester) -> None:
    core.restore(T, state(OLD, T - 9000))
    told(core, status(T + 1000, coin(fills=7), session_start_ms=T - 9000))
    (row,) = told(core, status(T + 20_000, coin(fills=0), session_start_ms=T + 15_000))
    assert (row["run_id"], row["fills"], row["seen_s"]) == (OLD, "7", "1")
    (row,) = told(core, status(T + 60_000, session_start_ms=T + 15_000))
    assert (row["run_id"], row["fills"], row["seen_s"]) == (OWN, "0", "1")


def test_of_two_rows_of_a_minute_the_first_stays(tmp_path: Path, core: Harvester) -> None:
    archive = Archive(tmp_path)
    for second, fills in ((0, 1), (20, 2)):
        told(core, status(T + 1000 * second, coin(fills=fills)))
        archive.apply([row for row in core.step(T, Stopping()) if isinstance(row, Row)])
    (path,) = tmp_path.glob("account/BTC/*.csv")
    header, *rows = path.read_text().splitlines()
    assert header == ACCOUNT.header and len(rows) == 1
    assert rows[0].split(",")[list(ACCOUNT.columns).index("fills")] == "1"


# ---- incidents ------------------------------------------------------------------------------------------------


def test_a_halt_is_known_from_the_key_and_from_its_end(core: Harvester) -> None:
    halt = HaltState(halted=True, reason="loss of the day", who="guard", since_ms=T - 500)
    seen = notes(core, halt, HaltState(halted=False))
    resumed = line(
        "guard", "HALT", "Resumed by kai.", fields={"halted_ms": T - 500, "halt": "guard: loss of the day"}
    )
    unseen = notes(core, resumed)
    assert seen == [Incident(time_ms=T - 500, kind="halt", run_id=OWN, text="guard: loss of the day")]
    assert [incident.key for incident in unseen[:1]] == [seen[0].key]
    assert kinds(unseen) == ["halt", "resume"] and unseen[1].time_ms == T


def stall(core: Harvester, *between: object) -> list[Incident]:
    return notes(core, line("guard", "", "🚨 STALL PANIC: cancel_all.", T), *between)


BACK = line("guard", "STALL", "WS back. Reconciling.", T + 9000)
WHOLE = line("executor", "RECONCILE", "✅ Inventory matches. No dark fills detected.", T + 8000)
BARE = coin(resting_bids=0, resting_asks=0)


def test_a_stall_is_recovered_from_when_it_is_quoted_again(core: Harvester) -> None:
    found = stall(core, WHOLE, BACK, status(T + 10_000, BARE), status(T + 11_000), status(T + 12_000))
    assert kinds(found) == ["stall", "stall_recovered"]
    assert found[1].time_ms == T + 9000
    assert found[1].fields == {"stall_ms": T, "reconciled_ms": T + 8000, "quoting_ms": T + 11_000}


@pytest.mark.parametrize("parts", [(BACK,), (WHOLE,), (), (BACK, WHOLE, BARE)])
def test_half_a_recovery_is_none(core: Harvester, parts: tuple[object, ...]) -> None:
    end = status(T + 20_000, BARE) if BARE in parts else status(T + 20_000)
    assert kinds(stall(core, *(part for part in parts if part is not BARE), end)) == ["stall"]


def test_what_was_whole_before_the_stall_does_not_count(core: Harvester) -> None:
    notes(core, msgspec.structs.replace(WHOLE, time_ms=T - 1))
    assert kinds(stall(core, BACK, status(T + 10_000))) == ["stall"]


def test_quotes_of_before_the_recovery_do_not_count(core: Harvester) -> None:
    """Streams are read one beside the other: an old status may come late."""
    assert kinds(stall(core, BACK, WHOLE, status(T + 8999))) == ["stall"]


def test_a_service_that_began_again_in_the_run_was_restarted(core: Harvester) -> None:
    def beat(started_ms: int, run_id: str = OWN, service: str = "quoter") -> Heartbeat:
        return Heartbeat(
            service=service, time_ms=T, started_ms=started_ms, pid=1, handled_total=0, skipped_total=0,
            lost_total=0, rss_mb=30.0, run_id=run_id,
        )  # fmt: skip

    old = (beat(T - 9000, OLD), beat(T - 5000), beat(T - 5000), beat(T - 4000, service="guard"))
    assert notes(core, *old) == []
    assert notes(core, beat(T), beat(T), beat(T - 5000)) == [
        Incident(time_ms=T, kind="service_restarted", run_id=OWN, text="quoter")
    ]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (line("executor", "DARK FILL", "BTC bid 1 @ 2 of order x: found by asking", level="error"), "dark_fill"),
        (line("executor", "TIE OUT", "⚠️ BTC: position 1, venue 2.", level="error", coin="BTC"), "ledger_mismatch"),
        (line("executor", "RECONCILE", "⚠️ BTC: 2 to 3 missing", level="warning", coin="BTC"), "ledger_mismatch"),
        (line("quoter", "INVARIANT", "a quote does not lean", level="error"), "invariant"),
        (line("executor", "TIE OUT", "✅ 1 positions: equal", level="debug"), None),
        (line("executor", "TIE OUT", "✅ BTC: equal to the venue again.", level="warning", coin="BTC"), None),
        (line("executor", "RECONCILE", "BTC: opening balance 1", coin="BTC"), None),
        (line("ingestor", "STALL", "no frame for 30 s", level="warning"), None),
        (line("guard", "HALT", "Halted by kai: lunch", level="error"), None),
        (line("harvester", "HARVEST", "recording"), None),
    ],
)  # fmt: skip
def test_which_lines_are_incidents(core: Harvester, event: Event, kind: str | None) -> None:
    assert kinds(notes(core, event)) == ([kind] if kind else [])


def test_an_incident_told_again_is_kept_once_over_restarts(tmp_path: Path, core: Harvester) -> None:
    told_twice = [Note(incident) for incident in stall(core) * 2]
    assert Archive(tmp_path).apply(told_twice) == []
    assert Archive(tmp_path).apply([*told_twice, Note(Incident(time_ms=T, kind="resume"))]) == []
    assert kinds(list(read(tmp_path))) == ["stall", "resume"]


# ---- the incidents file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b"{", b'{"time_ms":1,"kind":"halt"}', b"\0" * 600_000])
def test_a_torn_end_does_not_spoil_the_next_line(tmp_path: Path, torn: bytes) -> None:
    first, second = (Incident(time_ms=T + i, kind="halt", text="🚨 why") for i in range(2))
    append(tmp_path, first)
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    assert list(read(tmp_path)) == [first]
    append(tmp_path, second)
    assert list(read(tmp_path)) == newest(tmp_path) == [first, second]


def test_a_short_write_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    incident = Incident(time_ms=T, kind="halt", text="why")
    append(tmp_path, incident)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:9]))
        with pytest.raises(OSError) as raised:
            append(tmp_path, msgspec.structs.replace(incident, time_ms=T + 1))
    assert raised.value.errno == errno.ENOSPC
    assert (tmp_path / FILE).read_bytes() == msgspec.json.encode(incident) + b"\n"


def test_lines_of_others_do_not_keep_incidents_from_being_known(tmp_path: Path) -> None:
    incident = Incident(time_ms=T, kind="halt")
    append(tmp_path, incident)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"not of ours\n")
    assert Archive(tmp_path).apply([Note(incident)]) == []
    assert newest(tmp_path) == [incident]


# ---- a disk that refuses --------------------------------------------------------------------------------------


def test_fills_wait_for_the_disk_and_are_written_in_order(tmp_path: Path) -> None:
    core, archive = Harvester(HarvesterConfig(data_dir=tmp_path, run_id=OWN)), Archive(tmp_path)
    (tmp_path / "fills").write_text("in the way")

    def live(now_ms: int, message: object) -> None:
        for result in archive.apply(effects(core, now_ms, message)):
            assert isinstance(result, (Failed, Resumed))
            assert archive.apply(effects(core, now_ms, result)) == []

    for number in range(5):
        live(T + number, fill(number + 1, T + number))
    (tmp_path / "fills").unlink()
    live(T + 59_999, Tick())
    assert not (tmp_path / "fills").exists()
    live(T + 60_000, Tick())
    (path,) = tmp_path.glob("fills/BTC/*.csv")
    assert [row.rsplit("-", 1)[1] for row in path.read_text().splitlines()[1:]] == ["1", "2", "3", "4", "5"]
    stopped, resumed = read(tmp_path)
    assert (stopped.kind, resumed.kind) == ("recording_stopped", "recording_resumed")
    assert stopped.time_ms == T and "0 rows" in resumed.text


def test_what_waits_is_bounded(core: Harvester) -> None:
    (stopped,) = core.step(T, Failed("No space left on device", 0))
    assert isinstance(stopped, Event)
    for number in range(WAITING_MAX + 9):
        assert list(core.step(T, fill(number))) == []
    assert len(list(core.step(T + 60_000, Tick()))) == WAITING_MAX + len([Flush()])
    event, _ = core.step(T + 60_000, Resumed())
    assert isinstance(event, Event) and "10 rows" in event.text


def test_a_day_that_is_parquet_alone_is_not_opened_again(tmp_path: Path, core: Harvester) -> None:
    rows = [*core.step(T, fill(1)), *core.step(T, fill(2, T + 86_400_000))]
    parquet = FILLS.parquet_path(tmp_path, "BTC", date(2026, 2, 22))
    parquet.parent.mkdir(parents=True)
    parquet.touch()
    assert Archive(tmp_path).apply([row for row in rows if isinstance(row, Row)]) == []
    assert [path.stem for path in tmp_path.glob("fills/BTC/*.csv")] == ["2026-02-23"]


def test_fills_are_on_disk_when_the_batch_is_acknowledged(tmp_path: Path, core: Harvester) -> None:
    archive = Archive(tmp_path)
    archive.apply([row for row in core.step(T, fill()) if isinstance(row, Row)])
    (path,) = tmp_path.glob("fills/BTC/*.csv")
    assert len(path.read_text().splitlines()) == 2
    assert not list(tmp_path.glob(f"{TICKS.name}/*"))
    archive.apply([Close()])
