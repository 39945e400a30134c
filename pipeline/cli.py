"""
The console script `clout`.

Commands are named here and imported when they are called: `clout --help` must not wait for a web framework.
"""

import os
import signal
import sys
from importlib.metadata import version

from cyclopts import App, Group, Parameter

from pipeline.errors import PipelineError

app = App(
    name="clout",
    help="A streaming influence score from 1 to 100: engagement in, explained scores out within a second.",
    help_epilogue="Every setting is an environment variable too: see .env.example.",
    version=lambda: version("clout"),
    # A flag is given or not: no `--no-demo`.
    default_parameter=Parameter(negative_bool=()),
)

_COMMANDS = {
    "Everything in one terminal": {
        "up": ("pipeline.local.commands:up", "Run every role, with a broker and a Valkey of its own."),
    },
    "Roles of a deployment": {
        "worker": ("pipeline.streams.commands:worker", "Fold engagements into scores."),
        "sink": ("pipeline.lookup.commands:sink", "Write scores to Redis."),
        "serve": ("pipeline.lookup.commands:serve", "Answer over HTTP."),
        "alerter": ("pipeline.lookup.commands:alerter", "Send webhooks and alerts."),
        "agent": ("agents.commands:app", "Bring engagements of a network into the pipeline."),
    },
    "Reading": {
        "score": ("pipeline.lookup.commands:score", "Show the score of users."),
        "explain": ("pipeline.lookup.commands:explain", "Show who and what stands behind a score."),
        "moments": ("pipeline.lookup.commands:moments", "Show which posts moved a score."),
        "top": ("pipeline.lookup.commands:top", "Show the leaderboard."),
        "watch": ("pipeline.lookup.commands:watch", "Follow scores as they change."),
    },
    "Administration": {
        "link": ("pipeline.identities:link", "Let an account contribute to a person's score."),
        "unlink": ("pipeline.identities:unlink", "Let an account belong to itself alone again."),
        "alerts": ("pipeline.lookup.alerts.commands:app", "Show, test and silence alerts."),
        "keys": ("pipeline.control.commands:app", "Create, rotate, list and revoke API keys."),
    },
    "Keeping": {
        "snapshot": ("pipeline.snapshot.commands:snapshot", "Write all rows to a file."),
        "restore": ("pipeline.snapshot.commands:restore", "Let empty topics begin with a snapshot."),
    },
    "Taking out": {
        "export": ("pipeline.lookup.commands:export", "Write scores, details or history of all users to a file."),
    },
    "Checking": {
        "doctor": ("pipeline.doctor:doctor", "Tell what is configured, reachable and lagging."),
        "replay": ("pipeline.replay:replay_command", "Fold the topics once more and compare with Redis."),
        "calibrate": ("pipeline.calibrate:calibrate_command", "Fit the scale of scores to the users at hand."),
    },
}

for _title, _members in _COMMANDS.items():
    _group = Group.create_ordered(_title)
    for _place, (_name, (_path, _help)) in enumerate(_members.items()):
        app.command(_path, name=_name, help=_help, group=_group, sort_key=_place)


def _end_at_once_on_sigterm() -> None:
    """Until a role has a handler of its own it has begun nothing: a stop while it still imports is a regular end."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def main() -> None:
    """Run the command line; an expected error is one line and exit status 1."""
    if sys.argv[1:] and sys.argv[1] in _COMMANDS["Roles of a deployment"]:
        _end_at_once_on_sigterm()
    try:
        app()
    except PipelineError as exc:
        print(f"clout: {exc}", file=sys.stderr)  # noqa: T201 - a command's own message
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`clout top | head`) has seen enough; the interpreter must not flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
