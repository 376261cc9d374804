"""LSTM layers of a Keras config."""

from __future__ import annotations

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import LSTM
from lnfold.recovery.keras.config import Call
from lnfold.recovery.keras.layers import IncompleteError, KerasLayers
from lnfold.recovery.keras.stated import flag
from lnfold.recovery.names.scopes import scope_of

_UNRUN = {
    "go_backwards": "an LSTM that goes backwards in time",
    "return_state": "an LSTM that delivers its state",
    "stateful": "an LSTM that keeps its state from call to call",
}


def lstm(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    """The last h of each sequence, or with ``return_sequences`` all, from a state of zeros.

    The state of a stateful layer is in no config: where the rows of a run belong in it is not
    known. keras/src/layers/rnn/lstm.py.
    """
    config = call.config
    for key, what in _UNRUN.items():
        if flag(config, key, call.layer):
            raise IncompleteError(what)
    if made.masks:
        raise IncompleteError("an LSTM behind a Masking layer, which leaves steps out")
    if made.rank(sources[0]) != 3 or len(sources) > 1:
        raise IncompleteError("an LSTM that reads other than one value of sequences")
    kernel, recurrent = made.required(call, "kernel"), made.required(call, "recurrent_kernel")
    bias = made.required(call, "bias") if flag(config, "use_bias", call.layer, True) else None
    activation, gates = (
        Fact(made.known_function(config.get(key, default)), Source.CONFIG, f"{call.layer}.{key}")
        for key, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid"))
    )
    last = not flag(config, "return_sequences", call.layer)
    layer = LSTM(
        call.name,
        sources[:1],
        scope_of(kernel.name),
        kernel,
        recurrent,
        bias,
        activation,
        gates,
        last=last,
    )
    return made.append(layer)
