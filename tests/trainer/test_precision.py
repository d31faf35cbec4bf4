"""Which precision 'auto' takes on which machine, and which are slow there."""

import pytest
import tensorflow as tf

from trainer import precision


@pytest.fixture
def hardware(monkeypatch):
    def pretend(capabilities, flags):
        details = {f"GPU:{i}": {"compute_capability": c} for i, c in enumerate(capabilities)}
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(details))
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
        monkeypatch.setattr(precision, "_cpu_flags", lambda: flags)

    return pretend


def test_a_named_policy_is_taken_as_it_is():
    assert precision.choose_policy("mixed_float16") == "mixed_float16"


@pytest.mark.parametrize(
    ("capabilities", "flags", "policy"),
    [
        ([(7, 0), (9, 0)], set(), "mixed_float16"),
        ([(6, 1), (9, 0)], {"amx_bf16"}, "float32"),
        ([], {"avx2", "avx512_bf16"}, "mixed_bfloat16"),
        ([], {"avx2", "amx_bf16"}, "mixed_bfloat16"),
        ([], {"avx2", "avx512f"}, "float32"),
    ],
)
def test_auto(hardware, capabilities, flags, policy):
    hardware(capabilities, flags)
    assert precision.choose_policy("auto") == policy


@pytest.mark.parametrize(
    ("policy", "capabilities", "flags", "emulated"),
    [
        ("float32", [], set(), False),
        ("mixed_float16", [(6, 1), (9, 0)], set(), True),
        ("mixed_float16", [(7, 0)], set(), False),
        ("mixed_bfloat16", [(7, 5)], {"amx_bf16"}, True),
        ("mixed_bfloat16", [(8, 0)], set(), False),
        ("mixed_bfloat16", [], {"avx512_bf16"}, False),
        ("mixed_bfloat16", [], {"avx512f"}, True),
        ("mixed_float16", [], {"avx512_bf16"}, True),
        ("mixed_float16", [], {"amx_fp16"}, False),
    ],
)
def test_what_is_emulated(hardware, policy, capabilities, flags, emulated):
    hardware(capabilities, flags)
    assert precision.is_emulated(policy) == emulated
