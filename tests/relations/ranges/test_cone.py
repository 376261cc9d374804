"""The projection onto a polar cone, by the conditions that only it meets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.relations.ranges.cone import ACTIVE_SET_LIMIT, polar_projections
from tests.relations.random_networks import generator_of, seeds


@given(seeds, st.integers(1, 8), st.integers(1, 16))
def test_the_rest_meets_the_conditions_of_a_projection(seed, size, generators):
    """v·d_j ≤ 0 for all j, and v·(c − v) = 0: by Moreau that is the projection and no other."""
    generator = generator_of(seed)
    spanning = generator.normal(size=(size, generators))
    vectors = generator.normal(size=(size, 5))
    left = polar_projections(spanning, vectors)
    directions = spanning / np.linalg.norm(spanning, axis=0)
    scale = np.linalg.norm(vectors, axis=0)
    assert (directions.T @ left <= 1e-9 * scale).all()
    assert (np.abs((left * (vectors - left)).sum(axis=0)) <= 1e-9 * scale**2).all()


@pytest.mark.parametrize("size", [ACTIVE_SET_LIMIT + 1, 60])
def test_many_dimensions_are_sound_and_near(size):
    """Beyond the active set's limit the length is no less than the projection's, and near it."""
    generator = generator_of(size)
    spanning, vectors = generator.normal(size=(size, 40)), generator.normal(size=(size, 6))
    fast = np.linalg.norm(polar_projections(spanning, vectors), axis=0)
    exact = np.linalg.norm(
        np.stack([_by_active_set(spanning, one) for one in vectors.T], axis=1), axis=0
    )
    assert (fast >= exact * (1 - 1e-12)).all()
    assert (fast <= exact * (1 + 1e-3)).all()


def _by_active_set(spanning: np.ndarray, vector: np.ndarray) -> np.ndarray:
    from lnfold.relations.ranges.cone import _active_set

    return _active_set(spanning / np.linalg.norm(spanning, axis=0), vector)


def test_no_generators_leave_the_vector():
    """An empty cone, and one of zeros, take nothing away."""
    vectors = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(polar_projections(np.zeros((3, 0)), vectors), vectors)
    assert np.array_equal(polar_projections(np.zeros((3, 4)), vectors), vectors)
