"""Times us and the rivals on one workload, interleaved in one process. Needs PyTorch."""
import threading
import time

from . import rivals
from .report import percentile, summary, worst_difference, worst_vector
from .steps import first_line
from .workloads import draw_texts, floor_us, whole_words

INPUT_SETS = 4


class Measured:
    """One workload: its rows of the table, and what figures are made of."""

    def __init__(self, workload, checked, ceilings, say, keep=lambda line: None):
        self.work, self.checked, self.say, self.keep = workload, checked, say, keep
        self.flops, self.bandwidth = ceilings
        self.sets = [checked.sequences(workload.lengths, 300 + i) for i in range(INPUT_SETS)]
        self.rows, self.errors, self.captured = [], {}, None
        self.floor = floor_us(workload.shape, workload.lengths, self.flops, self.bandwidth, not workload.embeds)

    def run(self, seconds, rival_kinds, torch_device="cuda", runs_min=1000):
        """Ours first and alone, so that our figure is there whatever becomes of the rivals; then all in
        turns."""
        wanted = self.checked.reference(self.sets[0])
        engine, turn = self.checked.engine, iter(range(1 << 60))

        def ours(count):
            return engine.time(self.sets[next(turn) % INPUT_SETS], count)[0]

        contenders = {"memseal": ours}
        self.errors["memseal"] = self.checked.worst(engine.time(self.sets[0], 3)[1], wanted)
        self.keep({"workload": self.work.id, "contender": "memseal, alone", **summary(ours(min(runs_min, 100)))})
        for kind in rival_kinds:
            rival = self.rival(kind, torch_device)
            if rival is None:
                continue
            got = rivals.numbers(rival())
            self.errors[kind.name] = (worst_vector if self.work.embeds else worst_difference)(got, wanted)
            contenders[kind.name] = lambda count, call=rival: rivals.timed(call, count)
        for name, values in rivals.interleaved(contenders, seconds, runs_min).items():
            self.add(name, values)

    def rival(self, kind, torch_device):
        """The rival, warm; None where it cannot run here, which is reported."""
        try:
            rival = kind(self.checked.directory, self.sets[0], torch_device, self.work.embeds)
            for _ in range(3):
                rival()
        except Exception as error:  # whatever it is, the others are measured
            self.keep({"not_measured": f"{self.work.id}: {kind.name}", "why": first_line(error)})
            self.say(f"  not measured: {self.work.says}: {kind.name}: {first_line(error)}")
            return None
        if kind is rivals.Captured:
            self.captured = rival
        return rival

    def device_time(self, calls):
        """The device's own time of a pass, without the host's part: ours, and the captured rival's."""
        found = {"memseal": percentile(self.checked.engine.device_time(self.sets[0], calls), 0.5)}
        if self.captured is not None:
            found[self.captured.name] = rivals.device_us(self.captured.graph.replay, calls)
        for name, value in found.items():
            self.keep({"workload": self.work.id, "contender": name, "device_p50_us": round(value, 2)})
        self.say(f"  device time of {self.work.says}: " +
                 ", ".join(f"{name} {value:.1f} us" for name, value in found.items()))

    def add(self, name, values):
        ours = self.rows[0]["p50_us"] if self.rows else None
        row = {"title": (f"{self.work.says}: " if not self.rows else "    ") + name, **summary(values)}
        row["times_ours"] = None if ours is None else row["p50_us"] / ours
        row["roofline"] = self.floor / row["p50_us"]
        row["error"] = self.errors.get(name)
        self.rows.append(row)
        kept = {key: value for key, value in row.items() if value is not None}
        self.keep({"workload": self.work.id, "contender": name, "floor_us": round(self.floor, 2), **kept})

    # ------------------------------------------------------------ from texts, and many callers

    def from_texts(self, seconds, vocabulary, torch_device="cuda", runs_min=300):
        """Texts to scores, ours and CrossEncoder.predict."""
        words = whole_words(vocabulary.read_text(encoding="utf8"))
        query, texts = draw_texts(words, self.work.lengths, 8)
        longest, engine = max(self.work.lengths), self.checked.engine
        contenders = {"memseal, from texts": lambda count: engine.time_texts(query, texts, longest, count)[0]}
        kind = rivals.Sentence
        try:
            rival = kind(self.checked.directory, query, texts, torch_device, longest)
            got = rivals.numbers(rival())
            self.errors[kind.name] = worst_difference(got, engine.texts(query, texts, longest))
            contenders[kind.name] = lambda count: rivals.timed(rival, count)
        except Exception as error:
            self.keep({"not_measured": f"{self.work.id}: {kind.name}", "why": first_line(error)})
            self.say(f"  not measured: {self.work.says}: {kind.name}: {first_line(error)}")
        for name, values in rivals.interleaved(contenders, seconds, runs_min).items():
            self.add(name, values)

    def throughput(self, seconds, torch_device="cuda", callers=(1, 4, 16)):
        """Calls a second of several callers at once: ours, and the captured graph under a lock, for its
        inputs and outputs lie at fixed addresses."""
        captured = self.rival(rivals.Captured, torch_device) if torch_device == "cuda" else None
        for count in callers:
            line = {"workload": self.work.id, "callers": count,
                    "memseal_per_second": round(self.checked.engine.throughput(self.sets[0], count, seconds), 1)}
            if captured is not None:
                line["rival_per_second"] = round(locked_rate(captured, count, seconds), 1)
            self.keep(line)
            theirs = f", {captured.name} {line['rival_per_second']:.0f}" if captured is not None else ""
            self.say(f"  {self.work.says}, {count} callers: {line['memseal_per_second']:.0f} calls a second{theirs}")


def locked_rate(call, callers, seconds):
    lock, done, end = threading.Lock(), [0] * callers, time.perf_counter() + seconds

    def work(i):
        while time.perf_counter() < end:
            with lock:
                call()
            done[i] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(callers)]
    start = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(done) / (time.perf_counter() - start)
