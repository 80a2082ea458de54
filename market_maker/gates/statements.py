"""What no file can answer: asked at a terminal, kept with the text that was shown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.estimates import Judgement
from market_maker import sizes
from market_maker.gates.items import Item
from market_maker.live.gates import VALID_MS, Evidence, Statement, Subject
from market_maker.live.terminal import OtherWords, Question, require_typed
from shared.clock import utc
from shared.config import EngineConfig
from shared.units import exact

ASK = "market_maker gates --ask"


class Asked(NamedTuple):
    """`text` names the dollars of the settings: with other settings it is another question."""

    name: str
    about: str
    text: str
    words: str


def questions(configs: Mapping[str, EngineConfig], account: str) -> tuple[Asked, ...]:
    """For the settings in force. `configs` by service."""
    guard = configs["guard"]
    balance_usd, frac = guard.starting_balance_usd, guard.global_halt_drawdown_pct
    loss = f"${balance_usd * exact(frac):,.2f}"
    return (
        Asked(
            "risk parameters",
            "reviewed and understood the risk parameters",
            "\n".join(("I have reviewed these and understand what each of them does:", *sizes.lines(configs))),
            "I UNDERSTAND THEM",
        ),
        Asked(
            "loss",
            f"comfortable losing up to {frac:.0%} of the funded capital",
            f"I am comfortable losing {loss}, {frac:.1%} of ${balance_usd:,.2f}, in a day. The stop at that loss"
            " does not close positions, and a gap does not wait for it: it can be more.",
            f"I CAN LOSE {loss}",
        ),
        Asked(
            "keys",
            "the keys are an agent's, and the master key is elsewhere",
            f"The keys that the bot has are those of agents (API wallets) of {account or 'the account'}, which"
            " cannot withdraw. The key of the account itself is not on this machine.",
            "AGENT KEYS ONLY",
        ),
    )


def ask(asked: Sequence[Asked], account: str, now_ms: int, *, on_stderr: bool) -> Iterator[Statement]:
    """One after the other, each answered for itself; other words are an answer too: no.

    Raises:
        ConfigError: nobody is at a terminal.
    """
    for number, each in enumerate(asked, 1):
        question = Question(
            about="what only a person can say",
            ask=f"\n{number} of {len(asked)}. {each.text}\nIf that is so, type",
            otherwise="taken as no",
        )
        try:
            require_typed(each.words, question, on_stderr)
            given = True
        except OtherWords:
            given = False
        yield Statement(name=each.name, text=each.text, given=given, time_ms=now_ms, account=account)


def carried(
    evidence: Evidence | None, asked: Sequence[Asked], subject: Subject, now_ms: int
) -> tuple[Statement, ...]:
    """What was said before and still holds: to the same text, for the same account, settings and code, not long
    ago. Evidence for another venue does not lend it either."""
    if evidence is None or not _same(evidence, subject):
        return ()
    texts = {each.name: each.text for each in asked}
    return tuple(
        said
        for said in evidence.statements
        if said.text == texts.get(said.name)
        and said.account == subject.account
        and 0 <= now_ms - said.time_ms < VALID_MS
    )


def _same(evidence: Evidence, subject: Subject) -> bool:
    return (evidence.venue, evidence.configuration, evidence.code) == (
        subject.venue, subject.configuration, subject.code,
    )  # fmt: skip


def items(asked: Sequence[Asked], said: Sequence[Statement]) -> Iterator[Item]:
    answers = {statement.name: statement for statement in said}
    for each in asked:
        yield Item(
            "gate5", each.name, each.about, "(a person says so)", _judged(each.about, answers.get(each.name)), ASK
        )


def _judged(about: str, statement: Statement | None) -> Judgement:
    if statement is None:
        return Judgement("NOT ENOUGH DATA", f"not asked: {about}", ASK)
    when = f"{utc(statement.time_ms):%Y-%m-%d %H:%M} UTC"
    if not statement.given:
        return Judgement("NO-GO", f"{about}: answered no at {when}")
    return Judgement("GO", f"{about}: said at {when} for {statement.account or 'no account'}")
