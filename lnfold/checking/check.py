"""Whether something else computes what a network computes, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lnfold.checking.checks import Checking
from lnfold.checking.comparison import Against, Comparison
from lnfold.checking.observations import drawn, given
from lnfold.errors import UsageError
from lnfold.network.records.layers import Network
from lnfold.network.records.settled import expect_settled


def check(
    network: Network,
    other: Network | ArrayLike | Mapping[str, ArrayLike] | None = None,
    inputs: ArrayLike | Mapping[str, ArrayLike] | None = None,
    *,
    assume: bool = False,
) -> Comparison:
    """Runs a network and says whether something else agrees: with another network, outputs, or
    its own run in its precision. Every number is judged by its own rounding.

    >>> import lnfold
    >>> checkpoint = lnfold.open_checkpoint("sample_checkpoints/cartpole_actor")
    >>> actor = lnfold.recover(checkpoint).named("actor")
    >>> check(actor, lnfold.fold(actor, "carry").network)
    Comparison(agrees, B against A, both in float64: 1024 of 1024 numbers agree)

    Args:
        network: a complete network.
        other: what stands against its run in float64: another network; or the outputs of some
            program, a mapping from their names to arrays [rows, units], or the array alone where
            there is one; without it the network's own run in the precision that the original
            computes in, float32 where nothing says which.
        inputs: what both are run on, as ``run`` takes it; drawn, seeded, where it is not given.
        assume: whether a network is checked that rests on what is assumed.

    Returns:
        A comparison, whose ``verdict`` is agrees, differs or cannot tell, and whose ``reason``
        says why.

    Raises:
        IncompleteNetworkError: a fact or a layer is missing, or what there is is assumed.
        UsageError: inputs or outputs that do not fit.
    """
    if not assume:
        expect_settled([one for one in (network, other) if isinstance(one, Network)], "checked")
    if inputs is None and other is not None and not isinstance(other, Network):
        raise UsageError("outputs can only be compared where the inputs are given, too")
    if inputs is None:
        observed = drawn(network)
    else:
        observed = given(network, _arrays(inputs, "inputs"), "what was given")
    checking = Checking.of(network, observed)
    if other is None:
        return checking.with_float64()
    if isinstance(other, Network):
        return checking.with_network(*called_alike(other, network))
    return checking.with_outputs(_arrays(other, "outputs"), Against.EXPECTED)


def called_alike(other: Network, network: Network) -> tuple[Network, dict[str, str]]:
    """B's network with the inputs called as A's, and A's outputs by what B calls them.

    Where the names differ, inputs and outputs stand in their order, and have the same widths.

    Raises:
        UsageError: they cannot be the same: other numbers of inputs or outputs, or other widths.
    """
    theirs = [(one.name, one.width) for one in other.inputs]
    ours = [(one.name, one.width) for one in network.inputs]
    renamed = _matched(theirs, ours, "inputs", network)
    widths, their_widths = network.widths(), other.widths()
    outputs = _matched(
        [(name, their_widths[name]) for name in other.outputs],
        [(name, widths[name]) for name in network.outputs],
        "outputs",
        network,
    )
    changed = {old: new for old, new in renamed.items() if old != new}
    if changed:
        # through names that nothing else has, so that two may change places
        between = {old: f"\0{number}" for number, old in enumerate(changed)}
        other = other.with_inputs_named(between)
        other = other.with_inputs_named({between[old]: new for old, new in changed.items()})
        outputs = {changed.get(old, old): new for old, new in outputs.items()}
    return replace(other, name=network.name), outputs


def _matched(
    theirs: list[tuple[str, int]], ours: list[tuple[str, int]], what: str, network: Network
) -> dict[str, str]:
    """From B's names to A's."""
    by_name = sorted(theirs) == sorted(ours)
    if by_name:
        return {name: name for name, _ in theirs}
    if [width for _, width in theirs] != [width for _, width in ours]:
        shown = [", ".join(f"{name} [{width}]" for name, width in one) for one in (ours, theirs)]
        raise UsageError(
            f"the {what} of network {network.name} are {shown[0] or 'none'} in A and "
            f"{shown[1] or 'none'} in B, so the two cannot be compared"
        )
    return {name: new for (name, _), (new, _) in zip(theirs, ours, strict=True)}


def _arrays(values: ArrayLike | Mapping[str, ArrayLike], alone: str) -> dict[str, np.ndarray]:
    """Arrays by name; what has no name is ``alone``."""
    named = values if isinstance(values, Mapping) else {alone: values}
    return {name: np.asarray(value) for name, value in named.items()}
