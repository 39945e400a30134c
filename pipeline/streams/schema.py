"""The schema of record batches: nothing is decoded before the fold."""

from typing import Any

import faust


class FetchedSchema(faust.Schema):
    """Passes the fetch on as it is."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Return no key: each record has one of its own."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        """Return the fetch."""
        return message.value
