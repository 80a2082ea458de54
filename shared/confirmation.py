"""A person's consent to trade with real money, as a file that the process with the key checks itself.

The start script writes it after the words were typed at a terminal. It holds for one start of one account on one
venue with one configuration and one state of the code, until it expires, the stack is stopped or the machine
reboots; and one process at a time trades under it.

The seal (HMAC-SHA256 with a key of this checkout's `.secrets`) keeps out what was written or edited by hand, and
what comes from another checkout or machine. Who can read that key, the same user or root, can make a confirmation
without typing anything: no file protects against them, and this one does not try.
"""

import fcntl
import hmac
import os
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import CalledProcessError, run
from typing import BinaryIO

import msgspec

from shared.clock import utc
from shared.config import EngineConfig
from shared.errors import ConfigError
from shared.messages import AssetConfig
from shared.private_files import read_private, write_private

VALID_MS = 12 * 3_600_000
WORDS = "CONFIRM LIVE"
REMEDY = "MM_SHADOW_MODE=false ./start_mm_bot.sh asks for it at a terminal"
_FILE, _SEAL_KEY = "confirmation.json", "seal.key"
_SEAL_KEY_BYTES = 32
_PROJECT = Path(__file__).resolve().parents[1]
_TRADING_CODE = ("shared", "services")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
WHERE_NOT_HOW = frozenset(
    (
        "shadow_mode", "venue_url", "redis_url", "run_id", "log_level", "log_format", "data_dir", "run_dir",
        "confirmation_dir", "confirmed_boot", "confirmed_trading", "metrics_host", "metrics_port",
    )
)  # fmt: skip
"""Settings outside the configuration hash: they say where things run, not how they trade, and differ between
processes. The venue is bound by itself, and whether to trade at all is what the words are about."""


class Rebooted(ConfigError):
    """Confirmed before the machine was started anew. Containers that come back by themselves land here; nobody
    asked for a new session."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a confirmation is for. All of it must be the same when it is checked."""

    account: str
    """Address, lower case."""
    key: str
    """Address of the executor's key, lower case: whatever another key signs may trade another account."""
    venue: str
    """Name and base URL."""
    configuration: str
    code: str
    boot: str
    run: str
    """Id of the start; restarts of single services within it keep it."""

    @property
    def trading(self) -> str:
        """What all deciding services compare, who have no confirmation of their own to look at."""
        return f"{self.configuration} {self.code}"


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What was confirmed, and for how long."""

    subject: Subject
    without: tuple[str, ...] = ()
    """Gates whose evidence was missing or not green; the typed words named them."""
    given_ms: int
    expires_ms: int


class _Sealed(msgspec.Struct, frozen=True):
    confirmation: msgspec.Raw
    seal: str


def words(without: Sequence[str] = ()) -> str:
    """What has to be typed."""
    return f"{WORDS} WITHOUT {', '.join(without)}" if without else WORDS


# ---- checking, without I/O -----------------------------------------------------------------------------------

_DIFFERENT = {
    "account": "it is for account {}, not {}",
    "key": "it is for the key with the address {}, not {}",
    "venue": "it is for {}, not {}",
    "configuration": "the configuration has changed since ({} then, {} now)",
    "code": "the code has changed since ({} then, {} now)",
    "run": "it was given for another start ({}, this is {})",
}


def require_valid(confirmation: Confirmation, subject: Subject, now_ms: float) -> None:
    """
    Raises:
        Rebooted: the machine was started anew since.
        ConfigError: it is not for `subject`, or not for now; says why.
    """
    confirmed = confirmation.subject
    if confirmed.boot != subject.boot:
        raise Rebooted(f"live trading was confirmed before the machine rebooted; {REMEDY}")
    fault = _difference(confirmed, subject) or time_fault(confirmation, now_ms)
    if fault:
        raise ConfigError(f"the confirmation of live trading does not hold: {fault}; {REMEDY}")


def _difference(confirmed: Subject, subject: Subject) -> str | None:
    for field in Subject.__struct_fields__:
        then, now = getattr(confirmed, field), getattr(subject, field)
        if not now:
            return f"this process has no {field} to compare with"
        if then != now:
            return _DIFFERENT[field].format(then, now)
    return None


def time_fault(confirmation: Confirmation, now_ms: float) -> str | None:
    """Why it does not hold at this time; None when it does. A process that trades asks again and again."""
    if now_ms < confirmation.given_ms:
        return f"it was given at {utc(confirmation.given_ms):%Y-%m-%d %H:%M} UTC: the clock has gone back"
    if now_ms >= confirmation.expires_ms:
        return f"it expired at {utc(confirmation.expires_ms):%Y-%m-%d %H:%M} UTC"
    return None


def seal(confirmation: Confirmation, key: bytes) -> bytes:
    """The file's content."""
    body = msgspec.json.encode(confirmation)
    return msgspec.json.encode(_Sealed(msgspec.Raw(body), _hmac(body, key))) + b"\n"


def unseal(content: bytes, key: bytes) -> Confirmation:
    """
    Raises:
        ConfigError: damaged, edited, or sealed by somebody else.
    """
    try:
        sealed = msgspec.json.decode(content, type=_Sealed)
        body = bytes(sealed.confirmation)
        if hmac.compare_digest(sealed.seal.encode(), _hmac(body, key).encode()):
            return msgspec.json.decode(body, type=Confirmation)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"the confirmation of live trading is damaged; {REMEDY}") from error
    raise ConfigError(f"the confirmation of live trading was not written by this installation; {REMEDY}")


def _hmac(body: bytes, key: bytes) -> str:
    return hmac.digest(key, body, "sha256").hex()


def seal_as(purpose: str, body: bytes, folder: Path) -> str:
    """A seal of this installation for something else than a confirmation; it fits only its `purpose`."""
    return _hmac(body, _purpose_key(purpose, _made_key(folder)))


def sealed_as(purpose: str, body: bytes, seal: str, folder: Path) -> bool:
    """Is it what `seal_as` has sealed here?

    Raises:
        ConfigError: others may read the key, or it is damaged.
    """
    key = _seal_key(folder)
    if key is None:
        return False
    return hmac.compare_digest(seal.encode(), _hmac(body, _purpose_key(purpose, key)).encode())


def _purpose_key(purpose: str, key: bytes) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")


# ---- what it is bound to -------------------------------------------------------------------------------------


def configuration_hash(configs: Iterable[EngineConfig], assets: Mapping[str, AssetConfig]) -> str:
    """Of all deciding services' settings in force, and of the coins; each process of a run finds the same."""
    services = {config.section: config.model_dump(mode="json", exclude=set(WHERE_NOT_HOW)) for config in configs}
    return _short_hash([msgspec.json.encode([services, assets], order="sorted")])


def code_version(root: Path = _PROJECT) -> str:
    """Hash of all Python files that run while trading; an image made from this checkout has the same."""
    files = sorted(file.relative_to(root) for folder in _TRADING_CODE for file in (root / folder).rglob("*.py"))
    return _short_hash(part for file in files for part in (file.as_posix().encode(), (root / file).read_bytes()))


def boot_id() -> str:
    """Of the running system: another one after each boot, the same inside its containers.

    Raises:
        ConfigError: the system does not tell.
    """
    try:
        if sys.platform == "darwin":
            asked = run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True)
            return asked.stdout.strip()
        return _BOOT_ID.read_text().strip()
    except (OSError, CalledProcessError) as error:
        raise ConfigError(f"this system does not say when it was booted, so nothing trades: {error}") from error


def _short_hash(parts: Iterable[bytes]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


# ---- the file ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Permit:
    """Held by the process that trades for as long as it lives: nobody else gets one meanwhile."""

    confirmation: Confirmation
    lock: BinaryIO


def write(folder: Path, confirmation: Confirmation) -> None:
    """Seal it with the key of `folder`, which is made when it is missing."""
    write_private(folder / _FILE, seal(confirmation, _made_key(folder)))


def _made_key(folder: Path) -> bytes:
    if _seal_key(folder) is None:
        write_private(folder / _SEAL_KEY, secrets.token_bytes(_SEAL_KEY_BYTES))
    key = _seal_key(folder)
    assert key is not None
    return key


def _seal_key(folder: Path) -> bytes | None:
    """The key with the number of its file: a copy of the folder, whose lock would be another, seals otherwise."""
    file = folder / _SEAL_KEY
    key = read_private(file)
    if key is None:
        return None
    if len(key) != _SEAL_KEY_BYTES or file.is_symlink():
        raise ConfigError(f"{file} is damaged: remove it and confirm again")
    return key + str(file.stat().st_ino).encode()


def void(folder: Path) -> bool:
    """Take it back; False when there was none."""
    existed = (folder / _FILE).exists()
    (folder / _FILE).unlink(missing_ok=True)
    return existed


def require_unused(folder: Path) -> None:
    """
    Raises:
        ConfigError: somebody trades under the confirmation of `folder`, which another would take away.
    """
    if (folder / _SEAL_KEY).exists():
        _locked(folder).close()


def read(folder: Path) -> Confirmation:
    """The confirmation of `folder`, whatever it is for.

    Raises:
        ConfigError: there is none, others may read it, or its seal is broken.
    """
    content, key = read_private(folder / _FILE), _seal_key(folder)
    if content is None or key is None:
        raise ConfigError(f"MM_SHADOW_MODE=false, but nobody has confirmed live trading; {REMEDY}")
    return unseal(content, key)


def require(folder: Path, subject: Subject, now_ms: float) -> Permit:
    """The permit to trade. Keep it: when it is closed or the process ends, another may have it.

    Raises:
        Rebooted: confirmed before the last boot.
        ConfigError: no confirmation, one that does not hold here and now, or another process trades under it.
    """
    confirmation = read(folder)
    require_valid(confirmation, subject, now_ms)
    return Permit(confirmation, _locked(folder))


def _locked(folder: Path) -> BinaryIO:
    lock = open(os.open(folder / _SEAL_KEY, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ConfigError("another process trades under this confirmation already") from error
    return lock
