"""What a layer is sensitive to, in plain words: its vectors, its input, float32, distance."""

from __future__ import annotations

from collections.abc import Iterator

from lnfold.relations.detail import LayerDetail
from lnfold.relations.ranges.asymptotics import FarOut
from lnfold.relations.sensitivity.lipschitz import Steepness
from lnfold.text.number_format import figure


def sensitive_paragraphs(layer: LayerDetail) -> Iterator[str]:
    """What small changes of the vectors, of the input and of the arithmetic do to a layer."""
    if layer.sensitivity is not None and layer.sensitivity.effects:
        said = []
        for effect in layer.sensitivity.effects:
            outputs = (
                "" if effect.outputs is None else f" and the outputs by {figure(effect.outputs)}"
            )
            said.append(f"{effect.vector} moves the layer by {figure(effect.layer)}{outputs}")
        yield f"A random step of length 1 in {'; in '.join(said)} (root mean square, measured)."
        if layer.sensitivity.gap:
            yield (
                "What that does to the outputs is not known: no derivative is written down here "
                f"for a layer of kind {layer.sensitivity.gap}."
            )
        if layer.sensitivity.constant_left is not None:
            yield (
                "Two directions of the bias are lost: along the constant one "
                f"{figure(layer.sensitivity.constant_left)} of a step comes through, along the "
                f"normalised units {figure(layer.sensitivity.normalised_left)}."
            )
    if layer.steepness is not None:
        yield _steep(layer.steepness)
    if layer.far is not None:
        yield _far_out(layer.far)
    if layer.conditioning is not None:
        yield (
            "Two float32 programs may differ in a normalised unit by about "
            f"{figure(layer.conditioning.median)} on a typical row, "
            f"{figure(layer.conditioning.worst)} on the worst"
            + (
                f"; {layer.conditioning.ill:.0%} of the rows are ill-conditioned."
                if layer.conditioning.ill
                else "; no row is ill-conditioned."
            )
        )


def _steep(one: Steepness) -> str:
    found = "" if one.found is None else f" The steepest place found has {figure(one.found)}."
    if one.bound is None:
        return f"s(x) can come as near to 0 as it likes, so the layer has no steepest slope.{found}"
    factors = {
        "gamma": one.gamma,
        "the kernel": one.kernel,
        "the least s(x)": 1 / one.deviation,
    }
    most = max(factors, key=factors.__getitem__)
    return (
        f"Per unit of input the layer moves by at most {figure(one.bound)}, proved: "
        f"max|gamma| {figure(one.gamma)} times ‖W‖ {figure(one.kernel)} over the least s(x) "
        f"{figure(one.deviation)}; {most} makes most of it.{found}"
    )


def _far_out(far: FarOut) -> str:
    listed = ", ".join(
        f"{t:.0f} times as long by {figure(found)}"
        for t, found in zip(far.times[1:], far.found[1:], strict=True)
    )
    return (
        "Far from the origin the layer forgets bias and epsilon and sees only the direction of its "
        "input. A unit is off that limit by at most "
        f"{figure(far.found[0])} on the inputs measured on, on inputs {listed}: it falls as 1/t."
    )
