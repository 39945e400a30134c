"""The commands `clout agent ..`. What they need is imported when they run: `--help` is quick."""

from pathlib import Path
from typing import Literal

from cyclopts import App

from agents import receivers
from agents.format_name import FormatName
from agents.options import prepared
from pipeline.errors import ConfigError

app = App(name="agent", help="Publish what happens at a network, or what a file says happened.")
app.command(receivers.activitypub)
app.command(receivers.webhook)
app.command(receivers.webmention)


@app.command
def replay(
    file: Path,
    *,
    format: FormatName,  # noqa: A002 - the option's name is a contract
    speed: str = "max",
    shift: bool = False,
    limit: int | None = None,
    columns: str = "",
    until: str | None = None,
    before: Literal["bluesky"] | None = None,
    resume: bool = False,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    A file, or an export of Facebook, Google+, Instagram or Twitter. Needs nothing else.

    Parameters
    ----------
    file
        The file, .gz as it is; of an export the zip or the folder.
    format
        What it holds.
    speed
        max, or a factor of real time such as 1x or 100x.
    shift
        Move the times so that the file ends now.
    limit
        Read so many lines at most.
    columns
        Of csv and parquet: actor=from_user,time=created,kind:like names a field's column, or its value in every row.
    until
        Leave out what happened at this moment (2026-11-22T05:00:00Z) or later: a live agent has told of it.
    before
        The live agent that goes on where the file ends: it gets the memory and a cursor.
    resume
        Go on where an earlier replay of the file had come.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.formats.rows import parse_columns
    from agents.handover import Handover
    from agents.launch import Launch, memory_of, run
    from agents.pace import parse_speed
    from agents.replay import Replay, ReplayConfig, cursor_of

    settings = prepared(broker, redis)
    limit = _positive("--limit", limit)
    config = ReplayConfig(file, format, parse_speed(speed), shift, limit, parse_columns(columns), _moment(until))
    handover = Handover(before, config, settings) if before else None
    agent = Replay(config)
    memory = memory_of(before, settings) if before else None
    tally = run(Launch(agent, cursor_of(config, settings), resume, memory), settings)
    if handover is not None:
        print(handover.complete(agent, tally))  # noqa: T201 - the command's output


@app.command
def bluesky(*, host: list[str] | None = None, broker: str | None = None, redis: str | None = None) -> None:
    """
    Bluesky, live: likes, reposts, quotes, replies, follows. Needs internet access.

    Parameters
    ----------
    host
        A Jetstream server, wss://host; may be given several times. The four public ones otherwise.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.bluesky.agent import HOSTS, Bluesky, BlueskyConfig
    from agents.launch import live, run

    settings = prepared(broker, redis)
    run(live(Bluesky(BlueskyConfig([address.rstrip("/") for address in host or HOSTS])), settings), settings)


@app.command
def mastodon(
    *,
    server: str,
    transport: Literal["auto", "websocket", "sse"] = "auto",
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Mastodon, live: a server's posts, an account's notifications. Needs CLOUT_MASTODON_TOKEN.

    Parameters
    ----------
    server
        The account's server, https://host.
    transport
        How to listen: auto takes a WebSocket where the server and what lies between let it, else server-sent events.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.launch import live, run
    from agents.mastodon.agent import Mastodon

    settings = prepared(broker, redis)
    run(live(Mastodon(server, settings.mastodon_token.get_secret_value(), transport), settings), settings)


@app.command
def nostr(*, relay: list[str] | None = None, broker: str | None = None, redis: str | None = None) -> None:
    """
    Nostr, live: reactions, reposts, replies, follow lists. Needs internet access.

    Parameters
    ----------
    relay
        A relay, wss://host; may be given several times. Three large public ones otherwise.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.launch import live, run
    from agents.nostr.agent import RELAYS, Nostr
    from agents.nostr.follows import Follows

    settings = prepared(broker, redis)
    follows = Follows(settings.data_dir / "memory" / "nostr-follows.sqlite")
    run(live(Nostr(relay or RELAYS, follows), settings), settings)


@app.command
def youtube(*, channel: list[str], broker: str | None = None, redis: str | None = None) -> None:
    """
    YouTube: videos, comments, totals of likes and subscribers. Needs CLOUT_YOUTUBE_KEY.

    Parameters
    ----------
    channel
        The id of a channel, UC..; may be given several times.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.launch import live, run
    from agents.settled import SettledTable
    from agents.webhooks.comparing import REMEMBERED
    from agents.youtube.agent import YouTube

    settings = prepared(broker, redis)
    table = SettledTable(settings.data_dir / "memory" / "youtube-totals.sqlite", REMEMBERED)
    run(
        live(YouTube(channel, settings.youtube_key.get_secret_value(), settings.youtube_api, table), settings), settings
    )


@app.command
def synthetic(
    *,
    rate: str | None = None,
    users: int = 10_000,
    events: int | None = None,
    seed: int = 0,
    spread: float = 0.0,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Made-up traffic of several networks, until stopped. Needs nothing.

    Parameters
    ----------
    rate
        Events per second, or max; 1000 unless they are spread over days.
    users
        How many people there are, 50 at least.
    events
        End after so many records.
    seed
        The same seed gives the same people.
    spread
        Spread the events over so many days that end now; needs --events.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.launch import Launch, run
    from agents.synthetic import Synthetic, SyntheticConfig
    from pipeline.clock import system_clock

    settings = prepared(broker, redis)
    chosen = rate or ("max" if spread else "1000")
    if spread < 0 or (spread and events is None):
        raise ConfigError("--spread needs a number of days and --events: how many events to spread over them")
    limit = _positive("--events", events)
    agent = Synthetic(SyntheticConfig(users, _rate(chosen), limit, seed, system_clock(), spread))
    run(Launch(agent), settings)


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise ConfigError(f"--rate {text}: give events per second, or max")
    return rate


def _moment(text: str | None) -> int | None:
    from agents.formats.rows import time_of

    if text is None:
        return None
    moment = time_of(text)
    if moment is None:
        raise ConfigError(f"--until {text}: give a moment such as 2026-11-22T05:00:00Z, or Unix seconds")
    return moment


def _positive(option: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value}: 1 at least")
    return value
