"""lnfold: what the network in a TensorFlow checkpoint is, and what of it folds away.

    import lnfold

    with lnfold.open_checkpoint("run/actor.ckpt-500") as checkpoint:
        recovery = lnfold.recover(checkpoint)
        actor = recovery.named("actor")
        actions = lnfold.run(actor, observations)[actor.outputs[0]]
        report = lnfold.build_report(checkpoint, recovery)
        print(report.networks[0].answer.sentence)

The names below are the map of the package, in the order in which a checkpoint takes its way
through it. Each is imported when it is first used: listing variables needs no NumPy.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checkpoint import Checkpoint, Variable, open_checkpoint
    from lnfold.errors import InputError, LnfoldError, UsageError
    from lnfold.network.facts.settings import Settings
    from lnfold.network.records.layers import Network
    from lnfold.network.running.run import run
    from lnfold.recovery.recover import Recovery, recover
    from lnfold.relations.question.answer import answer
    from lnfold.relations.question.relate import relate
    from lnfold.report.account.record import Question, Report, build_report
    from lnfold.report.json.report import as_json, schema

__version__ = "0.1.0"

_HOMES = {
    # files → named arrays
    "open_checkpoint": "lnfold.checkpoint",
    "Checkpoint": "lnfold.checkpoint",
    "Variable": "lnfold.checkpoint",
    # named arrays and wiring → networks, and running them
    "recover": "lnfold.recovery.recover",
    "Recovery": "lnfold.recovery.recover",
    "Settings": "lnfold.network.facts.settings",
    "Network": "lnfold.network.records.layers",
    "run": "lnfold.network.running.run",
    # networks → how bias, gamma and beta relate
    "relate": "lnfold.relations.question.relate",
    "answer": "lnfold.relations.question.answer",
    # all of it → a report
    "build_report": "lnfold.report.account.record",
    "Question": "lnfold.report.account.record",
    "Report": "lnfold.report.account.record",
    "as_json": "lnfold.report.json.report",
    "schema": "lnfold.report.json.report",
    # what can go wrong
    "LnfoldError": "lnfold.errors",
    "UsageError": "lnfold.errors",
    "InputError": "lnfold.errors",
}

__all__ = [
    "Checkpoint",
    "InputError",
    "LnfoldError",
    "Network",
    "Question",
    "Recovery",
    "Report",
    "Settings",
    "UsageError",
    "Variable",
    "answer",
    "as_json",
    "build_report",
    "open_checkpoint",
    "recover",
    "relate",
    "run",
    "schema",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'lnfold' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


if "IPython" in sys.modules:  # in a notebook, reports and networks show themselves
    importlib.import_module("lnfold.report.page.notebook").register()
