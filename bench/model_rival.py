#!/usr/bin/env python3
"""ONNX Runtime on one thread as the rival of rerank_cpu_bench and embed_cpu_bench.

usage: model_rival.py [--int8] DIRECTORY INPUTS [VOCABULARY]
--int8: its own dynamic quantisation (QAttention, DynamicQuantizeMatMul, weights by column), which is what
onnxruntime.quantization.quantize_dynamic and the optimiser make of such a graph.
DIRECTORY: a Hugging Face BERT. With VOCABULARY it is made first: a TinyBERT-L2 cross-encoder
(2 layers, hidden 128) with random weights. The graph is put together from ONNX Runtime's own fused
operators (Attention, SkipLayerNormalization, BiasGelu), the fastest form it has for a BERT.
INPUTS: little-endian i32: sequences B, length S, then B times S ids, then B starts of segment 1,
then B lengths. It is read again for each line "N" on stdin: N runs, answered on stdout with the CPU
seconds they took and the first number of each row of the result. Rows of unlike length run as
sentence-transformers runs them: sorted, in batches of 32, each padded to its longest."""
import json
import os
import struct
import sys
import time

import numpy as np
import onnxruntime

MICROSOFT = "com.microsoft"
FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """One protobuf field: an int as a varint, a float in 4 bytes, the rest as bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else bytes(value)
    return varint(number << 3 | 2) + varint(len(data)) + data


class Graph:
    """An ONNX model as its protobuf bytes (onnx.proto: ModelProto, GraphProto, NodeProto)."""

    def __init__(self):
        self.parts = []

    def constant(self, name, array):
        array = array.copy(order="C")
        kind = {"float32": FLOAT, "int64": INT64, "int8": INT8, "uint8": UINT8}[array.dtype.name]
        tensor = b"".join(field(1, int(extent)) for extent in array.shape)
        tensor += field(2, kind) + field(8, name) + field(9, array.tobytes())
        self.parts.append(field(5, tensor))
        return name

    def node(self, kind, inputs, outputs, domain="", **attributes):
        body = b"".join(field(1, name) for name in inputs)
        body += b"".join(field(2, name) for name in outputs.split())
        body += field(4, kind)
        for name, value in attributes.items():
            is_int = isinstance(value, int)
            body += field(5, field(1, name) + field(3 if is_int else 2, value) +
                          field(20, 2 if is_int else 1))
        self.parts.append(field(1, body + field(7, domain)))

    def end(self, number, name, kind, dims):
        shape = b"".join(field(1, field(2, dim) if isinstance(dim, str) else field(1, dim))
                         for dim in dims)
        self.parts.append(field(number, field(1, name) + field(2, field(1, field(1, kind) +
                                                                        field(2, shape)))))

    def model(self):
        opsets = field(8, field(1, "") + field(2, 17)) + field(8, field(1, MICROSOFT) + field(2, 1))
        return field(1, 8) + opsets + field(7, b"".join(self.parts) + field(2, "bert"))


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*one["data_offsets"])], np.float32)
            .reshape(one["shape"]) for name, one in header.items() if one["dtype"] == "F32"}


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape,
                        "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def make_random(directory, vocabulary):
    hidden, inner, layers, words = 128, 512, 2, 30522
    random = np.random.default_rng(7)
    tensors = {}

    def add(name, *shape, centre=0.0):
        tensors[name] = (centre + 0.05 * random.standard_normal(shape)).astype(np.float32)

    def dense(name, out, into):
        add(name + ".weight", out, into)
        add(name + ".bias", out)

    def norm(name):
        add(name + ".weight", hidden, centre=1.0)
        add(name + ".bias", hidden)

    for name, rows in (("word", words), ("position", 512), ("token_type", 2)):
        add(f"bert.embeddings.{name}_embeddings.weight", rows, hidden)
    norm("bert.embeddings.LayerNorm")
    for layer in range(layers):
        at = f"bert.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            dense(at + "attention.self." + part, hidden, hidden)
        dense(at + "attention.output.dense", hidden, hidden)
        norm(at + "attention.output.LayerNorm")
        dense(at + "intermediate.dense", inner, hidden)
        dense(at + "output.dense", hidden, inner)
        norm(at + "output.LayerNorm")
    dense("bert.pooler.dense", hidden, hidden)
    dense("classifier", 1, hidden)
    write_safetensors(directory + "/model.safetensors", tensors)
    with open(vocabulary, "rb") as source, open(directory + "/vocab.txt", "wb") as copy:
        copy.write(source.read())
    with open(directory + "/config.json", "w") as file:
        json.dump({"architectures": ["BertForSequenceClassification"], "model_type": "bert",
                   "hidden_act": "gelu", "hidden_size": hidden, "num_hidden_layers": layers,
                   "num_attention_heads": 2, "intermediate_size": inner, "type_vocab_size": 2,
                   "max_position_embeddings": 512, "vocab_size": words, "layer_norm_eps": 1e-12,
                   "id2label": {"0": "LABEL_0"}}, file)


def quantised(weight):
    """[in, out] in 8 bits, and the scale of each column."""
    scale = (np.abs(weight).max(0) / 127).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def add_layer(graph, tensors, at, number, x, config, int8=False):
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]

    def put(name, array):
        return graph.constant(f"{name}{number}", array)

    parts = [at + "attention.self." + part for part in ("query", "key", "value")]
    weight = np.concatenate([tensors[part + ".weight"].T for part in parts], 1)
    bias = np.concatenate([tensors[part + ".bias"] for part in parts])
    if int8:
        numbers, scale = quantised(weight)
        graph.node("DynamicQuantizeLinear", [x], f"x8_{number} x8_scale{number} x8_zero{number}")
        graph.node("QAttention", [f"x8_{number}", put("qkv", numbers), put("qkv_bias", bias), f"x8_scale{number}",
                                  put("qkv_scale", scale), "lengths", f"x8_zero{number}",
                                  put("qkv_zero", np.zeros(len(scale), np.int8))],
                   f"context{number}", MICROSOFT, num_heads=heads)
    else:
        graph.node("Attention", [x, put("qkv", weight), put("qkv_bias", bias), "lengths"],
                   f"context{number}", MICROSOFT, num_heads=heads)

    def dense(name, source, target):
        weight = tensors[name + ".weight"].T
        if int8:
            numbers, scale = quantised(weight)
            graph.node("DynamicQuantizeMatMul", [source, put(target, numbers), put(target + "_scale", scale)],
                       f"{target}_out{number}", MICROSOFT)
        else:
            graph.node("MatMul", [source, put(target, weight)], f"{target}_out{number}")
        return f"{target}_out{number}", put(target + "_bias", tensors[name + ".bias"])

    def add_norm(y, other, bias_name, name, target):
        graph.node("SkipLayerNormalization",
                   [y, other, put(target + "_gain", tensors[name + ".weight"]),
                    put(target + "_shift", tensors[name + ".bias"]), bias_name],
                   f"{target}{number}", MICROSOFT, epsilon=eps)
        return f"{target}{number}"

    y, bias_name = dense(at + "attention.output.dense", f"context{number}", "attended")
    middle = add_norm(y, x, bias_name, at + "attention.output.LayerNorm", "middle")
    y, bias_name = dense(at + "intermediate.dense", middle, "wide")
    graph.node("BiasGelu", [y, bias_name], f"gelu{number}", MICROSOFT)
    y, bias_name = dense(at + "output.dense", f"gelu{number}", "narrow")
    return add_norm(y, middle, bias_name, at + "output.LayerNorm", "state")


def make_model(directory, int8=False):
    tensors = read_safetensors(directory + "/model.safetensors")
    with open(directory + "/config.json") as file:
        config = json.load(file)
    prefix = "bert." if "bert.embeddings.LayerNorm.weight" in tensors else ""
    graph = Graph()
    for name in ("ids", "types", "mask"):
        graph.end(11, name, INT32, ["batch", "length"])
    at = prefix + "embeddings."
    tables = [graph.constant(name, tensors[at + name + ".weight"]) for name in
              ("word_embeddings", "position_embeddings", "token_type_embeddings")]
    norm = [graph.constant("gain", tensors[at + "LayerNorm.weight"]),
            graph.constant("shift", tensors[at + "LayerNorm.bias"])]
    graph.node("EmbedLayerNormalization", ["ids", "types", *tables, *norm, "mask"],
               "embedded lengths", MICROSOFT, epsilon=config["layer_norm_eps"])
    x = "embedded"
    for layer in range(config["num_hidden_layers"]):
        x = add_layer(graph, tensors, f"{prefix}encoder.layer.{layer}.", layer, x, config, int8)
    if "classifier.weight" in tensors:
        graph.node("Gather", [x, graph.constant("zero", np.array(0, np.int64))], "first", axis=1)
        for name, source, target in ((prefix + "pooler.dense", "first", "pooled"),
                                     ("classifier", "tanh", "result")):
            graph.node("Gemm", [source, graph.constant(target + "_w", tensors[name + ".weight"].T),
                                graph.constant(target + "_b", tensors[name + ".bias"])], target)
            if target == "pooled":
                graph.node("Tanh", ["pooled"], "tanh")
    else:  # The masked sum has the direction of the masked mean.
        last = graph.constant("last", np.array([2], np.int64))
        graph.node("Cast", ["mask"], "counts", to=FLOAT)
        graph.node("Unsqueeze", ["counts", last], "columns")
        graph.node("Mul", [x, "columns"], "masked")
        graph.node("ReduceSum", ["masked", graph.constant("tokens", np.array([1], np.int64))],
                   "mean", keepdims=0)
        graph.node("LpNormalization", ["mean"], "result", axis=1, p=2)
    graph.end(12, "result", FLOAT, ["batch", "width"])
    return graph.model()


def read_batches(path):
    """The rows' order, and what each batch of it feeds."""
    data = np.fromfile(path, "<i4")
    count, length = int(data[0]), int(data[1])
    ids, starts, lengths = np.split(data[2:], [count * length, count * length + count])
    ids = ids.reshape(count, length)
    order = np.argsort(-lengths, kind="stable")
    batches = []
    for rows in np.split(order, range(32, count, 32)):
        width = np.arange(int(lengths[rows].max()))[None, :]
        batches.append({"ids": np.ascontiguousarray(ids[rows][:, :width.size]),
                        "types": (width >= starts[rows, None]).astype(np.int32),
                        "mask": (width < lengths[rows, None]).astype(np.int32)})
    return order, batches


def main(directory, source, vocabulary=None, int8=False):
    if vocabulary:
        os.makedirs(directory, exist_ok=True)
        make_random(directory, vocabulary)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(make_model(directory, int8), options,
                                           providers=["CPUExecutionProvider"])
    print("ready", onnxruntime.__version__, flush=True)
    for line in sys.stdin:
        order, batches = read_batches(source)
        first = np.empty(len(order), np.float32)
        start = time.process_time()
        for _ in range(int(line)):
            results = [session.run(None, batch)[0][:, 0] for batch in batches]
        took = time.process_time() - start
        first[order] = np.concatenate(results)
        print(took, *first.tolist(), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*(word for word in words if word != "--int8"), int8="--int8" in words)
