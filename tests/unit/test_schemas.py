"""The contract: Structs, generated JSON Schema files and examples say the same."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from schemas import DeadLetter, Engagement, is_user_id, native_of, network_of
from schemas.generate import DIRECTORY, EXAMPLES, RECORDS, main, stale_files, write_files

ALL_EXAMPLES = sorted(EXAMPLES.glob("*.json"))


def record_of(example: Path) -> str:
    """Return the record of an example: `engagement` of `engagement.like.json`."""
    return example.name.partition(".")[0]


def like(**changes: Any) -> bytes:
    """Return a like, changed."""
    return msgspec.json.encode({**json.loads((EXAMPLES / "engagement.like.json").read_text()), **changes})


def test_every_record_has_an_example() -> None:
    """No record of the contract is without an example, no example without a record."""
    assert {record_of(example) for example in ALL_EXAMPLES} == set(RECORDS)


@pytest.mark.parametrize("example", ALL_EXAMPLES, ids=lambda path: path.stem)
def test_an_example_survives_decoding_and_encoding(example: Path) -> None:
    """What is decoded and encoded again is the same JSON: nothing is lost, nothing added."""
    value = msgspec.json.decode(example.read_bytes(), type=RECORDS[record_of(example)])
    assert json.loads(msgspec.json.encode(value)) == json.loads(example.read_text())


@pytest.mark.parametrize("example", ALL_EXAMPLES, ids=lambda path: path.stem)
def test_an_example_follows_its_schema_file(example: Path) -> None:
    """The JSON Schema file, as other programs use it, accepts the example."""
    schema = json.loads((DIRECTORY / f"{record_of(example)}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(example.read_text()))


def test_the_schema_files_are_up_to_date() -> None:
    """Whoever changes a Struct generates the files anew."""
    assert stale_files() == []
    assert main(["--check"]) == 0


def test_the_check_names_what_is_stale(tmp_path: Path) -> None:
    """A file that is missing, differs, or belongs to no record is stale until it is written anew."""
    write_files(tmp_path)
    (tmp_path / "tick.json").unlink()
    (tmp_path / "post.json").write_text("{}")
    (tmp_path / "forgotten.json").write_text("{}")
    assert [path.name for path in stale_files(tmp_path)] == ["forgotten.json", "post.json", "tick.json"]
    write_files(tmp_path)
    assert stale_files(tmp_path) == []


def test_an_unknown_option_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The generator does not guess."""
    assert main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err


def test_unknown_fields_are_ignored() -> None:
    """A newer producer may say more."""
    assert msgspec.json.decode(like(mood="happy"), type=Engagement).kind == "like"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x" * 513},
        {"kind": "poke"},
        {"time": "yesterday"},
        {"time": -1},
        {"time": 1.5},
        {"actor": None},
        {"tags": ["x"] * 65},
        {"actor_score": 101},
        {"undo": "yes"},
    ],
    ids=str,
)
def test_a_record_that_breaks_the_contract_is_refused(changes: dict[str, Any]) -> None:
    """Wrong types, empty ids and values out of range do not decode, and the schema file refuses them too."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(like(**changes), type=Engagement)
    schema = json.loads((DIRECTORY / "engagement.json").read_text())
    assert not jsonschema.Draft202012Validator(schema).is_valid(json.loads(like(**changes)))


def test_dead_letter_headers_are_read_as_they_were_written() -> None:
    """The headers of a dead letter are text, whatever stands in the topic's name."""
    letter = DeadLetter("invalid_json: truncated", "clout.likes", 3, 81452)
    assert DeadLetter.from_headers(letter.headers()) == letter


def test_an_id_has_a_network_and_a_native_id() -> None:
    """Everything before the first colon is the network; the native id may hold colons."""
    assert network_of("bluesky:did:plc:aaa") == "bluesky"
    assert native_of("bluesky:did:plc:aaa") == "did:plc:aaa"
    assert network_of("nobody") == ""
    assert native_of("nobody") == "nobody"
    assert is_user_id("bluesky:did:plc:aaa")
    assert not any(map(is_user_id, ("nobody", ":native", "network:", "")))
