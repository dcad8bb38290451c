"""What is measured: shapes, workloads, and how much work they are. Standard library only."""
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    name: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    logit_tolerance: float   # |logit - double precision|, fp16
    sharpness: float         # of random queries and keys, see models.py


TINY = Shape("TinyBERT", 128, 2, 2, 512, 0.02, 2.0)
MINI = Shape("MiniLM-L6", 384, 6, 12, 1536, 0.1, 1.3)
# Published (floating-point operations, bytes) a second of the GPU for which the predictions were made.
PREDICTED = (790e12, 4.3e12)
EMBEDDING_TOLERANCE = 3e-3   # |vector - double precision|, of vectors of norm 1


@dataclass(frozen=True)
class Workload:
    id: str
    says: str
    shape: Shape
    lengths: tuple
    embeds: bool = False
    figure: str = ""         # the id under which bench/README.md lists it


def lognormal_lengths(count, mean, most, seed, sigma=0.6):
    """Lengths as passages have them: lognormal about the mean, cut to 8 … most."""
    draw = random.Random(seed)
    raw = [draw.lognormvariate(0, sigma) for _ in range(count)]
    scale = mean * count / sum(raw)
    return tuple(min(most, max(8, round(one * scale))) for one in raw)


def workloads():
    mixed, chunks = lognormal_lengths(24, 120, 256, 2), lognormal_lengths(64, 120, 256, 5)
    cross = (("w1", "24 x 256", (256,) * 24), ("w2", "24 mixed, mean 120", mixed),
             ("w3", "24 x 512", (512,) * 24), ("w4", "8 x 128", (128,) * 8),
             ("w5", "100 x 256", (256,) * 100))
    figures = {("w1", TINY.name): "rerank_gpu_w1", ("w2", TINY.name): "rerank_gpu_w2",
               ("w1", MINI.name): "rerank_gpu_mini"}
    every = [Workload(f"{id}_{shape.name.split('-')[0].lower()}", f"{id.upper()} {shape.name} {says}", shape,
                      lengths, figure=figures.get((id, shape.name), ""))
             for shape in (TINY, MINI) for id, says, lengths in cross]
    every.append(Workload("w6_minilm", "W6 MiniLM-L6 embed 32 x 128", MINI, (128,) * 32, True))
    every.append(Workload("embed_minilm", "MiniLM-L6 embed 64 mixed chunks", MINI, chunks, True, "embed_gpu"))
    return every


def rehearsal():
    """Small ones, for a machine without a GPU."""
    return [Workload("rehearsal", "rehearsal", TINY, (40, 9, 64, 33)),
            Workload("rehearsal_embed", "rehearsal embed", TINY, (20, 64, 7), True)]


def draw_sequences(lengths, seed, vocabulary=30522, pairs=True):
    """(ids, segment_b) each: [CLS] … [SEP] (… [SEP]), the question a quarter, at most 16 tokens."""
    draw = random.Random(seed)
    out = []
    for length in lengths:
        ids = [draw.randrange(1000, vocabulary - 500) for _ in range(length)]
        ids[0], ids[-1] = 101, 102
        second = length
        if pairs and length >= 4:
            second = max(2, min(16, length // 4))
            ids[second - 1] = 102
        out.append((ids, second))
    return out


def draw_texts(words, lengths, seed):
    """A query of 10 words, and passages of about `length` tokens: whole words of the vocabulary."""
    draw = random.Random(seed)
    query = " ".join(draw.choice(words) for _ in range(10))
    return query, [" ".join(draw.choice(words) for _ in range(max(1, length - 13))) for length in lengths]


def whole_words(vocabulary_text):
    return [line for line in vocabulary_text.splitlines()
            if len(line) > 2 and line.isascii() and line.isalpha() and line.islower()]


# ---------------------------------------------------------------- floating-point operations and bytes

def _gemm(rows, inputs, outputs):
    return 2 * rows * inputs * outputs, 2 * (rows * inputs + rows * outputs + inputs * outputs)


def operations(shape, lengths, first_only=False):
    """(floating-point operations, bytes) of each kernel of a pass over packed tokens: each operand
    read once and each result written once, in fp16. first_only: a cross-encoder's last layer computes
    queries and everything after attention for first tokens alone."""
    hidden, inner, tokens, count = shape.hidden, shape.intermediate, sum(lengths), len(lengths)
    squares, row = sum(length * length for length in lengths), 2 * hidden
    every = []
    for layer in range(shape.layers):
        last = first_only and layer == shape.layers - 1
        rows = count if last else tokens
        if last:
            every += [_gemm(tokens, hidden, 2 * hidden), _gemm(rows, hidden, hidden),
                      (4 * tokens * hidden, 2 * tokens * row + 2 * rows * row)]
        else:
            every += [_gemm(tokens, hidden, 3 * hidden), (4 * squares * hidden, 4 * tokens * row)]
        norm = (0, 3 * rows * row)
        every += [_gemm(rows, hidden, hidden), norm, _gemm(rows, hidden, inner), _gemm(rows, inner, hidden), norm]
    return every


def floor_us(shape, lengths, flops, bandwidth, first_only=False):
    """The least time of a pass at these rates (a second), kernel after kernel, in microseconds."""
    return sum(max(work / flops, moved / bandwidth)
               for work, moved in operations(shape, lengths, first_only)) * 1e6


def totals(shape, lengths, first_only=False):
    """(floating-point operations, bytes) of a whole pass."""
    every = operations(shape, lengths, first_only)
    return sum(one[0] for one in every), sum(one[1] for one in every)
