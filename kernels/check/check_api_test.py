#!/usr/bin/env python3
"""The library of scripts/gpu-check on the host device: loader, tokenizer, engine and C interface
against a BERT computed by Python. MEMSEAL_GPU_CHECK_LIBRARY names the library."""
import os
import random
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "kernels"), str(ROOT / "kernels" / "check")]
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # before the library: there is no GPU for this test

from check.library import Failure, Library  # noqa: E402
from tiny_bert import POSITIONS, WORDS, TinyBert  # noqa: E402

LENGTHS = [1, 2, 3, 31, 63, 64, 65, 127, 128]


def sequences(lengths, seed=7):
    draw = random.Random(seed)
    return [([draw.randrange(5, len(WORDS)) for _ in range(length)], draw.randrange(length + 1))
            for length in lengths]


class OnTheHostDevice(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.library = Library(os.environ["MEMSEAL_GPU_CHECK_LIBRARY"])
        cls.models = {}
        for kind in ("cross", "bi"):
            cls.models[kind] = TinyBert(kind == "cross")
            cls.models[kind].save(Path(cls.folder.name) / kind)
        cls.pool = sequences(LENGTHS)
        cls.expected = [cls.models["cross"].score(*one) for one in cls.pool]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open(self, kind="cross", device="host", **options):
        options.setdefault("warm", 0)
        engine = self.library.open(Path(self.folder.name) / kind, device, **options)
        self.addCleanup(engine.close)
        return engine

    def test_scores_are_those_of_the_formulas(self):
        spread = max(self.expected) - min(self.expected)
        self.assertGreater(spread, 1)
        for got, wanted in zip(self.open().run(self.pool), self.expected):
            self.assertAlmostEqual(got, wanted, delta=0.02)

    def test_embeddings_are_those_of_the_formulas(self):
        pool = [(ids, len(ids)) for ids, _ in self.pool[:6]]
        for got, (ids, _) in zip(self.open("bi").run(pool), pool):
            wanted = self.models["bi"].embed(ids)
            self.assertEqual(len(got), len(wanted))
            for a, b in zip(got, wanted):
                self.assertAlmostEqual(a, b, delta=3e-3)

    def test_neither_neighbours_nor_order_change_a_score(self):
        engine = self.open()
        together = engine.run(self.pool)
        order = random.Random(3).sample(range(len(self.pool)), len(self.pool))
        for place, score in zip(order, engine.run([self.pool[i] for i in order])):
            self.assertAlmostEqual(score, together[place], delta=1e-5)
        for one, score in zip(self.pool, together):
            self.assertAlmostEqual(engine.run([one])[0], score, delta=1e-5)

    def test_memory_that_nobody_wrote_reaches_no_score(self):
        for kind in ("cross", "bi"):
            clean, poisoned = self.open(kind), self.open(kind, poison=1)
            for sizes in ([1], [65, 2], [128, 1, 64, 127], LENGTHS):
                pool = sequences(sizes, seed=sum(sizes))
                self.assertEqual(poisoned.run(pool), clean.run(pool))

    def test_texts_are_read_as_the_service_reads_them(self):
        engine = self.open()
        number = {word: i for i, word in enumerate(WORDS)}
        query, texts = "Is Mars red?", ["The Red Planet is, ab", "", "planet. " * 90]
        ids = engine.tokens(query, texts, 64)
        head = [number[word] for word in ("[CLS]", "is", "mars", "red", "?", "[SEP]")]
        tail = [number[word] for word in ("the", "red", "planet", "is", ",", "a", "##b", "[SEP]")]
        self.assertEqual(ids[0], head + tail)
        self.assertEqual(ids[1], head + [number["[SEP]"]])
        self.assertEqual(len(ids[2]), 64)
        self.assertEqual(engine.texts(query, texts, 64), engine.run([(one, len(head)) for one in ids]))
        single = self.open("bi")
        ids = single.tokens(None, texts[:1], 64)[0]
        self.assertEqual(ids, head[:1] + tail)
        self.assertEqual(single.texts(None, texts[:1], 64), single.run([(ids, len(ids))]))

    def test_warming_changes_no_score(self):
        self.assertEqual(self.open(warm=1, lanes=1).run(self.pool), self.open().run(self.pool))

    def test_timed_calls_give_the_same_scores(self):
        engine = self.open()
        took, scores = engine.time(self.pool, 5)
        self.assertEqual(scores, engine.run(self.pool))
        self.assertEqual(len(took), 5)
        self.assertGreater(min(took), 0)
        took, scores = engine.time_texts("red", ["mars", "planet"], 32, 3)
        self.assertEqual(scores, engine.texts("red", ["mars", "planet"], 32))
        self.assertEqual(len(took), 3)
        self.assertGreater(engine.throughput(self.pool[:2], 2, 0.05), 0)

    def test_the_devices_own_time_and_its_products_can_be_asked_for(self):
        engine = self.open()
        self.assertEqual(len(engine.device_time(self.pool[:3], 4)), 4)
        self.assertEqual(engine.products(), [])  # the twins have nothing to choose

    def test_a_broken_device_is_lost_until_it_is_opened_anew(self):
        engine = self.open()
        engine.break_device()
        with self.assertRaisesRegex(Failure, "^lost: "):
            engine.run(self.pool[:1])
        self.assertEqual(len(self.open().run(self.pool[:1])), 1)

    def test_a_call_that_fails_within_a_capture_leaves_no_capture_behind(self):
        with self.assertRaisesRegex(Failure, "refused within a capture"):
            self.open(fail_capture=3).run(self.pool)
        self.assertEqual(self.open().run(self.pool), self.open().run(self.pool))

    def test_many_callers_at_once_all_get_their_own_scores(self):
        engine = self.open(batch_tokens=512)
        seen = engine.together(self.pool, self.expected, 0.02, threads=16, requests=100)
        self.assertEqual((seen.requests, seen.wrong, seen.failed), (100, 0, 0))
        self.assertLess(seen.worst, 0.02)
        wrong = [score + (0.1 if i == 2 else 0) for i, score in enumerate(self.expected)]
        self.assertGreater(engine.together(self.pool, wrong, 0.02, threads=4, requests=50).wrong, 0)
        counters = engine.info()
        self.assertEqual(counters["requests"], 150)
        self.assertGreater(counters["batches"], 0)

    def test_what_cannot_be_done_is_said(self):
        with self.assertRaisesRegex(Failure, "nowhere"):
            self.open("nowhere")
        with self.assertRaisesRegex(Failure, "^(no_driver|no_device|not_built): "):
            self.open(device="cuda")
        with self.assertRaisesRegex(Failure, "no such device"):
            self.open(device="abacus")
        engine = self.open()
        for pool in ([], [([], 0)], [([5] * (POSITIONS + 1), 1)], [([len(WORDS)], 1)], [([-1], 1)]):
            with self.assertRaises(Failure):
                engine.run(pool)
        with self.assertRaises(TypeError):
            self.open(colour=1)


if __name__ == "__main__":
    unittest.main()
