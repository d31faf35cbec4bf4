"""What can be chosen of the networks. Nothing here imports Keras, which takes seconds."""

import dataclasses
from collections.abc import Sequence

__all__ = ["NetworkChoices", "StridedNetChoices"]

# Keras' names. The slope of its leaky_relu below 0 is 0.2; its gelu is the exact one.
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
INITIALIZERS = (
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "lecun_normal",
    "orthogonal",
    "random_normal",
)
DOWNSAMPLING = ("stride", "max_pool")
PADDING = ("valid", "same")


@dataclasses.dataclass(frozen=True)
class NetworkChoices:
    """What all networks have in common; the defaults are StridedNet's as published.

    Raises:
        ValueError: when made with a value that cannot be.
    """

    activation: str = "relu"  # one of `ACTIVATIONS`
    batch_norm: bool = True  # whether there is batch normalization
    # Share of the old value that moving statistics keep in a step, in [0, 1).
    batch_norm_momentum: float = 0.99
    # Whether batch statistics are those of the batch over all replicas.
    sync_batch_norm: bool = False
    # Share of the features that are dropped before the last layer, and after each hidden dense
    # layer, in [0, 1).
    dense_dropout: float = 0.5

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        _check_share("batch_norm_momentum", self.batch_norm_momentum)
        _check_share("dense_dropout", self.dense_dropout)


@dataclasses.dataclass(frozen=True)
class StridedNetChoices(NetworkChoices):
    """What StridedNet has besides; each changes one thing in the published network."""

    stem_filters: int = 16  # filters of the first convolution, the stem
    stem_kernel_size: int = 7  # height and width of the stem's kernel in pixels
    # "stride"; or "max_pool": no convolution strides, and where one would, the stem among them, 2x2
    # max pooling follows it, after its activation and normalization. All maps have the same sizes
    # with both, and the networks the same number of parameters.
    downsampling: str = "stride"
    # Of the stem: "valid", or "same" to keep the border. The pairs' is "same".
    padding: str = "valid"
    # Distance between the pixels that the first convolution of each pair sees: its 3x3 kernel spans
    # 1 + 2 * dilation pixels.
    dilation: int = 1
    use_bias: bool = True  # whether the convolutions have a bias
    dropout: float = 0.25  # share of the features that are dropped after each pair, in [0, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stem_filters", "stem_kernel_size", "dilation"):
            if getattr(self, name) < 1:
                raise ValueError(f"received {name}={getattr(self, name)}; expected at least 1.")
        check_choice("downsampling", self.downsampling, DOWNSAMPLING)
        check_choice("padding", self.padding, PADDING)
        _check_share("dropout", self.dropout)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises a ValueError for a word that is none of `choices`."""
    if value not in choices:
        raise ValueError(f"received {name}={value!r}; expected one of {', '.join(choices)}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"received {name}={value}; expected at least 0 and below 1.")
