"""The worker's command."""

from typing import Annotated

from cyclopts import App, Parameter

app = App(help="The stream worker.")


@app.command
def worker(
    *,
    broker: Annotated[str | None, Parameter(help="Kafka bootstrap servers, kafka://host:port")] = None,
    port: Annotated[int | None, Parameter(help="Port of health and metrics")] = None,
) -> None:
    """Fold engagement into scores: one process; start several to share the partitions."""
    import os

    if broker is not None:
        os.environ["CLOUT_BROKER"] = broker
    if port is not None:
        os.environ["CLOUT_WORKER_PORT"] = str(port)
    from pipeline.streams.run import run

    run()
