"""`lnfold fold`: fold what folds exactly, prove it, and write it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.checkpoint.numpy_files.manifest import ARCHIVE
from lnfold.cli.echo import echo
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.printing import leave_stdout_to
from lnfold.errors import CannotTellError, UsageError
from lnfold.files.file_names import STATE_FILE
from lnfold.files.standard_streams import is_stream
from lnfold.files.whole_file import together
from lnfold.folding.choice import Choice
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import fold_together
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
        if checkpoint.format == ARCHIVE:
            raise UsageError(
                f"{checkpoint.path} holds networks that are folded already",
                remedy="Fold the checkpoint that they come from; compare with lnfold check.",
            )
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
        folded = _fold(checkpoint, recovery, chosen, choice, inputs)
        for note in recovery.notes:
            echo(f"note: {printable(note)}", err=True)
        done = {one.original.name for one in folded}
        unfolded = [survey(one, Form(form)) for one in chosen if one.name not in done]
        if output is not None and not folded and not json_wanted:
            _print(folded, unfolded)  # why nothing will be written
        _confirm(folded, inputs)
        written: list[str] = []
        with together():
            if output is not None:
                written += _write(
                    checkpoint, folded, unfolded, output, force, networks_only, newest
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


def _fold(
    checkpoint: Checkpoint,
    recovery: Recovery,
    chosen: Sequence[Network],
    choice: Choice,
    inputs: str | None,
) -> tuple[Folded, ...]:
    """Those among the chosen that can be run, or a part, and rest on nothing that is assumed.

    Raises:
        UsageError: there is no network.
        IncompleteNetworkError: all that could be folded rest on what is assumed.
    """
    from dataclasses import replace

    from lnfold.checking.observations import given
    from lnfold.checkpoint.numpy_files.array_file import read_arrays
    from lnfold.export.values import unwritable

    whole = [one for one in chosen if runnable_part(one) is not None]
    if not whole and not any(one.gaps for one in chosen):
        raise UsageError("the checkpoint holds no network", file=checkpoint.path)
    if not choice.assume:
        settled = [one for one in whole if not one.assumed]
        if not settled:
            expect_settled(whole, "folded")
        whole = settled
    if choice.form is Form.STOCK:
        choice = replace(choice, frozen=unwritable(checkpoint, recovery.networks))
    observations = {}
    if inputs is not None:
        arrays = read_arrays(inputs, "inputs")
        observations = {one.name: given(runnable_part(one) or one, arrays, inputs) for one in whole}
    others = [one for one in recovery.networks if one not in whole]
    return fold_together(whole, choice, others=others, observations=observations)


def _confirm(folded: Sequence[Folded], inputs: str | None) -> None:
    """Asks what `lnfold check` will say of every fold, before anything is written.

    Raises:
        CannotTellError: it would not say that the two agree.
    """
    from lnfold.checking.checks import Checking
    from lnfold.checking.observations import drawn, given
    from lnfold.checking.sentences import counted, told
    from lnfold.checkpoint.numpy_files.array_file import read_arrays

    arrays = None if inputs is None else read_arrays(inputs, "inputs")
    for one in folded:
        before, after = runnable_part(one.original), runnable_part(one.network)
        if not one.changed or before is None or after is None:
            continue
        observed = drawn(before) if arrays is None else given(before, arrays, inputs or "")
        found = Checking.of(before, observed).with_network(after)
        if not found.passed:
            raise CannotTellError(
                f"network {before.name}: whether the folded one is the same cannot be told, so "
                f"nothing is written: {counted(found)} ({told(found)}), on {observed.origin}",
                remedy="Leave steps out with --skip, or the network by naming others.",
            )


def _write(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    unfolded: Sequence[NotFolded],
    output: str,
    force: bool,
    networks_only: bool,
    newest: bool,
) -> list[str]:
    from lnfold.export.archive import write_archive
    from lnfold.export.keras_file import FORMATS, write_folded_keras
    from lnfold.export.tf_checkpoint import write_folded_checkpoint, write_folded_saved_model

    if not folded:
        raise UsageError(
            "no network of the checkpoint could be folded, so nothing is written",
            file=checkpoint.path,
        )
    archive = output.endswith(".npz")
    keras = not archive and checkpoint.format in FORMATS
    if not archive and any(one.form is not Form.STOCK for one in folded):
        raise UsageError(
            "only the stock form is a checkpoint that a TensorFlow program can restore",
            remedy=f"Give --output {output}.npz, or leave --form out.",
        )
    suffix = ".keras" if checkpoint.format == "Keras .keras" else ".h5"
    if keras and not output.endswith(suffix):
        raise UsageError(
            f"a Keras {suffix} file folds into one of its kind, which Keras can load",
            remedy=f"Give --output FILE{suffix}, or FILE.npz.",
        )
    if archive:
        return write_archive(checkpoint, folded, output, overwrite=force, unfolded=unfolded)
    if keras:
        return write_folded_keras(checkpoint, folded, output, overwrite=force, unfolded=unfolded)
    if checkpoint.format == "SavedModel" and not networks_only:
        return write_folded_saved_model(checkpoint, folded, output, unfolded=unfolded)
    return write_folded_checkpoint(
        checkpoint,
        folded,
        output,
        overwrite=force,
        networks_only=networks_only,
        newest=newest or None,
        unfolded=unfolded,
    )


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
