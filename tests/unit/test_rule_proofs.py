"""The file that says when rules proved themselves."""

from pathlib import Path

import pytest

from shared.rule_proofs import FILE, add_proofs, read_proofs


def test_proofs_are_kept_beside_those_of_before_and_the_newest_counts(tmp_path: Path):
    assert read_proofs(tmp_path) == {}
    add_proofs(tmp_path, {"ofi": 1, "stall": 2})
    add_proofs(tmp_path, {"ofi": 3})
    assert read_proofs(tmp_path) == {"ofi": 3, "stall": 2}
    assert [file.name for file in (tmp_path / FILE.parent).iterdir()] == [FILE.name]


@pytest.mark.parametrize("content", ["", "[1]", '{"ofi": "yesterday"}'])
def test_a_file_that_says_nothing_proves_nothing_and_can_be_written_again(tmp_path: Path, content: str):
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(content)
    assert read_proofs(tmp_path) == {}
    add_proofs(tmp_path, {"ofi": 1})
    assert read_proofs(tmp_path) == {"ofi": 1}
