"""The confirmation of live trading: ways around it, and that each of them ends in a refusal."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import trading_settings
from shared.config import EngineConfig, load_assets
from shared.confirmation import (
    VALID_MS,
    WHERE_NOT_HOW,
    Confirmation,
    Permit,
    Rebooted,
    Subject,
    boot_id,
    code_version,
    configuration_hash,
    read,
    require,
    require_valid,
    seal,
    time_fault,
    unseal,
    void,
    words,
    write,
)
from shared.errors import ConfigError
from shared.private_files import read_private, write_private

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_790_000_000_000
SUBJECT = Subject(
    account="0x" + "ab" * 20,
    key="0x" + "ef" * 20,
    venue="hyperliquid https://api.hyperliquid.xyz",
    configuration="c0ffee",
    code="beef",
    boot="boot-1",
    run="run-1",
)
GIVEN = Confirmation(subject=SUBJECT, without=("gate3",), given_ms=NOW_MS, expires_ms=NOW_MS + VALID_MS)
KEY = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "live", GIVEN)
    return tmp_path / "live"


def test_one_process_at_a_time_trades_under_it(folder: Path) -> None:
    permit = require(folder, SUBJECT, NOW_MS)
    assert permit.confirmation == GIVEN
    with pytest.raises(ConfigError, match="another process trades"):
        require(folder, SUBJECT, NOW_MS)
    permit.lock.close()
    again = require(folder, SUBJECT, NOW_MS + VALID_MS - 1)
    assert again.confirmation == GIVEN, "a restart within the same start goes on"
    again.lock.close()


def other(**changes: str) -> Subject:
    return msgspec.structs.replace(SUBJECT, **changes)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (other(account="0x" + "cd" * 20), "it is for account 0xabab"),
        (other(key="0x" + "12" * 20), "it is for the key with the address 0xefef.*, not 0x1212"),
        (other(venue="hyperliquid http://127.0.0.1:1"), "it is for hyperliquid https://api"),
        (other(configuration="decaf"), "configuration has changed since .c0ffee then, decaf now"),
        (other(code="dead"), "code has changed"),
        (other(run="run-2"), "given for another start .run-1, this is run-2"),
        (other(run=""), "has no run"),
    ],
)
def test_it_is_for_one_account_key_venue_configuration_code_and_start(
    folder: Path, subject: Subject, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        require(folder, subject, NOW_MS)


@pytest.mark.parametrize("field", Subject.__struct_fields__)
def test_what_is_empty_on_both_sides_binds_nothing(field: str) -> None:
    nobody = other(**{field: ""})
    with pytest.raises(ConfigError, match=f"has no {field}"):
        require_valid(msgspec.structs.replace(GIVEN, subject=nobody), nobody, NOW_MS)


def test_after_a_reboot_it_is_void_and_says_so_first(folder: Path) -> None:
    """Containers that come back by themselves tell this from a person's mistake: they start in shadow."""
    for changed in (other(boot="boot-2"), other(boot="boot-2", code="dead")):
        with pytest.raises(Rebooted, match="before the machine rebooted"):
            require(folder, changed, NOW_MS + 10 * VALID_MS)


@pytest.mark.parametrize(
    ("now_ms", "words"),
    [(NOW_MS - 1, "the clock has gone back"), (NOW_MS + VALID_MS, "it expired at 2026-09-22 02:13 UTC")],
)
def test_it_holds_for_twelve_hours_and_not_before(folder: Path, now_ms: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require(folder, SUBJECT, now_ms)
    assert words in (time_fault(GIVEN, now_ms) or "")
    assert time_fault(GIVEN, NOW_MS) is None and time_fault(GIVEN, NOW_MS + VALID_MS - 1) is None


def test_without_any_it_names_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody has confirmed live trading; MM_SHADOW_MODE=false ./start"):
        require(tmp_path, SUBJECT, NOW_MS)


def test_void_takes_it_back(folder: Path) -> None:
    assert void(folder) and not void(folder)
    with pytest.raises(ConfigError, match="nobody has confirmed"):
        require(folder, SUBJECT, NOW_MS)


def edit(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))


FORGERIES: dict[str, Callable[[Path], object]] = {
    "a later end": lambda file: edit(file, str(NOW_MS + VALID_MS).encode(), str(NOW_MS + 9 * VALID_MS).encode()),
    "another account": lambda file: edit(file, b"0x" + b"ab" * 20, b"0x" + b"cd" * 20),
    "no missing gates": lambda file: edit(file, b'["gate3"]', b"[]"),
    "a seal without the key": lambda file: file.write_bytes(seal(GIVEN, bytes(32))),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_written_or_edited_by_hand_it_is_nothing(folder: Path, name: str) -> None:
    FORGERIES[name](folder / "confirmation.json")
    with pytest.raises(ConfigError, match="not written by this installation"):
        require(folder, SUBJECT, NOW_MS)


def test_from_another_installation_it_is_nothing(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", GIVEN)
    (folder / "confirmation.json").write_bytes((tmp_path / "elsewhere" / "confirmation.json").read_bytes())
    with pytest.raises(ConfigError, match="not written by this installation"):
        require(folder, SUBJECT, NOW_MS)


def test_a_copy_of_the_folder_is_nothing_and_a_link_to_it_is_the_same_one(folder: Path, tmp_path: Path) -> None:
    """As in a copied checkout: its lock would be another, so that two could trade."""
    copytree(folder, tmp_path / "copy")
    (tmp_path / "link").symlink_to(folder)
    permit = require(folder, SUBJECT, NOW_MS)
    with pytest.raises(ConfigError, match="not written by this installation"):
        require(tmp_path / "copy", SUBJECT, NOW_MS)
    with pytest.raises(ConfigError, match="another process trades"):
        require(tmp_path / "link", SUBJECT, NOW_MS)
    permit.lock.close()


def test_links_to_its_files_do_not_make_a_second_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for name in ("seal.key", "confirmation.json"):
        (tmp_path / "links" / name).symlink_to(folder / name)
    with pytest.raises(ConfigError, match="seal.key is damaged"):
        require(tmp_path / "links", SUBJECT, NOW_MS)


def test_with_its_sealing_key_cut_short_it_is_nothing(folder: Path) -> None:
    (folder / "seal.key").write_bytes(b"")
    (folder / "confirmation.json").write_bytes(seal(GIVEN, b""))
    with pytest.raises(ConfigError, match="seal.key is damaged"):
        require(folder, SUBJECT, NOW_MS)


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_changed_bit_is_overlooked(position: int, bit: int) -> None:
    content = bytearray(seal(GIVEN, KEY).rstrip())
    content[position % len(content)] ^= 1 << bit
    with pytest.raises(ConfigError, match="damaged|not written by this installation"):
        unseal(bytes(content), KEY)


@given(content=st.binary(max_size=300))
def test_no_other_bytes_are_a_confirmation(content: bytes) -> None:
    with pytest.raises(ConfigError, match="damaged|not written by this installation"):
        unseal(content, KEY)


@pytest.mark.parametrize("name", ["confirmation.json", "seal.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_open_to_others_it_is_nothing(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    with pytest.raises(ConfigError, match=f"open to others .mode {mode:o}.: chmod 600"):
        require(folder, SUBJECT, NOW_MS)


def test_it_is_private_from_the_first_moment(folder: Path) -> None:
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["confirmation.json", "seal.key"]
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert read(folder) == GIVEN


def test_a_second_confirmation_replaces_the_first_and_keeps_the_key(folder: Path) -> None:
    key = (folder / "seal.key").read_bytes()
    later = msgspec.structs.replace(GIVEN, subject=other(run="run-2"))
    write(folder, later)
    assert read(folder) == later and (folder / "seal.key").read_bytes() == key
    with pytest.raises(ConfigError, match="another start"):
        require(folder, SUBJECT, NOW_MS)


def test_the_permit_ends_with_its_process(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.test_live_confirmation import *;"
        "permit = require(Path(sys.argv[1]), SUBJECT, NOW_MS); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="another process trades"):
            require(folder, SUBJECT, NOW_MS)
        holder.kill()
    permit: Permit = require(folder, SUBJECT, NOW_MS)
    permit.lock.close()


# ---- what it is bound to -------------------------------------------------------------------------------------


def configuration() -> str:
    return configuration_hash(trading_settings(), load_assets())


@pytest.mark.parametrize(
    "variable", ["MM_SKEW_GAIN", "MM_GLOBAL_HALT_DRAWDOWN_PCT", "MM_OFI_MIN_TRADES", "MM_TOP_N"]
)
def test_any_setting_that_decides_changes_the_configuration(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    before = configuration()
    value = {"MM_GLOBAL_HALT_DRAWDOWN_PCT": "0.5", "MM_SKEW_GAIN": "0.5"}.get(variable, "7")
    monkeypatch.setenv(variable, value)
    assert configuration() != before


def test_the_file_counts_as_much_as_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = configuration()
    file = tmp_path / "settings.toml"
    monkeypatch.setenv("MM_CONFIG", str(file))
    file.write_text("[engine]\ntop_n = 30\n")
    assert configuration() == before, "a default that is written down is no change"
    seen = {before}
    for text in ("[quoter]\nskew_gain = 0.5\n", "[assets.BTC]\nmax_inv_usd = 201\n", "[guard]\ntop_n = 3\n"):
        file.write_text(text)
        seen.add(configuration())
    assert len(seen) == 4


def test_every_process_of_a_run_finds_the_same_configuration(tmp_path: Path) -> None:
    """Whatever its own ports and folders are; and it needs none of the other services' code for it."""
    code = (
        "import sys; from services import trading_settings; from shared.config import load_assets;"
        "from shared.confirmation import configuration_hash, code_version;"
        "print(configuration_hash(trading_settings(), load_assets()), code_version());"
        "assert not {'pyarrow', 'duckdb', 'services.quoter.core'} & set(sys.modules)"
    )
    own = {"MM_METRICS_PORT": "9106", "MM_RUN_DIR": str(tmp_path), "MM_SHADOW_MODE": "false", "MM_RUN_ID": "x"}
    environment = {**os.environ, **own, "MM_VENUE_URL": "http://venue:3001", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [configuration(), code_version()], done.stderr


def test_only_settings_of_the_engine_are_left_out() -> None:
    assert set(EngineConfig.model_fields) >= WHERE_NOT_HOW


def test_code_version_sees_every_change_of_a_file(tmp_path: Path) -> None:
    for name in ("shared/a.py", "services/b.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x = 1\n")
    versions = {code_version(tmp_path)}
    (tmp_path / "services" / "b.cpython-311.pyc").write_text("compiled")
    assert {code_version(tmp_path)} == versions
    (tmp_path / "shared" / "a.py").write_text("x = 2\n")
    versions.add(code_version(tmp_path))
    (tmp_path / "shared" / "a.py").rename(tmp_path / "shared" / "c.py")
    versions.add(code_version(tmp_path))
    (tmp_path / "services" / "new.py").write_text("")
    versions.add(code_version(tmp_path))
    assert len(versions) == 4


def test_boot_id_stays_while_the_machine_runs() -> None:
    assert boot_id() == boot_id() != ""


def test_words_name_the_gates_that_are_missing() -> None:
    assert words() == "CONFIRM LIVE"
    assert words(("gate3", "gate5")) == "CONFIRM LIVE WITHOUT gate3, gate5"


# ---- private files -------------------------------------------------------------------------------------------


def test_a_private_file_is_read_as_written_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"
    assert read_private(file) is None
    write_private(file, b"one")
    write_private(file, b"two")
    assert read_private(file) == b"two" and [path.name for path in file.parent.iterdir()] == ["key"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_private_memory_is_neither_dumped_nor_read_by_others() -> None:
    code = (
        "import ctypes, resource; from shared.private_files import keep_memory_private; keep_memory_private();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))"  # PR_GET_DUMPABLE
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "(0, 0) 0\n", done.stderr


def test_things_that_are_no_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for thing in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(ConfigError, match="is not a file"):
            read_private(thing)
