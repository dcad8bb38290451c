#!/usr/bin/env python3
"""fairness: p95 of the time until a chat line of one user is found, while 10 MiB of another user are embedded;
against the same without the uploads. fairness_query: p95 of a third user's question in the same two times.
Needs the variables of `scripts/stack env`."""
import os
import random
import time

from doors import PROGRAM, Asker, Writer, figure, percentile, skipped

from harness import Deployment, psql  # noqa: E402

LINES, UPLOADS, UPLOAD_BYTES = 100, 12, 900_000
QUESTIONS_EACH = 3  # for each line
WORDS = ("the garden tea meeting report budget river letter quarter invoice kitchen train window plan music "
         "doctor winter bridge market teacher").split()


def large_text(number):
    chance = random.Random(number)
    text, size = [], 0
    while size < UPLOAD_BYTES:
        text.append(" ".join(chance.choices(WORDS, k=12)) + ".")
        size += len(text[-1]) + 1
    return "\n".join(text)


class Measured:
    def __init__(self, at, uploads, chats):
        self.at, self.uploads, self.chats = at, uploads, chats
        self.questions = Asker(at.port, at.token("carol"))
        self.published = 0

    def publish_large(self):
        """Keeps at least 10 MiB published and not stored. Returns whether there were always some."""
        rows = psql(self.at.owner, "SELECT count(*) FROM app.documents WHERE doc_id LIKE 'large-%'")
        pending = self.published - int(rows[0][0])
        for _ in range(UPLOADS - pending):
            self.uploads.upload("alice", f"large-{self.published}", large_text(self.published))
            self.published += 1
        return pending > 0

    def lines(self, name, under_load):
        """Milliseconds until found, and of each question."""
        found, asked, loaded = [], [], True
        for number in range(LINES):
            if under_load and number % 5 == 0:
                loaded = self.publish_large() and loaded
            user = f"{name}{number}"
            asker = Asker(self.at.port, self.at.token(user))
            begun = self.chats.chat(user, "talk", f"My dentist is Dr. Number {number}.")
            found.append((asker.wait_found("who is the dentist?", "talk") - begun) * 1e3)
            for _ in range(QUESTIONS_EACH):
                begun = time.monotonic()
                self.questions.ask("which tea does she like best?")
                asked.append((time.monotonic() - begun) * 1e3)
                time.sleep(0.05)
        return found, asked, loaded


def slices(at):
    return at.metrics().get('memseal_ingest_stage_duration_seconds_count{outcome="ok",stage="embed"}', 0)


def measure(at):
    uploads, chats = Writer(at.broker, at.upload_topic), Writer(at.broker, at.chat_topic)
    measured = Measured(at, uploads, chats)
    for number in range(50):
        uploads.upload("carol", f"note-{number}", f"Note {number}: carol prefers tea of kind {number}.")
    at.wait_documents(50)
    alone, asked_alone, _ = measured.lines("idle", False)
    embedded = slices(at)
    measured.publish_large()
    at.wait_for(lambda: slices(at) >= embedded + 2, what="the embedding of the uploads")
    beside, asked_beside, loaded = measured.lines("busy", True)
    if not loaded:
        for name in ("fairness", "fairness_query"):
            skipped(name, "the uploads were stored before the chats were")
        return
    for name, ours, rival in (("fairness", beside, alone), ("fairness_query", asked_beside, asked_alone)):
        figure(name, percentile(ours, 0.95), percentile(rival, 0.95), "the same without the uploads, p95", len(ours),
               p50=percentile(ours, 0.5), p99=percentile(ours, 0.99))


if __name__ == "__main__":
    os.environ["MEMSEAL_PROGRAM"] = str(PROGRAM)
    at = Deployment(log__level="warn")
    try:
        at.start()
        measure(at)
    finally:
        at.close()
