"""Keys: where they may come from, what is refused, and that no text shows one."""

import copy
import logging
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from shared.config import EngineConfig, load
from shared.errors import ConfigError
from shared.secrets import (
    ADDRESS_ALIASES,
    EXECUTOR_KEY,
    KEY_ALIASES,
    KEY_SOURCES,
    SECRET_VARIABLES,
    WATCHDOG_KEY,
    Credentials,
    KeySource,
    Secret,
    environment_of,
    key_file,
    read_address,
    read_credentials,
    read_key,
)

DIGITS = "c0ffee" * 10 + "0a1b"
KEY = "0x" + DIGITS
ACCOUNT = "0x" + "ab" * 20
SOURCES = pytest.mark.parametrize("source", KEY_SOURCES.values(), ids=list(KEY_SOURCES))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def refusal(read: Callable[[], object]) -> str:
    """Why it was refused. Nothing of the key is in the error, its causes, or their traceback."""
    with pytest.raises(ConfigError) as caught:
        read()
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert DIGITS[:16] not in everything.lower()
    return str(caught.value)


# ---- where it comes from -------------------------------------------------------------------------------------


@SOURCES
def test_from_a_file_or_from_a_variable(source: KeySource, file: Path) -> None:
    assert read_key(source, {source.file: str(file)}).reveal() == KEY
    for name in source.variables:
        assert read_key(source, {name: f" {DIGITS} "}).reveal() == DIGITS


def test_executor_and_watchdog_share_no_name() -> None:
    assert not set(EXECUTOR_KEY.names) & set(WATCHDOG_KEY.names)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644, 0o666, 0o601])
def test_a_file_that_is_open_to_others_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert "chmod 600" in refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(file)}))


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_private_file_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(file)}).reveal() == KEY


def test_a_folder_and_nothing_at_all_are_no_files(tmp_path: Path) -> None:
    assert "not a file" in refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(tmp_path)}))
    missing = refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(tmp_path / "none")}))
    assert "HL_PRIVATE_KEY_FILE does not exist" in missing


def test_a_key_instead_of_a_file_name_is_recognised_and_not_shown() -> None:
    assert "holds a key" in refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": KEY}))
    for content in (KEY[:-1], f"{KEY}\n" * 10):
        missing = refusal(lambda content=content: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": content}))  # type: ignore[misc]
        assert "does not exist" in missing


def test_two_places_at_once_are_refused(file: Path) -> None:
    text = refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(file), "HL_PRIVATE_KEY": KEY}))
    assert "HL_PRIVATE_KEY_FILE and HL_PRIVATE_KEY" in text


@pytest.mark.parametrize("alias", KEY_ALIASES)
def test_names_of_other_bots_are_recognised(alias: str) -> None:
    text = refusal(lambda: read_key(EXECUTOR_KEY, {alias: KEY}))
    assert f"{alias} is not read: did you mean HL_PRIVATE_KEY_FILE?" in text


@pytest.mark.parametrize("alias", ADDRESS_ALIASES)
def test_other_names_of_the_account_are_recognised(alias: str) -> None:
    assert f"{alias} is not read: did you mean HL_ADDRESS?" in refusal(lambda: read_address({alias: ACCOUNT}))


def test_the_settings_file_may_hold_it_if_nobody_else_reads_it(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(f"HL_ADDRESS={ACCOUNT}\nHL_PRIVATE_KEY={KEY}\nMM_TOP_N=3\n")
    env.chmod(0o644)
    assert "chmod 600" in refusal(lambda: read_key(EXECUTOR_KEY))
    env.chmod(0o600)
    credentials = read_credentials(EXECUTOR_KEY)
    assert (credentials.address, credentials.key.reveal()) == (ACCOUNT, KEY)


def test_a_settings_file_that_names_a_file_may_be_open(tmp_path: Path, file: Path) -> None:
    (tmp_path / ".env").write_text(f"HL_PRIVATE_KEY_FILE={file}\n")
    (tmp_path / ".env").chmod(0o644)
    assert read_key(EXECUTOR_KEY).reveal() == KEY
    assert key_file(EXECUTOR_KEY) == file
    assert "HL_WATCHDOG_KEY_FILE must name" in refusal(lambda: key_file(WATCHDOG_KEY))


def test_settings_bring_no_key_into_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"HL_PRIVATE_KEY={KEY}\nMM_TOP_N=3\n")
    assert DIGITS not in repr(load(EngineConfig))
    assert "no key" in refusal(lambda: read_key(EXECUTOR_KEY, os.environ))


# ---- what it must be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY[:-1], KEY + "0", "0y" + DIGITS, DIGITS[:-1] + "g", "/run/secrets/key", "{}"])
def test_what_is_not_a_key_is_refused(text: str, file: Path) -> None:
    assert "HL_PRIVATE_KEY is not a private key" in refusal(
        lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY": text})
    )
    file.write_text(text)
    refused = refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY_FILE": str(file)}))
    assert "the file of HL_PRIVATE_KEY_FILE is not a private key" in refused


@pytest.mark.parametrize(
    "number", [0, 2**256 - 1, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141]
)
def test_numbers_off_the_curve_are_refused(number: int) -> None:
    assert "curve" in refusal(lambda: read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY": f"{number:064x}"}))


def test_an_address_is_lower_case_and_its_checksum_counts() -> None:
    plain = "0x8617e340b3d01fa5f11f306f4090fd50e238070d"
    mixed = to_checksum_address(plain)
    for address in (plain, mixed, "0x" + plain[2:].upper()):
        assert read_address({"HL_ADDRESS": f" {address}\n"}) == plain
    assert "typing error" in refusal(lambda: read_address({"HL_ADDRESS": mixed[:-1] + mixed[-1].swapcase()}))


@pytest.mark.parametrize("text", ["", "  ", KEY, "0xabc", ACCOUNT[2:], ACCOUNT + "0"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    assert "HL_ADDRESS" in refusal(lambda: read_address({"HL_ADDRESS": text}))


def test_the_key_of_the_account_itself_is_refused() -> None:
    own = Credentials("", Secret(KEY)).agent
    text = refusal(lambda: read_credentials(EXECUTOR_KEY, {"HL_ADDRESS": own, "HL_PRIVATE_KEY": KEY}))
    assert "HL_PRIVATE_KEY is the key of HL_ADDRESS itself" in text


# ---- that nothing shows it -----------------------------------------------------------------------------------


@given(st.binary(min_size=31, max_size=31).map(lambda rest: "0x01" + rest.hex()))
def test_no_text_of_it_shows_the_key(key: str) -> None:
    credentials = Credentials(ACCOUNT, read_key(EXECUTOR_KEY, {"HL_PRIVATE_KEY": key}))
    account = credentials.signer
    secret = credentials.key
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "%s %r", (secret, credentials), None)
    texts = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{[secret]}",
        repr(credentials),
        str(credentials),
    ]
    texts += [record.getMessage(), repr(account), str(account), repr({"key": secret})]
    assert not [text for text in texts if key[4:] in text]


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps, msgspec.json.encode])
def test_it_is_neither_copied_nor_written(make: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        make(Secret(KEY))
    assert not hasattr(Secret(KEY), "__dict__")


def test_a_service_sees_its_own_names_and_no_others() -> None:
    environ = {name: KEY for name in SECRET_VARIABLES} | {"HL_ADDRESS": ACCOUNT, "MM_TOP_N": "3"}
    assert set(environment_of("executor", environ)) == {*EXECUTOR_KEY.names, "HL_ADDRESS"}
    assert set(environment_of("watchdog", environ)) == {*WATCHDOG_KEY.names, "HL_ADDRESS"}
    for service in ("quoter", "guard", "monitor", "redis", ""):
        assert environment_of(service, environ) == {}
