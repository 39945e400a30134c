"""
Alert rules in a file, for those who keep configuration in git.

    [[rule]]
    name = "press"
    occasions = ["rise"]
    above_score = 60
    level = 2
    channels = [{ kind = "slack", url = "https://hooks.slack.com/services/.." }]

It is read anew when it changes; while a change is wrong the rules before it stay in force.
"""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.errors import ConfigError
from pipeline.logs import get_logger
from pipeline.lookup.alerts.checks import ChannelChecks
from schemas import AlertRule, WebhookChannel

log = get_logger(__name__)

OWNER: Final = "file"
_LOOK_S: Final = 2.0


def read_rules(path: Path, checks: ChannelChecks) -> list[AlertRule]:
    """
    Return the rules of a file.

    Raises:
        ConfigError: It cannot be read, or a field of a rule cannot be used; file, rule and field are named.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"CLOUT_ALERT_RULES={path}: {exc}") from exc
    listed = document.get("rule", [])
    if set(document) - {"rule"} or not isinstance(listed, list):
        raise ConfigError(f"CLOUT_ALERT_RULES={path}: expected nothing but tables [[rule]]")
    rules = [_rule(path, place, fields, checks) for place, fields in enumerate(listed)]
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"CLOUT_ALERT_RULES={path}: rule.name: {name} stands twice")
    return rules


def _rule(path: Path, place: int, fields: Any, checks: ChannelChecks) -> AlertRule:
    where = f"CLOUT_ALERT_RULES={path}: rule[{place}]"
    known = set(AlertRule.__struct_fields__) - {"id", "owner"}
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: expected a table")
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]}: there is no such field; there are {', '.join(sorted(known))}")
    try:
        rule = msgspec.convert(
            {**fields, "type": "rule", "id": f"rule:{OWNER}/{fields.get('name', '')}", "owner": OWNER}, AlertRule
        )
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    flaw = checks.rule(rule, is_admin=True)
    if flaw is not None:
        raise ConfigError(f"{where}.{flaw[0]}: {flaw[1]}")
    for number, channel in enumerate(rule.channels):
        if isinstance(channel, WebhookChannel) and not channel.secret:
            raise ConfigError(f"{where}.channels[{number}].secret: give one, whsec_ and Base64 of 24 to 64 bytes")
    return rule


class RulesFile:
    """The rules of a file, or none."""

    def __init__(self, path: str, checks: ChannelChecks, now: Callable[[], float] = time.monotonic) -> None:
        """
        Read the file.

        Raises:
            ConfigError: As `read_rules`.
        """
        self._path = Path(path) if path else None
        self._checks = checks
        self._now = now
        self._look_at = 0.0
        self._seen = self._stamp()
        self.rules: list[AlertRule] = read_rules(self._path, checks) if self._path else []

    def refresh(self) -> None:
        """Read it anew if it has changed; looks every two seconds."""
        if self._path is None or self._now() < self._look_at:
            return
        self._look_at = self._now() + _LOOK_S
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.rules = read_rules(self._path, self._checks)
        except ConfigError as exc:
            log.error("the rules before stay in force", reason=str(exc))  # noqa: TRY400 - the reason says it all
        else:
            log.info("alert rules were read anew", count=len(self.rules))

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size)
