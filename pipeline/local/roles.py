"""The roles of a deployment: how each is started and how it says that it is ready."""

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role: its command, the setting of its port, and the path that answers 200 when it is ready."""

    name: str
    port_setting: str
    ready_path: str

    def command(self) -> list[str]:
        """Return the command that runs the role in a process."""
        return [sys.executable, "-m", "pipeline.cli", self.name]


WORKER: Final = RoleSpec("worker", "CLOUT_WORKER_PORT", "/readyz")
SINK: Final = RoleSpec("sink", "CLOUT_SINK_PORT", "/readyz")
SERVE: Final = RoleSpec("serve", "CLOUT_PORT", "/readyz")
ALERTER: Final = RoleSpec("alerter", "CLOUT_ALERTER_PORT", "/readyz")
ROLES: Final = {role.name: role for role in (WORKER, SINK, SERVE, ALERTER)}

EMBEDDED_ENVIRONMENT: Final = {
    # The embedded broker has no idempotent producers ..
    "CLOUT_IDEMPOTENCE": "false",
    # .. and holds a group join for half the session timeout.
    "CLOUT_SESSION_TIMEOUT_S": "6",
}
"""What every role must be told beside the embedded broker."""


def answers(url: str) -> bool:
    """Tell whether a GET of `url` is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - an address of our own roles
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
