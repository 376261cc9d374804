"""A network as boxes and arrows: columns by distance from the inputs."""

from __future__ import annotations

from lnfold.network.records.layers import Network, Norm
from lnfold.report.page.elements import Markup, joined, tag
from lnfold.report.words.chain import DOUBT, title
from lnfold.text.number_format import printable

WIDTH, HEIGHT, GAP, ROW = 128, 34, 30, 52
PER_LINE = 6  # columns before the drawing goes on below


def diagram(network: Network, number: int = 0) -> Markup:
    """The drawing, with the chain in words as its alternative; ``number`` makes its ids unique."""
    depth = {one.name: 0 for one in network.inputs}
    doubtful, ends = network.doubtful, network.assumed_ends
    labels = {one.name: f"{one.name} [{one.axes}]" for one in network.inputs}
    for layer in network.layers:
        depth[layer.name] = 1 + max((depth[name] for name in layer.inputs), default=0)
        doubt = DOUBT if layer.name in doubtful else ""
        labels[layer.name] = doubt + title(layer) + (" identity?" if layer.name in ends else "")
    # an input stands just in front of its first reader
    for one in network.inputs:
        readers = [depth[layer.name] for layer in network.consumers(one.name)]
        depth[one.name] = min(readers, default=1) - 1
    # layers stand above the inputs that join them
    names = {one.name for one in network.inputs}
    places = _places(dict(sorted(depth.items(), key=lambda one: one[0] in names)))
    head = f"arrow-{number}"
    parts = [_arrowhead(head)]
    norms = {layer.name for layer in network.layers if isinstance(layer, Norm)}
    for layer in network.layers:
        parts += [_edge(places[name], places[layer.name], head) for name in layer.inputs]
    parts += [_node(places[name], labels[name], name in norms) for name in depth]
    columns = min(max(depth.values(), default=0) + 1, PER_LINE)
    width = columns * (WIDTH + GAP) + 10  # a gap is left at the right for what goes on below
    height = max(y for _, y in places.values()) + HEIGHT + 10
    words = ", then ".join(printable(labels[name]) for name in sorted(depth, key=depth.__getitem__))
    svg = tag(
        "svg",
        joined(parts),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=f"The network: {words}",
        xmlns="http://www.w3.org/2000/svg",
    )
    return tag(
        "figure",
        tag("div", svg, class_="scroll"),
        tag("figcaption", "The network; normalisations are outlined."),
        class_="diagram",
    )


def _places(depth: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The upper left corner of each box; after ``PER_LINE`` columns the drawing goes on below."""
    columns: dict[int, list[str]] = {}
    for name, column in depth.items():
        columns.setdefault(column, []).append(name)
    places = {}
    top = 8
    for start in range(0, max(columns, default=0) + 1, PER_LINE):
        line = range(start, start + PER_LINE)
        for column in line:
            for row, name in enumerate(columns.get(column, [])):
                places[name] = ((column - start) * (WIDTH + GAP) + 5, top + row * ROW)
        top += max(len(columns.get(column, [])) for column in line) * ROW
    return places


def _arrowhead(name: str) -> Markup:
    shape = tag("path", d="M0,0 L7,3.5 L0,7 z")
    marker = tag(
        "marker", shape, id=name, markerWidth="8", markerHeight="8", refX="7", refY="3.5",
        orient="auto",
    )  # fmt: skip
    return tag("defs", marker)


def _edge(left: tuple[int, int], right: tuple[int, int], head: str) -> Markup:
    x1, y1 = left[0] + WIDTH, left[1] + HEIGHT // 2
    x2, y2 = right[0], right[1] + HEIGHT // 2
    if x2 > x1:
        middle = (x1 + x2) // 2
        path = f"M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"
    else:  # on to the next line: out to the right, down, back to the left, down
        beside = x1 + 6 + 6 * (left[1] // ROW % 3)  # two rows of one column do not share a line
        between = right[1] - (ROW - HEIGHT) // 2
        path = f"M{x1},{y1} H{beside} V{between} H{x2 + WIDTH // 2} V{right[1]}"
    return tag("path", class_="edge", d=path, marker_end=f"url(#{head})")


def _node(place: tuple[int, int], label: str, norm: bool) -> Markup:
    x, y = place
    shown = printable(label)
    short = shown if len(shown) <= 17 else shown[:16] + "…"
    return tag(
        "g",
        tag("title", shown),
        tag("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx=6),
        tag("text", short, x=x + WIDTH // 2, y=y + 22, text_anchor="middle"),
        class_="node norm" if norm else "node",
    )
