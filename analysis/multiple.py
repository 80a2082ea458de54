"""Many coins at once: a promise about each must hold for all of them together."""

from collections.abc import Sequence

FAMILYWISE = 0.05
"""Chance of at least one false rejection among all."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the given order (Holm 1979): reject those ≤ `FAMILYWISE`, whatever the dependence."""
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted


def holm_levels(p_values: Sequence[float], alpha: float = FAMILYWISE) -> list[float]:
    """The level of each one-sided bound that goes with `holm`: 1 − α/(number not yet rejected before it).

    A bound at this level excludes the threshold exactly where the adjusted p-value is ≤ α and no earlier one
    failed; after the first failure all later ones keep its level.
    """
    levels, failed = [0.0] * len(p_values), False
    level = 1.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if not failed:
            level = 1 - alpha / (len(p_values) - rank)
            failed = p_values[i] > 1 - level
        levels[i] = level
    return levels
