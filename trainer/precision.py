"""Name to Keras dtype policy, what this machine can run of it, and the scaling for float16."""

import functools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.runtime.errors import InputError

# NVIDIA, "CUDA C++ Programming Guide", compute capabilities.
_TENSOR_CORES, _BFLOAT16_CORES = (7, 0), (8, 0)
# As Linux names them in /proc/cpuinfo.
_CPU_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
_CPU_FLOAT16 = {"amx_fp16", "avx512_fp16"}
_COMPUTE_DTYPES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def choose_policy(name: str) -> str:
    """The Keras dtype policy for a `--precision`.

    'auto' takes float16 where every GPU has tensor cores (compute capability 7.0 or more),
    bfloat16 on CPUs that multiply it in hardware (AMX or AVX512-BF16) and where oneDNN does so
    here, and float32 elsewhere: there bfloat16 is emulated and several times slower, or fails.

    Args:
        name: "auto" or the name of a policy, which is returned as it is.

    Raises:
        InputError: for a named policy whose convolutions do not run on this machine.
    """
    if name == "auto":
        wanted = "mixed_float16" if tf.config.get_visible_devices("GPU") else "mixed_bfloat16"
        return "float32" if is_emulated(wanted) else wanted
    check_runs(name)
    return name


def check_runs(policy: str) -> None:
    """Tries a convolution in a policy's precision.

    Args:
        policy: The name of a Keras dtype policy.

    Raises:
        InputError: if it fails, with TensorFlow's reason.
    """
    failure = why_not(policy)
    if failure:
        raise InputError(
            f"received the precision {policy}, whose convolutions do not run on this machine "
            f"({failure}), expected one that does; set --precision=float32."
        )


def can_run(policy: str) -> bool:
    """Whether convolutions in a policy's precision run on this machine, however slowly."""
    return not why_not(policy)


def is_emulated(policy: str) -> bool:
    """Whether this machine lacks the arithmetic of a policy: it is several times slower, or fails.

    The flags of a processor alone do not tell: oneDNN can be off (`TF_ENABLE_ONEDNN_OPTS`), or be
    held to older instructions (`ONEDNN_MAX_CPU_ISA`). So where they promise it, it is tried. What
    is not seen is AVX-512 without its BF16 by that variable, which oneDNN emulates.

    Args:
        policy: The name of a Keras dtype policy.
    """
    if policy not in _COMPUTE_DTYPES:
        return False
    if tf.config.get_visible_devices("GPU"):
        needed = _TENSOR_CORES if policy == "mixed_float16" else _BFLOAT16_CORES
        return _least_capability() < needed
    in_hardware = _CPU_FLOAT16 if policy == "mixed_float16" else _CPU_BFLOAT16
    if not in_hardware & _cpu_flags():
        return True
    tried = try_convolution(_COMPUTE_DTYPES[policy])
    return bool(tried.failure) or not tried.by_onednn


def why_not(policy: str) -> str:
    """Why a policy's convolutions fail on this machine; "" if they run."""
    if policy not in _COMPUTE_DTYPES or tf.config.get_visible_devices("GPU"):
        return ""
    return try_convolution(_COMPUTE_DTYPES[policy]).failure


class Trial(NamedTuple):
    """What came of a convolution on the CPU.

    Attributes:
        failure: What TensorFlow says of it; "" if it ran.
        by_onednn: Whether oneDNN computed it, and not Eigen, which converts to float32 and back.
    """

    failure: str
    by_onednn: bool


@functools.cache
def try_convolution(dtype: str) -> Trial:
    """Computes a small convolution on the CPU, once a process.

    Args:
        dtype: Of images and kernel.
    """
    v1 = tf.compat.v1
    ones = functools.partial(np.ones, dtype=tf.as_dtype(dtype).as_numpy_dtype)
    with tf.Graph().as_default() as graph:
        # Fed, since TensorFlow would compute a constant's convolution ahead, and by other means.
        image, kernel = (v1.placeholder(dtype, shape) for shape in ((1, 8, 8, 8), (3, 3, 8, 8)))
        result = tf.nn.conv2d(image, kernel, strides=1, padding="SAME")
    executed = v1.RunMetadata()
    # Not eagerly: that would initialize TensorFlow, whose devices no strategy could set then.
    with v1.Session(graph=graph, config=v1.ConfigProto(device_count={"GPU": 0})) as session:
        try:
            session.run(
                result,
                {image: ones(image.shape), kernel: ones(kernel.shape)},
                options=v1.RunOptions(output_partition_graphs=True),
                run_metadata=executed,
            )
        except tf.errors.OpError as error:
            reason = re.search(r"message: (.+?)(?:\. |, in file|$)", error.message, re.MULTILINE)
            return Trial(reason[1] if reason else type(error).__name__, by_onednn=False)
    operations = {node.op for part in executed.partition_graphs for node in part.node}
    return Trial("", any("Mkl" in name for name in operations))


def _least_capability() -> tuple[int, int]:
    """The CUDA compute capability of the oldest GPU; (0, 0) where it is not known."""
    gpus = tf.config.get_visible_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return min(detail.get("compute_capability", (0, 0)) for detail in details)


def _cpu_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return set()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


class LossScale(tf.Module):
    """Dynamic loss scaling whose decision is the same on every replica.

    float16 gradients below 6e-8 vanish, so the loss is multiplied by a scale before the
    gradients are taken and these are divided by it afterwards. The scale doubles after
    `growth_steps` finite steps and halves whenever a gradient overflows, as in Micikevicius et
    al., "Mixed Precision Training" (arXiv:1710.03740). Keras' `LossScaleOptimizer` looks for
    overflow on one replica; here the caller looks on all of them and tells `update`.

    Attributes:
        scale: The current factor, a float32 scalar variable.
    """

    def __init__(self, initial_scale: float = 2.0**15, growth_steps: int = 2000) -> None:
        super().__init__(name="loss_scale")
        self.scale = _replicated_scalar(initial_scale, tf.float32)
        self._finite_steps = _replicated_scalar(0, tf.int64)
        self._growth_steps = growth_steps

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint has to keep."""
        return [self.scale, self._finite_steps]

    def can_fall(self) -> tf.Tensor:
        """Whether the scale is above its least value, 1: an overflow may be its fault."""
        return self.scale > 1.0

    def update(self, finite: tf.Tensor) -> None:
        """Adapts the scale; call it in cross-replica context, once a step.

        Args:
            finite: Boolean scalar, whether all gradients on all replicas were finite.
        """
        finite_steps = tf.where(finite, self._finite_steps + 1, 0)
        grow = finite_steps >= self._growth_steps
        factor = tf.where(finite, tf.where(grow, 2.0, 1.0), 0.5)
        self.scale.assign(tf.maximum(self.scale * factor, 1.0))
        self._finite_steps.assign(tf.where(grow, tf.zeros_like(finite_steps), finite_steps))


def _replicated_scalar(value: float, dtype: tf.DType) -> tf.Variable:
    return tf.Variable(
        value,
        dtype=dtype,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
