"""Logging: readable on a terminal, one JSON object a line otherwise."""

import logging
import sys
from typing import cast

import orjson
import structlog

from pipeline.errors import PipelineError
from pipeline.settings import Settings


def _json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


class _Plainly(logging.Filter):
    """
    Tells an expected error in its own words, and once.

    It says what is wrong and what to do; a framework's traceback around it, from each of its parts, says neither.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        exc = record.exc_info[1] if record.exc_info else None
        if not isinstance(exc, PipelineError):
            return True
        if exc is self._told:
            return False
        self._told = exc
        record.msg, record.args, record.exc_info = str(exc), (), None
        return True


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's loggers to standard error, in the chosen format."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False)
        if console
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_level != "debug":
        handler.addFilter(_Plainly())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    if settings.log_level != "debug":
        # What a library does at every start and stop is its own affair.
        for name in ("faust", "mode", "aiokafka", "pipeline.streams", "httpx", "asyncio"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # It warns of each round that takes longer than the pause between two: the metrics tell that.
        logging.getLogger("mode.timers").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))
