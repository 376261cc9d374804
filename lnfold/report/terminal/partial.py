"""Networks of which only parts without a norm are known: many that are alike take one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding

from lnfold.network.records.layers import Network
from lnfold.report.account.record import NetworkReport
from lnfold.report.terminal.evidence import wiring
from lnfold.text.number_format import printable
from lnfold.text.terminal import Text

_SHOWN = 6  # names of networks that are alike


def is_partial(one: NetworkReport) -> bool:
    """Whether there is nothing to say of a network but what was recovered of it."""
    return not one.network.complete and not one.relations


def partial_networks(reports: Sequence[NetworkReport]) -> Iterator[RenderableType]:
    """One network of every kind, with the names of those that consist of the same layers."""
    alike: dict[tuple[tuple[str, int], ...], list[Network]] = {}
    for one in reports:
        widths = one.network.widths()
        key = tuple((layer.kind, widths[layer.name]) for layer in one.network.layers)
        alike.setdefault(key, []).append(one.network)
    for first, *others in alike.values():
        yield Text()
        yield wiring(first)
        if others:
            names = ", ".join(printable(network.name) for network in others[:_SHOWN])
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            yield Padding(Text(f"the same layers: {names}{more}"), (0, 0, 0, 2), expand=False)
    if alike:
        yield Text()
        yield Text("No answer and no re-run of these: none holds a norm, and each lacks something.")
