"""Settings: where they come from, and which goes first."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.kafka import bootstrap_servers, client_options
from pipeline.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No `.env` of the developer."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_given_goes_before_the_environment_and_this_before_the_file(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option of the command line wins, then the environment, then `.env`, then the default."""
    (empty_directory / ".env").write_text("CLOUT_PORT=1\nCLOUT_SINK_PORT=2\nCLOUT_WORKER_PORT=3\n")
    monkeypatch.setenv("CLOUT_PORT", "4")
    monkeypatch.setenv("CLOUT_SINK_PORT", "5")
    settings = load_settings(port=6, broker=None)
    assert (settings.port, settings.sink_port, settings.worker_port) == (6, 5, 3)
    assert settings.broker == "kafka://127.0.0.1:9092"
    assert "broker" not in settings.model_fields_set


def test_every_problem_is_named_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error tells all that is wrong."""
    monkeypatch.setenv("CLOUT_PORT", "70000")
    monkeypatch.setenv("CLOUT_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match=r"CLOUT_PORT=70000: .*; CLOUT_LOG_LEVEL=loud: "):
        load_settings()


def test_settings_are_frozen() -> None:
    """A process reads them once; nothing changes them afterwards."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_the_password_is_not_shown() -> None:
    """A secret does not get into logs by way of the settings."""
    assert "hunter2" not in repr(Settings(sasl_password="hunter2"))  # type: ignore[arg-type]


def test_the_example_file_names_every_setting_with_its_default() -> None:
    """`.env.example` is complete, and copying it changes nothing."""
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines() if "CLOUT_" in line and "=" in line]
    given = dict(line.split("=", 1) for line in lines)
    assert set(given) == {f"CLOUT_{name.upper()}" for name in Settings.model_fields}
    defaults = Settings()
    for name in Settings.model_fields.keys() - {"sasl_password", "ssl_cafile", "data_dir"}:
        assert str(getattr(defaults, name)).lower() == given[f"CLOUT_{name.upper()}"].lower()


def test_the_address_of_a_broker_may_name_several() -> None:
    """`kafka://a:1,b:2` names two brokers; the scheme may be left out."""
    assert bootstrap_servers(Settings(broker="kafka://a:1, b:2")) == ["a:1", "b:2"]
    assert bootstrap_servers(Settings(broker="a:1")) == ["a:1"]


def test_a_client_without_sasl_gets_no_credentials() -> None:
    """Name and password are passed only where the protocol asks for them."""
    plain = client_options(Settings(sasl_username="ada"))
    assert plain["sasl_plain_username"] is None
    assert plain["ssl_context"] is None
    secure = client_options(Settings(security_protocol="SASL_SSL", sasl_username="ada", sasl_password="x"))  # type: ignore[arg-type]
    assert secure["sasl_plain_username"] == "ada"
    assert secure["ssl_context"]
    assert secure["ssl_context"].check_hostname
