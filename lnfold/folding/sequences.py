"""Which rules make which form, in which order.

Centring comes before everything that multiplies centred rows, constant units before gamma
(whose size could not be divided by), beta before gamma (both use the next kernel), signs
before the sizes of gamma, and what replaces norms last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lnfold.errors import UsageError
from lnfold.folding.editing.steps import Form, Rule
from lnfold.folding.rules.batch_norm import BATCH_NORM
from lnfold.folding.rules.beta_forward import BETA_FORWARD
from lnfold.folding.rules.carry import CARRY
from lnfold.folding.rules.centre import CENTRE
from lnfold.folding.rules.constant_units import CONSTANT_UNITS
from lnfold.folding.rules.dense_dense import DENSE_DENSE
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.folding.rules.norm_norm import NORM_NORM
from lnfold.folding.rules.observation import OBSERVATION
from lnfold.folding.rules.proven_units import PROVEN_UNITS
from lnfold.folding.rules.side_channel import CHEAP_SIDE_CHANNEL, SIDE_CHANNEL
from lnfold.folding.rules.sign import SIGN
from lnfold.folding.rules.threshold import THRESHOLD

Rules = tuple[Rule, ...]

_BEFORE: Final[Rules] = (OBSERVATION, BATCH_NORM, DENSE_DENSE, NORM_NORM, CONSTANT_UNITS)
_NORMS: Final[Rules] = (CENTRE, CONSTANT_UNITS, BETA_FORWARD, SIGN, GAMMA_FORWARD)

SEQUENCES: Final[dict[Form, Rules]] = {
    Form.STOCK: (BATCH_NORM, CENTRE, CONSTANT_UNITS, BETA_FORWARD, GAMMA_FORWARD),
    Form.RMS: (*_BEFORE, *_NORMS, THRESHOLD),
    Form.CARRY: (*_BEFORE, *_NORMS, CARRY),
    Form.SIDE_CHANNEL: (*_BEFORE, SIDE_CHANNEL, *_NORMS, PROVEN_UNITS, THRESHOLD),
}

# What ``auto`` chooses from: of two that cost the same, the first.
CANDIDATES: Final[tuple[tuple[Form, Rules], ...]] = (
    (Form.RMS, SEQUENCES[Form.RMS]),
    (Form.SIDE_CHANNEL, (*_BEFORE, CHEAP_SIDE_CHANNEL, *_NORMS, PROVEN_UNITS, THRESHOLD)),
    (Form.CARRY, SEQUENCES[Form.CARRY]),
    (Form.CARRY, (*_BEFORE, CHEAP_SIDE_CHANNEL, *_NORMS, CARRY)),
    (Form.SIDE_CHANNEL, SEQUENCES[Form.SIDE_CHANNEL]),
)

RULE_NAMES: Final = tuple(
    dict.fromkeys(rule.name for _, rules in (*SEQUENCES.items(), *CANDIDATES) for rule in rules)
)


def check_rules(names: Iterable[str]) -> None:
    """UsageError for a name that no rule has."""
    for name in names:
        if name not in RULE_NAMES:
            known = ", ".join(RULE_NAMES)
            raise UsageError(f"no rule is called '{name}'", remedy=f"There are: {known}.")
