"""
Writes the JSON Schema files and the AsyncAPI document from the Structs, or checks that they are up to date.

    python -m schemas.generate [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import (
    AccountContribution,
    Change,
    Control,
    DeadLetter,
    Details,
    Engagement,
    Gone,
    HistoryPoint,
    Identity,
    Post,
    Profile,
    Reset,
    ScoreDocument,
    Spike,
    Tick,
)
from schemas.asyncapi import document

DIRECTORY: Final = Path(__file__).parent / "json"
ASYNCAPI: Final = "asyncapi.json"
EXAMPLES: Final = Path(__file__).parent / "examples"

RECORDS: Final[dict[str, Any]] = {
    "engagement": Engagement,
    "post": Post,
    "profile": Profile,
    "identity": Identity,
    "contribution": AccountContribution,
    "tick": Tick,
    "score": ScoreDocument,
    "details": Details,
    "history": HistoryPoint,
    "spike": Spike,
    "change": Change,
    "gone": Gone,
    "reset": Reset,
    "control": Control,
    "dead-letter": DeadLetter,
}
"""Every record of the contract, by the name of its file: a Struct or a union; a dead letter's are its headers."""


def schema_text(record: Any) -> str:
    """Return the text of a record's JSON Schema file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(record)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def texts() -> dict[str, str]:
    """Return the text of each generated file by its name."""
    schemas = {f"{name}.json": schema_text(record) for name, record in RECORDS.items()}
    return {**schemas, ASYNCAPI: json.dumps(document(RECORDS), indent=2, ensure_ascii=False) + "\n"}


def stale_files(directory: Path = DIRECTORY) -> list[Path]:
    """Return the files that are missing, differ from the Structs, or belong to no record."""
    wanted = {directory / name: text for name, text in texts().items()}
    differing = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    return sorted([*differing, *(set(directory.glob("*.json")) - wanted.keys())])


def write_files(directory: Path = DIRECTORY) -> None:
    """Bring the files up to date."""
    directory.mkdir(exist_ok=True)
    wanted = texts()
    for path in stale_files(directory):
        if path.name in wanted:
            path.write_text(wanted[path.name])
        else:
            path.unlink()


def main(arguments: list[str]) -> int:
    """Write, or with `--check` name what is stale; return the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m schemas.generate [--check]", file=sys.stderr)  # noqa: T201 - a command's own message
        return 2
    if not arguments:
        write_files()
        return 0
    stale = stale_files()
    for path in stale:
        print(f"stale: {path.name}; run `python -m schemas.generate`", file=sys.stderr)  # noqa: T201 - likewise
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
