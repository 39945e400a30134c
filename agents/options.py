"""What all commands of the agents do with their options."""

from pipeline.settings import Settings, load_settings


def prepared(broker: str | None, redis: str | None) -> Settings:
    """Return the settings of this process, and set up its logs."""
    from agents.launch import prepare

    settings = load_settings(broker=broker, redis=redis)
    prepare(settings)
    return settings
