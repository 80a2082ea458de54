"""The one question that only a person at a terminal can answer."""

import os
import sys
import termios

from shared.errors import ConfigError

_TERMINAL = "/dev/tty"
_LONGEST_LINE = 4096


def require_typed(words: str) -> None:
    """Ask for `words` at the controlling terminal of this process, once. What was typed before the question does
    not count, and a pipe at either end, a flag or a variable answers nothing.

    Raises:
        ConfigError: no terminal, or other words.
    """
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if not stream.isatty():
            raise ConfigError(
                f"live trading is confirmed by a person at a terminal, and standard {name} is not one"
            )
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError("live trading is confirmed at a terminal, and this process has none") from error
    try:
        termios.tcflush(terminal, termios.TCIFLUSH)
        os.write(terminal, f"To trade with real money type {words}: ".encode())
        typed = os.read(terminal, _LONGEST_LINE).decode(errors="replace").strip()
    finally:
        os.close(terminal)
    if typed != words:
        raise ConfigError("those are not the words: nothing was started")
