"""What a client of Kafka may do, by the library that kcat brings (librdkafka)."""
import ctypes

from processes import Failure

TOPIC, GROUP = 2, 3
LITERAL, PREFIXED = 3, 4
READ, WRITE, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 6, 8, 10
ALLOW = 3


def allow(brokers, principal, rules, timeout_ms=15_000):
    """Adds ACLs: `rules` are (resource, name, pattern, operation). `brokers` is reached as a superuser."""
    try:
        library = ctypes.CDLL("librdkafka.so.1")
    except OSError:
        raise Failure("librdkafka is not installed: run scripts/deps --run.") from None
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_queue_new", "rd_kafka_queue_poll", "rd_kafka_AclBinding_new",
                 "rd_kafka_event_CreateAcls_result", "rd_kafka_CreateAcls_result_acls", "rd_kafka_acl_result_error"):
        getattr(library, name).restype = ctypes.c_void_p
    for name in ("rd_kafka_event_error_string", "rd_kafka_error_string"):
        getattr(library, name).restype = ctypes.c_char_p
    pointer, text = ctypes.c_void_p, ctypes.create_string_buffer(512)
    conf = pointer(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), text, 512)
    client = pointer(library.rd_kafka_new(0, conf, text, 512))
    if not client:
        raise Failure(f"librdkafka: {text.value.decode()}")
    queue = pointer(library.rd_kafka_queue_new(client))
    acls = (pointer * len(rules))(*[
        library.rd_kafka_AclBinding_new(resource, name.encode(), pattern, f"User:{principal}".encode(), b"*", operation, ALLOW,
                                        text, 512) for resource, name, pattern, operation in rules])
    library.rd_kafka_CreateAcls(client, acls, ctypes.c_size_t(len(rules)), None, queue)
    event = pointer(library.rd_kafka_queue_poll(queue, timeout_ms))
    if not event:
        raise Failure("Kafka did not answer a request for ACLs")
    if library.rd_kafka_event_error(event):
        raise Failure(f"Kafka refused ACLs: {library.rd_kafka_event_error_string(event).decode()}")
    count = ctypes.c_size_t()
    result = pointer(library.rd_kafka_event_CreateAcls_result(event))
    results = ctypes.cast(pointer(library.rd_kafka_CreateAcls_result_acls(result, ctypes.byref(count))),
                          ctypes.POINTER(pointer))
    for at in range(count.value):
        if error := pointer(library.rd_kafka_acl_result_error(pointer(results[at]))):
            raise Failure(f"Kafka refused an ACL: {library.rd_kafka_error_string(error).decode()}")
    library.rd_kafka_event_destroy(event)
    library.rd_kafka_queue_destroy(queue)
    library.rd_kafka_destroy(client)
