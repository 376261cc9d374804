"""Deviations carried along instead of divided by: one division where a true value is due.

A value v carried by s > 0 stands for v/s. Then, exactly, biases and epsilon included:

    RMSNorm      (v + s'·beta) carried by s' = sqrt(mean(v²) + epsilon·s²)               (E16)
    activation   f(v) carried by s, for a positively homogeneous f
    Dense        (v·W + s·b) carried by s, or (v·W)/s + b where nothing carries on

Where beta is missing and the next bias too, nothing is left of a norm but its epsilon (E17).
Leaving epsilon·s² out would be an approximation, and a bad one for large epsilons.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lnfold.folding.editing.consumers import lets_factors_through
from lnfold.folding.editing.rewrite import free_name, names
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.deferred import Carried, Deviation, Divided
from lnfold.network.records.layers import Affine, Dense, Layer, Network, Parameter, RMSNorm


def carry(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Carries every deviation of the network that can be, all in one step at the first."""
    if setting.stock or not isinstance(layer, RMSNorm | Divided):
        return None
    if any(isinstance(one, Deviation | Carried) for one in network.layers):
        return None  # carried already, with the first norm that could be
    blocked = _blocker(network, layer.name)
    if blocked is not None:
        return Refused(Reason.ACTIVATED, blocked)
    if isinstance(layer, RMSNorm) and layer.gamma is not None:
        return Refused(Reason.KEEPS_GAMMA, layer.name)
    carrying = _Carrying(network)
    for one in network.layers:
        carrying.take(one)
    for output in network.outputs:
        carrying.true_value(output)
    norms = [one for one in network.layers if isinstance(one, RMSNorm | Divided)]
    read = names(*(parameter for one in norms for _, parameter in one.parameters()))
    left = sum(isinstance(one, Divided | RMSNorm) for one in carrying.layers)
    measured = (("divided values before", float(len(norms))), ("after", float(left)))
    return Applied(replace(network, layers=tuple(carrying.layers)), measured, read)


Held = tuple[str, str]  # a value, and the deviation that it is carried by


@dataclass(slots=True)
class _Carrying:
    """A network being rewritten in topological order.

    Attributes:
        network: the original.
        layers: the new layers so far.
        held: what carries an original value, where something does.
    """

    network: Network
    layers: list[Layer] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)

    def take(self, layer: Layer) -> None:
        """Adds what becomes of one layer."""
        held = self.held.get(layer.inputs[0])
        if isinstance(layer, RMSNorm) and (held or self._carries(layer)):
            self._norm(layer, held)
        elif isinstance(layer, Divided) and self._carries(layer) and not held:
            self._carried(layer, layer.inputs[0], layer.inputs[1], layer.shift)
        elif held and lets_factors_through(layer):
            name = free_name(self.network, f"{layer.name}/carried")
            self.layers.append(replace(layer, name=name, inputs=held[:1]))
            self.held[layer.name] = (name, held[1])
        elif held and isinstance(layer, Dense):
            self._dense(layer, held)
        else:
            for value in layer.inputs:
                self.true_value(value)
            self.layers.append(layer)

    def true_value(self, value: str) -> None:
        """Divides a carried value that something reads as it is, once."""
        held = self.held.get(value)
        if held and not any(one.name == value for one in self.layers):
            self.layers.append(Divided(value, held, value))

    def _carries(self, layer: RMSNorm | Divided) -> bool:
        gamma = layer.gamma if isinstance(layer, RMSNorm) else None
        return gamma is None and _blocker(self.network, layer.name) is None

    def _norm(self, norm: RMSNorm, held: Held | None) -> None:
        inputs = held or norm.inputs
        s = free_name(self.network, f"{norm.name}/deviation")
        self.layers.append(Deviation(s, inputs, norm.scope, norm.epsilon))
        if self._carries(norm):
            self._carried(norm, inputs[0], s, norm.beta)
        elif norm.gamma is None:
            self.layers.append(Divided(norm.name, (inputs[0], s), norm.scope, norm.beta))
        else:
            z = free_name(self.network, f"{norm.name}/divided")
            self.layers.append(Divided(z, (inputs[0], s), norm.scope))
            self.layers.append(Affine(norm.name, (z,), norm.scope, norm.gamma, norm.beta))

    def _carried(self, layer: Layer, y: str, s: str, shift: Parameter | None) -> None:
        if shift is None:
            self.held[layer.name] = (y, s)
            return
        name = free_name(self.network, f"{layer.name}/carried")
        self.layers.append(Carried(name, (y, s), layer.scope, shift))
        self.held[layer.name] = (name, s)

    def _dense(self, dense: Dense, held: Held) -> None:
        product = free_name(self.network, f"{dense.name}/product")
        self.layers.append(replace(dense, name=product, inputs=held[:1], bias=None))
        if _reaches_norm(self.network, dense.name):
            self._carried(dense, product, held[1], dense.bias)
        else:
            self.layers.append(Divided(dense.name, (product, held[1]), dense.scope, dense.bias))


def _blocker(network: Network, value: str) -> str | None:
    """The first reader of a value that cannot take it carried."""
    if value in network.outputs:
        return value
    for reader in network.consumers(value):
        if isinstance(reader, Dense):
            continue
        if not lets_factors_through(reader):
            return reader.name
        blocked = _blocker(network, reader.name)
        if blocked is not None:
            return blocked
    return None


def _reaches_norm(network: Network, value: str) -> bool:
    """Whether all that reads a value carries it on to an RMSNorm."""
    readers = network.consumers(value)
    if value in network.outputs or not readers:
        return False
    for reader in readers:
        passes = isinstance(reader, Dense) or lets_factors_through(reader)
        if not isinstance(reader, RMSNorm) and not (passes and _reaches_norm(network, reader.name)):
            return False
    return True


CARRY = Rule(
    "carry",
    "E16, E17",
    "v/s for v: f(v + s'·beta), v·W + s·b, s' = sqrt(mean(v²) + epsilon·s²); v/s at the end",
    carry,
)
