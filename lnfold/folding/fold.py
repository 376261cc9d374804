"""Network → folded network, with a certificate for every step, or an error and no network.

Folding happens in float64; what is stored is rounded once, at the end. After every step the
network so far is run beside the original: an identity that float64 does not confirm is an
error, a step that makes float32 rounding grow too much is refused and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lnfold.checking.observations import Observations
from lnfold.errors import IncompleteNetworkError
from lnfold.folding.choice import Choice
from lnfold.folding.dry_run import DryRun, sequence, setting_of
from lnfold.folding.editing.runnable_part import not_run, runnable_part
from lnfold.folding.editing.steps import Applied, Form, Reason, Refused, Rule, Setting
from lnfold.folding.editing.storing import (
    changed_variables,
    overflow,
    stored,
)
from lnfold.folding.proof.certificate import (
    FLOAT64_LIMIT,
    ROUNDING_LIMIT,
    Certificate,
    Folded,
    FoldingLimitError,
)
from lnfold.folding.proof.cost import multiplications
from lnfold.folding.proof.measuring import (
    MULTIPLE,
    Reference,
    against_original,
    float64_error,
    float64_noise,
    observations_for,
    reference,
    rounding_ratio,
)
from lnfold.folding.proof.numbers_left import numbers_left
from lnfold.folding.proof.sharing import in_agreement, variables_of
from lnfold.folding.sequences import Rules, check_rules
from lnfold.network.operations.float_types import float_type
from lnfold.network.records.layers import Network
from lnfold.network.records.settled import expect_settled


def fold(
    network: Network,
    choice: Choice | str | None = None,
    observations: Observations | None = None,
) -> Folded:
    """Folds what folds exactly in one network, and proves every step by running it.

    >>> import lnfold
    >>> checkpoint = lnfold.open_checkpoint("sample_checkpoints/cartpole_actor")
    >>> folded = fold(lnfold.recover(checkpoint).named("actor"))
    >>> folded
    Folded('actor', stock form, 4 steps, 2 refused)
    >>> folded.certificates[0].rule
    'centre'

    Args:
        network: a complete network, or one that has a runnable part.
        choice: the name of a form (stock, rms, carry, side-channel, auto), or form and rules.
        observations: what to measure on; drawn where none are given.

    Returns:
        The folded network with a certificate for every step and a refusal for every other.

    Raises:
        UsageError, IncompleteNetworkError, FoldingLimitError: see ``fold_together``.
    """
    given = None if observations is None else {network.name: observations}
    if isinstance(choice, str):
        choice = Choice.of(choice)
    return fold_together([network], choice, observations=given)[0]


@np.errstate(all="ignore")  # what is not finite is said of the values, not warned of
def fold_together(
    networks: Sequence[Network],
    choice: Choice | None = None,
    *,
    others: Iterable[Network] = (),
    observations: Mapping[str, Observations] | None = None,
) -> tuple[Folded, ...]:
    """Folds networks of one checkpoint.

    In stock form a variable that several layers or networks read changes in all of them alike
    or not at all: where it would not, the steps that change it are refused.

    Args:
        networks: complete networks, or such as have a runnable part.
        choice: form and rules.
        others: networks of the same checkpoint that are not folded.
        observations: by network name, what to measure on; drawn where none are given.

    Raises:
        IncompleteNetworkError: a network has no part that could be run to prove it, or rests on
            what is assumed, which the choice does not allow.
        UsageError: a rule of the choice does not exist.
        FoldingLimitError: a folded network would not be the same within the limits.
    """
    choice = choice or Choice()
    if not choice.assume:
        expect_settled(networks, "folded")
    check_rules([*choice.only, *choice.skip])
    given = observations or {}

    def attempt(frozen: frozenset[str]) -> tuple[Folded, ...]:
        allowed = replace(choice, frozen=frozen)
        return tuple(_fold(one, allowed, given.get(one.name)) for one in networks)

    if choice.form is not Form.STOCK:
        return attempt(frozenset())
    return in_agreement(choice.frozen | variables_of(others), attempt)


def _fold(network: Network, choice: Choice, observations: Observations | None) -> Folded:
    part = runnable_part(network)
    if part is None:
        gap = network.gaps[0]
        raise IncompleteNetworkError(
            f"network {network.name} cannot be folded: {gap.what}", remedy=gap.remedy or None
        )
    observations = observations or observations_for(part, not_run(network))
    form, rules = sequence(network, choice)
    setting = setting_of(network, form)
    known = reference(part, observations.inputs, _precision(network, setting))
    folding = _Folding(network, network, setting, choice, known=known, plain=True)
    folding.prove_all(rules)
    if not folding.holds():
        # the plain order of summation was lucky: measure every step in all orders, and check it
        folding = _Folding(network, network, setting, choice, known=known, plain=False)
        folding.prove_all(rules)
    return Folded(
        original=network,
        network=folding.rounded,
        exact=folding.exact,
        form=form,
        certificates=tuple(folding.certificates),
        refusals=tuple(folding.refusals),
        float64_error=folding.error,
        rounding_ratio=folding.ratio,
        multiplications=(multiplications(network), multiplications(folding.exact)),
        left=numbers_left(network, folding.exact),
        origin=observations.origin,
    )


def _precision(network: Network, setting: Setting) -> type:
    """What the rounding is measured in: the type that the original computes in.

    A program that stores half precision may compute in float32. Where nothing says it, and where
    a graph widens what is stored, a fold is held to float32's rounding, which little that is
    rounded to half precision again can meet.
    """
    if setting.stock and network.precision in ("float16", "bfloat16"):
        found: type = float_type(network.precision).type
        return found
    return np.float32


def _run_of(network: Network) -> Network:
    """What is run to measure a network that is being folded."""
    part = runnable_part(network)
    assert part is not None  # a rule never adds what cannot be run
    return part


@dataclass(slots=True, kw_only=True)
class _Folding(DryRun):
    """A network on its way, with every step proved by running it."""

    known: Reference
    plain: bool
    certificates: list[Certificate] = field(default_factory=list)
    error: float = 0.0
    ratio: float = 1.0

    @property
    def rounded(self) -> Network:
        """The network so far, as it is stored."""
        return stored(self.exact, self.original, self.setting.stock)

    def prove_all(self, rules: Rules) -> None:
        """Applies all rules in turn; ``ratio`` then is that of all orders of summation."""
        self.take_all(rules)
        if self.certificates:
            self.ratio = rounding_ratio(self.known, _run_of(self.rounded))

    def judge(self, rule: Rule, layer: str, applied: Applied) -> Refused | None:
        """Measures a step and certifies it, or says why not."""
        error = float64_error(self.known, _run_of(applied.network))
        if not error <= FLOAT64_LIMIT:
            return self._unconfirmed(rule, layer, error)
        rounded = stored(applied.network, self.original, self.setting.stock)
        ratio = self.measured(applied.network, rounded)
        if isinstance(ratio, Refused):
            return ratio
        self.error = error
        self.certificates.append(
            Certificate(
                rule=rule.name,
                identity=rule.identity,
                formula=rule.formula,
                layer=layer,
                preconditions=applied.preconditions,
                read=applied.read,
                changed=changed_variables(self.exact, applied.network),
                float64_error=error,
                rounding_ratio=ratio,
            )
        )
        return None

    def measured(self, exact: Network, rounded: Network) -> float | Refused:
        """How much rounding grows in what is stored, or why it is not the same network."""
        overflown = overflow(exact, rounded)
        if overflown:
            return Refused(Reason.OVERFLOW, overflown)
        ratio = rounding_ratio(self.known, _run_of(rounded), plain=self.plain)
        if not ratio <= ROUNDING_LIMIT:
            return Refused(Reason.ROUNDING, measured=ratio)
        # in the plain order what is left of doubt is settled once, at the end
        return ratio if self.plain else self.told(rounded) or ratio

    def told(self, rounded: Network) -> Refused | None:
        """Why ``lnfold check`` would not say that what is stored agrees; None where it does."""
        compared = against_original(self.known, _run_of(rounded))
        return None if compared.passed else Refused(Reason.UNTOLD, compared.reason)

    def holds(self) -> bool:
        """Whether what was taken step by step is the same network, in all orders of summation."""
        return not self.certificates or (
            self.ratio <= ROUNDING_LIMIT and self.told(self.rounded) is None
        )

    def _unconfirmed(self, rule: Rule, layer: str, error: float) -> Refused:
        """A step that float64 does not confirm: refused where it is too noisy to, else a fault.

        Raises:
            FoldingLimitError: the error is none of the original's own.
        """
        noise = float64_noise(self.known)
        if error <= MULTIPLE * noise:
            return Refused(Reason.NOISY, measured=noise)
        raise FoldingLimitError(
            f"network {self.original.name}, layer {layer}: rule {rule.name} "
            f"({rule.identity}) changes the output by {error:.3g} of its scale in float64, "
            f"the limit is {FLOAT64_LIMIT:.3g}",
            remedy=f"Leave it out with --skip {rule.name}.",
        )
