"""Which precision 'auto' takes on which machine, and which are slow there."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines.runtime.errors import InputError
from trainer import precision

pytestmark = pytest.mark.numerics


@pytest.fixture
def hardware(monkeypatch):
    def pretend(capabilities, flags, failure="", by_onednn=True):
        details = {f"GPU:{i}": {"compute_capability": c} for i, c in enumerate(capabilities)}
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(details))
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
        monkeypatch.setattr(precision, "_cpu_flags", lambda: flags)
        trial = precision.Trial(failure, by_onednn)
        monkeypatch.setattr(precision, "try_convolution", lambda dtype: trial)

    return pretend


def test_a_named_policy_is_taken_as_it_is(hardware):
    hardware([], set(), by_onednn=False)
    for name in ("float32", "mixed_float16", "mixed_bfloat16"):
        assert precision.choose_policy(name) == name


def test_a_named_policy_that_does_not_run_is_refused(hardware, note_fault):
    happened = note_fault("model", "--precision=mixed_bfloat16 where it does not run")
    hardware([], {"avx512_bf16"}, failure="could not create a primitive")
    with pytest.raises(InputError, match="mixed_bfloat16, .*create a primitive.*set --precision=f"):
        precision.choose_policy("mixed_bfloat16")
    happened("refused, with TensorFlow's reason")
    assert not precision.can_run("mixed_bfloat16")
    assert precision.choose_policy("float32") == "float32"
    hardware([(8, 0)], {"avx512_bf16"}, failure="could not create a primitive")
    assert precision.choose_policy("mixed_bfloat16") == "mixed_bfloat16"  # not asked of the CPU


@pytest.mark.parametrize(
    ("capabilities", "flags", "trial", "policy"),
    [
        ([(7, 0), (9, 0)], set(), {}, "mixed_float16"),
        ([(6, 1), (9, 0)], {"amx_bf16"}, {}, "float32"),
        ([], {"avx2", "avx512_bf16"}, {}, "mixed_bfloat16"),
        ([], {"avx2", "amx_bf16"}, {}, "mixed_bfloat16"),
        ([], {"avx2", "amx_bf16"}, {"by_onednn": False}, "float32"),
        ([], {"avx2", "amx_bf16"}, {"failure": "could not"}, "float32"),
        ([], {"avx2", "avx512f"}, {}, "float32"),
    ],
)
def test_auto(hardware, capabilities, flags, trial, policy):
    hardware(capabilities, flags, **trial)
    assert precision.choose_policy("auto") == policy


@pytest.mark.parametrize(
    ("policy", "capabilities", "flags", "trial", "emulated"),
    [
        ("float32", [], set(), {}, False),
        ("mixed_float16", [(6, 1), (9, 0)], set(), {}, True),
        ("mixed_float16", [(7, 0)], set(), {}, False),
        ("mixed_bfloat16", [(7, 5)], {"amx_bf16"}, {}, True),
        ("mixed_bfloat16", [(8, 0)], set(), {"by_onednn": False}, False),
        ("mixed_bfloat16", [], {"avx512_bf16"}, {}, False),
        ("mixed_bfloat16", [], {"avx512_bf16"}, {"by_onednn": False}, True),
        ("mixed_bfloat16", [], {"avx512_bf16"}, {"failure": "could not"}, True),
        ("mixed_bfloat16", [], {"avx512f"}, {}, True),
        ("mixed_float16", [], {"avx512_bf16"}, {}, True),
        ("mixed_float16", [], {"amx_fp16"}, {}, False),
    ],
)
def test_what_is_emulated(hardware, policy, capabilities, flags, trial, emulated):
    hardware(capabilities, flags, **trial)
    assert precision.is_emulated(policy) == emulated


TRIED = """
from pipelines.runtime import tensorflow_runtime
tensorflow_runtime.import_tensorflow()
import tensorflow as tf
from trainer.precision import try_convolution
print(try_convolution("float32"), try_convolution("bfloat16"))
# Nothing has been initialized, or this would be an error.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
print(len(tf.config.list_logical_devices("CPU")))
"""


BY_ONEDNN, BY_EIGEN = "failure='', by_onednn=True", "failure='', by_onednn=False"
FAILS = "failure='could not create a primitive.*', by_onednn=False"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's settings are those of x86")
@pytest.mark.parametrize(
    ("setting", "flag", "float32", "bfloat16"),
    [
        ({"ONEDNN_MAX_CPU_ISA": ""}, "avx512_bf16", BY_ONEDNN, BY_ONEDNN),
        # TensorFlow leaves bfloat16 to oneDNN where the processor, not the setting, has this.
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx512f", BY_ONEDNN, FAILS),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "sse4_1", BY_EIGEN, BY_EIGEN),
    ],
)
def test_a_convolution_tells_what_runs(setting, flag, float32, bfloat16):
    if flag not in precision._cpu_flags():
        pytest.skip(f"the processor has no {flag}")
    done = subprocess.run(
        [sys.executable, "-c", TRIED],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1"} | setting,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stderr) == (0, "")
    trials, devices = done.stdout.splitlines()
    assert re.fullmatch(rf"Trial\({float32}\) Trial\({bfloat16}\)", trials)
    assert devices == "2"
