"""lnfold: what the network in a TensorFlow checkpoint is, and what of it folds away.

    >>> import lnfold
    >>> checkpoint = lnfold.open_checkpoint("sample_checkpoints/cartpole_actor")
    >>> recovery = lnfold.recover(checkpoint)
    >>> recovery.named("actor")
    Network('actor', (None, 5) → (None, 1), 8 layers)
    >>> lnfold.build_report(checkpoint, recovery).networks[0].answer.word
    'No'

The public names, in the order in which a checkpoint takes its way through them:

    open_checkpoint  files → a Checkpoint
    Checkpoint       the variables of a checkpoint by name
    Variable         one named array, read when it is asked for

    recover          a Checkpoint → its networks, by the best evidence there is
    Recovery         the networks, what every variable is for, and what could not be used
    Settings         what an option says that the checkpoint does not
    Network          layers in order, with the evidence for how they are wired

    run              a network's outputs for given inputs, in NumPy
    compiled         the same prepared once, for a control loop
    check            whether a network and another, or outputs, agree
    Comparison       the verdict, and what it rests on

    relate           how bias, gamma and beta of every normalisation relate
    answer           whether they can be one vector, and why

    fold             a network → the same network with less in it, with proof
    fold_checkpoint  all networks of a checkpoint together, written where that is asked
    Choice           which form the fold may have, and which rules
    Folded           the folded network and its proof
    Certificate      one step of the proof

    build_report     all that there is to say about a checkpoint
    Report           what it says
    Question         what it is asked to cover
    as_json          a Report as JSON
    schema           the JSON Schema that this follows

    LnfoldError      what can go wrong, with its place and a remedy; a bug is none
    UsageError       a name, an option or an array that cannot be used
    InputError       a file that cannot be read or believed

Everything else is lnfold's own and may change. Each name is imported when it is first used:
listing variables needs no NumPy.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checking.check import check
    from lnfold.checking.comparison import Comparison
    from lnfold.checkpoint import Checkpoint, Variable, open_checkpoint
    from lnfold.errors import InputError, LnfoldError, UsageError
    from lnfold.export.folding import fold_checkpoint
    from lnfold.folding.choice import Choice
    from lnfold.folding.fold import fold
    from lnfold.folding.proof.certificate import Certificate, Folded
    from lnfold.network.facts.settings import Settings
    from lnfold.network.records.layers import Network
    from lnfold.network.running.compiled import compiled
    from lnfold.network.running.run import run
    from lnfold.recovery.recover import Recovery, recover
    from lnfold.relations.question.answer import answer
    from lnfold.relations.question.relate import relate
    from lnfold.report.account.record import Question, Report, build_report
    from lnfold.report.json.report import as_json, schema

__version__ = "0.1.0"

_HOMES = {
    "Certificate": "lnfold.folding.proof.certificate",
    "Checkpoint": "lnfold.checkpoint",
    "Choice": "lnfold.folding.choice",
    "Comparison": "lnfold.checking.comparison",
    "Folded": "lnfold.folding.proof.certificate",
    "InputError": "lnfold.errors",
    "LnfoldError": "lnfold.errors",
    "Network": "lnfold.network.records.layers",
    "Question": "lnfold.report.account.record",
    "Recovery": "lnfold.recovery.recover",
    "Report": "lnfold.report.account.record",
    "Settings": "lnfold.network.facts.settings",
    "UsageError": "lnfold.errors",
    "Variable": "lnfold.checkpoint",
    "answer": "lnfold.relations.question.answer",
    "as_json": "lnfold.report.json.report",
    "build_report": "lnfold.report.account.record",
    "check": "lnfold.checking.check",
    "compiled": "lnfold.network.running.compiled",
    "fold": "lnfold.folding.fold",
    "fold_checkpoint": "lnfold.export.folding",
    "open_checkpoint": "lnfold.checkpoint",
    "recover": "lnfold.recovery.recover",
    "relate": "lnfold.relations.question.relate",
    "run": "lnfold.network.running.run",
    "schema": "lnfold.report.json.report",
}

__all__ = [
    "Certificate",
    "Checkpoint",
    "Choice",
    "Comparison",
    "Folded",
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
    "check",
    "compiled",
    "fold",
    "fold_checkpoint",
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


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if "IPython" in sys.modules:  # in a notebook, records show themselves
    importlib.import_module("lnfold.report.page.notebook").register()
