"""Numbered events of many tenants. All that the checker must know of an event stands in the event itself."""
import json
import uuid
from dataclasses import dataclass

SOURCE = "/chaos"
PARAGRAPH = "Event {number} of {user} speaks of {topic}, part {part}, in a few plain words."
TOPICS = ("tea", "trains", "the garden", "the budget", "a letter", "the weather", "music")


@dataclass(frozen=True)
class Event:
    """`revision` is None where the order of arrival decides. A `bad` event must become a dead letter."""
    id: str
    user: str
    kind: str  # upload or chat
    doc: str
    number: int
    revision: int = None
    bad: bool = False


def encode(event, parts):
    text = "\n\n".join(PARAGRAPH.format(number=event.number, user=event.user, part=part,
                                        topic=TOPICS[event.number % len(TOPICS)]) for part in range(parts))
    if event.kind == "chat":
        data = {"conversation_id": event.doc, "messages": [{"role": "user", "content": text}]}
    else:
        data = {"doc_id": event.doc, "file": {"name": "e.txt", "mime_type": "text/plain"},
                "content": {"encoding": "utf8", "data": text}}
        if event.revision is not None:
            data["revision"] = event.revision
        if event.bad:
            data["file"]["mime_type"] = "application/x-unheard-of"
    return json.dumps({"specversion": "1.0", "id": event.id, "source": SOURCE, "subject": event.user,
                       "type": f"dev.memseal.memory.{event.kind}.v1", "number": event.number,
                       "datacontenttype": "application/json", "data": data})


def decode(value):
    """The event of a record; None where the record is not of this workload."""
    try:
        read = json.loads(value)
        if read["source"] != SOURCE:
            return None
        data = read["data"]
        kind = read["type"].split(".")[-2]
        return Event(read["id"], read["subject"], kind, data["doc_id" if kind == "upload" else "conversation_id"],
                     read["number"], data.get("revision"),
                     kind == "upload" and data["file"]["mime_type"] != "text/plain")
    except (ValueError, KeyError, TypeError):
        return None


class Workload:
    """Draws events: documents of their own, documents that are replaced (by revision, not always in
    order, or by arrival), conversations that grow, and now and then one that must be refused."""

    DOCUMENTS_EACH = 3  # of each kind that is replaced, of each user

    def __init__(self, chance, users):
        self.chance, self.users, self.number = chance, users, 0
        self.revisions = {}

    def draw(self):
        """An event and its record's value."""
        number, self.number = self.number, self.number + 1
        user = self.chance.choice(self.users)
        shape = self.chance.choices(["own", "revised", "replaced", "chat", "bad"], [40, 20, 15, 24, 1])[0]
        kind, doc, revision = "upload", f"{user}/{shape}/{number}", None
        if shape in ("revised", "replaced", "chat"):
            doc = f"{user}/{shape}/{self.chance.randrange(self.DOCUMENTS_EACH)}"
        if shape == "chat":
            kind = "chat"
        if shape == "revised":
            newest = self.revisions.get(doc, 0) + 1
            revision = newest if self.chance.random() < 0.7 else self.chance.randint(1, newest)
            self.revisions[doc] = max(newest, revision)
        event = Event(str(uuid.UUID(int=self.chance.getrandbits(128), version=4)), user, kind, doc, number,
                      revision, shape == "bad")
        return event, encode(event, self.chance.randint(1, 3))
