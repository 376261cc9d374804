"""`lnfold fold`: fold what folds exactly, prove it, and write it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.cli.echo import echo
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.printing import leave_stdout_to
from lnfold.errors import UsageError
from lnfold.export.folding import confirm, expect_unfolded, fold_chosen, write_folds
from lnfold.files.file_names import STATE_FILE
from lnfold.files.standard_streams import is_stream
from lnfold.files.whole_file import together
from lnfold.folding.choice import Choice
from lnfold.folding.editing.steps import Form
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.folding.survey import survey
from lnfold.network.records.layers import Network
from lnfold.network.records.settled import expect_settled
from lnfold.recovery.recover import Recovery, recover
from lnfold.text.number_format import printable


@click.command(
    epilog="""\b
Examples:
  lnfold fold run/actor.ckpt-500 --output folded/actor.ckpt-500
  lnfold fold run/ --form auto --output actor.npz
  lnfold fold run/ --skip centre --network critic"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.option(
    "--output",
    metavar="OUT",
    help="Write there: a checkpoint prefix, FILE.npz, or what the input is: a SavedModel's folder, "
    "FILE.h5, FILE.keras.",
)
@click.option(
    "--form",
    type=click.Choice([form.value for form in Form]),
    default=Form.STOCK.value,
    show_default=True,
    help="What the folded network may look like.",
)
@click.option("--only", multiple=True, metavar="RULE", help="Apply this rule only; repeatable.")
@click.option("--skip", multiple=True, metavar="RULE", help="Leave this rule out; repeatable.")
@click.option("--network", "names", multiple=True, metavar="NAME", help="Fold this one only.")
@click.option("--inputs", metavar="FILE", help="Inputs to measure on, .npy or .npz.")
@click.option(
    "--approximate",
    type=click.Choice(["frozen-deviation"]),
    help="No fold but an approximation: one constant for s(x), fitted on --inputs.",
)
@click.option("--networks-only", is_flag=True, help="Write nothing but the networks' variables.")
@click.option("--force", is_flag=True, help="Replace an output that is there; never an input.")
@click.option(
    "--newest",
    is_flag=True,
    help="Let the folder's 'checkpoint' file name the fold as the newest, from which a training "
    "run would go on; without it that is done only in a folder that holds no other checkpoint.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 where a step was refused.")
@click.option("--json", "json_wanted", is_flag=True, help="The certificate as JSON on stdout.")
@click.option("--html", metavar="FILE", help="Write a page with the steps and pictures there.")
@fact_options
def command(
    path: str,
    output: str | None,
    form: str,
    only: Sequence[str],
    skip: Sequence[str],
    names: Sequence[str],
    inputs: str | None,
    approximate: str | None,
    networks_only: bool,
    force: bool,
    newest: bool,
    strict: bool,
    json_wanted: bool,
    html: str | None,
    **facts: Any,
) -> int:
    """Folds what folds exactly in the networks of CHECKPOINT: the mean of kernel and bias, gamma
    and beta, BatchNorm, in float64, rounded once. Every step comes with its proof.

    The stock form keeps variables, shapes and graph, so that the program that wrote the
    checkpoint can restore it.
    """
    if output == "":
        raise UsageError("--output is empty", remedy="Give a name, e.g. folded.ckpt.")
    if output is not None and is_stream(output):
        raise UsageError(
            "a fold is several files, which do not go into a stream",
            file=output,
            remedy="Give --output a name; the page of --html and --json can go to stdout.",
        )
    leave_stdout_to(html)
    with open_checkpoint(path) as checkpoint:
        expect_unfolded(checkpoint)
        recovery = recover(
            checkpoint, settings(**facts, network=names[0] if len(names) == 1 else None)
        )
        choice = Choice(Form(form), only, skip, assume=facts["assume"])
        chosen = _chosen(recovery, names)
        if names and not choice.assume:
            expect_settled(chosen, "folded")
        if approximate is not None:
            from lnfold.cli.approximate import approximate_networks

            if not choice.assume:
                expect_settled(chosen, "approximated")
            approximate_networks(checkpoint, chosen, inputs, output, force, json_wanted)
            return 0
        arrays = None if inputs is None else read_arrays(inputs, "inputs")
        folded = fold_chosen(checkpoint, recovery, chosen, choice, arrays, inputs or "")
        for note in recovery.notes:
            echo(f"note: {printable(note)}", err=True)
        done = {one.original.name for one in folded}
        unfolded = [survey(one, Form(form)) for one in chosen if one.name not in done]
        if output is not None and not folded and not json_wanted:
            _print(folded, unfolded)  # why nothing will be written
        confirm(folded, arrays, inputs or "")
        written: list[str] = []
        with together():
            if output is not None:
                written += write_folds(
                    checkpoint,
                    folded,
                    output,
                    unfolded=unfolded,
                    overwrite=force,
                    networks_only=networks_only,
                    newest=newest or None,
                )
            if html is not None:
                _write_html(checkpoint, recovery, folded, html)
                written.append(html)
        _say_written(written, output)
        if json_wanted:
            from lnfold.export.certificates import certificate_text

            echo(certificate_text(checkpoint, folded, unfolded), nl=False)
        else:
            _print(folded, unfolded)
    refused = bool(unfolded) or any(one.refusals for one in folded)
    return 1 if strict and refused else 0


def _chosen(recovery: Recovery, names: Sequence[str]) -> tuple[Network, ...]:
    return tuple(recovery.named(name) for name in names) if names else recovery.networks


def _write_html(
    checkpoint: Checkpoint, recovery: Recovery, folded: Sequence[Folded], html: str
) -> None:
    from lnfold.report.account.record import build_report
    from lnfold.report.page.write import write_fold_html

    write_fold_html(build_report(checkpoint, recovery), folded, html)


def _say_written(written: Sequence[str], output: str | None) -> None:
    for one in written:
        echo(f"wrote {one}", err=True)
    if output is not None and f"{output}.index" in written:
        folder = os.path.dirname(output)
        state = os.path.join(folder, STATE_FILE)
        if state not in written:
            echo(
                f"which checkpoint of {folder or 'this folder'} is the newest stays as it is; "
                f"--newest makes it this one",
                err=True,
            )


def _print(folded: Sequence[Folded], unfolded: Sequence[NotFolded]) -> None:
    from lnfold.export.summary import not_folded_summary, summary

    echo(summary(folded), nl=bool(folded))
    for one in unfolded:
        echo(not_folded_summary(one))
