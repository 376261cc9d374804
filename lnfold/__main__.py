"""``python -m lnfold`` and the console script ``lnfold``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line; the one place that turns errors into exit codes."""
    # Policies are small: a second BLAS thread only waits, and on a busy machine it waits long.
    # NumPy reads this when it is imported; whoever sets it keeps what they set.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from lnfold.cli import run_command_line

    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
