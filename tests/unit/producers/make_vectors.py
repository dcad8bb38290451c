#!/usr/bin/env python3
"""Writes signature_vectors.json: signatures of events by Python's package `cryptography`, from the description of the
format in src/pure/producers/signature.hpp. Shares no code with memseal.

  python3 tests/unit/producers/make_vectors.py > tests/unit/producers/signature_vectors.json"""
import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

DOMAINS = {"event": "memseal/event-signature/v1", "replay": "memseal/replay-signature/v1"}
PREFIXES = {"event": ("ce_", "ce-"), "replay": ("ce_", "ce-", "memseal-original-")}
NOW = 1_764_326_400_123
SEED, SECRET = bytes(range(32)), bytes(range(100, 140))
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def message_of(purpose, key_id, time, event):
    covered = []
    for name, value in event["headers"]:
        name = "content-type" if name.lower() == "content-type" else name
        if (name == "content-type" or name.startswith(PREFIXES[purpose])
                or (purpose == "replay" and name == "memseal-signature")):
            covered.append((name.encode(), value.encode()))
    fields = [DOMAINS[purpose].encode(), key_id.encode(), str(time).encode()]
    fields += [event[name].encode() for name in ("topic", "key", "id", "source")]
    fields += [hashlib.sha256(event["value"].encode()).digest(), str(len(covered)).encode()]
    for header in sorted(covered):
        fields += header
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def header_of(algorithm, key_id, time, message):
    made = PRIVATE.sign(message) if algorithm == "ed25519" else hmac.digest(SECRET, message, "sha256")
    return f"v1.{key_id}.{time}." + base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def id_of(verifying):
    return hmac.digest(verifying, b"memseal/key-id/v1", "sha256")[:10].hex()


STRUCTURED = {"topic": "memory.upload.v1", "key": "acme:ann", "id": "e-1", "source": "/crm",
              "value": '{"specversion":"1.0","id":"e-1","source":"/crm"}',
              "headers": [["content-type", "application/cloudevents+json"]]}
EVENTS = {
    "structured": STRUCTURED,
    "binary": {"topic": "memory.chat.v1", "key": "ünï", "id": "é", "source": "urn:x", "value": "{}",
               "headers": [["ce_type", "memory.chat.v1"], ["ce_id", "é"], ["Content-Type", "application/json"],
                           ["traceparent", "00-1"], ["ce-source", "urn:x"]]},
    "empty": {"topic": "t", "key": "", "id": "", "source": "", "value": "", "headers": []},
    "replayed": dict(STRUCTURED, headers=STRUCTURED["headers"] + [
        ["memseal-original-topic", "memory.upload.v1"], ["memseal-original-offset", "7"],
        ["memseal-signature", "v1.k.1.AA"]]),
}
# What differs from "structured" must not pass with its signature.
CHANGES = {
    "topic": {"topic": "memory.chat.v1"}, "key": {"key": "acme:bob"}, "id": {"id": "e-2"},
    "source": {"source": "/crn"}, "value": {"value": STRUCTURED["value"] + " "},
    "content type": {"headers": [["content-type", "application/json"]]},
    "no content type": {"headers": []},
    "another header": {"headers": STRUCTURED["headers"] + [["ce_type", "x"]]},
    "bytes moved between fields": {"id": "e-1/", "source": "crm"},
}

vectors = {"seed": SEED.hex(), "public": PUBLIC.hex(), "secret": SECRET.hex(),
           "pem": PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
           "public_pem": PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
           "valid": [], "invalid": []}
for algorithm, verifying in (("ed25519", PUBLIC), ("hmac-sha256", SECRET)):
    key_id = id_of(verifying)
    vectors[f"key_id {algorithm}"] = key_id
    for name, event in EVENTS.items():
        purpose = "replay" if name == "replayed" else "event"
        message = message_of(purpose, key_id, NOW, event)
        vectors["valid"].append({"name": f"{name}, {algorithm}", "algorithm": algorithm, "purpose": purpose, **event,
                                 "message": message.hex(), "header": header_of(algorithm, key_id, NOW, message)})
    good = header_of(algorithm, key_id, NOW, message_of("event", key_id, NOW, STRUCTURED))
    for name, change in CHANGES.items():
        vectors["invalid"].append({"name": f"{name}, {algorithm}", "algorithm": algorithm, "purpose": "event",
                                   **STRUCTURED, **change, "header": good})
    for name, header in (("time", good.replace(str(NOW), str(NOW + 1))), ("key id", good.replace(key_id, "x" + key_id[1:])),
                         ("last bits", good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1]),
                         ("shorter", good[:-4]), ("longer", good + "AAAA")):
        vectors["invalid"].append({"name": f"{name}, {algorithm}", "algorithm": algorithm, "purpose": "event",
                                   **STRUCTURED, "header": header})
    vectors["invalid"].append({"name": f"purpose, {algorithm}", "algorithm": algorithm, "purpose": "replay",
                               **STRUCTURED, "header": good})
print(json.dumps(vectors, indent=1, ensure_ascii=False))
