"""How much is read at once, and how much memory a file may ask for."""

from __future__ import annotations

# Big enough for few calls, small enough to stay in a core's cache while it is worked on.
PIECE_BYTES = 1 << 20
# Values that were compressed may take so much more memory than their whole file.
ALLOWANCE = 64 << 20
