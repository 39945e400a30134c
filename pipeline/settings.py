"""
All settings, with their units in their names.

Each is an environment variable with the prefix `CLOUT_` (`CLOUT_BROKER`, `CLOUT_REDIS`, ..);
`.env` in the working directory is read, and a file of the same name under `/run/secrets`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import ConfigError

_SECRETS = Path("/run/secrets")


class Settings(BaseSettings):
    """What a deployment decides. Frozen: a process reads it once."""

    model_config = SettingsConfigDict(
        env_prefix="CLOUT_",
        env_file=".env",
        env_nested_delimiter="__",
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
    )

    broker: str = "kafka://127.0.0.1:9092"
    """Kafka bootstrap servers: `kafka://host:port[,host:port]`."""
    redis: str = "redis://127.0.0.1:6379/0"
    """`redis://`, `rediss://` or `unix://`."""
    host: str = "127.0.0.1"
    """Address that the lookup service listens on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the lookup service."""
    worker_port: int = Field(default=6066, ge=1, le=65535)
    """Port of the worker's own web server: health and metrics."""
    sink_port: int = Field(default=6067, ge=0, le=65535)
    """Port of the sink's metrics."""
    agent_port: int = Field(default=6068, ge=0, le=65535)
    """Port of an agent's metrics; a second agent on the machine needs one of its own, or goes without."""
    agent_memory: int = Field(default=5_000_000, ge=1)
    """Records that an agent keeps on disk, some 400 bytes each, so that what is deleted later can be withdrawn."""
    mastodon_token: SecretStr = SecretStr("")
    """What `clout agent mastodon` shows to its server: a token with the scopes read and profile."""
    webhook_secrets: dict[str, SecretStr] = {}
    """What `clout agent webhook` checks signatures with, as JSON: the name of a network to its secret."""
    webhook_port: int = Field(default=8090, ge=0, le=65535)
    """Port that `clout agent webhook` listens on."""
    activitypub_port: int = Field(default=8091, ge=0, le=65535)
    """Port that `clout agent activitypub` listens on."""
    youtube_key: SecretStr = SecretStr("")
    """What `clout agent youtube` shows to YouTube: a key of its Data API."""
    youtube_api: str = "https://www.googleapis.com/youtube/v3"
    """Where that API is."""
    webmention_port: int = Field(default=8092, ge=0, le=65535)
    """Port that `clout agent webmention` listens on."""
    webmention_sites: list[str] = []
    """Sites, https://host, whose pages other sites may tell `clout agent webmention` that they mention."""
    private_hosts: list[str] = []
    """Hosts of one's own network that agents may fetch from all the same, when somebody names them."""
    data_dir: Path = Path.home() / ".local" / "share" / "clout"
    """Where agents keep cursors and the embedded mode its snapshot."""
    embedded: bool = False
    """`clout up` starts its own broker and Valkey even where `broker` and `redis` are set, at these addresses."""
    broker_memory_mb: int = Field(default=1024, ge=64)
    """The embedded broker keeps its log in memory; with more than this it begins anew from a snapshot."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` is console on a terminal and one JSON object a line otherwise."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    open_reads: bool = True
    """Scores can be read without an API key."""
    key_requests_per_s: float = Field(default=100.0, gt=0)
    """What a key may ask, where it has no limit of its own."""
    key_events_per_s: float = Field(default=2000.0, gt=0)
    """What a key may publish by POST /v1/events; twice as much at once."""
    address_requests_per_s: float = Field(default=200.0, ge=0)
    """What one address may ask without a key; 0: no limit. Programs on the service's own machine have none."""
    trusted_proxies: str = ""
    """Networks, with commas, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    cors_origins: str = ""
    """Origins, with commas, whose scripts may read: none unless named."""

    alerter_port: int = Field(default=6069, ge=0, le=65535)
    """Port of the alerter's health and metrics."""
    delivery_networks: str = ""
    """Networks, with commas, that webhooks may go to beside public addresses, also by http and at any port."""
    smtp_url: SecretStr = SecretStr("")
    """SMTP server for alerts by e-mail: smtp://user:password@host:587 or smtps://user:password@host:465."""
    smtp_from: str = "clout@localhost"
    """The sender of alerts by e-mail."""
    alert_rules: str = ""
    """A file of alert rules, for those who keep configuration in git (TOML)."""

    topic_prefix: str = "clout."
    """Stands before every topic name, so that several instances share a cluster."""
    partitions: int = Field(default=8, ge=1, le=1024)
    """Partitions of every topic; must not change under kept state."""
    replication: int = Field(default=1, ge=1, le=16)
    """Replication factor of topics that this program creates."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_cafile: Path | None = None
    """CA certificates that the broker's certificate is checked against; the system's without it."""
    idempotence: bool = True
    """Idempotent producers. The embedded broker does not support them."""

    session_timeout_s: float = Field(default=10.0, gt=0)
    """How long the group waits for a silent worker before its partitions move."""
    group_instance_id: str = ""
    """Static membership: a name of its own for each worker, so that a quick restart moves nothing."""
    fetch_wait_ms: int = Field(default=50, ge=1)
    """How long a broker may hold a fetch for more records."""
    commit_interval_s: float = Field(default=0.2, gt=0)
    """Time between two commit rounds: flush, emit, commit."""
    emit_delta: float = Field(default=0.1, gt=0)
    """A score that moved by this much is emitted at once, .."""
    emit_interval_s: float = Field(default=0.2, ge=0)
    """.. each user at most once in this time; .."""
    emit_settle_s: float = Field(default=30.0, ge=0)
    """.. a smaller move after this time at most."""
    emit_catchup_share: float = Field(default=0.05, gt=0, le=1)
    """The share of its time that a worker gives to emission while it is catching up."""
    details_interval_s: float = Field(default=10.0, ge=0)
    """Details of a user are emitted at most once in this time."""
    dedupe_horizon_s: int = Field(default=3600, ge=1)
    """Repeated ids are found within this much event time .."""
    dedupe_ids: int = Field(default=1_000_000, ge=1)
    """.. and this many records of a partition, whichever is less; each of four engagement topics gets a quarter."""
    model: str = "clout-1"
    """The reference distribution that scores are read from: one that is shipped, or a file of `clout calibrate`."""
    future_limit_s: int = Field(default=300, ge=0)
    """An event time further ahead of its Kafka timestamp is a dead letter."""
    spike_evidence: float = Field(default=14.5, ge=3, le=1000)
    """How surprising engagement must be to open a spike, as the logarithm of odds; one less finds spikes a tenth sooner
    and makes false alerts three times as common."""
    spike_least: int = Field(default=10, ge=1)
    """Engagements that a spike needs at least."""
    spike_cooldown_s: int = Field(default=900, ge=60)
    """A spike ends when so long nothing rose above twice the baseline; what follows sooner belongs to it."""
    record_limit_bytes: int = Field(default=65_536, ge=1024)
    """A longer record is a dead letter."""


def load_settings(**given: object) -> Settings:
    """
    Read the settings; what is `given` by name goes before the environment, None is as not given.

    Raises:
        ConfigError: A setting has a value that it cannot have.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as exc:
        problems = (f"CLOUT_{'__'.join(map(str, e['loc'])).upper()}={e['input']}: {e['msg']}" for e in exc.errors())
        raise ConfigError("; ".join(problems)) from exc


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """
    Return the settings of this process, read once.

    Raises:
        ConfigError: A setting has a value that it cannot have.
    """
    return load_settings()
