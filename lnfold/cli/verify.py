"""`lnfold verify`: every byte read, every checksum compared."""

from __future__ import annotations

import click

from lnfold.checkpoint.verify import Verification, verify
from lnfold.cli.echo import echo
from lnfold.cli.progress import progress
from lnfold.errors import DamagedError
from lnfold.text.json import json_text
from lnfold.text.number_format import printable


@click.command(
    epilog="""\b
Examples:
  lnfold verify run/model.ckpt-500
  lnfold verify archive/ --step 500 --json"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.option("--step", type=int, help="The checkpoint of this step, of several in a folder.")
@click.option("--json", "json_wanted", is_flag=True, help="JSON instead of text.")
def command(path: str, step: int | None, json_wanted: bool) -> int:
    """Read all of CHECKPOINT, compare every checksum, and see that its parts fit together.

    Prints a content id: two checkpoints with the same id hold the same values under the same
    names. The exit code is 3 where anything is damaged, with the list of what is.
    """
    with progress("verifying") as advance:
        found = verify(path, step=step, progress=advance)
    if json_wanted:
        _print_json(found)
    else:
        _print(found)
    return 0 if found.passed else DamagedError.exit_code


def _print(found: Verification) -> None:
    for error in found.damaged.values():
        echo(f"damaged: {printable(str(error))}")
    for note in found.notes:
        echo(f"note: {printable(note)}")
    state = "all sound" if found.passed else f"{len(found.damaged):,} damaged"
    echo(
        f"{printable(found.path)}: {found.format}, {found.variables:,} variables, "
        f"{found.bytes_read:,} bytes read, {state}"
    )
    echo(f"content id {found.content_id}")


def _print_json(found: Verification) -> None:
    record = {
        "path": found.path,
        "format": found.format,
        "content_id": found.content_id,
        "variables": found.variables,
        "bytes_read": found.bytes_read,
        "passed": found.passed,
        "damaged": {name: str(error) for name, error in found.damaged.items()},
        "notes": list(found.notes),
    }
    echo(json_text(record), nl=False)
