"""What is proved of a box is compared with inputs of the box, never with others."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from lnfold.network.running.run import run
from lnfold.relations.detail import detail
from lnfold.relations.question.relate import relate
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.inside import ENOUGH, inside
from lnfold.relations.ranges.units import Verdict
from tests.relations.random_networks import generator_of, kinds, normalised_network, seeds


@given(seeds, kinds)
@settings(max_examples=15, deadline=None)
def test_what_was_seen_lies_within_what_is_proved(seed, kind):
    """For a box that none, some or all of the inputs used lie in, in every layer."""
    generator = generator_of(seed)
    net = normalised_network(generator, (3, 9, 7, 2), kind=kind, epsilon=1e-3)
    x = generator.normal(size=(400, 3))
    values = run(net, x, np.float64, trace=True)
    for low, high in ((4.0, 5.0), (-1.0, 2.0), (-np.inf, np.inf), (-9.0, 9.0), (0.0, np.inf)):
        box = {"x": Box(np.full(3, low), np.full(3, high))}
        full = detail(net, relate(net, values), values, box)
        for layer in full.layers:
            units = layer.units
            slack = 1e-9 * (1 + np.abs(units.infimum) + np.abs(units.supremum))
            assert (units.lowest >= units.infimum - slack).all()
            assert (units.highest <= units.supremum + slack).all()
            dead = np.array([one is Verdict.DEAD for one in units.verdicts])
            assert (units.firing[dead] == 0).all()
            assert layer.frozen.largest <= layer.frozen.bound * (1 + 1e-9)


def test_inputs_in_the_box_are_kept_and_too_few_are_replaced():
    """The words say which: all of them, those that lie in it, or drawn ones."""
    net = normalised_network(generator_of(0), (2, 4, 1))
    x = generator_of(1).uniform(-1, 1, (1000, 2))
    values = run(net, x, np.float64, trace=True)

    def kept(low: float, high: float) -> tuple[np.ndarray, str]:
        box = Box(np.full(2, low), np.full(2, high))
        found = inside(net, {"x": box}, values)
        read = found.values["x"]
        assert ((low <= read) & (read <= high)).all()
        np.testing.assert_array_equal(
            found.values["out"], run(net, read, np.float64)["out"], strict=True
        )
        return read, found.inputs

    assert kept(-2, 2)[1] == "the inputs used"
    some, words = kept(0, 2)
    assert ENOUGH < len(some) < 400
    assert words == f"the {len(some)} of the 1000 inputs used that lie in the box"
    drawn, words = kept(3, 5)
    assert words == "1000 inputs drawn evenly from the box, seed 0"
    assert abs(drawn.mean() - 4) < 0.1
    assert (kept(1, np.inf)[0] == 1).all()  # moved into it, no further than needed
