"""No program of a network is further from the exact outputs than its bounds say."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.network import run as running
from lnfold.network.float_types import float_type
from lnfold.network.layers import Layer
from lnfold.network.running.local_rounding import LOCAL_ROUNDING
from lnfold.network.running.registry import REGISTERED
from lnfold.network.running.rounding import measure_rounding
from tests.network.running.networks import STEPS, drawn
from tests.network.running.programs import SPELLINGS, SUMS, program

NETWORKS = 12  # of each kind of layer


def test_every_layer_that_is_run_has_a_row():
    """Each kind of layer of ``run``, folding's own among them, says what it rounds off."""
    kinds = set(running._STEPS)

    assert kinds == {*LOCAL_ROUNDING, *REGISTERED}
    assert kinds == set(STEPS)
    assert len(kinds) == 20


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_no_program_passes_the_bounds(kind: type[Layer], precision: str):
    """Every order of sums and every spelling of norms stays within both figures."""
    dtype = float_type(precision).type
    compared = 0
    for seed in range(NETWORKS):
        network, inputs = drawn(seed, kind, precision)
        rounding = measure_rounding(network, inputs)
        runs = [rounding.single]
        runs += [
            program(network, inputs, dtype, total, spelling)
            for total, spelling in zip(SUMS, (*SPELLINGS, SPELLINGS[0]), strict=True)
        ]
        for name, exact in rounding.double.items():
            for one in runs:
                off = np.abs(one[name].astype(np.float64) - exact)
                judged = np.isfinite(rounding.estimate[name])
                assert (off <= rounding.estimate[name])[judged].all(), (seed, network.layers)
                assert (off <= rounding.proved[name])[judged].all(), (seed, network.layers)
                compared += int(judged.sum())
    assert compared > 1000
