"""
`clout calibrate`: fit the scale from 1 to 100 to the users of a deployment.

The users come from the topic of scores, from a snapshot, or from a file of score documents, one a line. Each score is
taken back to the level of influence that it stands for, and a new reference distribution is fitted to these levels.
The result is a data file like the one that the package ships. `CLOUT_MODEL` names it to every worker, and to `clout
replay`: scores of two models cannot be compared, so its name is another one, too.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from aiokafka import TopicPartition
from cyclopts import Parameter
from numpy.typing import NDArray

from pipeline.deployment import state_config
from pipeline.errors import ConfigError, ContractError
from pipeline.log_reader import LogReader
from pipeline.scoring.model import bucket, reference, use
from pipeline.scoring.population import Reference, fit
from pipeline.settings import Settings, load_settings
from pipeline.snapshot.beginning import Beginning
from pipeline.snapshot.file import is_snapshot
from pipeline.snapshot.outline import Outline
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from schemas import ScoreDocument

USERS_LEAST: Final = 1_000
"""Fewer say too little about the hundredth of them from which the rest of the scale is continued."""

_DOCUMENT: Final = msgspec.json.Decoder(ScoreDocument)

Known = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scores, [n], and factors from 0 to 100, [n, 3], of users whom somebody engages with."""


def calibrate_command(
    source: Annotated[
        Path | None, Parameter(help="A snapshot, or score documents, one a line; else the topic.")
    ] = None,
    *,
    name: Annotated[str, Parameter(help="The name of the new model, which every score will carry.")],
    output: Annotated[Path | None, Parameter(help="Where to write it; NAME.json by default.")] = None,
    broker: Annotated[str | None, Parameter(help="Kafka: kafka://host:port")] = None,
) -> None:
    """Fit the scale of scores to the users at hand, and write it as a model of its own."""
    settings = load_settings(broker=broker)
    use(settings.model)
    score, factors = _of_topic(settings) if source is None else known_of_file(source, settings)
    fitted = calibrate(name, str(source or f"the topic {settings.topic_prefix}scores"), score, factors)
    path = output or Path(f"{name}.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(fitted), indent=1) + b"\n")
    print(_summary(score, fitted, path))  # noqa: T201 - the command's output


def calibrate(name: str, source: str, score: NDArray[np.float64], factors: NDArray[np.float64]) -> Reference:
    """
    Return the reference distribution of these users.

    Args:
        name: The name of the new model.
        source: Where the users come from.
        score: float64[n], of the model in use.
        factors: float64[n, 3], from 0 to 100.

    Raises:
        ConfigError: There are too few users, or the name is that of the model in use.
    """
    if name == reference().model:
        raise ConfigError(f"{name} is the model in use: a new scale needs a name of its own (--name)")
    if len(score) < USERS_LEAST:
        raise ConfigError(f"{source} holds {len(score):,} users with engagement: a scale needs {USERS_LEAST:,} or more")
    parts = [curve.level(column / 100.0) for curve, column in zip(reference().factors, factors.T, strict=True)]
    text = f"{len(score):,} users of {source}, scored by {reference().model}"
    return fit(name, text, reference().level(score), np.stack(parts, axis=1))


def known_of_file(path: Path, settings: Settings) -> Known:
    """
    Return the users of a snapshot or of a file of score documents.

    Raises:
        ConfigError: The file cannot be read, or holds scores of another model.
        ContractError: It is damaged, or a line is no score document.
    """
    try:
        if is_snapshot(path):
            return _of_snapshot(path, settings)
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return _of_documents(_decoded(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip())


def _decoded(value: bytes, where: str) -> ScoreDocument:
    try:
        return _DOCUMENT.decode(value)
    except msgspec.MsgspecError as error:
        raise ContractError(f"{where} is no score document: {error}") from error


def _of_documents(documents: Iterable[ScoreDocument]) -> Known:
    """Return what the newest document of each user says."""
    newest: dict[str, ScoreDocument] = {}
    used = reference().model
    for document in documents:
        if document.model != used:
            raise ConfigError(
                f"{document.user} was scored by {document.model}, not by {used}: name that model with CLOUT_MODEL"
            )
        held = newest.get(document.user)
        if held is None or document.version >= held.version:
            newest[document.user] = document
    engaged = [document for document in newest.values() if document.engagers > 0]
    factors = [msgspec.structs.astuple(document.factors) for document in engaged]
    return np.array([document.score for document in engaged]), np.array(factors).reshape(-1, 3)


def _of_snapshot(path: Path, settings: Settings) -> Known:
    outline = Outline.of(path, settings.partitions)
    scores, factors = [np.zeros(0)], [np.zeros((0, 3))]
    for number in range(settings.partitions):
        part = Partition(number, state_config(settings))
        Beginning(path, outline, None).put_into(part)
        seen, found = standing(part, np.arange(len(part)))
        engaged = seen.engagers > 0
        scores.append(found.score[engaged])
        factors.append(found.factors[engaged])
    return np.concatenate(scores), np.concatenate(factors)


def _of_topic(settings: Settings) -> Known:
    return asyncio.run(_read_topic(settings))


async def _read_topic(settings: Settings) -> Known:
    topic = f"{settings.topic_prefix}scores"
    newest: dict[bytes, bytes | None] = {}
    async with LogReader(settings) as reader:
        starts = await reader.begins([TopicPartition(topic, number) for number in range(settings.partitions)])
        async for _, records in reader.read(starts):
            # The newest record of a user holds the highest version, but for what a crash wrote twice.
            newest.update({record.key: record.value for record in records if record.key is not None})
    return _of_documents(_decoded(value, topic) for value in newest.values() if value is not None)


def _summary(before: NDArray[np.float64], fitted: Reference, path: Path) -> str:
    after = fitted.score(reference().level(before))
    lines = [f"{len(before):,} users       {reference().model:>12}{fitted.model:>16}"]
    rows = (("mean", np.mean), ("median", np.median), ("highest", np.max))
    lines += [f"{title:<14}{measure(before):>18.2f}{measure(after):>16.2f}" for title, measure in rows]
    lines.append(f"{'90 and above':<14}{int((bucket(before) == 9).sum()):>18}{int((bucket(after) == 9).sum()):>16}")
    lines.append(f"written to {path}: set CLOUT_MODEL={path.resolve()} for every worker and for clout replay")
    return "\n".join(lines)
