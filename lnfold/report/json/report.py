"""The report as JSON: strict, sorted, without NaN, after the schema that ships beside this."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from lnfold.checking.comparison import Comparison
from lnfold.checking.judgement import judgement_record
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layers import Activation, Clip, Layer, Network
from lnfold.network.records.statements import Statement, statements
from lnfold.recovery.names.roles import role_of
from lnfold.relations.question.absorption import Absorption
from lnfold.relations.question.answer import Answer
from lnfold.relations.question.bias_split import BiasSplit
from lnfold.relations.question.distribution import Distribution
from lnfold.relations.question.relate import Relation
from lnfold.report.account.record import NetworkReport, Report
from lnfold.report.json.candidate import candidate
from lnfold.text.json import json_text, strict

Json = dict[str, Any]

SCHEMA_VERSION = 1


def schema() -> str:
    """The JSON Schema that every report follows, as text."""
    return files("lnfold.report").joinpath("schema.json").read_text("utf-8")


def as_json(report: Report) -> str:
    """The report as text that any JSON parser takes, ending in a line break."""
    return json_text(as_record(report))


def as_strict(report: Report) -> Json:
    """The report as plain values that strict JSON can hold: no NaN, no infinities."""
    record: Json = strict(as_record(report))
    return record


def as_record(report: Report) -> Json:
    """The report as plain dicts, lists, texts, numbers and None."""
    checkpoint = report.checkpoint
    record: Json = {
        "schema_version": SCHEMA_VERSION,
        "checkpoint": {
            "path": checkpoint.path,
            "format": checkpoint.format,
            "files": list(checkpoint.files),
            "content_id": checkpoint.content_id,
            "variables": len(checkpoint),
            "parameters": report.parameters,
        },
        "variables": [
            {
                "name": variable.name,
                "key": variable.key,
                "shape": list(variable.shape),
                "dtype": variable.dtype,
                "role": report.recovery.roles[variable.name].value,
            }
            for variable in checkpoint.values()
        ],
        "networks": [_network(one) for one in report.networks],
        "unused": list(report.recovery.unused),
        "shared": {name: list(networks) for name, networks in report.recovery.shared.items()},
        "notes": list(report.notes),
    }
    if any(one.detail is not None for one in report.networks):
        from lnfold.relations.question.copies import copy_differences
        from lnfold.report.json.detail import copies_field

        record["copies"] = copies_field(copy_differences(report.recovery.networks))
    return record


def _network(one: NetworkReport) -> Json:
    network = one.network
    record: Json = {
        "name": network.name,
        "role": str(role_of(network.name)),
        "complete": network.complete,
        "gaps": [{"what": gap.what, "remedy": gap.remedy} for gap in network.gaps],
        "behind": list(network.behind),
        "wiring": _fact(network.wiring),
        "assumed": [
            {"what": fact.what, "value": fact.value, "why": fact.why, "remedy": fact.remedy}
            for fact in network.assumed
        ],
        "inputs": [
            {"name": one.name, "width": one.width, "shape": list(one.shape), "dtype": one.dtype}
            for one in network.inputs
        ],
        "outputs": [_output(network, name) for name in network.outputs],
        "layers": [_layer(layer) for layer in network.layers],
        "facts": [_statement(fact) for fact in statements(network)],
        "observations": None if one.observations is None else one.observations.origin,
        "relations": [_relation(relation) for relation in one.relations],
        "answer": _answer(one.answer),
        "checks": [_check(check) for check in one.checks],
    }
    if one.detail is not None:
        from lnfold.report.json.detail import network_fields, relation_fields

        record.update(network_fields(one.detail))
        for relation, layer in zip(record["relations"], one.detail.layers, strict=True):
            relation.update(relation_fields(layer))
    return record


def _output(network: Network, name: str) -> Json:
    return {"name": name, "width": network.width(name) if network.complete else None}


def _layer(layer: Layer) -> Json:
    record: Json = {
        "kind": layer.kind,
        "name": layer.name,
        "scope": layer.scope,
        "inputs": list(layer.inputs),
        "variables": {
            role: list(parameter.variables)
            for role, parameter in layer.parameters()
            if parameter.variables
        },
        "shapes": {role: list(parameter.shape) for role, parameter in layer.parameters()},
    }
    record.update({name: _fact(fact) for name, fact in layer.facts()})
    if isinstance(layer, Activation) and layer.alpha is not None:
        record["alpha"] = layer.alpha
    if isinstance(layer, Clip):
        for name, bound in layer.parameters():
            record[name] = bound.array.ravel().tolist()
    return record


def _fact(fact: Fact[Any]) -> Json:
    record = {"value": fact.value, "source": fact.source.value, "where": fact.where}
    return {**record, "confidence": fact.confidence} if fact.confidence else record


def _statement(one: Statement) -> Json:
    return {
        "layer": one.layer,
        "what": one.what,
        "value": one.value,
        "source": one.source.value,
        "where": one.where,
        "confidence": one.confidence,
        "option": one.option,
    }


def _relation(relation: Relation) -> Json:
    pair = relation.pair
    absorbed, total = relation.numbers
    deviation = relation.deviation
    return {
        "dense": None if pair.dense is None else pair.dense.scope,
        "norm": pair.norm.scope,
        "kind": pair.norm.kind,
        "context": pair.context.value,
        "bias": _bias(relation.bias, relation.split),
        "gamma": _distribution(relation.gamma),
        "beta": _distribution(relation.beta),
        "deviation": None
        if deviation is None
        else {
            "minimum": deviation.minimum,
            "mean": deviation.mean,
            "maximum": deviation.maximum,
            "variation": deviation.variation,
        },
        "absorbed": absorbed,
        "numbers": total,
        "absorptions": [_absorption(one) for one in relation.absorptions],
        "candidates": [candidate(one) for one in relation.candidates],
    }


def _bias(described: Distribution | None, split: BiasSplit | None) -> Json | None:
    record = _distribution(described)
    if record is not None and split is not None:
        record.update(
            dead=split.dead,
            shift=split.shift,
            residual=split.residual,
            origin=split.origin.tolist(),
            effective_epsilon=split.effective_epsilon,
            smallest_deviation=split.smallest_deviation,
        )
    return record


def _distribution(described: Distribution | None) -> Json | None:
    if described is None:
        return None
    return {
        "count": described.count,
        "nonfinite": described.nonfinite,
        "minimum": described.minimum,
        "mean": described.mean,
        "maximum": described.maximum,
        "norm": described.norm,
        "negative": described.negative,
        "zero": described.zero,
        "tiny": described.tiny,
        "histogram": list(described.histogram),
    }


def _absorption(one: Absorption) -> Json:
    return {
        "vector": one.vector,
        "numbers": one.total,
        "absorbed": one.absorbed,
        "verdict": one.verdict.name.lower(),
        "sentence": one.sentence,
        "into": list(one.into),
        "blocker": one.blocker,
    }


def _answer(one: Answer) -> Json:
    return {
        "one_vector": one.one_vector,
        "sentence": one.sentence,
        "candidates": [candidate(measured) for measured in one.candidates],
    }


def _check(one: Comparison) -> Json:
    return {
        "max_abs": one.absolute.largest,
        "tolerance": one.tolerance,
        "passed": one.passed,
        "rows": one.rows,
        "undefined_rows": one.undefined,
        **judgement_record(one),
    }
