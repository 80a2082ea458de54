"""Keys: where they are read from, and a wrapper that keeps them out of every text.

Each service that signs has a key of its own, an agent's (API wallet): it can trade but not withdraw. It comes
from a file that only its owner can read, or from a variable; `.env` counts as environment. No error shows what was
found.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from dotenv import dotenv_values
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address

from shared.errors import ConfigError
from shared.hyperliquid.signing import load_account
from shared.private_files import read_private

ADDRESS = "HL_ADDRESS"
ENV_FILE = Path(".env")
_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


@dataclass(frozen=True, slots=True)
class KeySource:
    """Names under which a service finds its key; exactly one of them may be set."""

    service: str
    file: str
    variables: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.file, *self.variables)

    @property
    def secret(self) -> str:
        """Name of the file in a container."""
        return self.file.removesuffix("_FILE").lower()


EXECUTOR_KEY = KeySource("executor", "HL_PRIVATE_KEY_FILE", ("HL_PRIVATE_KEY", "HYPERLIQUID_PRIVATE_KEY"))
WATCHDOG_KEY = KeySource("watchdog", "HL_WATCHDOG_KEY_FILE", ("HL_WATCHDOG_KEY",))
KEY_SOURCES = {source.service: source for source in (EXECUTOR_KEY, WATCHDOG_KEY)}

KEY_ALIASES = (
    "PRIVATE_KEY", "HL_KEY", "HL_SECRET", "HL_SECRET_KEY", "HL_API_KEY", "HL_API_SECRET", "HL_AGENT_KEY",
    "HL_AGENT_PRIVATE_KEY", "HL_API_WALLET_KEY", "HL_WALLET_PRIVATE_KEY", "HYPERLIQUID_KEY", "HYPERLIQUID_SECRET",
    "HYPERLIQUID_SECRET_KEY", "HYPERLIQUID_API_KEY", "HYPERLIQUID_API_SECRET", "HYPERLIQUID_AGENT_KEY",
    "HYPERLIQUID_PRIVATE_KEY_FILE", "HYPERLIQUID_WALLET_PRIVATE_KEY", "WALLET_PRIVATE_KEY", "AGENT_PRIVATE_KEY",
    "ETH_PRIVATE_KEY", "SECRET_KEY",
)  # fmt: skip
"""Names that other bots use. They are recognised, so that the error can say which name is meant, and not read."""
ADDRESS_ALIASES = (
    "HL_WALLET", "HL_WALLET_ADDRESS", "HL_ACCOUNT_ADDRESS", "HL_MASTER_ADDRESS", "HL_USER", "HYPERLIQUID_ADDRESS",
    "HYPERLIQUID_WALLET_ADDRESS", "HYPERLIQUID_ACCOUNT_ADDRESS", "WALLET_ADDRESS", "ACCOUNT_ADDRESS",
)  # fmt: skip
SECRET_VARIABLES = frozenset((*EXECUTOR_KEY.names, *WATCHDOG_KEY.names, *KEY_ALIASES))
"""What no process inherits; `environment_of` gives a service its own."""


class Secret:
    """A text that only `reveal` shows: no repr, format, copy of an object's fields, pickle or JSON does."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is not copied")


@dataclass(frozen=True)
class Credentials:
    """`address` is the account acted for; `key` belongs to an agent of it."""

    address: str
    key: Secret

    @cached_property
    def signer(self) -> LocalAccount:
        return load_account(self.key.reveal())

    @property
    def agent(self) -> str:
        """The key's own address."""
        return self.signer.address.lower()


def environment_of(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables about keys that a service may see: its own, where it has one."""
    source = KEY_SOURCES.get(service)
    names = (*source.names, ADDRESS) if source is not None else ()
    return {name: environ[name] for name in names if environ.get(name)}


def read_credentials(source: KeySource, environ: Mapping[str, str] | None = None) -> Credentials:
    """Account and key of a service; the key must not be the account's own.

    Raises:
        ConfigError: as `read_address` and `read_key`, or a key that could withdraw.
    """
    environ = _environment() if environ is None else environ
    credentials = Credentials(read_address(environ), read_key(source, environ))
    if credentials.agent == credentials.address:
        raise ConfigError(
            f"{_given(source.names, environ)[0]} is the key of {ADDRESS} itself, which can withdraw everything;"
            " approve an agent (API wallet) and give its key"
        )
    return credentials


def read_address(environ: Mapping[str, str] | None = None) -> str:
    """`HL_ADDRESS`, the account that is traded, in lower case.

    Raises:
        ConfigError: missing or not an address.
    """
    environ = _environment() if environ is None else environ
    address = environ.get(ADDRESS, "").strip()
    if not address:
        raise ConfigError(f"{ADDRESS} is not set: the account to trade, 0x and 40 hex digits"
                          f"{_hint(ADDRESS_ALIASES, environ, ADDRESS)}")  # fmt: skip
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
        raise ConfigError(f"{ADDRESS} is not an address: 0x and 40 hex digits are expected")
    digits = address[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(address):
        raise ConfigError(f"{ADDRESS} has a typing error: upper and lower case do not fit its digits (EIP-55)")
    return address.lower()


def read_key(source: KeySource, environ: Mapping[str, str] | None = None) -> Secret:
    """The key of a service.

    Raises:
        ConfigError: none or several are set, a file that others may read, or not a key.
    """
    environ = _environment() if environ is None else environ
    given = _given(source.names, environ)
    if not given:
        raise ConfigError(
            f"no key for the {source.service}: set {source.file} to a file with mode 600, or"
            f" {source.variables[0]} to the key{_hint(KEY_ALIASES, environ, source.file)}"
        )
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are set: which one is meant? Keep one")
    name, text = given[0], environ[given[0]].strip()
    if name == source.file:
        if _KEY.fullmatch(text):
            raise ConfigError(f"{name} holds a key, not the name of a file; use {source.variables[0]}")
        text = _read_file(name, Path(text).expanduser())
        name = f"the file of {name}"
    if not _KEY.fullmatch(text):
        raise ConfigError(f"{name} is not a private key: 64 hex digits are expected, with or without 0x")
    if not 0 < int(text, 16) < _CURVE_ORDER:
        raise ConfigError(f"{name} is no private key of this curve")
    return Secret(text)


def key_file(source: KeySource) -> Path:
    """The file that holds a service's key.

    Raises:
        ConfigError: no file is named.
    """
    path = _environment().get(source.file, "").strip()
    if not path or _KEY.fullmatch(path):
        raise ConfigError(f"{source.file} must name the file with the key of the {source.service}")
    return Path(path).expanduser()


def _read_file(name: str, path: Path) -> str:
    """The path is shown only where something has that name: it might be a key with a typing error."""
    content = read_private(path)
    if content is None:
        raise ConfigError(f"the file of {name} does not exist")
    return content.decode("ascii", "replace").strip()


def _environment() -> dict[str, str]:
    """`HL_ADDRESS` and the keys of `.env`, unless the process has them; a key may stand there if the file is ours
    alone.

    Raises:
        ConfigError: a key in a `.env` that others may read.
    """
    names = {ADDRESS, *SECRET_VARIABLES, *ADDRESS_ALIASES}
    found = {name: value for name, value in dotenv_values(ENV_FILE).items() if name in names and value}
    if any(name in SECRET_VARIABLES and not name.endswith("_FILE") for name in found):
        read_private(ENV_FILE)
    return found | {name: value for name, value in os.environ.items() if name in names and value}


def _given(names: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    return [name for name in names if environ.get(name, "").strip()]


def _hint(aliases: tuple[str, ...], environ: Mapping[str, str], meant: str) -> str:
    given = _given(aliases, environ)
    return f"; {given[0]} is not read: did you mean {meant}?" if given else ""
