"""SIGKILL in the middle of everything, and every fault of the stack once: nothing is lost, nothing is doubled,
nothing is dead-lettered wrongly. `make chaos` is the long form."""
import os
import sys
import tempfile
import time
import unittest
import uuid
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from chaos import storm  # noqa: E402
from chaos.checker import History, Stored, check  # noqa: E402
from chaos.events import Event, Workload, decode, encode  # noqa: E402
from chaos.faults import LASTS, LONG_ONLY, Services, gaps_between_kills, long_form, short_form  # noqa: E402
from harness import Deployment, missing, psql  # noqa: E402

KILLS = int(os.environ.get("MEMSEAL_KILLS", "25"))
SEED = int(os.environ.get("MEMSEAL_SEED", str(int(time.time()))))


def upload(number, doc="d", revision=None, bad=False):
    return Event(f"e{number}", "alice", "upload", doc, number, revision, bad)


class Checker(unittest.TestCase):
    """With faults planted in what was read."""

    def setUp(self):
        """Three versions by arrival, two by revision in the wrong order, two turns, and one that is refused."""
        events = [upload(0), upload(1), upload(2), upload(3, "r", 2), upload(4, "r", 1),
                  Event("e5", "alice", "chat", "c", 5), Event("e6", "alice", "chat", "c", 6),
                  upload(7, "x", bad=True), upload(0)]
        self.sent = History({event.id for event in events},
                            [("t", 0, offset, event) for offset, event in enumerate(events)])
        self.stored = Stored(
            ledger={("alice", f"e{number}"): ("succeeded", "", chunks)
                    for number, chunks in ((0, 1), (1, 0), (2, 2), (3, 2), (4, 0), (5, 1), (6, 2))},
            documents={("alice", "d"): 2, ("alice", "r"): 2, ("alice", "c"): 0},
            chunks={("alice", "d"): [1, 0], ("alice", "r"): [0, 1], ("alice", "c"): [0, 0, 1]},
            texts={("alice", "d"): ["Event 2 of alice", "Event 2 of alice"], ("alice", "r"): ["Event 3 of alice"]},
            letters=[("t", 0, 7), ("t", 0, 7)])

    def verdict(self):
        found = vars(check(self.sent, self.stored))
        return {kind: len(sentences) for kind, sentences in found.items() if sentences}

    def test_finds_nothing_where_all_is_well(self):
        self.assertEqual(check(self.sent, self.stored).problems(), [])

    def test_finds_what_was_lost(self):
        del self.stored.ledger["alice", "e2"]
        self.assertEqual(self.verdict(), {"lost": 2}, "the event, and the version that should stay")

    def test_finds_an_acknowledged_event_that_no_topic_holds(self):
        self.sent.acknowledged.add("e99")
        self.assertEqual(self.verdict(), {"lost": 1})

    def test_finds_a_lost_turn_and_a_lost_chunk(self):
        self.stored.chunks["alice", "c"].pop()
        self.stored.chunks["alice", "r"] = [1]
        self.assertEqual(self.verdict(), {"lost": 2})

    def test_finds_a_refused_event_without_a_letter(self):
        self.stored.letters.clear()
        self.assertEqual(self.verdict(), {"lost": 1})

    def test_finds_what_was_doubled(self):
        self.stored.chunks["alice", "c"].append(0)
        self.stored.chunks["alice", "r"].append(1)
        self.stored.documents["alice", "d"] = 4
        self.stored.foreign.append("a row")
        self.assertEqual(self.verdict(), {"doubled": 4})

    def test_finds_a_wrong_letter(self):
        self.stored.letters += [("t", 0, 3), ("t", 0, 99)]
        self.stored.ledger["alice", "e5"] = ("failed", "internal", 1)
        self.assertEqual(self.verdict(), {"wrong_letters": 3})

    def test_finds_an_accepted_operation_that_has_not_succeeded(self):
        self.sent.operations.update(("bob", state) for state in ("succeeded", "queued", "failed", "absent"))
        self.stored.ledger.update({("bob", state): (state, "", 1) for state in ("succeeded", "queued", "failed")})
        self.assertEqual(self.verdict(), {"lost": 2, "wrong_letters": 1})

    def test_finds_an_older_text_over_a_newer_one(self):
        self.stored.texts["alice", "d"][1] = "Event 1 of alice"
        self.stored.documents["alice", "r"] = 1
        self.assertEqual(self.verdict(), {"order": 2})

    def test_a_repeated_event_counts_where_it_arrived_first(self):
        self.stored.texts["alice", "d"] = ["Event 0 of alice"]
        self.assertEqual(self.verdict(), {"order": 1})

    def test_a_seed_draws_the_same_again(self):
        def drawn(seed):
            plan = storm.Plan(seed=seed)
            workload = Workload(plan.chance("events"), storm.USERS)
            return ([workload.draw() for _ in range(50)], short_form(plan.chance("faults")),
                    list(islice(long_form(plan.chance("faults")), 50)),
                    list(islice(gaps_between_kills(plan.chance("kills"), False), 50)))
        self.assertEqual(drawn(1), drawn(1))
        self.assertNotEqual(drawn(1)[1], drawn(2)[1])

    def test_an_event_says_itself_what_must_be_known_of_it(self):
        for event in (upload(1, "d", 4), upload(2), upload(3, bad=True), Event("e4", "bob", "chat", "c", 4)):
            self.assertEqual(decode(encode(event, 2)), event)
        self.assertIsNone(decode("not of this workload"))


@unittest.skipIf(missing(), missing())
class Storm(unittest.TestCase):
    def test_no_event_is_lost_doubled_or_given_up(self):
        print(f"seed {SEED}", flush=True)
        at = Deployment(log__level="warn", chunk__tokens=16)
        folder = tempfile.TemporaryDirectory(prefix="memseal-chaos-")
        self.addCleanup(folder.cleanup)
        self.addCleanup(at.close)
        services = Services(os.environ["MEMSEAL_STACK_DIR"], os.environ["MEMSEAL_TEST_PG_SUPER"])
        run = storm.Storm(at, services, storm.Plan(kills=KILLS, seed=SEED, short=True), folder.name)
        line, problems, planted = None, ["the run did not end"], None
        try:
            run.blow()
            line, problems = run.judge()
            planted = self.planted(at, run) if not problems else None
        finally:
            run.end(kill=True)
            print(line, flush=True)
            for log in ("timeline.log", "worker.log") if problems else ():
                print((Path(folder.name) / log).read_text()[-5000:])
        self.assertEqual(problems, [], f"MEMSEAL_SEED={SEED} repeats the faults")
        self.assertEqual((line["kills"], line["faults"]), (KILLS, {kind: 1 for kind in LASTS if kind != LONG_ONLY}))
        self.assertGreater(line["stored"], 100)
        self.assertEqual(planted, {"lost", "doubled", "wrong_letters"}, "the checker sees what was planted")

    def planted(self, at, run):
        """Faults in the database and in a topic, then the checker again."""
        topic, partition, offset, _ = next(record for record in run.sent.records
                                           if record[3].kind == "upload" and not record[3].bad)
        at.kcat_produce(topic + ".dlq", "k", "v", [("memseal-original-topic", topic), (
            "memseal-original-partition", str(partition)), ("memseal-original-offset", str(offset))])
        columns = "user_hash, doc_id, source, text_cipher, embedding, chunk_index, char_start, char_end, model"
        psql(at.owner, f"INSERT INTO app.memory_chunks (id, {columns}) SELECT '{uuid.uuid4()}', {columns} "
                       "FROM app.memory_chunks WHERE doc_id LIKE 'user%/chat/%' LIMIT 1")
        psql(at.owner, "DELETE FROM app.memory_chunks WHERE (user_hash, doc_id) IN (SELECT user_hash, doc_id "
                       "FROM app.documents WHERE kind = 'upload' ORDER BY doc_id DESC LIMIT 1)")
        return {kind for kind, found in vars(check(run.sent, run.read())).items() if found}


if __name__ == "__main__":
    unittest.main()
