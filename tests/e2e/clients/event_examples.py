"""Examples of events, each with what its schema in config/schemas says of it; and the check of what memseal wrote.

    event_examples.py examples    prints [{"topic", "name", "key", "event", "valid"}, …] as JSON
    event_examples.py check       reads {"status": […], "letters": […]}, prints what breaks its schema

Run by .deps/clients/bin/python, which has jsonschema."""
import copy
import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

CONFIG = Path(__file__).resolve().parents[3] / "config"
USER = "bella"
GONE = object()  # stands for "the member is not there"
VALUES = [GONE, None, True, 0, -1, 1.5, "", " ", "x", "x" * 300, "\u0001", [], {}, ["x"], [1], [""], {"x": 1}]

UPLOAD = {"specversion": "1.0", "id": "1", "source": "/contracts", "type": "dev.memseal.memory.upload.v1",
          "subject": USER, "time": "2026-11-21T10:00:00Z", "datacontenttype": "application/json",
          "sourcekind": "upload", "comexampletrace": "abc",
          "data": {"doc_id": "tea.md", "revision": 7, "tags": ["drinks"], "attributes": {"shelf": "b"},
                   "file": {"name": "tea.md", "mime_type": "text/markdown"},
                   "content": {"encoding": "utf8", "data": "Bella prefers green tea."}}}
CHAT = {"specversion": "1.0", "id": "1", "source": "/contracts", "type": "memory.chat.v1", "subject": USER,
        "time": "2026-11-21T10:00:00+02:00", "datacontenttype": "application/json",
        "data": {"conversation_id": "c1", "tags": [], "attributes": None,
                 "messages": [{"role": "user", "content": "My dentist is Dr. Novak.",
                               "created_at": "2026-11-20T10:00:00.123Z"},
                              {"role": "assistant", "content": [{"type": "text", "text": "Noted."}]}]}}

DELETE = {"specversion": "1.0", "id": "1", "source": "/contracts", "type": "dev.memseal.memory.delete.v1",
          "subject": USER, "time": "2026-11-21T10:00:00Z", "datacontenttype": "application/json", "sourcekind": "api",
          "data": {"conversation_id": "c9", "before": "2026-11-20T10:00:00.123+02:00"}}


def validator(name):
    schema = json.loads((CONFIG / "schemas" / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def paths_of(value, path=()):
    """Every member and item below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*path, key)
        yield from paths_of(child, (*path, key))


def changed(event, path, value):
    event = copy.deepcopy(event)
    at = event
    for key in path[:-1]:
        at = at[key]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return event


def generated(base):
    """The base with one member changed to each value, and with one unknown member in each object."""
    for path in paths_of(base):
        for value in VALUES:
            # A text without a word is refused for what it says, which no schema sees.
            if path[-2:] == ("content", "data") and value == "\u0001":
                continue
            yield changed(base, path, value), f"{'/'.join(map(str, path))} = {'gone' if value is GONE else json.dumps(value)[:40]}"
    objects = [()] + [path for path in paths_of(base) if isinstance(value_at(base, path), dict)]
    for path in objects:
        for name in ("unknown", "Doc_Id", "data_base65"):
            yield changed(base, (*path, name), "x"), f"{'/'.join(map(str, path))} with {name}"


def value_at(event, path):
    for key in path:
        event = event[key]
    return event


def with_data(base, **members):
    return changed(base, ("data",), {**base["data"], **members})


def uploads():
    yield UPLOAD, "as documented"
    bare = {key: value for key, value in UPLOAD.items() if key not in ("data", "datacontenttype")}
    for kind in ("text/plain", "text/markdown; charset=utf-8", "text/html", "text/plain; charset=latin1",
                 "application/json", "application/vnd.example+json", "application/octet-stream", None):
        yield {**bare, "datacontenttype": kind, "data": "Bare text."}, f"text as {kind}"
        yield {**UPLOAD, "datacontenttype": kind}, f"an object as {kind}"
    for name in ("docid", "filename"):
        for value in (*VALUES[1:], "notes.txt"):
            yield {**bare, "datacontenttype": "text/plain", "data": "Bare text.", name: value}, f"{name} = {value!r:.40}"
    for kind in ("text/plain", "TEXT/PLAIN", "text/plain; charset=\"UTF-8\"", "text/plain;charset=us-ascii",
                 "text/plain; charset=latin1", "text/html", "application/pdf"):
        yield changed(UPLOAD, ("data", "file", "mime_type"), kind), f"mime_type {kind}"
    for data in ("QmVsbGE=", "QmVsbGE", "Qm Vs", "QmVsbGEgdGVh", "", "===="):
        yield with_data(UPLOAD, content={"encoding": "base64", "data": data}), f"base64 {data!r}"
    for count in (16, 17):
        yield with_data(UPLOAD, tags=[f"tag{n}" for n in range(count)]), f"{count} tags"
    for size in (255, 256):
        yield with_data(UPLOAD, doc_id="d" * size), f"doc_id of {size}"
    for size in (64, 65):
        yield with_data(UPLOAD, tags=["t" * size]), f"a tag of {size}"
    for size in (1024, 1025):
        yield {**UPLOAD, "id": "i" * size}, f"id of {size}"
    for size in (256, 257):
        yield {**UPLOAD, "subject": "u" * size}, f"subject of {size}"
    for revision in (0, 5.0, 1 << 40, "7"):
        yield with_data(UPLOAD, revision=revision), f"revision {revision!r}"
    for sha in ("0" * 63, "g" * 64, 5):
        yield changed(UPLOAD, ("data", "file"), {**UPLOAD["data"]["file"], "sha256": sha}), f"sha256 {sha!r:.20}"
    for kind in ("memory.upload.v1", "org.example.memory.upload.v1", ".memory.upload.v1", "xmemory.upload.v1",
                 "a b.memory.upload.v1", "memory.upload.v2", "memory.chat.v1"):
        yield {**UPLOAD, "type": kind}, f"type {kind}"
    for time in ("2026-11-21t10:00:00z", "2026-11-21 10:00:00+01:00", "2026-11-21", "2026-11-21T10:00Z", "10:00:00Z",
                 "2026-11-21T10:00:00", "2026-11-21T10:00:00.Z"):
        yield {**UPLOAD, "time": time}, f"time {time}"
    yield {**UPLOAD, "data_base64": "QmVsbGE="}, "data twice"
    yield {**UPLOAD, "sourcekind": "api"}, "sourcekind api"
    yield {**UPLOAD, "sourcekind": "chat"}, "sourcekind chat"


def chats():
    yield CHAT, "as documented"

    def turns(*messages):
        return with_data(CHAT, messages=list(messages))
    for role in ("user", "assistant", "system", "developer", "tool", "function", "User", "model"):
        yield turns({"role": role, "content": "Hello."}), f"role {role}"
    for member in ("tool_calls", "function_call", "refusal", "audio", "name"):
        yield turns({"role": "assistant", member: []}), f"{member} alone"
    for part in ("text", {"type": "text"}, {"type": "text", "text": 5}, {"type": "input_text", "text": "a"},
                 {"type": "output_text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": ""},
                 {"text": "a"}, {"type": 5, "text": "a"}, 5, None, ["text"], {"type": "x" * 65}):
        yield turns({"role": "user", "content": ["Words.", part]}), f"part {json.dumps(part)[:40]}"
    for count in (0, 1000, 1001):
        yield turns(*[{"role": "user", "content": None}] * count), f"{count} messages"
    yield turns({"role": "tool", "tool_call_id": "t1", "content": "42", "id": 5}), "members of a model API"
    for size in (255, 256):
        yield with_data(CHAT, conversation_id="c" * size), f"conversation_id of {size}"
    yield {**CHAT, "type": "dev.memseal.memory.upload.v1"}, "an upload's type"
    yield {**CHAT, "datacontenttype": "text/plain"}, "a chat as text"


def deletions():
    yield DELETE, "as documented"
    for data in ({"doc_id": "gone.md"}, {"conversation_id": "c9"}, {"doc_id": "a", "conversation_id": "c"}, {},
                 {"doc_id": None, "conversation_id": "c9"}, {"doc_id": "gone.md", "before": None},
                 {"doc_id": "a", "before": "2026-11-20T10:00:00Z"}, {"conversation_id": "c9", "before": "soon"},
                 {"conversation_id": "c9", "before": None}, {"doc_id": "d" * 256}, {"conversation_id": "c" * 256}):
        yield {**DELETE, "data": data}, f"data {json.dumps(data)[:40]}"
    for kind in ("memory.delete.v1", "org.example.memory.delete.v1", "xmemory.delete.v1", "memory.delete.v2"):
        yield {**DELETE, "type": kind}, f"type {kind}"
    yield {**DELETE, "datacontenttype": "text/plain"}, "a deletion as text"


def examples():
    # Deletions go to the topic of what they delete. A topic of another name than the default takes both kinds.
    for topic, name_of_schema, base, table in (("upload", "upload", UPLOAD, uploads()), ("chat", "chat", CHAT, chats()),
                                               ("chat", "delete", DELETE, deletions())):
        schema = validator(name_of_schema)
        for number, (event, name) in enumerate((*table, *generated(base))):
            # Every event has an id of its own, because one that is sent again changes nothing.
            if event.get("id") == "1":
                event = {**event, "id": f"{name_of_schema}-{number}"}
            # The record's key is the user where the event names one, as the rule between the two asks.
            subject = event.get("subject")
            key = subject if isinstance(subject, str) and subject else USER
            yield {"topic": topic, "name": f"{name_of_schema}: {name}", "key": key, "event": json.dumps(event),
                   "valid": schema.is_valid(event)}


def breaches(written):
    for kind, name in (("status", "status"), ("letters", "dead-letter-headers")):
        schema = validator(name)
        for value in written[kind]:
            for error in schema.iter_errors(value):
                yield f"{kind}: {error.json_path}: {error.message[:200]}"


def refs_of(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from refs_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from refs_of(child)


def lost_refs():
    """References of config/asyncapi.json that lead nowhere."""
    document = json.loads((CONFIG / "asyncapi.json").read_text())
    for ref in refs_of(document):
        if ref.startswith("#/"):
            at = document
            for token in ref[2:].split("/"):
                at = at.get(token) if isinstance(at, dict) else None
            if at is None:
                yield ref
        elif not (CONFIG / ref).is_file():
            yield ref


if __name__ == "__main__":
    if sys.argv[1:] == ["examples"]:
        json.dump(list(examples()), sys.stdout)
    else:
        json.dump([*breaches(json.load(sys.stdin)), *(f"asyncapi.json: {ref}" for ref in lost_refs())], sys.stdout)
