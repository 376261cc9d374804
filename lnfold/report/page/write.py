"""Pages as files, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from lnfold.files.whole_file import whole_file
from lnfold.folding.proof.certificate import Folded
from lnfold.report.account.record import Report
from lnfold.report.page.fold import fold_part, folding_parts
from lnfold.report.page.page import as_html


def write_html(report: Report, path: str) -> None:
    """Writes the page, with the steps that folding would take, whole or not at all.

    Raises:
        OutputError: it cannot be written, or was read.
        UsageError: matplotlib is not installed; it names the extra.
    """
    page = as_html(report, folding_parts(report))
    with whole_file(path) as file:
        file.write(page.encode("utf-8"))


def write_fold_html(report: Report, folded: Sequence[Folded], path: str) -> None:
    """Writes the page of the original network with the steps of its fold, whole or not at all.

    Raises:
        OutputError: it cannot be written, or was read.
        UsageError: matplotlib is not installed; it names the extra.
    """
    page = as_html(report, [fold_part(one) for one in folded])
    with whole_file(path) as file:
        file.write(page.encode("utf-8"))
