"""The commands of the lookup side: two roles and what reads."""

import cyclopts

from pipeline.settings import Settings, get_settings

app = cyclopts.App()


def _settings(**overrides: object) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    return get_settings().model_copy(update=given)


@app.command
def sink(*, broker: str | None = None, redis: str | None = None, port: int | None = None) -> int:
    """
    Carry scores from Kafka to Redis until stopped.

    Parameters
    ----------
    broker
        Kafka: kafka://host:port
    redis
        Redis: redis://host:port/0
    port
        Port of health and metrics.
    """
    from pipeline.lookup.role import run_role
    from pipeline.lookup.sink import run

    settings = _settings(broker=broker, redis=redis, sink_port=port)
    return run_role(settings, lambda: run(settings))


if __name__ == "__main__":
    app()
