# SPDX-License-Identifier: Apache-2.0
"""Builds the speaker model CAM++ as an ONNX graph out of its PyTorch checkpoint, without torch.

CAM++ (Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking",
arXiv 2303.00332) is a small residual network over the spectrogram (the head), a densely connected time-delay network
with context-aware masking, statistics pooling and one linear layer. The graph is laid out for a CPU: convolutions over
time are matrix products over (batch, time, channel), and every batch normalisation is folded into its neighbours.
Weights are stored as 16-bit floats and computed with as 32-bit. The same checkpoint gives the same bytes.

Knows the network; knows nothing of features, audio, or where a checkpoint comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BINS = 80
"""Mel bins of a feature frame."""
DIMENSIONS = 192
"""Numbers of an embedding."""

_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each densely connected block."""
_SEGMENT = 100
"""Frames (20 ms each) that context-aware masking pools over, besides all."""
_EPSILON = 1e-5
"""Of batch normalisation."""
_OPSET = 17
_IR = 8
_LIMIT = float(np.finfo(np.float32).max)

Array = np.ndarray[Any, Any]


def build(weights: Mapping[str, Array]) -> bytes:
    """The network as a serialised ONNX model.

    Its inputs are ``features`` (batch, frames, 80) and ``windows`` (windows, half as many frames, rounded up): the
    weights, which sum up to one in each row, with which frames of the network are pooled. It gives ``embeddings``
    (batch, windows, 192). One window with equal weights is the network as it was published; more windows share the work
    on what they overlap in.

    Args:
        weights: the tensors of the checkpoint, by name.

    Raises:
        KeyError: a tensor is missing.
        ValueError: a tensor has another shape than the network needs.
    """
    graph = _Graph(weights)
    try:
        pooled = _pool(graph, _body(graph, _head(graph, "features")), "windows")
        scale, shift = graph.norm("xvector.dense.nonlinear.batchnorm")
        linear = graph.tensor("xvector.dense.linear.weight")[:, :, 0]
        graph.linear(pooled, linear * scale[:, None], shift, name="embeddings")
        return graph.serialised()
    except (IndexError, ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"a tensor of another shape than the network needs: {error}") from error


class _Graph:
    """Nodes and stored tensors in the making; nodes are named by number, so that the bytes are the same each time."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []

    def tensor(self, name: str) -> Array:
        """A tensor of the checkpoint, in double precision."""
        return np.asarray(self._weights[name], np.float64)

    def norm(self, name: str) -> tuple[Array, Array]:
        """A batch normalisation as what it multiplies by and adds, channel by channel."""
        mean, variance = self.tensor(f"{name}.running_mean"), self.tensor(f"{name}.running_var")
        gain = self.tensor(f"{name}.weight") if f"{name}.weight" in self._weights else np.ones_like(mean)
        bias = self.tensor(f"{name}.bias") if f"{name}.bias" in self._weights else np.zeros_like(mean)
        scale = gain / np.sqrt(variance + _EPSILON)
        return scale, bias - mean * scale

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """One node; returns the name of its output."""
        output = name or f"n{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, list(inputs), [output], name=f"{kind}{len(self._nodes)}", **attributes)
        )
        return output

    def constant(self, array: Array | np.generic) -> str:
        """A small stored tensor, as it is."""
        name = f"c{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, *values: int) -> str:
        """A stored list of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def weight(self, array: Array) -> str:
        """A large stored tensor: kept as 16-bit floats, cast once when the model is loaded."""
        return self.op("Cast", self.constant(array.astype(np.float16)), to=TensorProto.FLOAT)

    def bias(self, array: Array) -> str:
        """A stored vector of 32-bit floats."""
        return self.constant(array.astype(np.float32))

    def linear(self, x: str, matrix: Array, bias: Array, *, name: str | None = None) -> str:
        """``x @ matrix.T + bias`` over the last axis."""
        return self.op("Add", self.op("MatMul", x, self.weight(matrix.T)), self.bias(bias), name=name)

    def rectified_linear(
        self, x: str, norm: str, matrix: Array, scale: Array | None = None, shift: Array | None = None
    ) -> str:
        """Batch normalisation, ReLU, a matrix, and a further scale and shift.

        ``relu(a x + b)`` is ``a max(x, -b/a) + b`` where a > 0, and with a minimum where a < 0: one comparison for each
        number, and the rest goes into the matrix.
        """
        a, b = self.norm(norm)
        if not np.all(a):
            raise ValueError(f"{norm} multiplies by nothing")
        edge = -b / a
        low, high = np.where(a > 0, edge, -_LIMIT), np.where(a < 0, edge, _LIMIT)
        x = self.op("Max", x, self.bias(low))
        if np.any(a < 0):
            x = self.op("Min", x, self.bias(high))
        out = np.ones(len(matrix)) if scale is None else scale
        offset = np.zeros(len(matrix)) if shift is None else shift
        return self.linear(x, matrix * a * out[:, None], (matrix * b).sum(1) * out + offset)

    def serialised(self) -> bytes:
        """The model."""
        graph = helper.make_graph(
            self._nodes,
            "campplus",
            [
                helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", BINS]),
                helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["windows", "half_frames"]),
            ],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", "windows", DIMENSIONS])],
            self._stored,
        )
        model = helper.make_model(graph, producer_name="harken", opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def _head(g: _Graph, features: str) -> str:
    """The residual network over frequency and time: (batch, frames, 80) to (batch, frames, 320)."""

    def convolve(x: str, conv: str, norm: str, stride: int = 1) -> str:
        scale, shift = g.norm(norm)
        kernel = g.tensor(f"{conv}.weight") * scale[:, None, None, None]
        pad = kernel.shape[2] // 2
        # The checkpoint's images are (frequency, time); these are (time, frequency), as features come.
        return g.op(
            "Conv", x, g.weight(kernel.transpose(0, 1, 3, 2)), g.bias(shift), strides=[1, stride], pads=[pad] * 4
        )

    def block(x: str, name: str, stride: int) -> str:
        y = g.op("Relu", convolve(x, f"{name}.conv1", f"{name}.bn1", stride))
        y = convolve(y, f"{name}.conv2", f"{name}.bn2")
        if stride > 1:
            x = convolve(x, f"{name}.shortcut.0", f"{name}.shortcut.1", stride)
        return g.op("Relu", g.op("Add", y, x))

    x = g.op("Unsqueeze", features, g.ints(1))
    x = g.op("Relu", convolve(x, "head.conv1", "head.bn1"))
    for layer in ("head.layer1", "head.layer2"):
        x = block(block(x, f"{layer}.0", 2), f"{layer}.1", 1)
    x = g.op("Relu", convolve(x, "head.conv2", "head.bn2", 2))
    return g.op("Reshape", g.op("Transpose", x, perm=[0, 2, 1, 3]), g.ints(0, 0, -1))


def _body(g: _Graph, x: str) -> str:
    """The time-delay network: (batch, frames, 320) to (batch, frames / 2, 512)."""
    scale, shift = g.norm("xvector.tdnn.nonlinear.batchnorm")
    kernel = g.tensor("xvector.tdnn.linear.weight") * scale[:, None, None]
    x = g.op("Transpose", x, perm=[0, 2, 1])
    x = g.op("Relu", g.op("Conv", x, g.weight(kernel), g.bias(shift), strides=[2], pads=[2, 2]))
    x = g.op("Transpose", x, perm=[0, 2, 1])
    pooling, segments = _segments(g, x)
    for number, (layers, dilation) in enumerate(_BLOCKS, 1):
        for layer in range(1, layers + 1):
            y = _layer(g, x, f"xvector.block{number}.tdnnd{layer}", dilation, pooling, segments)
            x = g.op("Concat", x, y, axis=2)
        transit = f"xvector.transit{number}"
        x = g.rectified_linear(x, f"{transit}.nonlinear.batchnorm", g.tensor(f"{transit}.linear.weight")[:, :, 0])
    return x


def _segments(g: _Graph, x: str) -> tuple[str, str]:
    """What context-aware masking pools over: a matrix (segments, frames), and the segment of each frame.

    A row averages all frames, plus the frames of its segment; the last segment may be shorter.
    """
    frames = g.op("Gather", g.op("Shape", x), g.constant(np.int64(1)))
    one, zero = g.constant(np.int64(1)), g.constant(np.int64(0))
    segment = g.op("Div", g.op("Range", zero, frames, one), g.constant(np.int64(_SEGMENT)))
    last = g.op("Div", g.op("Sub", frames, one), g.constant(np.int64(_SEGMENT)))
    row = g.op("Unsqueeze", g.op("Range", zero, g.op("Add", last, one), one), g.ints(1))
    inside = g.op("Cast", g.op("Equal", row, segment), to=TensorProto.FLOAT)
    share = g.op("Div", inside, g.op("ReduceSum", inside, g.ints(1)))
    whole = g.op("Reciprocal", g.op("Cast", frames, to=TensorProto.FLOAT))
    return g.op("Add", share, whole), segment


def _layer(g: _Graph, x: str, name: str, dilation: int, pooling: str, segments: str) -> str:
    """A densely connected layer: 32 channels more, masked by the context."""
    scale, shift = g.norm(f"{name}.nonlinear2.batchnorm")
    matrix = g.tensor(f"{name}.linear1.weight")[:, :, 0]
    z = g.op("Relu", g.rectified_linear(x, f"{name}.nonlinear1.batchnorm", matrix, scale, shift))
    context = g.op("MatMul", pooling, z)
    for linear, after in (("linear1", "Relu"), ("linear2", "Sigmoid")):
        part = f"{name}.cam_layer.{linear}"
        context = g.op(after, g.linear(context, g.tensor(f"{part}.weight")[:, :, 0], g.tensor(f"{part}.bias")))
    mask = g.op("Gather", context, segments, axis=1)
    return g.op("Mul", _local(g, z, g.tensor(f"{name}.cam_layer.linear_local.weight"), dilation), mask)


def _local(g: _Graph, z: str, kernel: Array, dilation: int) -> str:
    """A dilated convolution of three taps over time, as one matrix product of three shifted copies."""
    padded = g.op("Pad", z, g.ints(0, dilation, 0, 0, dilation, 0))
    taps = [
        g.op("Slice", padded, g.ints(0), g.ints(-2 * dilation), g.ints(1)),
        z,
        g.op("Slice", padded, g.ints(2 * dilation), g.ints(np.iinfo(np.int64).max), g.ints(1)),
    ]
    matrix = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
    return g.op("MatMul", g.op("Concat", *taps, axis=2), g.weight(matrix))


def _pool(g: _Graph, x: str, windows: str) -> str:
    """Mean and standard deviation over each window: (batch, frames, 512) to (batch, windows, 1024)."""
    scale, shift = g.norm("xvector.out_nonlinear.batchnorm")
    x = g.op("Relu", g.op("Add", g.op("Mul", x, g.bias(scale)), g.bias(shift)))
    mean = g.op("MatMul", windows, x)
    spread = g.op("Sub", g.op("MatMul", windows, g.op("Mul", x, x)), g.op("Mul", mean, mean))
    one = g.constant(np.float32(1))
    count = g.op("Reciprocal", g.op("ReduceSum", g.op("Mul", windows, windows), g.ints(1)))
    unbiased = g.op("Div", count, g.op("Max", g.op("Sub", count, one), one))
    variance = g.op("Max", g.op("Mul", spread, unbiased), g.constant(np.float32(0)))
    return g.op("Concat", mean, g.op("Sqrt", variance), axis=2)
