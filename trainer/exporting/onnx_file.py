"""An .onnx file, which ONNX Runtime and others run."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.exporting.card import card
from trainer.exporting.graph import Graph
from trainer.model_description import ModelDescription

# Of 2022: new enough for all layers, and old enough for the runtimes that are in use.
_OPSET = 17


def write_onnx(model: keras.Model, description: ModelDescription, path: Path) -> None:
    """Writes `path`, whose batch has any size, with the class names in its metadata.

    Args:
        model: In float32.
        description: Its classes and images.
        path: Ends in .onnx.
    """
    import onnx
    import tf2onnx

    function = Graph(model, description).probabilities
    exported, _ = tf2onnx.convert.from_function(
        function,
        function.input_signature,
        opset=_OPSET,
        custom_op_handlers={"Erfc": (_one_minus_erf, [])},  # of GELU; tf2onnx does not know it
    )
    for value in (*exported.graph.input, *exported.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    # Text is written as it is, all else as JSON.
    properties = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in card(description).items()
    }
    onnx.helper.set_model_props(exported, properties)
    onnx.checker.check_model(exported, full_check=True)
    path.write_bytes(exported.SerializeToString())


def _one_minus_erf(graph: Any, node: Any, name: str, arguments: list[Any]) -> None:
    """Turns a node of TensorFlow's Erfc into what ONNX has, as tf2onnx' handlers do."""
    node.type = "Erf"
    output = node.output[0]
    one = graph.make_const(f"{name}_one", np.float32(1))
    difference = graph.insert_new_node_on_output(
        "Sub", output, inputs=[one.output[0], output], name=f"{name}_complement"
    )
    graph.copy_shape(output, difference.output[0])


class OnnxRunner:
    """Asks an .onnx file as ONNX Runtime does, on the CPU.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """See `trainer.exporting.written.Runner`."""
        return self._session.run(["probabilities"], {"images": images})[0]
