"""Partitioned variables: whether slices tile their tensor, and the tensor out of its slices."""

from __future__ import annotations

from lnfold.checkpoint.bundle.entry import WHOLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from lnfold.checkpoint.bundle.entry import Extents, Shape

    # One (start, stop) for every dimension.
    Box = tuple[tuple[int, int], ...]

_PRIME = (1 << 127) - 1


def box(extents: Extents, shape: Shape) -> Box:
    """The slice in numbers of its tensor.

    Raises:
        ValueError: it does not lie inside the tensor.
    """
    if len(extents) != len(shape):
        raise ValueError(f"a slice has {len(extents)} dimensions, its tensor {len(shape)}")
    result = []
    for (start, length), whole in zip(extents, shape, strict=True):
        stop = whole if length == WHOLE else start + length
        if not 0 <= start <= stop <= whole or (length == WHOLE and start):
            raise ValueError(f"a slice [{start}, {stop}) lies outside a dimension of {whole}")
        result.append((start, stop))
    return tuple(result)


def check_tiling(boxes: Sequence[Box], shape: Shape) -> None:
    """Whether every element lies in exactly one box, in time linear in the number of boxes.

    Write the element (i, j, …) as the monomial x^i y^j … . A box is then the polynomial

        Π (x^start - x^stop) / (1 - x)   over the dimensions,

    and the boxes tile the shape exactly if their polynomials add up to that of the shape. Two
    different polynomials agree at a random point of a field of 2^127 - 1 elements with a
    probability below degree / 2^127 (Schwartz-Zippel); the common denominator cancels.

    Raises:
        ValueError: a gap or an overlap.
    """
    # Random, so that no file can be made to fit.
    import os

    points = [int.from_bytes(os.urandom(15), "big") + 2 for _ in shape]
    powers: dict[tuple[int, int], int] = {}

    def value(tile: Box) -> int:
        product = 1
        for axis, (start, stop) in enumerate(tile):
            for exponent in (start, stop):
                if (axis, exponent) not in powers:
                    powers[axis, exponent] = pow(points[axis], exponent, _PRIME)
            product = product * (powers[axis, start] - powers[axis, stop]) % _PRIME
        return product

    whole = tuple((0, length) for length in shape)
    if (sum(map(value, boxes)) - value(whole)) % _PRIME:
        held = sum(_elements(tile) for tile in boxes)
        elements = _elements(whole)
        fault = "leave a gap" if held < elements else "overlap"
        raise ValueError(f"the {len(boxes)} slices {fault}: {held} elements for {elements}")


def assemble(whole: np.ndarray, parts: Iterable[tuple[Box, np.ndarray]]) -> np.ndarray:
    """Write every part, of the dtype of ``whole``, where it belongs."""
    for place, part in parts:
        whole[tuple(slice(start, stop) for start, stop in place)] = part
    return whole


def _elements(tile: Box) -> int:
    product = 1
    for start, stop in tile:
        product *= stop - start
    return product
