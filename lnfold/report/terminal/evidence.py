"""What a network is and what each of its facts rests on, for a terminal."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.claims import PLACEMENT, called
from lnfold.network.records.layers import Activation, Network, Norm
from lnfold.network.records.statements import Statement, statements
from lnfold.report.words.chain import title
from lnfold.report.words.tree import Line, tree
from lnfold.text.number_format import printable, shortest
from lnfold.text.terminal import Text

_SHOWN: Final = 4  # variables of no network that are named unless all are asked for
_LONGEST_NAME: Final = 12  # a network's name that has room beside its layers


def wiring(network: Network) -> RenderableType:
    """A network's name, its layers as a tree, and below them what its facts rest on."""
    lines: list[RenderableType] = [_Lines(tree(network)), *_evidence(network)]
    name = Text(printable(network.name), style="bold cyan")
    if len(name) > _LONGEST_NAME:
        return Group(name, Padding(Group(*lines), (0, 0, 0, 2), expand=False))
    grid = Table.grid(padding=(0, 2))
    grid.add_row(name, Group(*lines))
    return grid


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines set in the width there is, each continued under its own text."""

    lines: list[Line]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            wrapped = textwrap.wrap(
                line.text,
                max(options.max_width, len(line.hanging) + 16),
                initial_indent=line.lead,
                subsequent_indent=line.hanging,
                break_on_hyphens=False,
                # a no-break space keeps the words of one step together
                drop_whitespace=True,
            )
            for one in wrapped:
                yield Text(one.replace("\N{NO-BREAK SPACE}", " "), no_wrap=True, overflow="fold")


def _evidence(network: Network) -> Iterator[Text]:
    """What the facts rest on, one line a source; assumptions stand out and name their option."""
    said: dict[tuple[Source, str, str], dict[str, list[str]]] = {}

    def say(what: str, fact: Fact[Any], option: str) -> None:
        # a node or key for every fact would hide what they share: the file they were read from
        in_file = fact.source in (Source.GRAPH, Source.CONFIG)
        where = os.path.basename(network.wiring.where) if in_file else fact.where
        options = said.setdefault((fact.source, where, fact.confidence), {})
        options.setdefault(what, []).append(option)

    for layer in network.layers:
        if isinstance(layer, Norm) and layer.epsilon.value is not None:
            say(f"epsilon {shortest(layer.epsilon.value)}", layer.epsilon, "--epsilon")
    normed = any(one.what == PLACEMENT for one in network.claims)
    if network.wiring.known and (normed or not network.claims):
        say("order", network.wiring, "--order")
    for one in network.claims:
        say("placement of the norms" if one.what == PLACEMENT else one.what, one.fact, one.option)
    for layer in network.layers:
        if isinstance(layer, Activation) and layer.function.known:
            last = layer.name in network.outputs
            say("activations", layer.function, called("function", last)[1])
    for (source, where, confidence), options in said.items():
        *others, last_one = options
        line = Text(f"{', '.join(others)} and {last_one}" if others else last_one)
        line.append(": ")
        if source.assumed:
            otherwise = ", ".join(dict.fromkeys(one for all_ in options.values() for one in all_))
            line.append(f"assumed, as in {printable(where)}")
            line.append(f" ({confidence} confidence)" if confidence else "")
            line.append(f"; {otherwise} can say otherwise")
        else:
            line.append(source.sentence + (f" ({printable(where)})" if where else ""))
        line.stylize("yellow" if source.assumed else "dim")
        yield line
    if network.behind:
        more = f" and {len(network.behind) - 2} more" if len(network.behind) > 2 else ""
        listed = printable(", ".join(network.behind[:2]))
        yield Text(f"behind its outputs, not run: {listed}{more}", style="dim")
    by_remedy = {gap.remedy or gap.what: gap for gap in reversed(network.gaps)}
    for gap in reversed(by_remedy.values()):
        yield Text(f"{printable(gap.what)}. {gap.remedy}".rstrip(), style="red")


def facts(network: Network) -> RenderableType:
    """Every fact of a network, layer by layer, with the node or key that says it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    layers = {layer.name: layer for layer in network.layers}
    shown = ""
    for one in statements(network):
        if one.layer != shown:
            shown = one.layer
            kind, _, _ = title(layers[shown]).partition(" epsilon")  # it has a row of its own
            table.add_row(f"  {kind}", Text(printable(shown), style="cyan"))
        indent = "    " if one.layer else "  "
        table.add_row(f"{indent}{one.what}", _stated(one))
    return Group(Text(f"facts of {printable(network.name)}", style="bold"), table)


def _stated(one: Statement) -> Text:
    """A value, and behind it how it is known and which option says otherwise."""
    value = shortest(one.value) if isinstance(one.value, float) else one.value
    text = Text("unknown" if value is None else printable(str(value)))
    where = os.path.basename(one.where) if one.what == "order" else one.where
    where = "" if where == one.layer else printable(where)
    if one.source is Source.UNKNOWN:
        text.append(f": {one.option} settles it", style="red")
    elif one.source.assumed:
        trust = f" with {one.confidence} confidence" if one.confidence else ""
        otherwise = f"; {one.option} says otherwise" if one.option else ""
        text.append(f": assumed{trust}, as in {where}{otherwise}", style="yellow")
    else:
        text.append(f"  {_KINDS[one.source]}{where and ', ' + where}", style="dim")
    return text


_KINDS: Final = {
    Source.GRAPH: "graph",
    Source.CONFIG: "config",
    Source.OBJECT_GRAPH: "object graph",
    Source.NAMES: "by its name",
    Source.SHAPES: "the only one of a chain that fits the shapes",
    Source.EXAMPLES: "examples",
    Source.OPTION: "option",
}


def shared_variables(shared: Mapping[str, tuple[str, ...]]) -> Iterator[Text]:
    """The variables that several networks read, one line for each set of networks."""
    by_networks: dict[tuple[str, ...], list[str]] = {}
    for name, networks in shared.items():
        by_networks.setdefault(networks, []).append(name)
    for networks, names in by_networks.items():
        line = Text(f"shared by {', '.join(map(printable, networks))}: ")
        line.append(", ".join(map(printable, names)), style="dim")
        yield line


def unused_variables(names: Sequence[str], all_of_them: bool) -> Iterator[Text]:
    """The variables that belong to no network; the first few unless all are asked for."""
    if not names:
        return
    shown = list(map(printable, names if all_of_them else names[:_SHOWN]))
    left = len(names) - len(shown)
    line = Text(f"in no network: {len(names)} variable{'s' if len(names) > 1 else ''}")
    line.append(f": {', '.join(shown)}", style="dim")
    line.append(f" and {left} more (--explain names them)" if left else "", style="dim")
    yield line
