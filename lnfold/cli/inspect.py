"""`lnfold inspect`: the report on one checkpoint."""

from __future__ import annotations

from typing import Any

import click

from lnfold.checkpoint import open_checkpoint
from lnfold.cli.box import box_options
from lnfold.cli.echo import echo, echo_rendered, rendered
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.printing import leave_stdout_to
from lnfold.cli.progress import progress
from lnfold.cli.terminal_width import terminal_width
from lnfold.cli.verdicts import EXIT_CODE_OF
from lnfold.files.whole_file import together, whole_file
from lnfold.recovery.recover import recover
from lnfold.report.account.record import Question, Report, build_report


@click.command(
    epilog="""\b
Examples:
  lnfold inspect run/actor.ckpt-500
  lnfold inspect run/ --output report.json
  lnfold inspect weights --epsilon 1e-3 --activation relu --output-activation tanh
  lnfold inspect run/ --inputs io.npz --expected io.npz --network critic
  lnfold inspect run/ --network critic --explain
  lnfold inspect run/ --html report.html --box -1 1"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.option("--json", "json_wanted", is_flag=True, help="JSON instead of text.")
@click.option("--output", metavar="FILE", help="Write there, not to stdout; FILE.json is JSON.")
@click.option("--network", metavar="NAME", help="Report on this network only.")
@click.option("--inputs", metavar="FILE", help="Inputs to run on, .npy or .npz.")
@click.option("--expected", metavar="FILE", help="Outputs to compare with, .npy or .npz.")
@click.option(
    "--against", type=click.Choice(["tensorflow"]), help="Also run the graph with TensorFlow."
)
@click.option("--detail", is_flag=True, help="All analyses: ranges of units, proofs, and more.")
@click.option("--explain", is_flag=True, help="Every fact with the node or key that says it.")
@click.option("--html", metavar="FILE", help="Write a page with pictures there.")
@box_options
@fact_options
def command(
    path: str,
    json_wanted: bool,
    output: str | None,
    network: str | None,
    inputs: str | None,
    expected: str | None,
    against: str | None,
    detail: bool,
    explain: bool,
    html: str | None,
    box: tuple[float, float] | None,
    box_file: str | None,
    **facts: Any,
) -> int:
    """What the network in CHECKPOINT is, whether its bias, gamma and beta could be one vector,
    and what folds exactly; checked by running it in NumPy.

    CHECKPOINT is a prefix, one of its files, or a folder. The exit code is 1 where a check
    finds a difference that no rounding explains, and 4 where nobody can tell whether what
    --expected or --against asks for agrees.
    """
    leave_stdout_to(html, output)
    with open_checkpoint(path) as checkpoint:
        recovery = recover(checkpoint, settings(**facts, network=network))
        question = Question(network, inputs, expected, against == "tensorflow", facts["assume"])
        report = build_report(checkpoint, recovery, question)
        if detail or html is not None or box is not None or box_file is not None:
            from lnfold.report.account.full import BoxOption, with_detail

            with progress("corners of the box") as watch:
                report = with_detail(report, BoxOption(box, box_file), watch)
        json_wanted = json_wanted or (output or "").endswith(".json")
        with together():
            if html is not None:
                from lnfold.report.page.write import write_html

                write_html(report, html)
            if output is not None:
                _write(report, json_wanted, explain, output)
        if output is None and json_wanted:
            from lnfold.report.json.report import as_json

            echo(as_json(report), nl=False)
        elif output is None:
            from lnfold.report.terminal.summary import TerminalReport

            echo_rendered(TerminalReport(report, explain), terminal_width())
    return EXIT_CODE_OF[report.verdict]


def _write(report: Report, json_wanted: bool, explain: bool, output: str) -> None:
    if json_wanted:
        from lnfold.report.json.report import as_json

        text = as_json(report)
    else:
        from io import StringIO

        from lnfold.report.terminal.summary import TerminalReport

        text = rendered(TerminalReport(report, explain), file=StringIO(), width=100)
    with whole_file(output) as file:
        file.write(text.encode("utf-8"))
