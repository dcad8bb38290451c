"""Both model shapes against double precision: what must hold before anything is timed. Needs PyTorch."""
import copy
import random

from . import models
from .report import top_agrees, worst_difference, worst_vector
from .workloads import EMBEDDING_TOLERANCE, draw_sequences, draw_texts, whole_words

LENGTHS = (1, 2, 3, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512)
MIXED = (5, 256, 31, 1, 77, 128, 300, 64, 12, 201, 90, 33, 150, 511, 2, 45, 120, 88, 17, 240, 99, 66, 130, 7)
# Tokens of a batch at the edges of the sizes that it is padded to.
EDGES = ((127,), (128,), (129,), (512, 512, 512, 511), (512,) * 4, (512, 512, 512, 511, 2),
         (512,) * 8, (512,) * 8 + (1,), (512,) * 15 + (511,), (512,) * 16, (512,) * 16 + (1,))


class Checked:
    """A model on disk, its engine and its double-precision reference."""

    def __init__(self, library, device, shape, embeds, folder, vocabulary, torch_device, options=None, seed=4):
        self.shape, self.embeds, self.library, self.device = shape, embeds, library, device
        self.name = shape.name + (" embedder" if embeds else "")
        self.directory = models.directory_of(folder, shape, embeds)
        self.model = models.make(shape, not embeds, self.directory, vocabulary, seed)
        self.double = copy.deepcopy(self.model)
        self.torch_device, self.vocabulary, self.options = torch_device, vocabulary, options or {}
        self.engine = library.open(self.directory, device, **self.options)
        self.tolerance = EMBEDDING_TOLERANCE if embeds else shape.logit_tolerance

    def sequences(self, lengths, seed):
        return draw_sequences(lengths, seed, pairs=not self.embeds)

    def reference(self, sequences):
        return models.reference(self.double, sequences, self.torch_device)

    def worst(self, got, wanted):
        return (worst_vector if self.embeds else worst_difference)(got, wanted)

    # ------------------------------------------------------------ gates

    def check(self, which, gates, quick=False):
        mixed = tuple(min(one, 65) for one in MIXED) if quick else MIXED
        requests = 24 if quick else 1000
        checks = {"lengths": lambda: self.check_lengths(gates, LENGTHS[:6] if quick else LENGTHS),
                  "batches": lambda: self.check_batches(gates, mixed),
                  "edges": lambda: self.check_edges(gates, EDGES[:3] if quick else EDGES),
                  "poison": lambda: self.check_poison(gates, mixed),
                  "texts": lambda: self.check_texts(gates, 65 if quick else 256),
                  "plain": lambda: self.check_plain(gates, mixed, requests),
                  "together": lambda: self.check_together(gates, self.engine, mixed, requests, ""),
                  "top": lambda: self.embeds or self.check_top(gates, mixed)}
        for name in which:
            checks[name]()

    def check_lengths(self, gates, lengths):
        pool = self.sequences(lengths, 11) + [([2003] * min(256, max(lengths)), 16 if not self.embeds else 256)]
        if self.embeds:
            pool[-1] = (pool[-1][0], len(pool[-1][0]))
        wanted = self.reference(pool)
        gates.within(f"{self.name}: lengths {lengths[0]} to {lengths[-1]} in one batch, one all the same token",
                     self.worst(self.engine.run(pool), wanted), self.tolerance)
        gates.within(f"{self.name}: the same, each alone",
                     self.worst([self.engine.run([one])[0] for one in pool], wanted), self.tolerance)

    def check_batches(self, gates, mixed):
        pool = self.sequences(mixed + mixed[:8], 12)
        wanted = self.reference(pool)
        worst = 0.0
        for count in (1, 2, 24, 32):
            off = self.worst(self.engine.run(pool[:count]), wanted[:count])
            worst = off if off != off else max(worst, off)
        gates.within(f"{self.name}: batches of 1, 2, 24 and 32", worst, self.tolerance)
        order = random.Random(5).sample(range(len(pool)), len(pool))
        shuffled = self.engine.run([pool[i] for i in order])
        gates.within(f"{self.name}: the same in another order",
                     self.worst(shuffled, [wanted[i] for i in order]), self.tolerance)

    def check_edges(self, gates, edges):
        worst = 0.0
        for number, lengths in enumerate(edges):
            pool = self.sequences(lengths, 100 + number)
            off = self.worst(self.engine.run(pool), self.reference(pool))
            worst = off if off != off else max(worst, off)
        gates.within(f"{self.name}: batches of {sum(edges[0])} to {sum(edges[-1])} tokens, at the edges of sizes",
                     worst, self.tolerance)

    def check_poison(self, gates, mixed):
        """Small batches first: what a larger one leaves behind would hide what was never written."""
        worst = 0.0
        options = dict(self.options, poison=1, warm=0, lanes=1)
        with self.library.open(self.directory, self.device, **options) as poisoned:
            for number, lengths in enumerate(((1,), (2, 3), mixed[:3], mixed)):
                pool = self.sequences(lengths, 200 + number)
                off = self.worst(poisoned.run(pool), self.reference(pool))
                worst = off if off != off else max(worst, off)
        gates.within(f"{self.name}: fresh memory all NaN", worst, self.tolerance)

    def check_texts(self, gates, tokens_max):
        from tokenizers import Tokenizer
        words = whole_words(self.vocabulary.read_text(encoding="utf8"))
        query, texts = draw_texts(words, (20, 40, 60, 2 * tokens_max), 6)
        texts[1] += " Ünïcode — 日本語, naïve café… don't!"
        theirs = Tokenizer.from_file(str(self.directory / "tokenizer.json"))
        theirs.no_padding()
        theirs.enable_truncation(tokens_max)
        asked = None if self.embeds else query
        encoded = [theirs.encode(text) if self.embeds else theirs.encode(query, text) for text in texts]
        ours = self.engine.tokens(asked, texts, tokens_max)
        gates.check(f"{self.name}: ids of texts", ours == [one.ids for one in encoded],
                    f"{sum(map(len, ours))} tokens compared with the tokenizers library's")
        pool = [(one.ids, len(one.ids) if self.embeds else one.type_ids.index(1)) for one in encoded]
        gates.within(f"{self.name}: from texts", self.worst(self.engine.texts(asked, texts, tokens_max),
                                                            self.reference(pool)), self.tolerance)

    def check_plain(self, gates, mixed, requests):
        """Kernel by kernel: then several threads call cuBLASLt's one handle at the same time."""
        pool = self.sequences(mixed, 12)
        with self.library.open(self.directory, self.device, **dict(self.options, graphs=0)) as plain:
            gates.within(f"{self.name}: launched kernel by kernel, without graphs",
                         self.worst(plain.run(pool), self.reference(pool)), self.tolerance)
            self.check_together(gates, plain, mixed, requests, ", without graphs")

    def check_together(self, gates, engine, mixed, requests, how):
        pool = self.sequences(mixed + mixed, 13)
        # Of a vector each number is compared, and none is further off than the vector.
        seen = engine.together(pool, self.reference(pool), self.tolerance, 64, requests, 1)
        gates.check(f"{self.name}: {requests} requests from 64 callers at once{how}",
                    seen.requests == requests and seen.wrong == 0 and seen.failed == 0,
                    f"{seen.wrong} wrong, {seen.failed} failed, worst {seen.worst:.3g} of "
                    f"{self.tolerance:g} allowed, {requests / seen.seconds:.0f} a second")

    def check_top(self, gates, mixed):
        worst = True
        for seed in range(20, 25):
            pool = self.sequences(mixed, seed)
            wanted = self.reference(pool)
            worst = worst and top_agrees(self.engine.run(pool), wanted, 8, self.tolerance)
        gates.check(f"{self.name}: the best 8 of 24", worst,
                    "the same order as in double precision, but for near ties" if worst else "another order")
