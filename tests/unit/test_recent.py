"""Ids are remembered, and only so many."""

from shared.recent import Recent


def test_a_key_is_new_once_until_it_is_forgotten():
    recent = Recent(capacity=2)
    assert [recent.add(key) for key in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
