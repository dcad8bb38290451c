"""What must be stored, by what the topics hold, against what is stored. Knows nothing of how either was
read, so that it can be tried with planted faults."""
import re
from collections import defaultdict
from dataclasses import dataclass, field

NUMBER = re.compile(r"Event (\d+) of ")


@dataclass
class History:
    """What was acknowledged, and what the topics hold."""
    acknowledged: set = field(default_factory=set)  # ids of events
    records: list = field(default_factory=list)  # (topic, partition, offset, Event), in order of a partition
    operations: set = field(default_factory=set)  # (user, id) of what the API accepted


@dataclass
class Stored:
    """What was read with each tenant's own context."""
    ledger: dict = field(default_factory=dict)  # (user, event or operation id) -> (state, error code, chunks)
    documents: dict = field(default_factory=dict)  # (user, doc) -> revision
    chunks: dict = field(default_factory=dict)  # (user, doc) -> [chunk index, ...]
    texts: dict = field(default_factory=dict)  # (user, doc) -> [text, ...], of some documents
    letters: list = field(default_factory=list)  # (topic, partition, offset) of each dead letter's record
    foreign: list = field(default_factory=list)  # rows that a tenant sees and that nobody sent for it


@dataclass
class Verdict:
    """Sentences, by kind of fault; all empty when all is well."""
    lost: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    wrong_letters: list = field(default_factory=list)
    order: list = field(default_factory=list)

    def problems(self):
        return [f"{kind}: {sentence}" for kind, sentences in vars(self).items() for sentence in sentences]


def check(history, stored):
    verdict = Verdict()
    events, places = first_arrivals(history)
    known = {event.id for event in events}
    for missing in sorted(history.acknowledged - known):
        verdict.lost.append(f"event {missing} was acknowledged and is in no topic")
    check_letters(places, events, stored, verdict)
    for event in events:
        if not event.bad:
            check_state((event.user, event.id), name_of(event), stored, verdict)
    for user, operation in sorted(history.operations):
        check_state((user, operation), f"operation {operation} of {user}", stored, verdict)
    documents = defaultdict(list)
    for event in events:
        if not event.bad:
            documents[event.user, event.doc].append(event)
    for key, versions in documents.items():
        (check_chat if versions[0].kind == "chat" else check_upload)(key, versions, stored, verdict)
    verdict.doubled.extend(f"stored without being sent: {row}" for row in stored.foreign)
    return verdict


def first_arrivals(history):
    """Each event once, where it arrived first: its repetitions must have no effect. And the event of each
    place, repetitions included."""
    first, places = {}, {}
    for topic, partition, offset, event in history.records:
        first.setdefault(event.id, event)
        places[topic, partition, offset] = event
    return list(first.values()), places


def name_of(event):
    return f"event {event.number} ({event.id}) of {event.user}, {event.kind} {event.doc}"


def check_letters(places, events, stored, verdict):
    lettered = set()
    for place in set(stored.letters):
        event = places.get(place)
        if event is not None and event.bad:
            lettered.add(event.id)
        else:
            verdict.wrong_letters.append(f"{name_of(event) if event else 'a record'} at {place}")
    for event in events:
        if event.bad and event.id not in lettered:
            verdict.lost.append(f"{name_of(event)} must be refused and has no dead letter")


def check_state(key, name, stored, verdict):
    state, code, _ = stored.ledger.get(key, (None, None, 0))
    if state == "failed":
        verdict.wrong_letters.append(f"{name} is failed in the ledger: {code}")
    elif state != "succeeded":
        verdict.lost.append(f"{name} is {state or 'not'} in the ledger")


def chunks_of(event, stored):
    return stored.ledger.get((event.user, event.id), (None, None, 0))[2]


def check_chat(key, turns, stored, verdict):
    """A chat adds to its conversation, so the rows of all its events are there."""
    wanted, have = sum(chunks_of(turn, stored) for turn in turns), len(stored.chunks.get(key, []))
    if have < wanted:
        verdict.lost.append(f"conversation {key} has {have} chunks, its events made {wanted}")
    if have > wanted:
        verdict.doubled.append(f"conversation {key} has {have} chunks, its events made {wanted}")


def newest_of(versions):
    """Which version must stay: the greatest revision, of equal ones the later, or the one that arrived last."""
    newest = versions[0]
    for version in versions[1:]:
        if version.revision is None or version.revision >= newest.revision:
            newest = version
    return newest


def check_upload(key, versions, stored, verdict):
    newest = newest_of(versions)
    indices = sorted(stored.chunks.get(key, []))
    wanted = chunks_of(newest, stored)
    if not indices or wanted == 0:
        verdict.lost.append(f"{name_of(newest)} is the version that stays and has no chunks")
        return
    if len(indices) > len(set(indices)) or len(indices) > wanted:
        verdict.doubled.append(f"document {key} has the chunks {indices}, its newest version made {wanted}")
    elif indices != list(range(wanted)):
        verdict.lost.append(f"document {key} has the chunks {indices}, its newest version made {wanted}")
    revision = stored.documents.get(key)
    if newest.revision is not None and revision != newest.revision:
        verdict.order.append(f"document {key} has revision {revision}, the newest is {newest.revision}")
    if newest.revision is None and (revision or 0) > len(versions):
        verdict.doubled.append(f"document {key} was replaced {revision} times by {len(versions)} events")
    for text in stored.texts.get(key, []):
        # A chunk may be the end of a paragraph, without the number.
        if any(int(number) != newest.number for number in NUMBER.findall(text)):
            verdict.order.append(f"document {key} says \"{text[:60]}\", the newest is event {newest.number}")
