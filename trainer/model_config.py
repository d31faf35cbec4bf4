"""The flags of the model."""

import dataclasses

from model.choices import (
    ACTIVATIONS,
    DOWNSAMPLING,
    INITIALIZERS,
    PADDING,
    NetworkChoices,
    StridedNetChoices,
)
from model.registry import NETWORKS
from pipelines.runtime.command import as_flag, option
from pipelines.runtime.errors import InputError
from trainer.input_config import InputConfig, check_at_least, check_share

MODEL = "Model"
# What only StridedNet has.
STRIDED = tuple(
    field.name
    for field in dataclasses.fields(StridedNetChoices)
    if not hasattr(NetworkChoices, field.name)
)


@dataclasses.dataclass(frozen=True)
class ModelConfig(InputConfig):
    """Which network is trained; the defaults are the published StridedNet, but for the momentum.

    Raises:
        InputError: when made with a value that cannot be, or with values that contradict.
    """

    model: str = option(
        "strided_net",
        "strided_net; or another of about its multiply-adds: residual (ResNet), inception "
        "(GoogLeNet), fire (SqueezeNet), vgg.",
        group=MODEL,
        choices=NETWORKS,
    )
    stem_filters: int = option(16, "Filters of StridedNet's first convolution.", group=MODEL)
    stem_kernel_size: int = option(
        7,
        "Height and width in pixels of the kernel of StridedNet's first convolution.",
        group=MODEL,
    )
    downsampling: str = option(
        "stride",
        "How StridedNet halves its maps. stride: by strides of 2; max_pool: by 2x2 max pooling "
        "after each convolution that would stride, the first among them.",
        group=MODEL,
        choices=DOWNSAMPLING,
    )
    padding: str = option(
        "valid",
        "Of StridedNet's first convolution. valid: only where the kernel fits; same: also over the "
        "border, which is padded with zeros.",
        group=MODEL,
        choices=PADDING,
    )
    dilation: int = option(
        1,
        "Of the first convolution in each of StridedNet's pairs: its kernel looks at every N-th "
        "pixel and spans 1 + 2 * N.",
        group=MODEL,
    )
    activation: str = option(
        "relu",
        "After each convolution but StridedNet's first, and after hidden dense layers.",
        group=MODEL,
        choices=ACTIVATIONS,
    )
    use_bias: bool = option(True, "Give StridedNet's convolutions a bias.", group=MODEL)
    batch_norm: bool = option(True, "Normalise by the batch's means and variances.", group=MODEL)
    dropout: float = option(
        0.25, "Share of the features dropped after each of StridedNet's pairs.", group=MODEL
    )
    dense_dropout: float = option(
        0.5,
        "Share of the features dropped before the last layer, and between VggNet's hidden ones.",
        group=MODEL,
    )
    init: str = option(
        "he_normal",
        "From what the first weights of convolutions and hidden dense layers are drawn.",
        group=MODEL,
        choices=INITIALIZERS,
    )
    l1: float = option(0.0, "L1 penalty on the convolutions' kernels.", group=MODEL)
    l2: float = option(0.0, "L2 penalty on the convolutions' kernels.", group=MODEL)
    batch_norm_momentum: float = option(
        0.9, "Share of the old value that moving statistics keep in a step.", group=MODEL
    )
    sync_batch_norm: bool = option(
        True,
        "With several replicas, normalise by the statistics of the whole batch, so that the "
        "result does not depend on their number.",
        group=MODEL,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_words()
        self._check_whose()
        at_least = {"stem_filters": 1, "stem_kernel_size": 1, "dilation": 1, "l1": 0, "l2": 0}
        for name, least in at_least.items():
            check_at_least(name, getattr(self, name), least)
        for name in ("batch_norm_momentum", "dropout", "dense_dropout"):
            check_share(name, getattr(self, name))
        if self.model == "strided_net" and self.image_size < self.stem_kernel_size:
            raise InputError(
                f"received --image_size={self.image_size} with --stem_kernel_size="
                f"{self.stem_kernel_size}, expected images of at least the kernel's size; choose a "
                "larger --image_size or a smaller --stem_kernel_size."
            )

    def _check_words(self) -> None:
        for field in dataclasses.fields(ModelConfig):
            choices, value = field.metadata["choices"], getattr(self, field.name)
            if field.metadata["group"] == MODEL and choices and value not in choices:
                raise InputError(
                    f"received --{field.name}={value}, expected one of {', '.join(choices)}."
                )

    def _check_whose(self) -> None:
        """What only StridedNet has is refused for another network, which would ignore it."""
        if self.model == "strided_net":
            return
        for field in dataclasses.fields(ModelConfig):
            value = getattr(self, field.name)
            if field.name in STRIDED and value != field.default:
                raise InputError(
                    f"received {as_flag(field.name, value)} with --model={self.model}, expected "
                    "--model=strided_net, which alone has it; drop one of the two."
                )

    def network_choices(self, replicas: int) -> NetworkChoices:
        """The choices of the network as `model.registry.build_model` takes them.

        Args:
            replicas: With one alone there is nothing for batch statistics to be synchronized over.
        """
        kind = StridedNetChoices if self.model == "strided_net" else NetworkChoices
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(kind)}
        values["sync_batch_norm"] = self.sync_batch_norm and replicas > 1
        return kind(**values)
