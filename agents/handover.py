"""A backfill hands over to the live agent: where the files end, the stream goes on."""

from datetime import UTC, datetime
from typing import Final

from agents.cursor import CursorFile
from agents.format_name import FormatName
from agents.protocol import Position
from agents.replay import Replay, ReplayConfig
from agents.tally import Tally
from pipeline.errors import ConfigError
from pipeline.settings import Settings

_FORMATS: Final[dict[str, FormatName]] = {"bluesky": "jetstream"}
"""Whose past there is in files with the ids of the stream, and that can be asked to begin at a moment."""


class Handover:
    """
    From the replay of a file to the live agent of the same events.

    Both have one memory: what both tell is published with the same id and stamps, and a deletion in the stream finds
    its record from the file. The stream begins a little before the end of the file, well within the horizon in which
    the fold recognises an id.
    """

    def __init__(self, name: str, config: ReplayConfig, settings: Settings) -> None:
        """
        Prepare to hand over.

        Args:
            name: The live agent.
            config: What is replayed before it.
            settings: The deployment of both.

        Raises:
            ConfigError: The file does not tell what the live agent will, or not when.
        """
        if _FORMATS.get(name) != config.format:
            raise ConfigError(f"--before {name} needs --format {_FORMATS.get(name)}: the ids are those of its stream")
        if config.shift or config.limit is not None:
            raise ConfigError("--before needs the file as it is: leave out --shift and --limit")
        self._name = name
        self._cursor = CursorFile(settings.data_dir / "cursors" / f"{name}.json")

    def complete(self, replay: Replay, tally: Tally) -> str:
        """
        Let the live agent begin where the file ended, unless it has come further; returns what to tell the user.

        A replay that was stopped, or that the broker has not acknowledged whole, hands nothing over.

        Raises:
            ConfigError: The cursor cannot be written.
        """
        if not replay.is_ended or tally.unacknowledged or replay.reached is None:
            return f"{self._name}: not yet, the file is not through: replay it again with --resume"
        held = self._cursor.load()
        position: Position = {"time_us": replay.reached * 1_000}
        if held is not None and int(held["time_us"]) >= replay.reached * 1_000:
            position = held
        else:
            self._cursor.save(position)
        moment = datetime.fromtimestamp(int(position["time_us"]) // 1_000_000, UTC)
        return f"{self._name}: goes on from {moment:%Y-%m-%d %H:%M:%S} UTC: clout agent {self._name}"
