"""`lnfold fold --approximate`: not a fold, and never said to be one."""

from __future__ import annotations

from collections.abc import Sequence

from lnfold.checking.observations import given
from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.cli.echo import echo
from lnfold.errors import UsageError
from lnfold.export.archive import write_networks
from lnfold.folding.rules.frozen_std import Approximated, freeze_deviations
from lnfold.network.records.layers import Network
from lnfold.text.json import json_text
from lnfold.text.number_format import figure, printable


def approximate_networks(
    checkpoint: Checkpoint,
    networks: Sequence[Network],
    inputs: str | None,
    output: str | None,
    force: bool,
    json_wanted: bool,
) -> None:
    """Freezes the deviations of every complete network, reports the error, writes an archive.

    Raises:
        UsageError: no inputs to fit on, or an output that is no ``.npz``.
    """
    if inputs is None:
        raise UsageError(
            "an approximation needs the observations that it shall be good for",
            remedy="Give --inputs FILE.",
        )
    if output is not None and not output.endswith(".npz"):
        raise UsageError("an approximation is no checkpoint", remedy=f"Give --output {output}.npz.")
    arrays = read_arrays(inputs, "inputs")
    found = {
        one.name: freeze_deviations(one, given(one, arrays, inputs).inputs)
        for one in networks
        if one.complete
    }
    if output is not None:
        entries = [({"form": "frozen-deviation"}, one.network) for one in found.values()]
        write_networks(checkpoint, entries, output, overwrite=force)
        echo(f"wrote {output}", err=True)
    if json_wanted:
        record = {name: _record(one) for name, one in found.items()}
        echo(json_text({"schema_version": 1, "approximations": record}), nl=False)
        return
    for name, one in found.items():
        echo(f"{printable(name)}   APPROXIMATE: one constant in place of every s(x)")
        for layer in one.layers:
            echo(
                f"  {printable(layer.layer)}: c = {figure(layer.deviation, 3)}, off by "
                f"{figure(layer.error)}, at most {figure(layer.bound)} while |1 − s/c| is "
                f"below {figure(layer.variation)}"
            )
        largest, scale = figure(one.output_error), figure(one.output_scale)
        echo(f"  the outputs are off by up to {largest} of {scale}")


def _record(one: Approximated) -> dict[str, object]:
    return {
        "output_error": one.output_error,
        "output_scale": one.output_scale,
        "layers": [
            {
                "layer": layer.layer,
                "deviation": layer.deviation,
                "variation": layer.variation,
                "error": layer.error,
                "bound": layer.bound,
            }
            for layer in one.layers
        ],
    }
