"""The app, before it runs."""

from pipeline.settings import Settings
from pipeline.streams.app import create_app


def test_an_app_that_was_only_made_belongs_to_no_loop_yet() -> None:
    """A table that finds a loop of its own when it is made waits for that one when it stops, for ever."""
    app = create_app(Settings(_env_file=None), name="made-for-a-test")
    assert app.engagement._loop is None
