"""The regression behind mm_beta_*: finds what is there, and never looks ahead."""

import random
from decimal import Decimal

import pytest

from services.monitor import microprice
from services.monitor.microprice import HORIZON_MS, TRUSTED_LABELS, Microprice, Rls
from shared.messages import Book, Level

STEP_MS = 500


def touch(time_ms: float, mid_px: float, imbalance: float, epoch: int = 1) -> Book:
    """A spread of 4 bps around `mid_px`."""
    bid, ask = (
        Level(Decimal(f"{mid_px * (1 + s * 2e-4):.8f}"), Decimal(f"{1 - s * imbalance:.6f}")) for s in (-1, 1)
    )
    return Book(coin="BTC", time_ms=int(time_ms), received_ms=time_ms, epoch=epoch, bids=(bid,), asks=(ask,))


def market(beta_book: float, beta_flow: float, seconds: int, noise: float = 0.0) -> list[tuple[Book, float]]:
    """Books whose mid moves, over each two seconds, by what the imbalances at their beginning promise."""
    rng, mid_px, books = random.Random(3), 100.0, []
    for begin_ms in range(0, seconds * 1000, HORIZON_MS):
        book_imbalance, flow = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9)
        books += [(touch(begin_ms + step, mid_px, book_imbalance), flow) for step in range(1, HORIZON_MS, STEP_MS)]
        mid_px *= 1 + beta_book * book_imbalance + beta_flow * flow + rng.gauss(0, noise)
    return books


def fed(books: list[tuple[Book, float]]) -> Microprice:
    learner, before = Microprice(), None
    for book, flow in books:
        learner.take(before, book, flow)
        before = book
    return learner


def test_planted_coefficients_are_found():
    learner = fed(market(8e-5, -3e-5, 4_000, noise=5e-5))
    assert learner.beta is not None
    assert learner.beta == pytest.approx((8e-5, -3e-5), abs=1e-5)
    assert learner.predicts
    assert learner.deviation_bps(touch(9e9, 100, 0.5), 0.5) == pytest.approx(0.25, abs=0.1)


def test_where_there_is_nothing_to_find_the_weighted_mid_stands():
    learner = fed(market(0.0, 0.0, 2_000, noise=2e-4))
    assert not learner.predicts
    assert learner.deviation_bps(touch(9e9, 100, 0.5), 0.9) == pytest.approx(0.5 * 2)


def test_it_is_told_from_enough_labels_on():
    books = market(8e-5, 0.0, (TRUSTED_LABELS - 1) * 2)
    assert fed(books).beta is None
    assert fed(market(8e-5, 0.0, TRUSTED_LABELS * 4)).beta is not None


def test_a_label_is_the_last_mid_at_the_horizon_and_not_the_one_that_ended_the_wait(monkeypatch):
    labels: list[float] = []
    monkeypatch.setattr(Rls, "update", lambda self, x, y: labels.append(y))
    books = [touch(0, 100, 0.5), touch(HORIZON_MS, 101, 0.5), touch(HORIZON_MS + 1, 150, 0.5)]
    fed([(book, 0.1) for book in books])
    assert labels == [pytest.approx(0.01)]


@pytest.mark.parametrize(
    "later",
    [
        [touch(HORIZON_MS - microprice.LABEL_AGE_MS - 1, 101, 0.5), touch(9_000, 102, 0.5)],
        [touch(HORIZON_MS, 101, 0.5, epoch=2), touch(HORIZON_MS + 1, 102, 0.5, epoch=2)],
    ],
    ids=["a hole in the data", "another connection"],
)
def test_without_a_mid_at_the_horizon_there_is_no_label(monkeypatch, later):
    labels: list[float] = []
    monkeypatch.setattr(Rls, "update", lambda self, x, y: labels.append(y))
    fed([(book, 0.1) for book in [touch(0, 100, 0.5), *later]])
    assert labels == []


def test_forgetting_without_excitation_does_not_explode():
    regression = Rls((0.0, 0.0), 0.1, 0.9)
    for _ in range(10_000):
        regression.update((1.0, 0.0), 0.0)
    p00, _, p11 = regression.covariance
    assert 0 < p00 + p11 <= 0.2 + 1e-12


def test_a_deviation_never_leaves_the_spread():
    learner = fed(market(8e-3, 0.0, 1_000))
    assert abs(learner.deviation_bps(touch(9e9, 100, 0.9), 0.9)) <= 2 + 1e-9
