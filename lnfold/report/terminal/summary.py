"""The report on a terminal: the network, the answer, its evidence, what folds, the re-run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table

from lnfold.checking.sentences import counted, sign, style, told
from lnfold.relations.question.absorption import Absorption, Verdict
from lnfold.relations.question.bias_split import BiasSplit
from lnfold.relations.question.distribution import Distribution
from lnfold.relations.question.relate import Relation
from lnfold.report.account.record import NetworkReport, Report, split_copies
from lnfold.report.terminal.evidence import facts, shared_variables, unused_variables, wiring
from lnfold.report.terminal.partial import is_partial, partial_networks
from lnfold.text.number_format import figure, printable
from lnfold.text.terminal import BARS, Text

_WIDTH = 77  # of a layer's name that has room for its s(x) beside it
QUESTION = 'Can bias, gamma and beta of a layer be one "bias" vector?'


class TerminalReport:
    """Renders a report with rich: ``Console().print(TerminalReport(report))``."""

    def __init__(self, report: Report, explained: bool = False) -> None:
        self.report = report
        self.explained = explained

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _heading(self.report)
        for note in self.report.notes:
            yield _indented(Text(f"note: {printable(note)}", style="yellow"))
        originals, copies = split_copies(self.report.networks)
        partial = [one for one in originals if is_partial(one)]
        if len(partial) > 1:
            originals = [one for one in originals if not is_partial(one)]
        else:
            partial = []
        for one in originals:
            yield Text()
            yield from _network(one)
        yield from partial_networks(partial)
        if copies:
            yield Text()
            yield _copies(copies)
        yield from self._variables()
        if self.explained:
            for one in self.report.networks:
                yield Text()
                yield facts(one.network)
        if not self.report.networks:
            yield Text()
            yield Text("No dense layer was found, so there is no network to explain.")

    def _variables(self) -> Iterator[RenderableType]:
        """The variables that several networks read, and those that none reads."""
        recovery = self.report.recovery
        lines = [] if not self.explained else [*shared_variables(recovery.shared)]
        lines += unused_variables(recovery.unused, self.explained)
        if lines:
            yield Text()
            yield from lines


def _heading(report: Report) -> Text:
    checkpoint = report.checkpoint
    # a SavedModel keeps its variables in FOLDER/variables/variables
    in_folder = checkpoint.format.startswith("SavedModel")
    path = os.path.dirname(os.path.dirname(checkpoint.path)) if in_folder else checkpoint.path
    heading = Text(printable(os.path.basename(path) or checkpoint.path), style="bold")
    heading.append(
        f"   {checkpoint.format}, {len(checkpoint):,} variables, {report.parameters:,} parameters",
        style="not bold",
    )
    return heading


def _network(one: NetworkReport) -> Iterator[RenderableType]:
    network = one.network
    yield wiring(network)
    yield Text()
    yield from _answer(one)
    for relation in one.relations:
        yield Text()
        yield _relation(relation)
    if one.answer.candidates:
        yield Text()
        yield _candidates(one)
    if one.detail is not None:
        from lnfold.report.terminal.detail import detail_lines

        yield from detail_lines(one)
    yield Text()
    yield _checks(one) if one.checks else Text("re-run  not possible: see above", style="red")


def _answer(one: NetworkReport) -> Iterator[RenderableType]:
    word, _, _ = one.answer.sentence.partition(":")
    rest = one.answer.sentence[len(word) + 1 :].strip()
    line = Text(f"{QUESTION}  ", style="bold")
    line.append(
        f"{word.split(',')[0]}.", style="bold green" if one.answer.one_vector else "bold red"
    )
    yield line
    text = rest if "," not in word else one.answer.sentence
    yield _indented(Text(text[:1].upper() + text[1:]))


def _relation(relation: Relation) -> RenderableType:
    pair = relation.pair
    title = Text()
    if pair.dense is not None:
        title.append(printable(pair.dense.scope), style="cyan")
        title.append(" → ")
    title.append(printable(pair.norm.scope), style="cyan")
    lines: list[RenderableType] = []
    if relation.deviation is not None:
        s = relation.deviation
        spread = f"s(x) {figure(s.minimum)} … {figure(s.maximum)}, varies by {s.variation:.0%}"
        if len(title) + len(spread) < _WIDTH:
            title.append(f"   {spread}")
        else:
            lines.append(Text(spread))
    lines.append(_vectors(relation))
    if relation.split is not None and relation.bias is not None:
        lines.append(_split(relation.split))
    lines.append(_absorbed(relation))
    return Group(title, _indented(Group(*lines)))


def _vectors(relation: Relation) -> Table:
    table = Table.grid(padding=(0, 2))
    for head in ("", "distribution", "min", "mean", "max", "norm", ""):
        right = head in ("min", "mean", "max", "norm")
        table.add_column(justify="right" if right else "left", no_wrap=True)
    table.add_row(*(Text(head, style="dim") for head in ("", "", "min", "mean", "max", "norm")))
    for name, one in (("bias", relation.bias), ("gamma", relation.gamma), ("beta", relation.beta)):
        if one is None:
            continue
        table.add_row(
            name,
            Text(_bars(one.histogram), style="cyan"),
            *(figure(value) for value in (one.minimum, one.mean, one.maximum, one.norm)),
            Text(_remark(name, one, relation), style="dim"),
        )
    return table


def _remark(name: str, one: Distribution, relation: Relation) -> str:
    if one.nonfinite:
        return f"{one.nonfinite} NaN or infinite"
    if name == "gamma":
        counts = {"negative": one.negative, "zero": one.zero, "tiny": one.tiny}
        said = [f"{count} {word}" for word, count in counts.items() if count]
        return ", ".join(said) or "all positive"
    if name == "beta" and relation.split is not None:
        return "a bias of s(x)·beta"
    return ""


def _split(split: BiasSplit) -> Text:
    line = Text(f"bias = dead {figure(split.dead)} + shift {figure(split.shift)}")
    line.append(f" + rest {figure(split.residual)}")
    if split.residual:
        line.append(f", as an epsilon of {figure(split.effective_epsilon)}")
    line.append("   (norms)", style="dim")
    return line


_FOLDED = (Verdict.GAMMA_FOLDED, Verdict.BETA_FOLDED)


def _absorbed(relation: Relation) -> Text:
    absorbed, total = relation.numbers
    line = Text(f"absorbed exactly: {absorbed} of {total} numbers")
    said = [_absorption(one) for one in relation.absorptions if one.absorbed]
    if said:
        line.append(f": {', '.join(said)}")
    stays: dict[str, list[str]] = {}
    for one in relation.absorptions:
        settled = one.absorbed or one.verdict is Verdict.INTO_DENSE
        if (one.total or one.verdict in _FOLDED) and not settled:
            stays.setdefault(one.sentence, []).append(one.vector)
    if not absorbed:
        reasons = [_together(vectors, printable(why)) for why, vectors in stays.items()]
        line.append(f" ({'; '.join(reasons)})", style="dim")
    return line


def _together(vectors: list[str], why: str) -> str:
    """gamma stays: …; gamma and beta stay: …"""
    if len(vectors) > 1:
        why = re.sub(r"^(stays|is)\b", lambda verb: {"stays": "stay", "is": "are"}[verb[1]], why)
    return f"{' and '.join(vectors)} {why}"


def _absorption(one: Absorption) -> str:
    if one.verdict is Verdict.MEAN_ONLY:
        return "mean of bias (dead)"
    into = ", ".join(printable(scope.rpartition("/")[2]) for scope in one.into)
    return f"{one.vector} (into {into})"


def _bars(histogram: tuple[int, ...]) -> str:
    highest = max(histogram, default=0) or 1
    # every bin with a count shows, however small it is
    return "".join(BARS[-(-count * (len(BARS) - 1) // highest)] for count in histogram)


def _candidates(one: NetworkReport) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    several = len(one.relations) > 1
    heads = (
        "if one vector replaced them",
        "R², worst" if several else "R²",
        "layer off",
        "outputs off",
    )
    table.add_row(*(Text(head, style="dim") for head in heads))
    for measured in one.answer.candidates:
        table.add_row(
            f"  {measured.candidate.value}",
            figure(measured.r2),
            figure(measured.layer_max_abs),
            figure(measured.output_max_abs),
        )
    return table


_STYLES = {"good": "green", "bad": "bold red", "doubtful": "bold yellow"}


def _checks(one: NetworkReport) -> RenderableType:
    lines = []
    for check in one.checks:
        line = Text(f"{check.title}: {counted(check)}  ")
        line.append(sign(check), style=_STYLES[style(check)])
        lines.append(line)
        lines.append(Text(told(check), style="dim" if check.passed else ""))
    if one.observations is not None:
        lines.append(Text(f"on {printable(one.observations.origin)}", style="dim"))
    grid = Table.grid(padding=(0, 2))
    grid.add_row("re-run", Group(*lines))
    return grid


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)


def _copies(copies: list[NetworkReport]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("copies", style="bold"), Text("see one with --network NAME", style="dim"))
    for one in copies:
        state = Text() if one.network.complete else Text("cannot be run", style="red")
        for check in one.checks:
            state.append(f"{sign(check)} ", style=_STYLES[style(check)])
            state.append(f"{check.title}  ")
        table.add_row(Text(f"  {printable(one.network.name)}", style="cyan"), state)
    return table
