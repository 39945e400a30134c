"""
Apache Kafka for tests: one KRaft broker, its jars from Maven Central, everything on disk.

Unlike the embedded broker it survives a SIGKILL with its log, has idempotent producers and compacts, and it lets in by
password: beside its open listener it has one with SASL and one with SASL over TLS.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pipeline.kafka import client_options
from pipeline.local.guard import Guard
from pipeline.local.ports import is_listening
from pipeline.settings import Settings
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.settings import make_settings

VERSION: Final = "4.1.1"
"""The newest that runs on Java 17 when this was written; the same that docker-compose.yml should name."""
_LOGGER_VERSION: Final = "1.7.36"
"""Of slf4j-simple: what Kafka's slf4j-api is."""
_CLUSTER: Final = "Y2xvdXQtdGVzdHMtMDAwMQ"
"""A cluster's id: 16 bytes in base64."""

_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>clout</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{kafka}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{logger}</version></dependency>
  </dependencies>
</project>
"""

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=\
PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
ssl.keystore.type=PKCS12
ssl.keystore.location={keystore}
ssl.keystore.password={password}
log.dirs={directory}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.backoff.ms=500
"""

_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
USER: Final = "clout"
PASSWORD: Final = "a-password-for-tests"
"""Who may connect to the listeners with SASL (SCRAM-SHA-512)."""

_JAVA: Final = ("java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A broker that starts quickly and leaves the processors to what is tested."""


def why_not() -> str | None:
    """Return why Apache Kafka cannot be used here, or None."""
    missing = [command for command in ("mvn", "java", "keytool") if shutil.which(command) is None]
    return f"Apache Kafka's jars need {' and '.join(missing)}, not found on this machine" if missing else None


def jars() -> Path:
    """
    Return the directory of the jars, fetched when they are not there yet.

    Raises:
        RuntimeError: Maven cannot fetch them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clout"
    directory = cache / f"kafka-{VERSION}"
    if directory.is_dir():
        return directory
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as unfinished:
        work = Path(unfinished)
        (work / "pom.xml").write_text(_POM.format(kafka=VERSION, logger=_LOGGER_VERSION))
        command = [
            "mvn",
            "-B",
            "-q",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-DoutputDirectory=jars",
        ]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=170, check=False)
        if done.returncode:
            raise RuntimeError(
                f"Maven could not fetch Apache Kafka {VERSION}: {done.stdout[-2000:]}{done.stderr[-1000:]}"
            )
        # Another run may have been quicker: its directory is as good.
        if not directory.is_dir():
            (work / "jars").rename(directory)
    return directory


class Kafka(Logged):
    """One KRaft broker that is its own controller; it may be killed and started again on the same log."""

    def __init__(self, guard: Guard, directory: Path) -> None:
        self.ports = {protocol: free_port() for protocol in ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "PROXIED")}
        self.proxy_port = free_port()
        """Where those who connect to the listener PROXIED are sent: a test puts a proxy there."""
        self.port = self.ports["PLAINTEXT"]
        self.url = f"kafka://127.0.0.1:{self.port}"
        self.certificate = directory / f"kafka-{self.port}.pem"
        """What clients trust over TLS."""
        self._guard = guard
        self._directory = directory
        self._classpath = f"{jars()}/*"
        self._properties = directory / f"kafka-{self.port}.properties"
        self._properties.write_text(
            _PROPERTIES.format(
                listeners=_addresses(self.ports),
                advertised=_addresses({**self.ports, "PROXIED": self.proxy_port}),
                controller=free_port(),
                directory=directory / f"kafka-{self.port}",
                scram=_SCRAM,
                keystore=self._make_certificate(),
                password=PASSWORD,
            )
        )
        self._format()
        self.start()

    def url_of(self, protocol: str) -> str:
        """Return the address of one of its listeners: PLAINTEXT, SASL_PLAINTEXT, SASL_SSL."""
        return f"kafka://127.0.0.1:{self.ports[protocol]}"

    def segments(self, topic: str, partition: int) -> bytes:
        """Return what it has on disk of a partition: record batches as their producers sent them."""
        files = (self._directory / f"kafka-{self.port}" / f"{topic}-{partition}").glob("*.log")
        return b"".join(path.read_bytes() for path in sorted(files))

    def _make_certificate(self) -> Path:
        store = self._directory / f"kafka-{self.port}.p12"
        common = ("-alias", "broker", "-keystore", str(store), "-storepass", PASSWORD)
        _call(
            "keytool",
            "-genkeypair",
            *common,
            "-storetype",
            "PKCS12",
            "-keyalg",
            "EC",
            "-dname",
            "CN=kafka",
            "-ext",
            "san=ip:127.0.0.1",
            "-ext",
            "bc:critical=ca:true",
            "-validity",
            "7",
        )
        _call("keytool", "-exportcert", *common, "-rfc", "-file", str(self.certificate))
        return store

    def _command(self, main: str, *arguments: str) -> list[str]:
        return [*_JAVA, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self._classpath, main, *arguments]

    def _format(self) -> None:
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        options = ("format", "-t", _CLUSTER, "-c", str(self._properties), "--add-scram", user)
        _call(*self._command("kafka.tools.StorageTool", *options))

    def start(self) -> None:
        """Start it, again after a `kill`, and wait until it answers."""
        command = self._command("kafka.Kafka", str(self._properties))
        super().__init__(f"kafka-{self.port}", command, self._guard, self._directory)
        eventually(self._is_ready, 60, f"Kafka answers; its log is {self.log}")

    def _is_ready(self) -> bool:
        assert self.is_running(), self.output()
        return is_listening(self.port) and answers(self.url)


def _addresses(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def answers(url: str) -> bool:
    """Tell whether a broker answers a client's first question."""
    import asyncio

    from aiokafka import AIOKafkaClient
    from aiokafka.errors import KafkaError

    async def ask() -> bool:
        options = client_options(Settings(_env_file=None, broker=url))
        client = AIOKafkaClient(bootstrap_servers=options["bootstrap_servers"])
        try:
            await client.bootstrap()
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()
        return True

    return asyncio.run(ask())


def start(guard: Guard, directory: Path) -> Kafka:
    """Start a broker; skip the test where that is not possible, or fail it where CI is set."""
    reason = why_not()
    if reason is not None:
        # Where every change is checked, a test that did not run must not look like one that passed.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return Kafka(guard, directory)


@pytest.fixture(scope="session")
def kafka(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """An Apache Kafka broker that all tests share, each with topics of its own prefix."""
    broker = start(guard, tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.kill()


@pytest.fixture
def own_kafka(guard: Guard, tmp_path: Path) -> Iterator[Kafka]:
    """An Apache Kafka broker for one test, which may freeze or kill it."""
    broker = start(guard, tmp_path)
    yield broker
    broker.kill()


def _cluster(broker: Kafka, redis_url: str, guard: Guard, directory: Path) -> Iterator[Cluster]:
    settings = make_settings(broker.url, redis_url, directory, idempotence=True)
    cluster = Cluster(settings, guard, directory)
    yield cluster
    cluster.stop()


@pytest.fixture
def kafka_cluster(kafka: Kafka, redis_url: str, guard: Guard, tmp_path: Path) -> Iterator[Cluster]:
    """Starts roles against Apache Kafka; producers are idempotent."""
    yield from _cluster(kafka, redis_url, guard, tmp_path)


@pytest.fixture
def own_kafka_cluster(own_kafka: Kafka, redis_url: str, guard: Guard, tmp_path: Path) -> Iterator[Cluster]:
    """Starts roles against an Apache Kafka of this test alone."""
    yield from _cluster(own_kafka, redis_url, guard, tmp_path)
