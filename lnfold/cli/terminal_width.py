"""How wide what is printed may be."""

from __future__ import annotations

import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NARROWEST: Final = 60  # a narrower terminal breaks the lines itself, and nothing is cut off
WIDEST: Final = 500
_OF_NO_TERMINAL: Final = (80, 24)


def terminal_width() -> int:
    """The columns of the terminal, or those that COLUMNS states, within what can be read."""
    return min(max(shutil.get_terminal_size(_OF_NO_TERMINAL).columns, NARROWEST), WIDEST)
