"""The operator's commands as he types them, on the real local stack: what they do, ask, refuse and say.

One start serves all tests; they run in the order of this file and each leaves a stack that quotes.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.clock import wall_ms
from tests.conftest import wait_until
from tests.fixtures.command_line import MAIN, cli, free_metrics_base, own_place
from tests.fixtures.local_stack import Stack, running_stack
from tests.fixtures.terminal import Person, at_a_terminal

FIRST_FILLS_S = 90.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    often = {"MM_QUEUE_MODEL": "v6"}  # fills more often, and positions are what most of this is about
    with running_stack(own_place(tmp_path_factory.mktemp("mm")) | often) as running:
        yield running


@contextmanager
def typing(stack: Stack, *arguments: str) -> Iterator[Person]:
    """The command at a terminal of its own."""
    with at_a_terminal(MAIN, *arguments, env=stack.place) as person:
        yield person


def said(stack: Stack, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a command without a terminal."""
    done = cli(stack.place, *arguments, "--json")
    return done.returncode, json.loads(done.stdout)


def status(stack: Stack) -> dict[str, Any]:
    return said(stack, "status")[1]


def positions(stack: Stack) -> dict[str, Decimal]:
    """By the newest report."""
    account = stack.account(wall_ms() - 5_000)
    coins = account["coins"] if account else []
    return {coin["coin"]: Decimal(coin["position_sz"]) for coin in coins if Decimal(coin["position_sz"])}


def wait_for_positions(stack: Stack, least: int) -> dict[str, Decimal]:
    stack.eventually(lambda: len(positions(stack)) >= least, FIRST_FILLS_S)
    return positions(stack)


def commands(stack: Stack) -> list[str]:
    return [entry["action"] for entry in stack.entries("mm:command")]


def resume(stack: Stack, reason: str) -> None:
    with typing(stack, "resume") as person:
        person.reads("To resume quoting type")
        person.types(f"{reason}\n")
        code, shown = person.leaves()
    assert code == 0 and shown.endswith("resumed\n"), shown


# ---- without a word to type --------------------------------------------------------------------------------


def test_cancel_all_ends_when_everything_that_rested_is_over(stack: Stack) -> None:
    since_ms = stack.begin()
    code, answer = said(stack, "cancel-all", "a test")
    assert code == 0 and answer["ok"] and answer["still_rest"] == 0
    assert answer["canceled"] > 0
    assert stack.alive_since_before(since_ms) == set()
    stack.wait_for_quotes(wall_ms())


def test_halt_says_when_nothing_rests_and_only_its_reason_at_a_terminal_ends_it(stack: Stack) -> None:
    stack.begin()
    code, answer = said(stack, "halt", " tea \n time ")
    assert (code, answer["halted"], answer["reason"], answer["resting"]) == (0, True, "tea time", 0)
    refused = cli(stack.place, "resume")
    assert refused.returncode == 1 and "terminal" in refused.stderr and "Halted by" in refused.stdout
    with typing(stack, "resume") as person:
        person.reads("To resume quoting type tea time: ")
        person.types("yes\n")
        assert person.leaves()[0] == 1
    assert status(stack)["halted"] and commands(stack)[-1] == "halt"
    resume(stack, "tea time")
    assert not status(stack)["halted"]
    stack.wait_for_quotes(wall_ms())


def test_a_dry_run_of_a_halt_tells_what_it_would_do_and_does_nothing(stack: Stack) -> None:
    stack.begin()
    sent = commands(stack)
    code, answer = said(stack, "halt", "--dry-run", "tea time")
    assert code == 0 and answer["resume_asks"] == ["tea time"] and answer["leases"] > 0
    assert sum(sides["bids"] + sides["asks"] for sides in answer["orders"].values()) > 0
    assert "nothing was sent" in answer["text"] and commands(stack) == sent
    facts = status(stack)
    assert not facts["halted"] and facts["risk"]["rules"] and not facts["risk"]["silent"]
    assert facts["risk"]["possible_loss"]["day_left_usd"]


def test_a_reason_must_say_something(stack: Stack) -> None:
    for command in ("halt", "reduce-only"):
        refused = cli(stack.place, command, " ")
        assert refused.returncode == 4 and "REASON" in refused.stderr
    assert not status(stack)["halted"]


def test_reduce_only_holds_for_its_coins_until_its_reason_is_typed(stack: Stack) -> None:
    stack.begin()
    assert said(stack, "reduce-only", "--asset", "NOPE", "why")[0] == 2
    code, answer = said(stack, "reduce-only", "--asset", "BTC,ETH", "too wild")
    assert (code, answer["reduce_only"]) == (0, {"BTC": "too wild", "ETH": "too wild"})
    facts = status(stack)
    assert facts["reduce_only"] == {"BTC": "too wild", "ETH": "too wild"} and facts["flattening"] == []
    held = positions(stack)
    since_ms = wall_ms()
    stack.eventually(lambda: stack.account(since_ms + 1_000))
    lines = {coin["coin"]: coin for coin in status(stack)["coins"]}
    for coin in ("BTC", "ETH"):
        away = "bid_reason" if held.get(coin, Decimal(0)) >= 0 else "ask_reason"
        assert lines[coin][away] == "reduce_only"
    resume(stack, "too wild")
    assert status(stack)["reduce_only"] == {}
    stack.wait_for_quotes(wall_ms())


# ---- flatten -----------------------------------------------------------------------------------------------


def test_a_preview_asks_and_sends_nothing(stack: Stack) -> None:
    before = commands(stack)
    for now in ([], ["--now"]):
        code, answer, coin = 0, {}, ""
        while "preview" not in answer:  # a fill may have made the coin flat in between
            coin = next(iter(wait_for_positions(stack, 2)))
            code, answer = said(stack, "flatten", "--dry-run", "--asset", coin, *now)
        priced = answer["preview"]["coins"]
        assert code == 0 and [line["coin"] for line in priced] == [coin]
        assert priced[0]["side"] == ("sell" if Decimal(priced[0]["position_sz"]) > 0 else "buy")
        shown = cli(stack.place, "flatten", "--dry-run", *now)
        assert shown.returncode == 0 and shown.stdout.startswith("FLATTEN SHADOW: ")
    assert said(stack, "flatten", "--dry-run", "--asset", "NOPE")[0] == 2
    assert commands(stack) == before


def test_flatten_needs_its_word_at_a_terminal(stack: Stack) -> None:
    wait_for_positions(stack, 1)
    before = commands(stack)
    refused = cli(stack.place, "flatten", "--now")
    assert refused.returncode == 1 and "terminal" in refused.stderr
    for word in ("flatten\n", "FLATTEN LIVE\n", "\n", "\x04", "\x03"):
        with typing(stack, "flatten", "--now") as person:
            person.reads("To close these positions type FLATTEN: ")
            person.types(word)
            code, shown = person.leaves()
        assert code == 1 and "nothing was sent" in shown
    assert commands(stack) == before


def test_flatten_at_once_while_halted_ends_flat_and_stays_reduce_only(stack: Stack) -> None:
    wait_for_positions(stack, 2)
    assert said(stack, "halt", "tea")[0] == 0
    count = len(positions(stack))
    with typing(stack, "flatten", "--now") as person:
        person.reads("halted (tea): flattening goes on all the same")
        person.reads("To close these positions type FLATTEN: ")
        person.types("FLATTEN\n")
        code, shown = person.leaves()
    assert code == 0 and f"{count} position" in shown.splitlines()[-1] and "flat after" in shown, shown
    assert positions(stack) == {}
    facts = status(stack)
    assert facts["halted"] and facts["reduce_only"] and facts["coins_quoting_both_sides"] == 0
    assert cli(stack.place, "flatten", "--now").stdout == "no position: nothing was sent\n"
    stack.check_ledger()
    reasons = "; ".join(["tea", *dict.fromkeys(facts["reduce_only"].values())])
    resume(stack, reasons)
    stack.wait_for_quotes(wall_ms())


def test_ctrl_c_ends_the_watching_and_not_the_flattening(stack: Stack) -> None:
    held = wait_for_positions(stack, 2)
    with typing(stack, "flatten", "--asset", ",".join(held)) as person:
        person.reads("type FLATTEN: ")
        person.types("FLATTEN\n")
        wait_until(lambda: commands(stack)[-1:] == ["flatten"])
        person.types("\x03")
        code, shown = person.leaves()
    assert code in (0, 5) and ("flat after" in shown or "the bot goes on flattening" in shown)
    stack.eventually(lambda: set(status(stack)["reduce_only"]) >= set(held))
    resume(stack, "; ".join(dict.fromkeys(status(stack)["reduce_only"].values())))


def test_a_silent_guard_is_why_nothing_is_flattened_and_it_goes_on_when_the_guard_is_back(stack: Stack) -> None:
    wait_for_positions(stack, 3)
    stack.send("guard", signal.SIGSTOP)
    try:
        stack.wait_for_nothing(wall_ms())
        coin = next(iter(positions(stack)))  # a fill closes none any more
        with typing(stack, "flatten", "--now", "--asset", coin, "--timeout", "4") as person:
            person.reads("type FLATTEN: ")
            person.types("FLATTEN\n")
            code, shown = person.leaves()
        assert code == 5 and "lease_expired" in shown and "the guard is silent" in shown
        assert "market_maker status" in shown
    finally:
        stack.send("guard", signal.SIGCONT)
    stack.eventually(lambda: coin not in positions(stack))
    stack.check_ledger()
    resume(stack, status(stack)["reduce_only"][coin])


# ---- nothing there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("halt", "x"), ("resume",), ("reduce-only", "x"), ("cancel-all",), ("flatten",), ("status",)]
)
def test_where_nothing_runs_every_command_is_exit_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    base = free_metrics_base()
    place = {**os.environ, "MM_RUN_DIR": str(tmp_path), "REDIS_URL": f"redis://127.0.0.1:{base}"}
    done = cli(place, *command, "--json")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    assert answer.get("ok") is False or answer["running"] is False
