"""What a product with a kernel rounds off."""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.records.layers import Array
from lnfold.network.rounding.alike_units import terms_alike
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.seen import Seen

KERNEL_TWICE: Final = 1  # a kernel with a later gain inside is rounded once more


def product(
    x: Seen, kernel: Array, bias: Array | None, arithmetic: Arithmetic
) -> tuple[Array, Array]:
    """What x·kernel + bias rounds off, [rows, units], and its largest partial sum.

    A product with zero is exact, so only products that are none are counted.
    """
    most = np.abs(kernel)
    sizes = x.most @ most
    counted = (most > 0).astype(np.float64)
    if x.equal is not None:
        counted *= terms_alike(kernel, x.equal)
    products = (x.most > 0).astype(np.float64) @ counted
    kernel_off = arithmetic.rounded(kernel)
    rounded = np.zeros(1)
    summed = products
    if bias is not None:
        sizes = sizes + np.abs(bias)
        summed = products + (products > 0) * (bias != 0)
        rounded = arithmetic.rounded(bias)
    local = arithmetic.rounding(summed, KERNEL_TWICE) * (products > 0) * sizes
    local += (
        np.sqrt(products) * arithmetic.tiny
        if arithmetic.independent
        else (products * arithmetic.tiny)
    )
    if kernel_off.any():
        rounded = rounded + arithmetic.through(x.most, kernel_off)
    return local + rounded, sizes * (1 + arithmetic.rounding(summed, KERNEL_TWICE))
