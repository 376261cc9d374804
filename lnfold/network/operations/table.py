"""All operations that lnfold knows, by every name that TensorFlow has had for them."""

from __future__ import annotations

from typing import Final

from lnfold.network.operations.choice import CHOICES
from lnfold.network.operations.elementwise import ELEMENTWISE
from lnfold.network.operations.indexing import INDEXING
from lnfold.network.operations.layout import LAYOUTS
from lnfold.network.operations.operation import Family, Operation
from lnfold.network.operations.products import PRODUCTS
from lnfold.network.operations.reductions import REDUCTIONS
from lnfold.network.operations.windows import WINDOWS

OPERATIONS: Final[dict[str, Operation]] = {
    name: row
    for row in (
        *ELEMENTWISE,
        *CHOICES,
        *REDUCTIONS,
        *LAYOUTS,
        *INDEXING,
        *PRODUCTS,
        *WINDOWS,
    )
    for name in row.names
}


def names_of(*families: Family) -> frozenset[str]:
    """The names of all operations of some families."""
    return frozenset(name for name, row in OPERATIONS.items() if row.family in families)
