"""A network prepared for being run many times: buffers allocated once, rows in blocks.

``run`` says what is computed; this does the same in the same precision, for speed. A block of
rows is what a Program computes, see there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from lnfold.network.compiled_layers import emit
from lnfold.network.given_rows import joins_rows, matched_inputs
from lnfold.network.layers import Array, Network
from lnfold.network.program import Program
from lnfold.network.run import run

BLOCK_ROWS: Final = 512
_KEPT_PROGRAMS: Final = 4


class Compiled:
    """A network as a function of its inputs; not for several threads at once.

    Args:
        network: a complete network.
        dtype: np.float32 or np.float64: parameters, inputs and arithmetic.
        block_rows: how many rows are taken through all layers at a time.
    """

    def __init__(
        self, network: Network, dtype: type = np.float32, block_rows: int = BLOCK_ROWS
    ) -> None:
        self.network = network
        self.dtype = dtype
        self.block_rows = block_rows
        self._programs: dict[int, Program] = {}
        self._dtype = np.dtype(dtype)
        self._joins_rows = joins_rows(network)
        self._one = (1, network.inputs[0].width) if len(network.inputs) == 1 else None

    def __call__(self, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Every output for every row; the arrays are new each time. See ``run``."""
        if self._joins_rows:
            return run(self.network, inputs, self.dtype)
        if type(inputs) is np.ndarray and self._is_one(inputs):
            # one observation as it comes from a control loop: checking it any further would
            # take as long as a layer
            return self._program(1).run((inputs,))
        matched = matched_inputs(self.network, inputs, self.dtype)
        values = [matched[one.name] for one in self.network.inputs]
        rows = values[0].shape[0]
        if rows == 0:
            widths = self.network.widths()
            return {name: np.empty((0, widths[name]), self.dtype) for name in self.network.outputs}
        if rows <= self.block_rows:
            return self._program(rows).run(values)
        program = self._program(self.block_rows)
        parts: dict[str, Array] = {
            name: np.empty((rows, width), self.dtype) for name, width in program.delivers()
        }
        for start in range(0, rows, self.block_rows):
            # the last block overlaps the one before: one program does for all
            first = min(start, rows - self.block_rows)
            place = slice(first, first + self.block_rows)
            for name, part in program.run([array[place] for array in values]).items():
                parts[name][place] = part
        return parts

    def _is_one(self, inputs: Array) -> bool:
        return inputs.shape == self._one and inputs.dtype == self._dtype

    def _program(self, rows: int) -> Program:
        program = self._programs.get(rows)
        if program is None:
            if len(self._programs) >= _KEPT_PROGRAMS:
                self._programs.pop(next(iter(self._programs)))
            program = self._programs[rows] = Program(self.network, self.dtype, rows, emit)
        return program
