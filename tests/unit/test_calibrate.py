"""A scale is fitted to the users at hand, wherever they come from."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.calibrate import calibrate, calibrate_command, known_of_file
from pipeline.deployment import state_config
from pipeline.errors import ConfigError, ContractError
from pipeline.scoring import model
from pipeline.scoring.model import DEFAULT, reference
from pipeline.scoring.population import load
from pipeline.settings import Settings
from tests.support.settings import make_settings
from tests.unit.lookup.documents import score_document
from tests.validity.reference import simulate

USERS = 20_000
ACCOUNTS = simulate(USERS, seed=11, exponent=2.0)
PEOPLE = model.score(ACCOUNTS)


def write(path: Path, users: int = USERS, **changes: object) -> Path:
    """Write the score documents of some of these people, a line each."""
    names = tuple(score_document("x:a").factors.__struct_fields__)
    factors = type(score_document("x:a").factors)
    with path.open("wb") as file:
        for i, (score, parts) in enumerate(
            zip(PEOPLE.score[:users].tolist(), PEOPLE.factors[:users].tolist(), strict=True)
        ):
            known = {"model": DEFAULT, "factors": factors(**dict(zip(names, np.round(parts, 2).tolist(), strict=True)))}
            document = score_document(f"x:{i}", round(score, 2), **(known | changes))
            file.write(msgspec.json.encode(document) + b"\n")
    return path


def test_a_file_of_scores_becomes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its users have a mean of 20 on the new scale, and no more of them are above 90 than should be."""
    source, output = write(tmp_path / "scores.ndjson"), tmp_path / "ours.json"
    calibrate_command(source, name="ours-1", output=output)
    fitted = load(str(output))
    assert fitted.model == "ours-1"
    level = reference().level(PEOPLE.score)
    assert fitted.score(level).mean() == pytest.approx(20, abs=0.1)
    assert (fitted.score(level) > 90).mean() <= 1e-4
    assert fitted.percentile(np.array([np.median(level)]))[0] == pytest.approx(50, abs=0.5)
    printed = capsys.readouterr().out
    assert f"CLOUT_MODEL={output}" in printed
    assert "ours-1" in printed


def test_scores_are_taken_back_to_what_they_stand_for() -> None:
    """Fitting to the population that the model was fitted to changes nothing much."""
    same = model.score(simulate(200_000, seed=12))
    fitted = calibrate("same", "a test", same.score, same.factors)
    np.testing.assert_allclose(fitted.score(reference().level(same.score)), same.score, atol=0.5)
    for own, other in zip(fitted.factors, reference().factors, strict=True):
        assert own.unit == pytest.approx(other.unit, rel=0.02)


def test_a_small_population_has_its_tail_continued() -> None:
    """A thousand users do not make the first among them one in a hundred thousand."""
    fitted = calibrate("small", "a test", PEOPLE.score[:1_000], PEOPLE.factors[:1_000])
    whole = calibrate("whole", "a test", PEOPLE.score, PEOPLE.factors)
    top = np.quantile(reference().level(PEOPLE.score), [0.99, 0.999])
    assert fitted.score(top).max() < 86
    np.testing.assert_allclose(fitted.score(top), whole.score(top), atol=6)


def test_the_newest_document_of_a_user_counts(tmp_path: Path) -> None:
    """A file may hold a user's history; whom nobody engages with is no part of the population."""
    path = tmp_path / "scores.ndjson"
    documents = [score_document("x:a", score, version, model=DEFAULT) for version, score in ((2, 50.0), (1, 40.0))]
    documents.append(score_document("x:b", 1.0, engagers=0, model=DEFAULT))
    path.write_bytes(b"\n\n".join(map(msgspec.json.encode, documents)))
    score, factors = known_of_file(path, make_settings("kafka://none", "redis://none", tmp_path))
    assert score.tolist() == [50.0]
    assert factors.shape == (1, 3)


def test_what_cannot_be_fitted_is_said(tmp_path: Path) -> None:
    """Too few users, the name in use, another model's scores, a line that is none, a file that is not there."""
    few = write(tmp_path / "few.ndjson", 999)
    with pytest.raises(ConfigError, match="999 users with engagement: a scale needs 1,000"):
        calibrate_command(few, name="ours")
    with pytest.raises(ConfigError, match="model in use"):
        calibrate_command(few, name=DEFAULT)
    with pytest.raises(ConfigError, match="scored by theirs, not by"):
        calibrate_command(write(tmp_path / "theirs.ndjson", 3, model="theirs"), name="ours")
    (tmp_path / "bad.ndjson").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ContractError, match="is no score document"):
        calibrate_command(tmp_path / "bad.ndjson", name="ours")
    with pytest.raises(ConfigError, match="cannot be read"):
        calibrate_command(tmp_path / "missing.ndjson", name="ours")


def test_a_model_that_is_none_is_said(tmp_path: Path) -> None:
    """By the setting that names it."""
    with pytest.raises(ConfigError, match="CLOUT_MODEL: there is no model clout-0"):
        load("clout-0")
    path = tmp_path / "model.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no model that"):
        load(str(path))


def test_a_deployment_scores_by_the_model_that_it_names(tmp_path: Path) -> None:
    """Every process that folds asks for its configuration; what it stamps and says is that model's."""
    usual = reference()
    path = tmp_path / "ours.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(usual, model="ours", curve=usual.factors[0])))
    try:
        state_config(Settings(model=str(path)))
        assert reference().model == "ours"
        assert (model.score(ACCOUNTS).score != PEOPLE.score).any()
        with pytest.raises(ConfigError, match="CLOUT_MODEL"):
            state_config(Settings(model="clout-0"))
    finally:
        state_config(Settings())
    assert reference() == usual
