"""`lnfold schema`: the contract of the JSON report."""

from __future__ import annotations

import click

from lnfold.cli.echo import echo
from lnfold.report.json_report import schema


@click.command(epilog="Example:  lnfold schema > report.schema.json")
def command() -> None:
    """Print the JSON Schema that every report of `lnfold inspect --json` follows."""
    echo(schema(), nl=False)
