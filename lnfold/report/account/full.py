"""The report with every analysis in it: what ``--detail``, ``explain`` and the HTML show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.errors import UsageError
from lnfold.network.records.layers import Network
from lnfold.network.running.run import run_rows
from lnfold.relations.detail import detail
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.box_choice import box_of_arrays, box_of_numbers
from lnfold.relations.ranges.corners import Watch
from lnfold.report.account.record import NetworkReport, Report


@dataclass(frozen=True, slots=True)
class BoxOption:
    """The box of inputs asked for: two numbers, or a file; anything where neither is given."""

    numbers: tuple[float, float] | None = None
    file: str | None = None

    def boxes(self, network: Network) -> dict[str, Box]:
        """The box of each input of a network, by name.

        Raises:
            UsageError: both were given, or they do not fit.
        """
        if self.numbers is not None and self.file is not None:
            raise UsageError("--box and --box-file both say what the inputs can be; give one")
        if self.numbers is not None:
            return box_of_numbers(network, *self.numbers)
        if self.file is not None:
            return box_of_arrays(network, read_arrays(self.file, "box"), self.file)
        return {}


@np.errstate(all="ignore")  # what is not finite is said of the values, not warned of
def with_detail(report: Report, box: BoxOption | None = None, watch: Watch | None = None) -> Report:
    """The same report with the full account of every network.

    Args:
        watch: told how far a long search of a box's corners is.

    Raises:
        UsageError: the box does not fit a network.
    """
    box = box or BoxOption()
    return replace(report, networks=tuple(_detailed(one, box, watch) for one in report.networks))


def _detailed(one: NetworkReport, box: BoxOption, watch: Watch | None) -> NetworkReport:
    network = one.network
    values = None
    if one.observations is not None:
        values = run_rows(network, one.observations.inputs, np.float64, trace=True)
    boxes = box.boxes(network) if network.complete else {}
    return replace(one, detail=detail(network, one.relations, values, boxes, watch))
