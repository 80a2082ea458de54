"""Whose order is it? Every client order id of this engine begins with a prefix that belongs to the account and is
the same over restarts, so that its orders are found again after a crash, by the executor and by the watchdog."""

import hashlib

from shared.messages import Mode

ENGINE = "grid"
PREFIX_LENGTH = 10
"""`0x` and 8 hex digits."""


def own_prefix(account: str) -> str:
    """How the cloids of this engine's orders on an account begin."""
    return "0x" + hashlib.blake2b(f"{account.lower()}|{ENGINE}".encode(), digest_size=4).hexdigest()


def is_own(cloid: str | None, prefix: str) -> bool:
    return cloid is not None and cloid.lower().startswith(prefix)


SHADOW_PREFIX = own_prefix("")


def mode_of(cloid: str) -> Mode:
    """Simulated orders belong to no account; what else the engine tells of is live."""
    return "shadow" if is_own(cloid, SHADOW_PREFIX) else "live"
