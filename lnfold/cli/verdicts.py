"""The exit code of a verdict."""

from __future__ import annotations

from lnfold.checking.verdict import Verdict

EXIT_CODE_OF = {Verdict.AGREES: 0, Verdict.DIFFERS: 1, Verdict.CANNOT_TELL: 4}
