"""What each known library does where a checkpoint says nothing: one row a library.

A row is recognised by the names it leaves behind and supplies epsilon, order and activations.
Everything that comes from here is shown as assumed. Sources: the libraries' own code, at the
places that ``source`` names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lnfold.network.facts.order import Order
from lnfold.recovery.names.convention import Convention

__all__ = ["CONVENTIONS", "Convention", "convention_of"]


_CONTRIB: Final = 1e-12  # tf.contrib.layers.layer_norm; 1e-3 where it normalises float16
_LAYER_NORM: Final = r"(^|/)LayerNorm(_\d+)?/gamma$"
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
        half_epsilon=1e-3,
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
        "h-baselines",
        (r"(^|/)fc\d+/kernel$", _LAYER_NORM, r"(^|/)(output|mean|log_std)/kernel$"),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        (("actor", "identity"), ("critic", "identity")),
        half_epsilon=1e-3,
        source="h-baselines/hbaselines/utils/tf_util.py",
    ),
    Convention(
        "stable-baselines DDPG, TD3, SAC",
        (r"(^|/)(pi|qf|qf1|qf2|vf)/fc\d+/kernel$", _LAYER_NORM),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        _ACTOR_CRITIC,
        half_epsilon=1e-3,
        source="stable_baselines/ddpg/policies.py",
    ),
    Convention(
        "tf.contrib.layers.fully_connected (normalizer_fn=layer_norm)",
        (r"(^|/)fully_connected(_\d+)?/LayerNorm/(gamma|beta)$",),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        (("critic", "identity"),),
        half_epsilon=1e-3,
        source="tensorflow/contrib/layers/python/layers/layers.py",
    ),
    Convention(
        "baselines DQN",
        (r"(^|/)fully_connected(_\d+)?/weights$", _LAYER_NORM),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        (("critic", "identity"),),
        half_epsilon=1e-3,
        source="baselines/deepq/models.py",
    ),
    Convention(
        "baselines PPO2, A2C",
        (r"(^|/)(pi|vf)/mlp_fc\d+/w$",),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "tanh",
        (("actor", "identity"), ("critic", "identity")),
        half_epsilon=1e-3,
        source="baselines/common/policies.py",
    ),
    Convention(
        "baselines DDPG (since August 2018)",
        (r"(^|/)(\w*actor|\w*critic)/mlp_fc\d+/w$",),
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
        (r"(actor|critic)/(.*/)?dense/kernel$", r"(actor|critic)/(.*/)?dense/bias$", _LAYER_NORM),
        _CONTRIB,
        Order.DENSE_NORM_ACT,
        "relu",
        _ACTOR_CRITIC,
        clip=5.0,
        half_epsilon=1e-3,
        source="baselines/ddpg/models.py",
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
        "tf.contrib.layers.layer_norm",
        (_LAYER_NORM,),
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
        confidence="low",
    ),
    Convention(
        "Coach (tf.layers.batch_normalization)",
        (r"_batchnorm/moving_variance$",),
        1e-3,
        Order.DENSE_NORM_ACT,
        None,
        source="rl_coach/architectures/tensorflow_components/layers.py",
        epsilon_confidence="medium",
    ),
    Convention(
        "Acme LayerNormMLP",
        (r"(^|/)_layers/0/w$", r"(^|/)_layers/1/scale$", r"(^|/)_layers/1/offset$"),
        1e-5,
        Order.DENSE_NORM_ACT,
        None,  # tanh behind the norm, elu behind the layers without one
        source="acme/tf/networks/continuous.py",
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
    Convention(
        "rllab",
        (r"_ln/scale$", r"_ln/bias$"),
        1e-5,
        None,
        None,
        source="rllab/sandbox/rocky/tf/core/layers.py",
    ),
    Convention(
        "magenta SketchRNN",
        (r"(^|/)ln_(all|c)/ln_gamma$",),
        1e-3,
        None,
        None,
        source="magenta/models/sketch_rnn/rnn.py",
    ),
    # layer_norm/gamma is Sonnet's, or a renamed scope: the other names tell, not for sure
    Convention(
        "Sonnet 1",
        (r"(^|/)layer_norm(_\d+)?/gamma$", r"(^|/)w$"),
        1e-5,
        None,
        None,
        source="sonnet/python/modules/layer_norm.py",
        epsilon_confidence="low",
    ),
    Convention(
        "tf.contrib.layers.layer_norm in a scope of another name",
        (r"(^|/)layer_norm(_\d+)?/gamma$", r"(^|/)(kernel|weights)$"),
        _CONTRIB,
        None,
        None,
        half_epsilon=1e-3,
        source="tensorflow/contrib/layers/python/layers/layers.py",
        epsilon_confidence="low",
    ),
    Convention(
        "Spinning Up (TensorFlow)",
        (r"^(main|target)/(pi|q|q1|q2|v)/dense(_\d+)?/kernel$",),
        None,
        None,
        "relu",
        (("critic", "identity"),),  # the actor's tanh is multiplied by a limit of the graph
        source="spinup/algos/tf1/ddpg/core.py",
    ),
    Convention(
        "HER (baselines)",
        (r"(^|/)(main|target)/(pi|Q)/_\d+/kernel$",),
        None,
        None,
        "relu",
        source="baselines/her/actor_critic.py",
    ),
    Convention(
        "TF-Agents",
        (r"(^|/)(input_mlp|joint_mlp)/dense\d+/kernel$",),
        None,
        None,
        "relu",
        source="tf_agents/agents/ddpg/actor_network.py",
    ),
    Convention(
        "Tensorforce",
        (r"(^|/)agent/.*dense\d+/weights$", r"(^|/)agent/.*dense\d+/bias$"),
        None,
        None,
        "tanh",
        source="tensorforce/core/layers/dense.py",
    ),
)


def convention_of(names: Iterable[str]) -> Convention | None:
    """The first row whose signs are all among a network's variable names."""
    listed = list(names)
    return next((row for row in CONVENTIONS if row.matches(listed)), None)
