"""The certificate file: what was done to every network, what was not, and the proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lnfold.checkpoint import Checkpoint
from lnfold.folding.proof.certificate import (
    FLOAT64_LIMIT,
    ROUNDING_LIMIT,
    Certificate,
    Folded,
    NotFolded,
    Refusal,
)
from lnfold.text.json import json_text

Json = dict[str, Any]

SCHEMA_VERSION = 1


def certificate_text(
    checkpoint: Checkpoint, folded: Sequence[Folded], unfolded: Sequence[NotFolded] = ()
) -> str:
    """The certificate of the networks of a checkpoint, folded or not, as JSON."""
    return json_text(certificate_record(checkpoint, folded, unfolded))


def certificate_record(
    checkpoint: Checkpoint, folded: Sequence[Folded], unfolded: Sequence[NotFolded] = ()
) -> Json:
    """The same as plain dicts, lists, texts, numbers and None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "source": source_record(checkpoint),
        "limits": {"float64_error": FLOAT64_LIMIT, "rounding_ratio": ROUNDING_LIMIT},
        "networks": [_network(one) for one in folded],
        "not_folded": [
            {"name": one.name, "why": one.why, "refused": [_refused(step) for step in one.refusals]}
            for one in unfolded
        ],
    }


def source_record(checkpoint: Checkpoint) -> Json:
    """Which checkpoint it was: its path, its kind, and what identifies its contents."""
    return {
        "path": checkpoint.path,
        "format": checkpoint.format,
        "content_id": checkpoint.content_id,
    }


def _network(folded: Folded) -> Json:
    before, after = folded.multiplications
    return {
        "name": folded.original.name,
        "assumed": [str(one) for one in folded.original.assumed],
        "form": folded.form.value,
        "measured_on": folded.origin,
        "float64_error": folded.float64_error,
        "float64_limit": FLOAT64_LIMIT,
        "rounding_ratio": folded.rounding_ratio,
        "multiplications": {"before": before, "after": after},
        "numbers": [
            {
                "layer": one.scope,
                "before": one.before,
                "after": one.after,
                "bias": one.bias,
                "gamma": one.gamma,
                "beta": one.beta,
            }
            for one in folded.left
        ],
        "applied": [_applied(one) for one in folded.certificates],
        "refused": [_refused(one) for one in folded.refusals],
    }


def _applied(step: Certificate) -> Json:
    return {
        "rule": step.rule,
        "identity": step.identity,
        "formula": step.formula,
        "layer": step.layer,
        "preconditions": [{"what": what, "measured": value} for what, value in step.preconditions],
        "variables_read": list(step.read),
        "variables_changed": list(step.changed),
        "float64_error": step.float64_error,
        "rounding_ratio": step.rounding_ratio,
    }


def _refused(step: Refusal) -> Json:
    return {
        "rule": step.rule,
        "identity": step.identity,
        "layer": step.layer,
        "reason": step.reason.name.lower(),
        "by": step.by or None,
        "measured": step.measured,
        "sentence": step.sentence,
    }
