"""Name to Keras dtype policy, and the loss scaling that float16 needs."""

from pathlib import Path

import tensorflow as tf

# NVIDIA, "CUDA C++ Programming Guide", compute capabilities.
_TENSOR_CORES, _BFLOAT16_CORES = (7, 0), (8, 0)
# As Linux names them in /proc/cpuinfo.
_CPU_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
_CPU_FLOAT16 = {"amx_fp16", "avx512_fp16"}


def choose_policy(name: str) -> str:
    """The Keras dtype policy for a `--precision`.

    'auto' takes float16 where every GPU has tensor cores (compute capability 7.0 or more),
    bfloat16 on CPUs that multiply it in hardware (AMX or AVX512-BF16), and float32 elsewhere:
    there bfloat16 is emulated and several times slower.

    Args:
        name: "auto" or the name of a policy, which is returned as it is.
    """
    if name != "auto":
        return name
    if tf.config.get_visible_devices("GPU"):
        return "mixed_float16" if _least_capability() >= _TENSOR_CORES else "float32"
    return "mixed_bfloat16" if _CPU_BFLOAT16 & _cpu_flags() else "float32"


def is_emulated(policy: str) -> bool:
    """Whether this hardware lacks the arithmetic of a policy, and is several times slower with it.

    Args:
        policy: The name of a Keras dtype policy.
    """
    if policy not in ("mixed_float16", "mixed_bfloat16"):
        return False
    if tf.config.get_visible_devices("GPU"):
        needed = _TENSOR_CORES if policy == "mixed_float16" else _BFLOAT16_CORES
        return _least_capability() < needed
    in_hardware = _CPU_FLOAT16 if policy == "mixed_float16" else _CPU_BFLOAT16
    return not in_hardware & _cpu_flags()


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
