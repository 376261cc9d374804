"""The layers of a chain, one after the other, from groups of variables and assumed facts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lnfold.checkpoint.variables.variable import Variable
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import OUTPUT_ACTIVATION, STANDARDIZED, Claim
from lnfold.network.records.layers import (
    Activation,
    BatchNorm,
    Clip,
    Concat,
    Dense,
    Gap,
    Input,
    Layer,
    Norm,
    Opaque,
    Parameter,
    Standardize,
)
from lnfold.network.records.norms import UnrunNorm
from lnfold.recovery.names.conventions import Convention
from lnfold.recovery.names.norm_names import norm_kind
from lnfold.recovery.names.roles import Role
from lnfold.recovery.names.scopes import Group, VariableRole

_TRANSPOSED: Final = "output_weights"  # BERT's heads keep [units, inputs]
_RECURRENT: Final = re.compile(r"(lstm|gru|rnn)(_?cell)?(_\d+)?(/|$)", re.IGNORECASE)


@dataclass(slots=True)
class ChainBuilder:
    """Appends layers and notes what is missing.

    Attributes:
        variables: the checkpoint's, by name.
        settings: what the user says; it wins over what the convention assumes.
        role, convention: of the network that is built.
    """

    variables: Mapping[str, Variable]
    settings: Settings
    role: Role
    convention: Convention | None
    inputs: list[Input] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def observation(self, width: int, standardized: bool = True) -> tuple[str, int]:
        """The first value: an input, standardised where a known library's sums lie beside."""
        source = Input("observation", (None, width))
        self.inputs.append(source)
        row = self.convention
        clip = None if row is None else row.clip
        sums = [f"obs_rms/{name}" for name in ("runningsum", "runningsumsq", "count")]
        if (
            row is None
            or clip is None
            or not standardized
            or not all(name in self.variables for name in sums)
        ):
            return source.name, width
        total, squares, count = (self.variables[name].read().astype(float) for name in sums)
        if total.shape != (width,) or not np.all(count > 0):
            return source.name, width
        mean = total / count
        # baselines/common/mpi_running_mean_std.py: the variance is never taken below 0.01
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-2))
        self.layers.append(
            Standardize(
                "obs_rms",
                (source.name,),
                "obs_rms",
                Parameter(mean.astype(np.float32), (sums[0], sums[2])),
                Parameter(deviation.astype(np.float32), tuple(sums)),
            )
        )
        said = Fact(f"by obs_rms, ±{clip:g}", Source.CONVENTION, row.library, row.confidence)
        self.claims.append(Claim(STANDARDIZED, "obs_rms", said, "--layers or --examples"))
        bound = np.asarray(clip, np.float32)
        self.layers.append(
            Clip("obs_rms/clip", ("obs_rms",), "obs_rms", Parameter(-bound), Parameter(bound))
        )
        return "obs_rms/clip", width

    def block(
        self,
        dense: Group,
        norms: Sequence[Group],
        value: str,
        width: int,
        order: Order | None,
        last: bool,
    ) -> tuple[str, int]:
        """A dense layer with the norms behind it and its activation; the value they deliver.

        The norms stand in front of the activation, or behind it.
        """
        value, width = self.dense(dense, value, width)
        activation = self._activation(last)
        behind = order in (Order.DENSE_ACT_NORM, Order.NORM_DENSE)
        if behind:
            value = self._activate(dense.label, activation, value)
        for norm in norms:
            value = self.norm(norm, value, width)
        if not behind:
            value = self._activate(dense.label, activation, value)
        if last and activation.value == "identity":
            self.claims.append(Claim(OUTPUT_ACTIVATION, value, activation, "--output-activation"))
        return value, width

    def dense(self, group: Group, value: str, width: int) -> tuple[str, int]:
        """A dense layer. An action joins where a critic's kernel is wider than its input."""
        kernel = self._kernel(group)
        if kernel is None:
            return self._opaque(group, value)
        taken = kernel.shape[0]
        if self.joins(taken, width):
            action = Input("action", (None, taken - width))
            self.inputs.append(action)
            joined = Concat(f"{group.label}/concat", (value, action.name), group.label)
            self.layers.append(joined)
            value = joined.name
        elif taken != width:
            self.gaps.append(
                Gap(f"'{kernel.name}' takes {taken} inputs, the layer before it delivers {width}")
            )
            value = self.open_input(group, taken)
        bias = self._parameter(group, VariableRole.BIAS)
        if bias is not None and bias.array.size != kernel.shape[1]:
            self.gaps.append(Gap(f"'{bias.name}' {bias.shape} does not fit '{kernel.name}'"))
            bias = None
        layer = Dense(group.label, (value,), group.label, kernel, bias)
        self.layers.append(layer)
        return layer.name, layer.units

    def joins(self, taken: int, width: int) -> bool:
        """Whether an action joins in front of a layer: it does so once in a critic."""
        return taken > width and self.role.part == "critic" and len(self.inputs) == 1

    def stated(self, function: str, value: str) -> str:
        """An activation that the user states behind a value."""
        if function == "identity":
            return value
        scope = next((one.scope for one in self.layers if one.name == value), value)
        layer = Activation(
            f"{value}/{function}", (value,), scope, Fact(function, Source.OPTION, "--layers")
        )
        self.layers.append(layer)
        return layer.name

    def open_input(self, group: Group, width: int) -> str:
        """An input for a layer of which nothing says what it reads."""
        missing = Input(f"{group.label}/input", (None, width))
        self.inputs.append(missing)
        return missing.name

    def widths(self, group: Group) -> tuple[int, int]:
        """What a dense group takes and delivers, by the shape of its kernel."""
        name = group.members[VariableRole.KERNEL]
        taken, units = self.variables[name].shape[-2:]
        return (units, taken) if name.endswith("/" + _TRANSPOSED) else (taken, units)

    def size(self, group: Group) -> int:
        """How many numbers a norm holds."""
        return self.variables[next(iter(group.members.values()))].size

    def _kernel(self, group: Group) -> Parameter | None:
        """The kernel [inputs, units], None where it is that of no dense layer."""
        kernel = self._parameter(group, VariableRole.KERNEL)
        assert kernel is not None  # a dense group has one
        if _RECURRENT.search(group.label):
            return None
        array = kernel.array
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]  # GPT-2 keeps a kernel of one tap: [1, inputs, units]
        if array.ndim != 2 or 0 in array.shape:
            return None
        if kernel.name.endswith("/" + _TRANSPOSED):
            array = array.T
        return Parameter(array, kernel.variables)

    def _opaque(self, group: Group, value: str) -> tuple[str, int]:
        shape = self.variables[group.members[VariableRole.KERNEL]].shape
        what = "recurrent cell" if _RECURRENT.search(group.label) else "convolution"
        self.gaps.append(Gap(f"'{group.label}' is no dense layer but a {what}: kernel {shape}"))
        reads = tuple(group.members.values())
        self.layers.append(Opaque(group.label, (value,), group.label, what, reads, shape[-1]))
        return group.label, shape[-1]

    def norm(self, group: Group, value: str, width: int) -> str:
        """A normalisation of the kind that its names betray."""
        gamma = self._parameter(group, VariableRole.GAMMA)
        beta = self._parameter(group, VariableRole.BETA)
        part = gamma or beta or self._parameter(group, VariableRole.MOVING_MEAN)
        assert part is not None  # a norm group has one
        if part.array.size != width:
            self.gaps.append(
                Gap(f"'{part.name}' holds {part.array.size} numbers for {width} units")
            )
            value = self.open_input(group, part.array.size)
        epsilon = self._epsilon(part.array.dtype == np.float16)
        if not epsilon.known:
            self.gaps.append(
                Gap(f"the epsilon of '{group.label}' is not known", "Give --epsilon, e.g. 1e-3.")
            )
        given = self.settings
        stated = given.layers is not None or given.examples is not None
        kind = norm_kind(group, stated)
        place = (group.label, (value,), group.label, gamma, beta, epsilon)
        layer: Norm
        if kind is BatchNorm:
            mean = self._parameter(group, VariableRole.MOVING_MEAN)
            variance = self._parameter(group, VariableRole.MOVING_VARIANCE)
            assert mean is not None  # norm_kind has seen both
            assert variance is not None
            layer = BatchNorm(*place, mean, variance)
        else:
            layer = kind(*place)
            if isinstance(layer, UnrunNorm):
                remedy = "Keep the .meta, SavedModel or Keras config beside the checkpoint."
                self.gaps.append(Gap(f"'{group.label}' is {layer.reason}", remedy))
        self.layers.append(layer)
        return layer.name

    def _epsilon(self, half: bool) -> Fact[float]:
        if self.settings.epsilon is not None:
            return Fact(self.settings.epsilon, Source.OPTION, "--epsilon")
        row = self.convention
        if row is None or row.epsilon is None:
            return Fact.unknown("--epsilon")
        value = row.half_epsilon if half and row.half_epsilon is not None else row.epsilon
        return Fact(value, Source.CONVENTION, row.library, row.epsilon_confidence)

    def _activation(self, last: bool) -> Fact[str]:
        option = "--output-activation" if last else "--activation"
        given = self.settings.output_activation if last else self.settings.activation
        if given is not None:
            return Fact(given, Source.OPTION, option)
        row = self.convention
        habit = None if row is None else row.head(self.role.part) if last else row.activation
        if row is None or habit is None:
            return Fact.unknown(option)
        return Fact(habit, Source.CONVENTION, row.library, row.confidence)

    def _activate(self, scope: str, function: Fact[str], value: str) -> str:
        if function.value == "identity":
            return value
        if not function.known:
            self.gaps.append(
                Gap(
                    f"the activation after '{scope}' is not known",
                    f"Give {function.where}, e.g. relu, tanh or identity.",
                )
            )
        layer = Activation(f"{scope}/activation", (value,), scope, function)
        self.layers.append(layer)
        return layer.name

    def _parameter(self, group: Group, role: VariableRole) -> Parameter | None:
        name = group.members.get(role)
        return None if name is None else Parameter(self.variables[name].read(), (name,))
