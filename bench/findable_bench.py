#!/usr/bin/env python3
"""findable, findable_dev: from handing a record to a producer that is connected until a question finds it, with
a real broker and with `memseal dev`; against the way of a record from that producer to a bare consumer.
publish, publish_dev: the whole command `memseal publish upload --no-wait`, p99; against kcat doing the same. stored_p50
and stored_p99 are those of the command as it is by default, which waits until the document is stored.
Both are measured in turn. Needs the variables of `scripts/stack env`."""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from doors import PROGRAM, Asker, Bare, Writer, figure, percentile

from harness import STRUCTURED, Deployment, structured  # noqa: E402

RUNS, WARM = 200, 5
DEV_FETCH_WAIT_MS = 5  # of `memseal dev`: its broker answers no sooner than the wait ends


class Place:
    """Where to write and to ask."""

    def __init__(self, ids, env, broker, topic, port, user, token, fetch_wait_ms):
        (self.findable, self.publish), self.env, self.broker, self.topic = ids, env, broker, topic
        self.port, self.user, self.token, self.fetch_wait_ms = port, user, token, fetch_wait_ms


def timed(words, env, text=None):
    begun = time.monotonic()
    subprocess.run(words, env=env, input=text, text=True, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def findable(place):
    writer, asker = Writer(place.broker, place.topic), Asker(place.port, place.token)
    bare = Bare(place.broker, f"{place.topic}.bare", place.fetch_wait_ms)
    ours, rivals = [], []
    for number in range(-WARM, RUNS):
        doc = f"note-{number}"
        text = f"Note {number}: the ferry to the island leaves at {number % 24} o'clock."
        begun = writer.upload(place.user, doc, text)
        took = asker.wait_found("when does the ferry leave?", doc) - begun
        rival = bare.round_trip()
        if number >= 0:
            ours.append(took * 1e3)
            rivals.append(rival * 1e3)
        time.sleep(0.02 * (number % 7))  # at no fixed place in anybody's rhythm
    bare.close()
    more = {f"p{int(share * 100)}": percentile(ours, share) for share in (0.5, 0.95, 0.99)}
    figure(place.findable, percentile(ours, 0.5), percentile(rivals, 0.5), "bare produce and consume",
           RUNS, **more)


def publish(place):
    ours, rivals, waiting = [], [], []
    value = structured(place.user, "upload", {"doc_id": "tea", "file": {"name": "tea", "mime_type": "text/plain"},
                                              "content": {"encoding": "utf8", "data": "Green tea, no sugar."}})
    headers = [word for name, content in STRUCTURED for word in ("-H", f"{name}={content}")]
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "tea.txt"
        note.write_text("Green tea, no sugar.\n")
        for number in range(-WARM, RUNS):
            words = [PROGRAM, "publish", "upload", "--user", place.user, note]
            mine, until_stored = timed([*words, "--no-wait"], place.env), timed(words, place.env)
            other = timed(["kcat", "-b", place.broker, "-P", "-t", place.topic, "-k", place.user, *headers],
                          place.env, value)
            if number >= 0:
                ours.append(mine * 1e3)
                rivals.append(other * 1e3)
                waiting.append(until_stored * 1e3)
    more = {f"p{int(share * 100)}": percentile(ours, share) for share in (0.5, 0.95, 0.99)}
    more |= {f"stored_p{int(share * 100)}": percentile(waiting, share) for share in (0.5, 0.99)}
    figure(place.publish, percentile(ours, 0.99), percentile(rivals, 0.99), "kcat -P, p99", RUNS, **more)


def with_stack():
    at = Deployment(log__level="warn")
    try:
        at.start()
        place = Place(("findable", "publish"), at.env, at.broker, at.upload_topic, at.port, "alice",
                      at.token("alice"), 500)
        findable(place)
        publish(place)
    finally:
        at.close()


def with_dev():
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MEMSEAL__", "MEMORY_"))}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        words = [PROGRAM, "dev", "--json", "--dir", f"{folder}/dev", "--set", "http.listen=127.0.0.1:0",
                 "--set", "http.admin_listen=off", "--set", "log.level=warn"]
        with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
            try:
                said = json.loads(child.stdout.readline())
                place = Place(("findable_dev", "publish_dev"), dict(env, **said["env"]), said["kafka"],
                              said["topics"]["upload"], int(said["url"].rsplit(":", 1)[1]), said["user"],
                              said["token"], DEV_FETCH_WAIT_MS)
                findable(place)
                publish(place)
            finally:
                child.terminate()


if __name__ == "__main__":
    os.environ["MEMSEAL_PROGRAM"] = str(PROGRAM)
    with_stack()
    with_dev()
    sys.exit(0)
