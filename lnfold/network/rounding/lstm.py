"""How far off an LSTM's states may be: step by step, from the first one of each sequence.

Rows join here, so what comes before arrives as if it were the LSTM's own rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layers import LSTM, Activation, Array
from lnfold.network.rounding.activations import activation
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.products import product
from lnfold.network.rounding.seen import Seen, Step, delivered
from lnfold.network.rounding.slopes import Kernel, UnitByUnit, same
from lnfold.network.running.lstm_steps import kernels
from lnfold.network.running.run import step_of

Advance = Callable[[Seen, Seen, Seen], tuple[Seen, Seen]]


def lstm(layer: LSTM, arithmetic: Arithmetic, out: Array, x: Seen, *state: Seen) -> Step:
    """The errors of h or c as delivered, all of them as its own roundings."""
    advance = _advance(layer, arithmetic)
    place = 1 if layer.delivers == "cell" else 0
    if state:
        return Step((), advance(x, state[0], state[1])[place].errors)
    steps = max(len(x.exact), 1) if layer.stateful else layer.steps or 1
    h, c = (
        _rounded(arithmetic, *arithmetic.vector(one, 0.0), len(x.exact) // steps, layer.units)
        for one in (layer.hidden, layer.cell)
    )
    errors: Array = np.empty((len(x.exact) // steps, steps, layer.units))
    for time in range(steps if len(x.exact) else 0):
        now = Seen(*(one[time::steps] for one in (x.exact, x.errors, x.box)))
        h, c = advance(now, h, c)
        errors[:, time] = (h, c)[place].errors
    return Step((), errors[:, -1] if layer.last else errors.reshape(-1, layer.units))


def _rounded(arithmetic: Arithmetic, exact: Array, off: Array, rows: int, units: int) -> Seen:
    """A state that a sequence starts from."""
    value, errors = (np.broadcast_to(one, (rows, units)) for one in (exact, off))
    return Seen(value, errors, arithmetic.box(errors))


def _advance(layer: LSTM, arithmetic: Arithmetic) -> Advance:
    """From x, h and c of a step to h and c after it."""
    kernel = np.concatenate(kernels(layer, np.float64, None))
    bias = None if layer.bias is None else layer.bias.array.astype(np.float64).reshape(-1)
    units, places = layer.units, {gate: layer.gates.index(gate) for gate in layer.gates}

    def function(fact: Fact[str], z: Seen) -> Seen:
        made = Activation("", ("",), "", fact)
        out = step_of(made, np.float64)(z.exact)
        return delivered(activation(made, arithmetic, out, z), arithmetic, out, z)

    def times(a: Seen, b: Seen) -> Seen:
        slopes = (UnitByUnit(b.exact, b.box, units), UnitByUnit(a.exact, np.zeros((1, 1)), units))
        unit = arithmetic.roundoff * a.most * b.most + arithmetic.tiny
        return delivered(Step(slopes, unit), arithmetic, a.exact * b.exact, a, b)

    def plus(a: Seen, b: Seen) -> Seen:
        step = Step((same(units), same(units)), arithmetic.roundoff * (a.most + b.most))
        return delivered(step, arithmetic, a.exact + b.exact, a, b)

    def advance(x: Seen, h: Seen, c: Seen) -> tuple[Seen, Seen]:
        read = Seen(
            *(
                np.concatenate(pair, axis=1)
                for pair in ((x.exact, h.exact), (x.errors, h.errors), (x.box, h.box))
            )
        )
        out = read.exact @ kernel + (0.0 if bias is None else bias)
        unit, highest = product(read, kernel, bias, arithmetic)
        z = delivered(Step((Kernel(kernel),), unit, highest=highest), arithmetic, out, read)
        i, f, g, o = (
            Seen(
                *(
                    one[:, places[gate] * units : (places[gate] + 1) * units]
                    for one in (z.exact, z.errors, z.box)
                )
            )
            for gate in "ifco"
        )
        if layer.forget_bias:
            forget = np.asarray(layer.forget_bias)
            f = plus(f, _rounded(arithmetic, forget, arithmetic.rounded(forget), len(out), units))
        kept = times(function(layer.recurrent_activation, f), c)
        c = plus(
            kept, times(function(layer.recurrent_activation, i), function(layer.activation, g))
        )
        return times(function(layer.recurrent_activation, o), function(layer.activation, c)), c

    return advance
