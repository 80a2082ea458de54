"""The bytes on the bus are a contract: each message has a golden line that must decode and come back unchanged."""

from pathlib import Path

import msgspec
import pytest

from shared import messages
from shared.streams import ALL, STREAM_OF

GOLDEN = Path(__file__).with_name("golden_messages.jsonl")
LINES = GOLDEN.read_bytes().splitlines()
KINDS = {kind.__struct_config__.tag: kind for kind in STREAM_OF}


@pytest.mark.parametrize("line", LINES, ids=lambda line: msgspec.json.decode(line)["type"])
def test_a_golden_line_comes_back_unchanged(line: bytes) -> None:
    kind = KINDS[msgspec.json.decode(line)["type"]]
    assert msgspec.json.encode(STREAM_OF[kind].decoder.decode(line)) == line


def test_every_message_has_a_golden_line_and_a_stream() -> None:
    declared = {
        kind for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, messages.Message) and kind is not messages.Message
    }  # fmt: skip
    assert declared == set(STREAM_OF)
    assert {msgspec.json.decode(line)["type"] for line in LINES} == set(KINDS)


def test_tags_carry_a_version_and_are_unique() -> None:
    assert len(KINDS) == len(STREAM_OF)
    assert all(tag.rsplit(".", 1)[1].isdigit() for tag in KINDS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: msgspec.json.decode(line)["type"])
def test_a_field_added_tomorrow_does_not_break_a_reader_of_today(line: bytes) -> None:
    value = msgspec.json.decode(line)
    value["added_tomorrow"] = 1
    kind = KINDS[value["type"]]
    assert msgspec.json.encode(STREAM_OF[kind].decoder.decode(msgspec.json.encode(value))) == line


def test_every_stream_is_bounded_and_named_once() -> None:
    for stream in ALL:
        if stream.policy in ("latest", "every"):
            assert 0 < stream.maxlen <= 10_000, stream.name
    keys = [stream.key("C") for stream in ALL if stream.policy != "pubsub"]
    assert len(keys) == len(set(keys))
    assert "mm:book:{C}" in keys
