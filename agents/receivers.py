"""The commands of the agents to whom others send: each listens at an address of its own."""

from agents.options import prepared


def activitypub(
    *, host: str | None = None, port: int | None = None, broker: str | None = None, redis: str | None = None
) -> None:
    """
    The fediverse: what servers deliver. Needs your server to forward its inbox, headers and all.

    Parameters
    ----------
    host
        The address to listen on; CLOUT_HOST otherwise.
    port
        The port to listen on; CLOUT_ACTIVITYPUB_PORT otherwise.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.activitypub.agent import ActivityPub
    from agents.fetching import Fetcher
    from agents.launch import live, run

    settings = prepared(broker, redis)
    fetcher = Fetcher(frozenset(settings.private_hosts))
    agent = ActivityPub(host or settings.host, settings.activitypub_port if port is None else port, fetcher)
    run(live(agent, settings), settings)


def webhook(
    *, host: str | None = None, port: int | None = None, broker: str | None = None, redis: str | None = None
) -> None:
    """
    GitHub, X, Meta, YouTube and others, as they POST. Needs an app there, a secret, an address.

    Parameters
    ----------
    host
        The address to listen on; CLOUT_HOST otherwise.
    port
        The port to listen on; CLOUT_WEBHOOK_PORT otherwise.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.launch import live, run
    from agents.settled import SettledTable
    from agents.webhooks.agent import Webhooks
    from agents.webhooks.comparing import REMEMBERED
    from agents.webhooks.mapping import load_all

    settings = prepared(broker, redis)
    secrets = {name: secret.get_secret_value() for name, secret in settings.webhook_secrets.items()}
    table = SettledTable(settings.data_dir / "memory" / "webhook-totals.sqlite", REMEMBERED)
    chosen = settings.webhook_port if port is None else port
    agent = Webhooks(load_all(), secrets, host or settings.host, chosen, table=table)
    run(live(agent, settings), settings)


def webmention(
    *,
    site: list[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    broker: str | None = None,
    redis: str | None = None,
) -> None:
    """
    Blogs: sites that tell of their links to yours. Needs a public address that your pages name.

    Parameters
    ----------
    site
        A site whose pages may be mentioned, https://host; may be given several times. CLOUT_WEBMENTION_SITES otherwise.
    host
        The address to listen on; CLOUT_HOST otherwise.
    port
        The port to listen on; CLOUT_WEBMENTION_PORT otherwise.
    broker
        Kafka, kafka://host:port; CLOUT_BROKER otherwise.
    redis
        Redis, redis://host:port/0; CLOUT_REDIS otherwise.
    """
    from agents.fetching import Fetcher
    from agents.launch import live, run
    from agents.webmention.agent import Webmentions
    from agents.webmention.ledger import Ledger

    settings = prepared(broker, redis)
    ledger = Ledger(settings.data_dir / "memory" / "webmention-ledger.sqlite")
    chosen = settings.webmention_port if port is None else port
    fetcher = Fetcher(settings.private_hosts)
    agent = Webmentions(site or settings.webmention_sites, host or settings.host, chosen, fetcher, ledger)
    run(live(agent, settings), settings)
