"""Where layers that are defined elsewhere, such as folding's own, say what they round off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lnfold.network.layers import Layer

if TYPE_CHECKING:
    from lnfold.network.running.seen import Step

Row = Callable[..., "Step"]  # from a layer, an arithmetic, the exact output and what is read

REGISTERED: dict[type[Layer], Row] = {}


def register_rounding(kind: type[Layer], row: Row) -> None:
    """Says what a layer rounds off that ``run`` computes by ``register_step``.

    Args:
        kind: the layer's class.
        row: from (layer, arithmetic, exact output, what it sees …) to its Step.
    """
    REGISTERED[kind] = row
