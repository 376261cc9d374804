"""A network prepared for being run many times: buffers allocated once, rows in blocks.

``run`` says what is computed; this does the same in the same precision, for speed. A block of
rows is what a Program computes, see there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from lnfold.network.records.layers import Array, Network
from lnfold.network.records.settled import expect_complete
from lnfold.network.running.compiled_layers import emit
from lnfold.network.running.program import Program
from lnfold.network.running.run import run
from lnfold.network.running.run_inputs import as_rows, joins_rows, matched_inputs

BLOCK_ROWS: Final = 512
_KEPT_PROGRAMS: Final = 4

Run = Callable[[ArrayLike | Mapping[str, ArrayLike]], dict[str, Array]]


def compiled(network: Network, dtype: type = np.float32, block_rows: int = BLOCK_ROWS) -> Run:
    """A network as a function of its inputs, for a control loop: some 7 µs for one observation.

    That is a row [1, width] of ``dtype``, as a policy of two layers of 64 units takes it; all
    else that ``run`` takes is taken, too. Not for several threads at once.

    >>> import lnfold, numpy
    >>> checkpoint = lnfold.open_checkpoint("sample_checkpoints/cartpole_actor")
    >>> actor = lnfold.recover(checkpoint).named("actor")
    >>> act = compiled(actor)
    >>> observation = numpy.zeros((1, 5), numpy.float32)
    >>> act(observation)[actor.outputs[0]].shape
    (1, 1)

    Args:
        network: a complete network.
        dtype: np.float32 or np.float64: parameters, inputs and arithmetic.
        block_rows: how many rows are taken through all layers at a time.

    Returns:
        From inputs to every output for every row, as ``run`` does; the arrays are new each time.

    Raises:
        IncompleteNetworkError: a fact or a layer of the network is missing.
    """
    expect_complete(network, "run")
    if joins_rows(network):
        return lambda inputs: run(network, inputs, dtype)
    in_blocks = _InBlocks(network, dtype, block_rows)
    observing = _observing if len(network.inputs) == 1 else _observing_several
    return observing(network, dtype, in_blocks)


def _observing(network: Network, dtype: type, otherwise: Run) -> Run:
    """One observation as it comes from a control loop without delay, all else as ``otherwise``.

    What checks and looks up more than this takes as long as a layer does.
    """
    program = Program(network, dtype, 1, emit)
    (place,), quietly, compute = program.given, program.quietly, program.compute
    copies = [(name, value.copy) for name, value in program.delivered]
    name, copy = copies[0]
    alone, shape, kind, array = len(copies) == 1, (1, place.size), np.dtype(dtype), np.ndarray

    def observe(inputs: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Array]:
        if type(inputs) is array and inputs.shape == shape and inputs.dtype is kind:
            place[...] = inputs
            quietly(compute)
            return {name: copy()} if alone else {one: copied() for one, copied in copies}
        return otherwise(inputs)

    return observe


def _observing_several(network: Network, dtype: type, otherwise: Run) -> Run:
    """The same for a network of several inputs, one row each, by name."""
    program = Program(network, dtype, 1, emit)
    quietly, compute, kind, array = program.quietly, program.compute, np.dtype(dtype), np.ndarray
    places = [
        (one.name, place, (1, place.size))
        for one, place in zip(network.inputs, program.given, strict=True)
    ]
    copies = [(name, value.copy) for name, value in program.delivered]

    def observe(inputs: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Array]:
        if type(inputs) is not dict:
            return otherwise(inputs)
        for name, place, shape in places:
            given = inputs.get(name)
            if type(given) is not array or given.shape != shape or given.dtype is not kind:
                return otherwise(inputs)
            place[...] = given
        quietly(compute)
        return {name: copied() for name, copied in copies}

    return observe


class _InBlocks:
    """A network for any number of rows, a block at a time."""

    def __init__(self, network: Network, dtype: type, block_rows: int) -> None:
        self.network = network
        self.dtype = dtype
        self.block_rows = block_rows
        self._programs: dict[int, Program] = {}

    def __call__(self, inputs: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Array]:
        matched = matched_inputs(self.network, inputs, self.dtype)
        given = [matched[one.name] for one in self.network.inputs]
        if any(one.ndim > 2 for one in given):
            before = max((one.shape[:-1] for one in given), key=len)
            flat = {one.name: as_rows(matched[one.name]) for one in self.network.inputs}
            return {name: out.reshape(*before, out.shape[-1]) for name, out in self(flat).items()}
        values = given
        rows = values[0].shape[0]
        if rows == 0:
            widths = self.network.widths()
            return {name: np.empty((0, widths[name]), self.dtype) for name in self.network.outputs}
        if rows <= self.block_rows:
            return self._program(rows).run(values)
        program = self._program(self.block_rows)
        parts: dict[str, Array] = {
            name: np.empty((rows, value.shape[1]), self.dtype) for name, value in program.delivered
        }
        for start in range(0, rows, self.block_rows):
            # the last block overlaps the one before: one program does for all
            first = min(start, rows - self.block_rows)
            place = slice(first, first + self.block_rows)
            for name, part in program.run([array[place] for array in values]).items():
                parts[name][place] = part
        return parts

    def _program(self, rows: int) -> Program:
        program = self._programs.get(rows)
        if program is None:
            if len(self._programs) >= _KEPT_PROGRAMS:
                self._programs.pop(next(iter(self._programs)))
            program = self._programs[rows] = Program(self.network, self.dtype, rows, emit)
        return program
