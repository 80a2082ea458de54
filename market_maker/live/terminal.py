"""The one question that only a person at a terminal can answer."""

import os
import sys
import termios
from dataclasses import dataclass

from shared.errors import ConfigError

_TERMINAL = "/dev/tty"
_LONGEST_LINE = 4096


class OtherWords(ConfigError):
    """Somebody answered, but not with the words."""


@dataclass(frozen=True)
class Question:
    """What is confirmed, the question as it stands before the words, and what an answer in other words means."""

    about: str = "live trading"
    ask: str = "To trade with real money type"
    otherwise: str = "nothing was started"


LIVE_TRADING = Question()


def require_typed(words: str, question: Question = LIVE_TRADING, on_stderr: bool = False) -> None:
    """Ask for `words` at the controlling terminal of this process, once. What was typed before the question does
    not count, and a pipe at either end, a flag or a variable answers nothing.

    `on_stderr`: what the words are about was printed there, as a command does whose standard output is JSON.

    Raises:
        OtherWords: they were not typed.
        ConfigError: no terminal.
    """
    shown = (sys.stderr, "error") if on_stderr else (sys.stdout, "output")
    for stream, name in ((sys.stdin, "input"), shown):
        if not stream.isatty():
            raise ConfigError(
                f"{question.about} is confirmed by a person at a terminal, and standard {name} is not one"
            )
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"{question.about} is confirmed at a terminal, and this process has none") from error
    try:
        termios.tcflush(terminal, termios.TCIFLUSH)
        os.write(terminal, f"{question.ask} {words}: ".encode())
        typed = os.read(terminal, _LONGEST_LINE).decode(errors="replace").strip()
    finally:
        os.close(terminal)
    if typed != words:
        raise OtherWords(f"those are not the words: {question.otherwise}")
