"""A BERT small enough to be computed by Python alone: written as a Hugging Face directory, and
computed in double precision straight from the formulas."""
import json
import math
import random
import struct
from array import array
from pathlib import Path

HIDDEN, HEADS, LAYERS, INNER, POSITIONS = 64, 2, 2, 128, 128
WORDS = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [chr(c) for c in range(97, 123)] +
         ["##" + chr(c) for c in range(97, 123)] + ["the", "red", "planet", "is", "mars", "?", ".", ","])


class TinyBert:
    def __init__(self, cross_encoder, seed=1):
        self.cross_encoder, self.tensors = cross_encoder, {}
        self.random = random.Random(seed)
        self._add("embeddings.word_embeddings.weight", [len(WORDS), HIDDEN], 0, 1)
        self._add("embeddings.position_embeddings.weight", [POSITIONS, HIDDEN], 0, 0.5)
        self._add("embeddings.token_type_embeddings.weight", [2, HIDDEN], 0, 0.5)
        self._norm("embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            for part in ("query", "key", "value"):
                self._dense(f"{at}attention.self.{part}", HIDDEN, HIDDEN)
            self._dense(at + "attention.output.dense", HIDDEN, HIDDEN)
            self._norm(at + "attention.output.LayerNorm")
            self._dense(at + "intermediate.dense", INNER, HIDDEN)
            self._dense(at + "output.dense", HIDDEN, INNER)
            self._norm(at + "output.LayerNorm")
        if cross_encoder:
            self._dense("pooler.dense", HIDDEN, HIDDEN)
            self._dense("classifier", 1, HIDDEN)

    def _add(self, name, shape, centre, spread):
        count = math.prod(shape)
        numbers = array("f", (self.random.gauss(centre, spread) for _ in range(count)))
        width = shape[-1]
        rows = [list(numbers[i:i + width]) for i in range(0, count, width)]
        self.tensors[name] = (shape, numbers, rows if len(shape) == 2 else rows[0])

    def _dense(self, name, out, inputs):
        self._add(name + ".weight", [out, inputs], 0, 1.5 / math.sqrt(inputs))
        self._add(name + ".bias", [out], 0, 0.1)

    def _norm(self, name):
        self._add(name + ".weight", [HIDDEN], 1, 0.1)
        self._add(name + ".bias", [HIDDEN], 0, 0.1)

    def save(self, directory):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        kind = "BertForSequenceClassification" if self.cross_encoder else "BertModel"
        config = {"architectures": [kind], "model_type": "bert", "hidden_act": "gelu",
                  "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "hidden_size": HIDDEN,
                  "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER,
                  "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": len(WORDS)}
        if self.cross_encoder:
            config["id2label"] = {"0": "LABEL_0"}
        (directory / "config.json").write_text(json.dumps(config))
        (directory / "vocab.txt").write_text("\n".join(WORDS) + "\n")
        header, body = {}, b""
        for name, (shape, numbers, _) in sorted(self.tensors.items()):
            prefix = "bert." if self.cross_encoder and not name.startswith("classifier") else ""
            header[prefix + name] = {"dtype": "F32", "shape": shape,
                                     "data_offsets": [len(body), len(body) + 4 * len(numbers)]}
            body += numbers.tobytes()
        text = json.dumps(header).encode()
        (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)

    # ------------------------------------------------------------ the formulas

    def _rows(self, name):
        return self.tensors[name][2]

    def _linear(self, x, name):
        weight, bias = self._rows(name + ".weight"), self._rows(name + ".bias")
        return [[sum(map(float.__mul__, row, w)) + b for w, b in zip(weight, bias)] for row in x]

    def _layer_norm(self, x, name):
        gain, bias = self._rows(name + ".weight"), self._rows(name + ".bias")
        out = []
        for row in x:
            mean = math.fsum(row) / HIDDEN
            scale = 1 / math.sqrt(math.fsum((v - mean) ** 2 for v in row) / HIDDEN + 1e-12)
            out.append([(v - mean) * scale * g + b for v, g, b in zip(row, gain, bias)])
        return out

    def _attention(self, x, at):
        query, key, value = (self._linear(x, f"{at}attention.self.{part}")
                             for part in ("query", "key", "value"))
        size = HIDDEN // HEADS
        out = [[] for _ in x]
        for first in range(0, HIDDEN, size):
            part = slice(first, first + size)
            columns = list(zip(*(row[part] for row in value)))
            for i, row in enumerate(query):
                scores = [sum(map(float.__mul__, row[part], k[part])) / math.sqrt(size) for k in key]
                top = max(scores)
                weights = [math.exp(score - top) for score in scores]
                total = math.fsum(weights)
                out[i] += [sum(map(float.__mul__, weights, column)) / total for column in columns]
        return out

    def states(self, ids, segment_b):
        words, places, types = (self._rows(f"embeddings.{name}_embeddings.weight")
                                for name in ("word", "position", "token_type"))
        x = [[a + b + c for a, b, c in zip(words[id], places[i], types[i >= segment_b])]
             for i, id in enumerate(ids)]
        x = self._layer_norm(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            x = self._layer_norm(add(self._linear(self._attention(x, at), at + "attention.output.dense"), x),
                                 at + "attention.output.LayerNorm")
            inner = [[v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in row]
                     for row in self._linear(x, at + "intermediate.dense")]
            x = self._layer_norm(add(self._linear(inner, at + "output.dense"), x), at + "output.LayerNorm")
        return x

    def score(self, ids, segment_b):
        first = self.states(ids, segment_b)[:1]
        pooled = [[math.tanh(v) for v in self._linear(first, "pooler.dense")[0]]]
        return self._linear(pooled, "classifier")[0][0]

    def embed(self, ids):
        states = self.states(ids, len(ids))
        mean = [math.fsum(column) / len(states) for column in zip(*states)]
        norm = math.sqrt(math.fsum(v * v for v in mean))
        return [v / norm for v in mean]


def add(x, y):
    return [[a + b for a, b in zip(row, other)] for row, other in zip(x, y)]
