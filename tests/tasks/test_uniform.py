"""Draws that share a random word: in range, as likely as they should be, and independent of each other."""

from itertools import combinations

import jax
import numpy as np
import pytest

from seriality.tasks.base import uniform

COUNT = 20_000


@pytest.mark.parametrize("choices", [[2] * 35, [3] * 12, [24] * 7, [2, 2, 2, 10, 10, 4, 1, 5], [60_000] * 3])
def test_every_draw_and_every_pair_of_draws_is_uniform(choices):
    choices = np.array(choices)
    keys = jax.random.split(jax.random.key(5), COUNT)
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: uniform(choices, key=key)))(keys))
    assert drawn.shape == (COUNT, len(choices))
    assert np.all((drawn >= 0) & (drawn < choices))
    for i, j in combinations(range(len(choices)), 2):
        cells = choices[i] * choices[j]
        if cells <= COUNT / 30:
            counts = np.bincount(drawn[:, i] * choices[j] + drawn[:, j], minlength=cells)
            expected = COUNT / cells
            chi_square = ((counts - expected) ** 2 / expected).sum()
            assert abs(chi_square - (cells - 1)) <= 6 * np.sqrt(2 * cells)
    shares = drawn.mean(0) / np.maximum(choices - 1, 1)
    assert np.all(np.abs(shares - 0.5)[choices > 1] < 5 / np.sqrt(12 * COUNT) * 2)
    assert len(np.unique(drawn, axis=0)) >= min(COUNT, np.prod(choices.astype(float))) / 2
