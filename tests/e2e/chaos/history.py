"""Reads what the topics hold, and what is stored: each tenant's rows with its own context, as app_user under
row-level security, and the texts by questions over HTTP. Ids are derived here again from the keyring."""
import base64
import hashlib
import hmac
import json
import re
import subprocess
import urllib.parse
import uuid

from harness import psql, without_password

from .checker import History, Stored
from .events import SOURCE, decode

SESSION = "BEGIN READ ONLY; SET LOCAL app.user_hash = '{hash}'; {select}; COMMIT"
LEDGER = "SELECT 'event', event_id::text, state, coalesce(error_code, ''), chunks::text FROM app.ingest_events"
DOCUMENTS = "SELECT 'document', doc_id, revision::text, '', '' FROM app.documents"
CHUNKS = "SELECT 'chunk', doc_id, chunk_index::text, '', '' FROM app.memory_chunks"
PLACE = re.compile(r"memseal-original-(topic|partition|offset)=([^,]*)")


class Ids:
    """The keyed hashes of a deployment."""

    def __init__(self, keyring):
        lines = [line.split(": ") for line in keyring.read_text().splitlines() if not line.startswith("#")]
        self.keys = {name: base64.b64decode(value) for name, value in lines if name != "version"}

    def tenant(self, user):
        return hmac.digest(self.keys["tenant"], user.encode(), "sha256")

    def event(self, user, event_id):
        made = hmac.new(self.keys["ids"], b"event" + self.tenant(user), hashlib.sha256)
        made.update(len(SOURCE).to_bytes(4, "big") + SOURCE.encode() + event_id.encode())
        value = bytearray(made.digest()[:16])
        value[6], value[8] = value[6] & 0x0f | 0x80, value[8] & 0x3f | 0x80
        return str(uuid.UUID(bytes=bytes(value)))


def consume(broker, topic, shape):
    """Every record of a topic from its beginning, one line each."""
    done = subprocess.run(["kcat", "-b", broker, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", shape],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"kcat of {topic}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").splitlines()


def read_history(at, acknowledged, operations):
    history = History(acknowledged=set(acknowledged), operations=set(operations))
    for topic in (at.upload_topic, at.chat_topic):
        records = []
        for line in consume(at.broker, topic, "%p\t%o\t%s\n"):
            partition, offset, value = (line.split("\t", 2) + ["", ""])[:3]
            if not value.startswith("{"):
                continue  # one of the HTTP API, which lies sealed
            event = decode(value)
            if event:
                records.append((topic, int(partition), int(offset), event))
        history.records += sorted(records, key=lambda record: record[1:3])
    return history


def read_letters(at):
    letters = []
    for topic in (at.upload_topic, at.chat_topic):
        for line in consume(at.broker, topic + ".dlq", "%h\n"):
            place = dict(PLACE.findall(line))
            if len(place) == 3:
                letters.append((place["topic"], int(place["partition"]), int(place["offset"])))
    return letters


def read_stored(at, history, api_users=()):
    stored = Stored(letters=read_letters(at))
    ids = Ids(at.keyring)
    events = {}
    for _, _, _, event in history.records:
        events.setdefault(event.user, {})[ids.event(event.user, event.id)] = event
    for user, of_user in sorted(events.items()):
        read_tenant(at, ids, user, of_user, stored)
    writers = {user for user, _ in history.operations}
    for user in writers:
        for _, operation, state, code, chunks in read_as(at, ids, user, LEDGER):
            stored.ledger[user, operation] = (state, code, int(chunks))
    hashes = {ids.tenant(user).hex() for user in [*events, *api_users]}
    for (owner,) in psql(at.owner, "SELECT user_hash FROM app.tenants"):
        if owner not in hashes:
            stored.foreign.append(f"tenant {owner}")
    return stored


def read_as(at, ids, user, select):
    return psql(at.env["MEMSEAL__POSTGRES__DSN"], SESSION.format(hash=ids.tenant(user).hex(), select=select))


def read_tenant(at, ids, user, events, stored):
    docs = {event.doc for event in events.values()}
    rows = read_as(at, ids, user, " UNION ALL ".join((LEDGER, DOCUMENTS, CHUNKS)))
    for kind, key, first, second, third in rows:
        if kind == "event":
            event = events.get(key)
            if event is None:
                stored.foreign.append(f"event {key} in the ledger of {user}")
            else:
                stored.ledger[user, event.id] = (first, second, int(third))
        elif key not in docs:
            stored.foreign.append(f"{kind} {key} of {user}")
        elif kind == "document":
            stored.documents[user, key] = int(first)
        else:
            stored.chunks.setdefault((user, key), []).append(int(first))


def read_texts(at, history, stored, most):
    """Asks for the texts of documents that were replaced, and of some others, up to `most`."""
    counts = {}
    for _, _, _, event in history.records:
        if event.kind == "upload" and not event.bad:
            counts[event.user, event.doc] = counts.get((event.user, event.doc), 0) + 1
    wanted = sorted(counts, key=lambda key: (-counts[key], key))[:most]
    tokens = {user: at.token(user) for user in {user for user, _ in wanted}}
    for user, doc in wanted:
        body = {"query": "plain words", "doc_ids": [doc], "rerank": False}
        answer, data = at.request("POST", "/api/v1/memory/query", body, tokens[user], {"Accept": "application/json"})
        if answer.status != 200:
            raise RuntimeError(f"the question about {doc} was answered with {answer.status}: {data[:300]}")
        stored.texts[user, doc] = [hit["text"] for hit in json.loads(data)["results"]]


def stored_events(dsn, timeout_s=3):
    """How many events the ledger holds; None while the database does not answer."""
    address = urllib.parse.urlsplit(dsn)
    query = "&".join(part for part in (address.query, "connect_timeout=2") if part)
    try:
        bare, env = without_password(address._replace(query=query).geturl())
        done = subprocess.run(["psql", bare, "-qAtX", "-c",
                               "SELECT count(*) FROM app.ingest_events WHERE state <> 'queued'"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=timeout_s, env=env)
        return int(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None
