"""The three services of the local stack: how each one is started, asked and stopped."""
import base64
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from kafka_acls import CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS, GROUP, LITERAL, PREFIXED, READ, TOPIC, WRITE, allow
from processes import Failure, Process, as_user, send, start_time

DEPS = Path(__file__).resolve().parent.parent / ".deps"


def answers_on(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def succeeds(words, **options):
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30, **options).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Service(Process):
    """One service of an instance under `folder`. PORTS names what it listens on, its own port first."""

    PORTS = ()
    STOP_SIGNAL, STOP_SECONDS = signal.SIGTERM, 5

    def __init__(self, instance):
        self.instance, self.folder = instance, instance.folder
        self.name = type(self).__name__.lower()
        super().__init__(self.folder / f"{self.name}.pid", self.folder / "log" / f"{self.name}.log")

    def port(self, name=None):
        return self.instance.port(name or self.name)

    def address(self):
        return f"127.0.0.1:{self.port()}"

    def halt(self):
        self.stop(self.STOP_SIGNAL, self.STOP_SECONDS)

    def run_logged(self, words, **options):
        with open(self.log, "ab") as log:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  **{"cwd": "/", **options})
        if done.returncode != 0:
            raise Failure(f"{self.name} could not be started: see {self.log}")


def find_pg_bin():
    """The programs of the newest server here that has pgvector; None if there is none."""
    found = Path("/usr/share/postgresql").glob("*/extension/vector.control")
    versions = sorted((path.parts[4] for path in found), key=lambda text: float(text))
    return Path("/usr/lib/postgresql") / versions[-1] / "bin" if versions else None


class Postgres(Service):
    """PostgreSQL refuses to run as root: called by root, it runs as the user postgres."""

    PORTS = ("postgres",)
    STOP_SIGNAL, STOP_SECONDS = signal.SIGINT, 20

    def __init__(self, instance):
        super().__init__(instance)
        self.bin = find_pg_bin()
        self.is_root = os.geteuid() == 0
        self.user = "postgres" if self.is_root else ""
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()
        self.outside = Path("/var/tmp") / f"memseal-{digest[:12]}"

    def dsn(self):
        return f"postgresql://postgres:{self.instance.password()}@{self.address()}/postgres"

    def as_server(self):
        return as_user(self.user) if self.is_root else {}

    def answers(self):
        env = dict(os.environ, PGPASSWORD=self.instance.password(), PGCONNECT_TIMEOUT="2")
        return succeeds([self.bin / "psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.port()),
                         "-U", "postgres", "-c", "select 1", "postgres"], env=env)

    def begin(self):
        if self.bin is None or not os.access(self.bin / "postgres", os.X_OK):
            raise Failure("PostgreSQL with pgvector is not installed: run scripts/deps --run.")
        data = (self.folder / "postgres").resolve()
        version = data / "PG_VERSION"
        if version.is_file() and version.stat().st_size > 0:
            self.clear_postmaster_pid(data)
        else:
            data = self.make_data()
        # fsync stays on, because the tests of durability rely on it. There is no socket file, because
        # its path may be too long.
        self.launch([self.bin / "postgres", "-D", data, "-p", str(self.port()),
                     *settings(listen_addresses="127.0.0.1", unix_socket_directories="",
                               shared_buffers="128MB", max_connections=100, jit="off",
                               max_wal_size="2GB", log_line_prefix="%m [%p] %u@%d ",
                               timezone="UTC", log_timezone="UTC")], self.user or "root")

    def make_data(self):
        """A new cluster where the server's user can reach it: in the folder, or else in /var/tmp with
        a link to it in the folder."""
        self.remove_data()
        data = self.folder / "postgres"
        if self.is_root:
            self.folder.chmod(0o711)
            if not succeeds(["test", "-x", self.folder], cwd="/", **self.as_server()):
                os.mkdir(self.outside, 0o711)
                self.outside.chmod(0o711)
                data = self.outside / "postgres"
                (self.folder / "postgres").symlink_to(data)
        os.mkdir(data, 0o700)
        # The password goes in by a file that only the server's user can read.
        with tempfile.NamedTemporaryFile("w", dir="/tmp") as file:
            file.write(self.instance.password())
            file.flush()
            if self.is_root:
                user = self.as_server()
                os.chown(data, user["user"], user["group"])
                os.chown(file.name, user["user"], user["group"])
            # Nothing is stored yet, so nothing needs to be synced.
            self.run_logged([self.bin / "initdb", "-D", data, "-U", "postgres", f"--pwfile={file.name}",
                             "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
                             "--no-instructions"], **self.as_server())
        return data

    def remove_data(self):
        data = self.folder / "postgres"
        if data.is_symlink():
            data.unlink()
        elif data.exists():
            shutil.rmtree(data)
        # Only a directory of root's own is removed from /var/tmp, because any user may make one of
        # that name.
        if self.is_root and os.path.lexists(self.outside):
            seen = self.outside.lstat()
            if seen.st_uid == 0 and stat.S_ISDIR(seen.st_mode):
                shutil.rmtree(self.outside)

    @staticmethod
    def clear_postmaster_pid(data):
        """A server that died uncleanly leaves postmaster.pid, and its pid may now be another
        process's. The working directory tells."""
        file = data / "postmaster.pid"
        try:
            pid = int(file.read_text().split("\n", 1)[0])
            ours = os.readlink(f"/proc/{pid}/cwd") == str(data)
        except (OSError, ValueError):
            ours = False
        if ours:
            send(pid, signal.SIGINT)
            while start_time(pid) is not None:
                time.sleep(0.05)
        file.unlink(missing_ok=True)


def settings(**values):
    return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


class Redis(Service):
    """Redis keeps nothing on disk. Called by root, it runs as nobody."""

    PORTS = ("redis",)
    STOP_SECONDS = 3

    def answers(self):
        try:
            with socket.socket() as link:
                link.settimeout(2)
                link.connect(("127.0.0.1", self.port()))
                link.sendall(b"PING\r\n")
                return link.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def begin(self):
        if shutil.which("redis-server") is None:
            raise Failure("Redis is not installed: run scripts/deps --run.")
        self.launch(["redis-server", "--bind", "127.0.0.1", "--port", str(self.port()), "--dir", "/",
                     "--save", "", "--appendonly", "no", "--maxmemory", "256mb",
                     "--maxmemory-policy", "noeviction"], "nobody")


# The session is short, because a broker that died uncleanly waits for its predecessor's to end.
# Two listeners for clients: PLAINTEXT, whose nameless clients may do everything, for tests; and SASL, where a client
# is who its password says, and may do what ACLs say.
KAFKA_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={folder}/kafka/log
auto.create.topics.enable=true
num.partitions=4
message.max.bytes=2097152
replica.fetch.max.bytes=2097152
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
background.threads=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=8388608
"""


# What a memseal service does with its topics (deploy/compose/acls lets it do the same).
SERVICE_OPERATIONS = {"Read": READ, "Write": WRITE, "Create": CREATE, "Describe": DESCRIBE,
                      "DescribeConfigs": DESCRIBE_CONFIGS}


class Kafka(Service):
    """One KRaft node: broker and controller."""

    PORTS = ("kafka", "kafka-controller", "kafka-sasl")
    USER = "memseal"  # on the listener SASL
    FLAGS = ["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true", "-cp", ".:libs/*"]

    def answers(self):
        if not answers_on(self.port()):
            return False
        try:
            shown = subprocess.run(["kcat", "-L", "-m", "1", "-b", self.address()], timeout=30,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return b"broker 1 at" in shown.stdout

    def begin(self):
        home = os.environ.get("JAVA_HOME")
        java = f"{home}/bin/java" if home else "java"
        if not (DEPS / "kafka" / "libs").is_dir():
            raise Failure("Apache Kafka is not installed: run scripts/deps --kafka.")
        if shutil.which(java) is None:
            raise Failure("there is no Java: run scripts/deps --kafka, or correct JAVA_HOME.")
        folder = self.folder / "kafka"
        for path in (folder, folder / "tmp"):
            path.mkdir(mode=0o700, exist_ok=True)
        config = folder / "server.properties"
        config.write_text(KAFKA_CONFIG.format(port=self.port(), controller=self.port("kafka-controller"),
                                              sasl=self.port("kafka-sasl"), folder=self.folder))
        # Classes are named by a relative path, because a class path cannot hold a colon or a star of
        # the checkout's own path.
        place = {"cwd": DEPS / "kafka", "umask": 0o077}
        meta = folder / "log" / "meta.properties"
        if not meta.is_file() or meta.stat().st_size == 0:
            # 16 random bytes in URL-safe base64, as Kafka writes its ids.
            cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
            # On no command line for others to see: the tool reads its arguments from a file.
            salt = os.urandom(16)
            salted = hashlib.pbkdf2_hmac("sha512", self.instance.password("kafka-password").encode(), salt, 4096)
            salt, salted = (base64.b64encode(part).decode() for part in (salt, salted))
            scram = f"SCRAM-SHA-512=[name={self.USER},iterations=4096,salt={salt},saltedpassword={salted}]"
            arguments = folder / "format.arguments"
            with open(arguments, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(f"kafka.tools.StorageTool format --cluster-id={cluster} --config \"{config}\" "
                           f"--add-scram {scram}\n")
            self.run_logged([java, *self.FLAGS, "-XX:TieredStopAtLevel=1", f"@{arguments}"], **place)
            arguments.unlink()
        elif not (self.folder / "kafka-password").exists():  # formatted before USER had one of its own
            self.instance.secret("kafka-password", self.instance.password())
        self.launch([java, "-Xms96m", "-Xmx384m", f"-Djava.io.tmpdir={folder}/tmp", *self.FLAGS,
                     "kafka.Kafka", config], "root", **place)

    def sasl_address(self):
        return f"127.0.0.1:{self.port('kafka-sasl')}"

    def sasl_properties(self):
        """How a client is USER on the listener SASL, in librdkafka's words."""
        return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": self.USER,
                "sasl.password": self.instance.password("kafka-password")}

    def allow(self, topics, group, dead_letters):
        """Lets USER do what memseal does, with the topics that begin with `topics`, with the group and with the topics of
        dead letters."""
        allow(self.address(), self.USER,
              [(TOPIC, topics, PREFIXED, operation) for operation in SERVICE_OPERATIONS.values()]
              + [(TOPIC, topic, LITERAL, DELETE) for topic in dead_letters] + [(GROUP, group, LITERAL, READ)])
