"""Writes a small random cross-encoder, so that what ranks can be tested without a published one."""
import array
import json
import random
import struct
import tempfile
from pathlib import Path

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, ROWS = 32, 1, 2, 64, 512, 64


def tensors():
    """Name → shape, as BertForSequenceClassification has them."""
    shapes = {"bert.embeddings.word_embeddings.weight": [ROWS, HIDDEN],
              "bert.embeddings.position_embeddings.weight": [POSITIONS, HIDDEN],
              "bert.embeddings.token_type_embeddings.weight": [2, HIDDEN]}

    def dense(name, out, inner):
        shapes[name + ".weight"], shapes[name + ".bias"] = [out, inner], [out]

    def norm(name):
        shapes[name + ".weight"], shapes[name + ".bias"] = [HIDDEN], [HIDDEN]
    norm("bert.embeddings.LayerNorm")
    for layer in (f"bert.encoder.layer.{i}." for i in range(LAYERS)):
        for part in ("query", "key", "value"):
            dense(f"{layer}attention.self.{part}", HIDDEN, HIDDEN)
        dense(layer + "attention.output.dense", HIDDEN, HIDDEN)
        norm(layer + "attention.output.LayerNorm")
        dense(layer + "intermediate.dense", INNER, HIDDEN)
        dense(layer + "output.dense", HIDDEN, INNER)
        norm(layer + "output.LayerNorm")
    dense("bert.pooler.dense", HIDDEN, HIDDEN)
    dense("classifier", 1, HIDDEN)
    return shapes


def write_for(test_class):
    """The directory of a model that goes with the tests of the class."""
    folder = tempfile.TemporaryDirectory(prefix="memseal-reranker-")
    test_class.addClassCleanup(folder.cleanup)
    model = Path(folder.name) / "small-reranker"
    write(model)
    return model


def write(folder):
    chance = random.Random(7)
    header, data = {}, bytearray()
    for name, shape in tensors().items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        centre = 1.0 if "LayerNorm.weight" in name else 0.0
        values = array.array("f", (chance.gauss(centre, 0.3) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + 4 * count]}
        data += values.tobytes()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "vocab_size": ROWS, "id2label": {"0": "LABEL_0"}}))
    letters = "abcdefghijklmnopqrstuvwxyz"
    (folder / "vocab.txt").write_text("\n".join(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters)]) + "\n")
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))
