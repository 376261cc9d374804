"""What each known library does where a checkpoint says nothing: one row a library.

A row is recognised by the names it leaves behind and supplies epsilon, order and activations.
Everything that comes from here is shown as assumed. Sources: the libraries' own code, at the
places that ``source`` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Order(Enum):
    """How a dense layer, its normalisation and its activation follow each other."""

    DENSE_NORM_ACT = "dense-norm-act"
    DENSE_ACT_NORM = "dense-act-norm"
    NORM_DENSE = "norm-dense"


@dataclass(frozen=True, slots=True)
class Convention:
    """The habits of one library.

    Attributes:
        library: what to call it.
        signs: patterns that a network's variable names must match, all of them.
        epsilon, order, activation: None where the library has no fixed habit.
        heads: the activation of the last layer by the network's part (actor, critic); an
            absent part is not known.
        clip: bounds of the normalised observation, where ``obs_rms`` is in the checkpoint.
        source: where the habit was read.
        epsilon_confidence, confidence: how safely the names give away the library's epsilon,
            and its order and activations: high, medium or low.
    """

    library: str
    signs: tuple[str, ...]
    epsilon: float | None
    order: Order | None
    activation: str | None
    heads: tuple[tuple[str, str], ...] = ()
    clip: float | None = None
    half_epsilon: float | None = None
    source: str = ""
    epsilon_confidence: str = "high"
    confidence: str = "medium"

    def head(self, part: str) -> str | None:
        return dict(self.heads).get(part)

    def matches(self, names: Iterable[str]) -> bool:
        listed = list(names)
        return all(any(re.search(sign, name) for name in listed) for sign in self.signs)


_CONTRIB: Final = 1e-12  # tf.contrib.layers.layer_norm; 1e-3 where it normalises float16
_ACTOR_CRITIC: Final = (("actor", "tanh"), ("critic", "identity"))

CONVENTIONS: Final[tuple[Convention, ...]] = (
    Convention(
        "garage (TensorFlow, since 2020)",
        (r"(^|/)mlp/hidden_\d+/kernel$", r"(^|/)mlp/layer_normalization(_\d+)?/gamma$"),
        1e-3,
        Order.DENSE_ACT_NORM,
        None,
        source="garage/tf/models/mlp.py",
    ),
    Convention(
        "garage (TensorFlow, 2019)",
        (r"(^|/)mlp/hidden_\d+/kernel$", r"(^|/)mlp/LayerNorm(_\d+)?/gamma$"),
        _CONTRIB,
        Order.DENSE_ACT_NORM,
        None,
        source="garage/tf/models/mlp.py",
    ),
    Convention(
        "RLlib DDPG",
        (r"(^|/)actor_hidden_\d+/kernel$", r"(^|/)LayerNorm_\d+/gamma$"),
        1e-3,
        Order.DENSE_ACT_NORM,
        "relu",
        source="ray/rllib/agents/ddpg/ddpg_tf_model.py",
    ),
    Convention(
        "stable-baselines DDPG, TD3",
        (r"(^|/)(pi|qf|qf1|qf2)/fc\d+/kernel$", r"(^|/)LayerNorm(_\d+)?/gamma$"),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        _ACTOR_CRITIC,
        half_epsilon=1e-3,
        source="stable_baselines/ddpg/policies.py",
    ),
    Convention(
        "baselines DQN",
        (r"(^|/)fully_connected(_\d+)?/weights$", r"(^|/)LayerNorm(_\d+)?/gamma$"),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        (("critic", "identity"),),
        half_epsilon=1e-3,
        source="baselines/deepq/models.py",
    ),
    Convention(
        "baselines MLP (since August 2018)",
        (r"(^|/)mlp_fc\d+/w$", r"(^|/)LayerNorm(_\d+)?/gamma$"),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "tanh",
        _ACTOR_CRITIC,
        clip=5.0,
        half_epsilon=1e-3,
        source="baselines/common/models.py",
    ),
    Convention(
        "baselines DDPG (tf.contrib layer_norm)",
        (r"(actor|critic)(/|$).*dense(_\d+)?/kernel$", r"(^|/)LayerNorm(_\d+)?/gamma$"),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        _ACTOR_CRITIC,
        clip=5.0,
        half_epsilon=1e-3,
        source="baselines/ddpg/models.py",
    ),
    Convention(
        "tf.contrib.layers.layer_norm",
        (r"(^|/)LayerNorm(_\d+)?/gamma$",),
        _CONTRIB,
        None,
        None,
        half_epsilon=1e-3,
        source="tensorflow/contrib/layers/python/layers/layers.py",
        epsilon_confidence="medium",
    ),
    Convention(
        "Keras LayerNormalization",
        (r"(^|/)layer_normalization(_\d+)?/(gamma|beta)$",),
        1e-3,
        None,
        None,
        source="keras/layers/normalization/layer_normalization.py",
        epsilon_confidence="medium",
    ),
    Convention(
        "BatchNormalization (Keras, tf.layers)",
        (r"(^|/)batch_normalization(_\d+)?/moving_variance$",),
        1e-3,
        None,
        None,
        source="keras/layers/normalization/batch_normalization.py",
    ),
    Convention(
        "tf.contrib.layers.batch_norm",
        (r"(^|/)BatchNorm(_\d+)?/moving_variance$",),
        1e-3,
        Order.DENSE_NORM_ACT,
        None,
        source="tensorflow/contrib/layers/python/layers/layers.py",
    ),
    # before the rows that know a scale alone: Sonnet keeps an offset beside it
    Convention(
        "Sonnet 2",
        (r"(^|/)scale$", r"(^|/)offset$"),
        1e-5,
        None,
        None,
        source="sonnet/src/axis_norm.py",
        epsilon_confidence="medium",
    ),
    Convention(
        "T5 (RMS norm)",
        (r"(^|/)(layer_norm|rms_norm|final_layer_norm)/scale$",),
        1e-6,
        Order.NORM_DENSE,
        None,
        source="mesh_tensorflow/transformer/transformer.py",
    ),
    Convention(
        "Keras RMSNormalization",
        (r"(^|/)rms_normalization(_\d+)?/scale$",),
        1e-6,
        None,
        None,
        source="keras/src/layers/normalization/rms_normalization.py",
    ),
    Convention(
        "Acme LayerNormMLP",
        (r"(^|/)_layers/0/w$", r"(^|/)_layers/1/scale$", r"(^|/)_layers/1/offset$"),
        1e-5,
        None,
        None,
        source="acme/tf/networks/continuous.py",
    ),
    Convention(
        "BERT",
        (r"(^|/)(attention/)?output/LayerNorm/gamma$",),
        1e-12,
        None,
        None,
        half_epsilon=1e-3,
        source="bert/modeling.py",
    ),
    Convention(
        "tensor2tensor",
        (r"(^|/)layer_norm_scale$",),
        1e-6,
        None,
        None,
        source="tensor2tensor/layers/common_layers.py",
    ),
    Convention(
        "OpenAI GPT-2",
        (r"(^|/)ln_(1|2|f)/g$",),
        1e-5,
        Order.NORM_DENSE,
        "gelu_tanh",
        source="gpt-2/src/model.py",
    ),
)


def convention_of(names: Iterable[str]) -> Convention | None:
    """The first row whose signs are all among a network's variable names."""
    listed = list(names)
    return next((row for row in CONVENTIONS if row.matches(listed)), None)
