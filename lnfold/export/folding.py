"""The networks of a checkpoint folded together, confirmed by a check, and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lnfold.checking.checks import Checking
from lnfold.checking.observations import drawn, given
from lnfold.checking.sentences import counted, told
from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.numpy_files.manifest import ARCHIVE
from lnfold.errors import CannotTellError, UsageError
from lnfold.export.archive import write_archive
from lnfold.export.keras_file import FORMATS, write_folded_keras
from lnfold.export.tf_checkpoint import write_folded_checkpoint, write_folded_saved_model
from lnfold.folding.choice import Choice
from lnfold.folding.dry_run import foldable
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Form
from lnfold.folding.editing.unwritable import unwritable
from lnfold.folding.fold import fold_together
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.folding.survey import survey
from lnfold.network.records.layers import Array, Network
from lnfold.network.records.settled import expect_settled
from lnfold.recovery.recover import Recovery, recover


def fold_checkpoint(
    checkpoint: Checkpoint,
    choice: Choice | str | None = None,
    *,
    output: str | None = None,
    recovery: Recovery | None = None,
    overwrite: bool = False,
) -> tuple[Folded, ...]:
    """Folds all networks of a checkpoint that can be folded, as `lnfold fold` does.

    A variable that several of them read changes in all alike or not at all. What is written is
    what the program that wrote the checkpoint restores, or an ``.npz``, with a certificate
    beside it; a check confirms every fold before.

    >>> import lnfold
    >>> with lnfold.open_checkpoint("sample_checkpoints/cartpole_actor") as checkpoint:
    ...     fold_checkpoint(checkpoint, "rms")
    (Folded('actor', rms form, 6 steps, 0 refused),)

    Args:
        choice: the name of a form (stock, rms, carry, side-channel, auto), or form and rules.
        output: where to write: a prefix, ``FILE.npz``, or what the checkpoint is; nothing is
            written where it is not given.
        recovery: its networks, where they are recovered already.
        overwrite: whether an output may be replaced that is there; an input never is.

    Raises:
        UsageError: there is no network, or the output does not fit the form or the checkpoint.
        IncompleteNetworkError: all that could be folded rest on what is assumed.
        CannotTellError: a check does not confirm a fold, so nothing is written.
        FoldingLimitError: a fold would not be the same within the limits.
    """
    choice = Choice.of(choice) if isinstance(choice, str) else choice or Choice()
    recovery = recovery or recover(checkpoint)
    networks = recovery.networks
    folded = fold_chosen(checkpoint, recovery, networks, choice)
    if output is not None:
        confirm(folded)
        done = {one.original.name for one in folded}
        unfolded = [survey(one, choice.form) for one in networks if one.name not in done]
        write_folds(checkpoint, folded, output, unfolded=unfolded, overwrite=overwrite)
    return folded


def expect_unfolded(checkpoint: Checkpoint) -> None:
    """UsageError for an archive of networks that are folded already."""
    if checkpoint.format == ARCHIVE:
        raise UsageError(
            f"{checkpoint.path} holds networks that are folded already",
            remedy="Fold the checkpoint that they come from; compare with lnfold check.",
        )


def fold_chosen(
    checkpoint: Checkpoint,
    recovery: Recovery,
    chosen: Sequence[Network],
    choice: Choice,
    arrays: Mapping[str, Array] | None = None,
    path: str = "",
) -> tuple[Folded, ...]:
    """Those among the chosen that can be run, or a part, and rest on nothing that is assumed.

    Args:
        arrays: inputs to measure on, of the file ``path``; drawn where there are none.

    Raises:
        UsageError: there is no network, or it is folded already.
        IncompleteNetworkError: all that could be folded rest on what is assumed.
    """
    expect_unfolded(checkpoint)
    whole = foldable(chosen, assume=True)
    if not whole and not any(one.gaps for one in chosen):
        raise UsageError("the checkpoint holds no network", file=checkpoint.path)
    if not choice.assume:
        settled = foldable(whole, assume=False)
        if not settled:
            expect_settled(whole, "folded")
        whole = settled
    if choice.form is Form.STOCK:
        choice = replace(choice, frozen=unwritable(checkpoint, recovery.networks))
    observations = {}
    if arrays is not None:
        observations = {one.name: given(runnable_part(one) or one, arrays, path) for one in whole}
    others = [one for one in recovery.networks if one not in whole]
    return fold_together(whole, choice, others=others, observations=observations)


def confirm(
    folded: Sequence[Folded], arrays: Mapping[str, Array] | None = None, path: str = ""
) -> None:
    """Asks what `lnfold check` will say of every fold, before anything is written.

    Raises:
        CannotTellError: it would not say that the two agree.
    """
    for one in folded:
        before, after = runnable_part(one.original), runnable_part(one.network)
        if not one.changed or before is None or after is None:
            continue
        observed = drawn(before) if arrays is None else given(before, arrays, path)
        found = Checking.of(before, observed).with_network(after)
        if not found.passed:
            raise CannotTellError(
                f"network {before.name}: whether the folded one is the same cannot be told, so "
                f"nothing is written: {counted(found)} ({told(found)}), on {observed.origin}",
                remedy="Leave steps out with --skip, or the network by naming others.",
            )


def write_folds(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    output: str,
    *,
    unfolded: Sequence[NotFolded] = (),
    overwrite: bool = False,
    networks_only: bool = False,
    newest: bool | None = None,
) -> list[str]:
    """Writes folds as what ``output`` says, with their certificate; returns the files.

    Raises:
        UsageError: nothing was folded, or the output does not fit the form or the checkpoint.
        OutputError: an output is there, is an input, or cannot be written.
    """
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
        return write_archive(checkpoint, folded, output, overwrite=overwrite, unfolded=unfolded)
    if keras:
        return write_folded_keras(
            checkpoint, folded, output, overwrite=overwrite, unfolded=unfolded
        )
    if checkpoint.format == "SavedModel" and not networks_only:
        return write_folded_saved_model(checkpoint, folded, output, unfolded=unfolded)
    return write_folded_checkpoint(
        checkpoint,
        folded,
        output,
        overwrite=overwrite,
        networks_only=networks_only,
        newest=newest,
        unfolded=unfolded,
    )
