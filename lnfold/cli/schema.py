"""`lnfold schema`: the contracts of everything that lnfold writes as JSON."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import click

from lnfold.cli.echo import echo

# what is written → the package and the file in it that says what it looks like
SCHEMAS: Final = {
    "report": ("lnfold.report", "schema.json"),
    "fold": ("lnfold.export", "certificate.schema.json"),
    "certificate": ("lnfold.export", "certificate.schema.json"),
    "manifest": ("lnfold.export", "manifest.schema.json"),
    "check": ("lnfold.export", "check.schema.json"),
    "variables": ("lnfold.export", "variables.schema.json"),
    "verify": ("lnfold.export", "verify.schema.json"),
    "approximation": ("lnfold.export", "approximation.schema.json"),
}


@click.command(
    epilog="""\b
Examples:
  lnfold schema > report.schema.json
  lnfold schema check"""
)
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="report", required=False)
def command(what: str) -> None:
    """Print the JSON Schema of WHAT: the report of `inspect --json` where nothing is said, the
    JSON of fold (the same as its certificate file), of fold --approximate, check, variables or
    verify, or the manifest in an .npz of folded networks, with all that it takes to run one in
    plain NumPy."""
    echo(schema_of(what), nl=False)


def schema_of(what: str) -> str:
    """The JSON Schema of one of SCHEMAS, as text."""
    package, name = SCHEMAS[what]
    return files(package).joinpath(name).read_text("utf-8")
