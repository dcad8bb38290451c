"""The engine by ctypes: the other half of kernels/check/check_api.cpp. Standard library only."""
import ctypes
import json
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p


class Failure(RuntimeError):
    """What the library said."""


class Options(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in
                ("lanes", "batch_tokens", "sequences_max", "patience_ms", "graphs", "warm", "poison", "fail_capture",
                 "hang_ms")]


class PackedBatch(ctypes.Structure):
    """Sequences end to end; keeps its arrays alive."""
    _fields_ = [("ids", POINTER(c_int32)), ("starts", POINTER(c_int64)),
                ("segment_b", POINTER(c_int64)), ("sequences", c_int64)]

    @classmethod
    def of(cls, sequences):
        """sequences: (ids, segment_b) each; segment_b is the index of the first token of type 1."""
        ids, starts, second = [], [0], []
        for tokens, segment_b in sequences:
            ids += tokens
            starts.append(len(ids))
            second.append(segment_b)
        kept = ((c_int32 * max(len(ids), 1))(*ids), (c_int64 * len(starts))(*starts),
                (c_int64 * max(len(second), 1))(*second))
        batch = cls(*(ctypes.cast(array, kind) for array, kind in
                      zip(kept, (POINTER(c_int32), POINTER(c_int64), POINTER(c_int64)))), len(second))
        batch.kept = kept
        return batch


class Together(ctypes.Structure):
    _fields_ = [("requests", c_int64), ("wrong", c_int64), ("failed", c_int64),
                ("worst", c_double), ("seconds", c_double)]


def _texts(texts):
    return (c_char_p * max(len(texts), 1))(*(text.encode() for text in texts))


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        batch, texts = POINTER(PackedBatch), POINTER(c_char_p)
        floats, integers = POINTER(c_float), POINTER(c_int64)
        signatures = {
            "error": (c_char_p, []),
            "open": (c_void_p, [c_char_p, c_char_p, POINTER(Options)]),
            "close": (None, [c_void_p]),
            "width": (c_int64, [c_void_p]),
            "info": (ctypes.c_int, [c_void_p, c_char_p, c_size_t]),
            "products": (ctypes.c_int, [c_void_p, c_char_p, c_size_t]),
            "break": (ctypes.c_int, [c_void_p]),
            "device_time": (ctypes.c_int, [c_void_p, batch, c_int32, floats]),
            "run": (ctypes.c_int, [c_void_p, batch, floats]),
            "tokens": (ctypes.c_int, [c_void_p, c_char_p, texts, c_int64, c_int64, POINTER(c_int32), integers]),
            "texts": (ctypes.c_int, [c_void_p, c_char_p, texts, c_int64, c_int64, floats]),
            "time": (ctypes.c_int, [c_void_p, batch, c_int64, integers, floats]),
            "time_texts": (ctypes.c_int, [c_void_p, c_char_p, texts, c_int64, c_int64, c_int64, integers, floats]),
            "throughput": (ctypes.c_int, [c_void_p, batch, c_int64, c_double, POINTER(c_double)]),
            "together": (ctypes.c_int, [c_void_p, batch, floats, c_double, c_int64, c_int64, c_uint32,
                                        POINTER(Together)]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self.c, f"gpu_check_{name}")
            function.restype, function.argtypes = result, arguments

    def failure(self):
        return Failure(self.c.gpu_check_error().decode(errors="replace"))

    def open(self, directory, device, **options):
        return Engine(self, directory, device, options)


class Engine:
    """One model on one device. Lists in, lists out; any thread may call."""

    def __init__(self, library, directory, device, options):
        self.library, self.c = library, library.c
        given = Options(*(int(options.pop(name, -1)) for name, _ in Options._fields_))
        if options:
            raise TypeError(f"no such option: {' '.join(options)}")
        self.handle = self.c.gpu_check_open(str(directory).encode(), device.encode(), byref(given))
        if not self.handle:
            raise library.failure()
        self.width = self.c.gpu_check_width(self.handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.handle:
            self.c.gpu_check_close(self.handle)
            self.handle = None

    def _call(self, name, *arguments):
        if getattr(self.c, f"gpu_check_{name}")(self.handle, *arguments) != 0:
            raise self.library.failure()

    def _poisoned(self, count):
        """Room for results that shows what was not written."""
        return (c_float * max(count, 1))(*([float("nan")] * count))

    def _rows(self, out, count):
        if self.width == 1:
            return list(out[:count])
        return [list(out[i * self.width:(i + 1) * self.width]) for i in range(count)]

    def info(self):
        out = ctypes.create_string_buffer(4096)
        self._call("info", out, len(out))
        return json.loads(out.value)

    def products(self):
        """What computes each size of matrix product, a line each."""
        out = ctypes.create_string_buffer(1 << 20)
        self._call("products", out, len(out))
        return out.value.decode().splitlines()

    def break_device(self):
        """As an illegal address does: from here on the device is lost."""
        self._call("break")

    def device_time(self, sequences, calls):
        """Microseconds of each pass by the device's own clock."""
        batch, out = PackedBatch.of(sequences), (c_float * calls)()
        self._call("device_time", byref(batch), calls, out)
        return list(out)

    def run(self, sequences):
        """A score for each sequence, or its embedding."""
        batch, out = PackedBatch.of(sequences), self._poisoned(len(sequences) * self.width)
        self._call("run", byref(batch), out)
        return self._rows(out, len(sequences))

    def tokens(self, query, texts, tokens_max):
        ids, lengths = (c_int32 * (len(texts) * tokens_max))(), (c_int64 * len(texts))()
        self._call("tokens", query.encode() if query is not None else None, _texts(texts), len(texts),
                   tokens_max, ids, lengths)
        return [list(ids[i * tokens_max:i * tokens_max + lengths[i]]) for i in range(len(texts))]

    def texts(self, query, texts, tokens_max):
        out = self._poisoned(len(texts) * self.width)
        self._call("texts", query.encode() if query is not None else None, _texts(texts), len(texts),
                   tokens_max, out)
        return self._rows(out, len(texts))

    def time(self, sequences, calls):
        """(microseconds of each call, results of the last)."""
        batch, out = PackedBatch.of(sequences), self._poisoned(len(sequences) * self.width)
        took = (c_int64 * calls)()
        self._call("time", byref(batch), calls, took, out)
        return [one / 1e3 for one in took], self._rows(out, len(sequences))

    def time_texts(self, query, texts, tokens_max, calls):
        out, took = self._poisoned(len(texts) * self.width), (c_int64 * calls)()
        self._call("time_texts", query.encode() if query is not None else None, _texts(texts),
                   len(texts), tokens_max, calls, took, out)
        return [one / 1e3 for one in took], self._rows(out, len(texts))

    def throughput(self, sequences, threads, seconds):
        """Calls a second of so many callers."""
        batch, rate = PackedBatch.of(sequences), c_double()
        self._call("throughput", byref(batch), threads, seconds, byref(rate))
        return rate.value

    def together(self, pool, expected, tolerance, threads=64, requests=1000, seed=1):
        """Requests of sequences drawn from the pool, all callers at once, each number compared."""
        flat = expected if self.width == 1 else [number for row in expected for number in row]
        batch, wanted, seen = PackedBatch.of(pool), (c_float * len(flat))(*flat), Together()
        self._call("together", byref(batch), wanted, tolerance, threads, requests, seed, byref(seen))
        return seen
