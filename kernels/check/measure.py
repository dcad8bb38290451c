"""Times us and the rivals on one workload, interleaved in one process. Needs PyTorch."""
import threading
import time

from . import rivals
from .report import summary, worst_difference, worst_vector
from .workloads import draw_texts, floor_us, whole_words

INPUT_SETS = 4


class Measured:
    """One workload: its rows of the table, and what figures are made of."""

    def __init__(self, workload, checked, ceilings, say):
        self.work, self.checked, self.say = workload, checked, say
        self.flops, self.bandwidth = ceilings
        self.sets = [checked.sequences(workload.lengths, 300 + i) for i in range(INPUT_SETS)]
        self.rows, self.lines, self.contenders, self.errors = [], [], {}, {}
        self.floor = floor_us(workload.shape, workload.lengths, self.flops, self.bandwidth, not workload.embeds)

    def run(self, seconds, rival_kinds, torch_device="cuda", runs_min=1000):
        wanted = self.checked.reference(self.sets[0])
        engine, turn = self.checked.engine, iter(range(1 << 60))

        def ours(count):
            return engine.time(self.sets[next(turn) % INPUT_SETS], count)[0]

        self.contenders["memseal"] = ours
        self.errors["memseal"] = self.checked.worst(engine.time(self.sets[0], 3)[1], wanted)
        captured = None
        for kind in rival_kinds:
            try:
                rival = kind(self.checked.directory, self.sets[0], torch_device, self.work.embeds)
                for _ in range(3):
                    out = rival()
                got = rivals.numbers(out)
                self.errors[kind.name] = (worst_vector if self.work.embeds else worst_difference)(got, wanted)
            except Exception as error:  # A rival that cannot run here is reported; the others are measured.
                self.say(f"  note   {self.work.says}: {kind.name} did not run: {first_line(error)}")
                continue
            self.contenders[kind.name] = lambda count, call=rival: rivals.timed(call, count)
            captured = rival if kind is rivals.Captured else captured
        times = rivals.interleaved(self.contenders, seconds, runs_min)
        for name, values in times.items():
            self.add(name, values)
        if captured is not None:
            device = rivals.device_us(captured.graph.replay)
            self.lines.append({"workload": self.work.id, "contender": captured.name, "device_p50_us": round(device, 2)})
        return captured

    def add(self, name, values, **more):
        ours = self.rows[0]["p50_us"] if self.rows else None
        row = {"title": (f"{self.work.says}: " if not self.rows else "    ") + name, **summary(values), **more}
        row["times_ours"] = None if ours is None else row["p50_us"] / ours
        row["roofline"] = self.floor / row["p50_us"]
        row["error"] = self.errors.get(name)
        self.rows.append(row)
        kept = {key: value for key, value in row.items() if key != "title" and value is not None}
        self.lines.append({"workload": self.work.id, "contender": name, "floor_us": round(self.floor, 2), **kept})

    def p50(self, name):
        return next((line["p50_us"] for line in self.lines
                     if line["contender"] == name and "p50_us" in line), None)

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
            self.say(f"  note   {self.work.says}: {kind.name} did not run: {first_line(error)}")
        for name, values in rivals.interleaved(contenders, seconds, runs_min).items():
            self.add(name, values)

    def throughput(self, seconds, captured, callers=(1, 4, 16)):
        """Calls a second of several callers at once: ours, and the captured graph under a lock, for its
        inputs and outputs lie at fixed addresses."""
        for count in callers:
            line = {"workload": self.work.id, "callers": count,
                    "memseal_per_second": round(self.checked.engine.throughput(self.sets[0], count, seconds), 1)}
            if captured is not None:
                line["rival_per_second"] = round(locked_rate(captured, count, seconds), 1)
            self.lines.append(line)
            theirs = f", {captured.name} {line['rival_per_second']:.0f}" if captured is not None else ""
            self.say(f"  {self.work.says}, {count} callers: {line['memseal_per_second']:.0f} calls a second{theirs}")


def first_line(error):
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


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
