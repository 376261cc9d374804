"""The pictures of the HTML report, drawn by matplotlib as SVG that takes the page's colours.

matplotlib is imported here only. Every colour is a stand-in that becomes a CSS variable, so
that the pictures follow the page into the dark; text stays text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.report.page.elements import Markup

Array = np.ndarray

# a colour that nothing else uses → the page's own
_COLOURS: Final = {
    "#010101": "--ink", "#020202": "--muted", "#030303": "--line", "#0a0001": "--c1",
    "#0a0002": "--c2", "#0a0003": "--c3", "#0a0004": "--c4", "#0a0005": "--c5", "#0a0006": "--c6",
}  # fmt: skip
INK, MUTED, LINE = "#010101", "#020202", "#030303"
SERIES: Final = ["#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006"]
MARKS: Final = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1))]
MOST_POINTS = 600  # beyond it a scatter is a blot, and its file grows


class Canvas:
    """Figures with one look; the number of each makes its ids unique in the page."""

    def __init__(self) -> None:
        try:
            import matplotlib
        except ImportError as error:
            raise UsageError(
                "the HTML report draws its pictures with matplotlib, which cannot be imported "
                f"({error})",
                remedy="Install it: pip install 'lnfold[html]'.",
            ) from error
        self._matplotlib: Any = matplotlib
        self._count = 0

    def axes(self, *, width: float = 4.4, height: float = 2.4, head: float = 0.25) -> Any:
        """A new figure and its axes; ``head`` is kept for a legend.

        Sizes are in inches: a page shows pictures of the standard width beside each other, a
        phone below each other. Margins are fixed: matplotlib's own search for them would take
        as long as the drawing.
        """
        from matplotlib.figure import Figure

        with self._matplotlib.rc_context(_LOOK):
            figure = Figure(figsize=(width, height))
            figure.subplots_adjust(
                left=0.75 / width,
                right=1 - 0.12 / width,
                bottom=0.46 / height,
                top=1 - head / height,
            )
            axis = figure.add_subplot()
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        return figure, axis

    def svg(self, figure: Any) -> Markup:
        """The figure as inline SVG."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        self._count += 1
        look = {**_LOOK, "svg.fonttype": "none", "svg.hashsalt": f"lnfold {self._count}"}
        page = StringIO()
        with self._matplotlib.rc_context(look):
            FigureCanvasSVG(figure)
            figure.savefig(page, format="svg", transparent=True, metadata={"Date": None})
        return _inline(page.getvalue(), f"f{self._count}")


_LOOK: Final = {
    "font.family": "sans-serif", "font.size": 9, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED, "axes.linewidth": 0.8,
    "legend.frameon": False, "axes.titlesize": 9, "axes.unicode_minus": True,
}  # fmt: skip


def _inline(svg: str, prefix: str) -> Markup:
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r'\sid="', f' id="{prefix}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", svg)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    # hundredths of a point are enough for places; the numbers at the axes are text, and whole
    svg = re.sub(r'="[^"]*"', lambda one: re.sub(r"(\d\.\d\d)\d+", r"\1", one[0]), svg)
    svg = svg.replace("font: 9px 'sans-serif'", "font: 9px sans-serif")
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg.strip())


def _legend(axis: Any, **place: Any) -> None:
    axis.legend(frameon=False, labelcolor=INK, fontsize=8, **place)


def _few_ticks(axis: Any) -> None:
    """A small picture has room for four numbers below it."""
    axis.xaxis.set_major_locator(_ticks(nbins=4))


def _ticks(**options: Any) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(**options)


def _whole_numbers(axis: Any) -> None:
    """Counts are whole: no tick between two of them."""
    axis.yaxis.set_major_locator(_ticks(integer=True, nbins=6))


def _bars(axis: Any, values: Array, bins: int, colour: str) -> None:
    """The bars of a histogram; values that no bins can divide become one."""
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    if high - low <= 4 * bins * float(np.spacing(size)):
        low, high, bins = low - max(size, 1.0) / 2, high + max(size, 1.0) / 2, 1
    axis.hist(values, bins=bins, range=(low, high), color=colour)


def histogram(canvas: Canvas, name: str, values: Array, colour: str) -> Markup:
    """The distribution of one vector over its units."""
    figure, axis = canvas.axes(width=3.3, height=2.2)
    _bars(axis, values[np.isfinite(values)], 24, colour)
    axis.set_xlabel(name)
    axis.set_ylabel("units")
    _few_ticks(axis)
    _whole_numbers(axis)
    return canvas.svg(figure)


def scatter(canvas: Canvas, across: str, x: Array, up: str, y: Array) -> Markup:
    """Two vectors against each other, one point a unit."""
    figure, axis = canvas.axes(width=3.3, height=2.4)
    chosen = np.unique(np.linspace(0, x.size - 1, min(x.size, MOST_POINTS)).astype(int))
    axis.scatter(x[chosen], y[chosen], s=11, color=SERIES[0], alpha=0.65, linewidths=0)
    if y.min() < 0 < y.max():
        axis.axhline(0, color=LINE, linewidth=0.8, zorder=0)
    if x.min() < 0 < x.max():
        axis.axvline(0, color=LINE, linewidth=0.8, zorder=0)
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    _few_ticks(axis)
    return canvas.svg(figure)


def split_bar(canvas: Canvas, parts: Mapping[str, float]) -> Markup:
    """The squares of orthogonal parts as shares of their sum."""
    figure, axis = canvas.axes(height=1.15, head=0.4)
    total = sum(one**2 for one in parts.values()) or 1.0
    left = 0.0
    for (name, length), colour in zip(parts.items(), SERIES, strict=False):
        share = length**2 / total
        axis.barh(0, share, left=left, color=colour, label=f"{name} {share:.1%}")
        left += share
    axis.set_yticks([])
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of the bias's squared length")
    _legend(axis, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return canvas.svg(figure)


def unit_ranges(
    canvas: Canvas, low: Array, high: Array, seen: tuple[Array, Array] | None, verdicts: list[str]
) -> Markup:
    """What each unit can be, and within it what it was; sorted by the middle of the range."""
    figure, axis = canvas.axes(width=7.6, height=3.0, head=0.35)
    order = np.argsort(low + high)
    order = order[np.linspace(0, order.size - 1, min(order.size, MOST_POINTS)).astype(int)]
    x = np.arange(order.size)
    kinds = {"mixed": SERIES[0], "dead": SERIES[4], "always_on": SERIES[2], "constant": SERIES[3]}
    for kind, colour in kinds.items():
        which = np.array([verdicts[i] == kind for i in order], bool)
        if which.any():
            chosen = order[which]
            label = kind.replace("_", " ")
            axis.vlines(x[which], low[chosen], high[chosen], colour, linewidth=1, label=label)
            if seen is not None:
                ends = seen[0][chosen], seen[1][chosen]
                axis.vlines(x[which], *ends, colour, linewidth=3, alpha=0.55)
    axis.axhline(0, color=INK, linewidth=0.8)
    axis.set_xlabel("units, sorted")
    axis.set_ylabel("gamma·z + beta")
    _legend(axis, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return canvas.svg(figure)


def deviation_histogram(canvas: Canvas, s: Array, smallest: float | None) -> Markup:
    """s(x) over the inputs used, and the least that any input can give."""
    figure, axis = canvas.axes()
    _bars(axis, s[np.isfinite(s)], 40, SERIES[0])
    if smallest is not None:
        axis.axvline(smallest, color=SERIES[4], linestyle="--", label="never below (proved)")
        _legend(axis)
    axis.set_xlabel("s(x)")
    axis.set_ylabel("inputs")
    _whole_numbers(axis)
    return canvas.svg(figure)


def error_curves(canvas: Canvas, errors: Mapping[str, Array], label: str) -> Markup:
    """For each name, the share of inputs (across) whose error is at most so large (up)."""
    figure, axis = canvas.axes(width=7.6, height=3.6, head=0.5)
    for (name, values), colour, mark in zip(errors.items(), SERIES, MARKS, strict=False):
        size = np.sort(np.maximum(values, 1e-300))
        share = np.arange(1, size.size + 1) / size.size
        axis.plot(share * 100, size, color=colour, linestyle=mark, linewidth=1.5, label=name)
    axis.set_yscale("log")
    largest = max((float(one.max(initial=0.0)) for one in errors.values()), default=1.0) or 1.0
    smallest = min((float(np.quantile(one, 0.02)) for one in errors.values()), default=0.0)
    axis.set_ylim(max(smallest, largest * 1e-5), largest * 1.5)
    axis.set_xlabel("share of the inputs, %")
    axis.set_ylabel(label)
    _legend(axis, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return canvas.svg(figure)


def error_histogram(canvas: Canvas, errors: Array, tolerance: float) -> Markup:
    """|difference| on a logarithmic scale, and what is allowed."""
    figure, axis = canvas.axes()
    size = errors[np.isfinite(errors) & (errors > 0)]
    low = float(np.log10(size.min())) if size.size else -12.0
    high = float(np.log10(max(float(size.max(initial=0.0)), tolerance, 1e-300))) + 0.2
    if size.size:
        axis.hist(size, bins=list(np.logspace(low, high, 40)), color=SERIES[0])
    if tolerance > 0:
        axis.axvline(tolerance, color=SERIES[4], linestyle="--", label="allowed")
        _legend(axis)
    axis.set_xscale("log")
    axis.set_xlabel("largest |difference| of a row")
    axis.set_ylabel("rows")
    _whole_numbers(axis)
    return canvas.svg(figure)
