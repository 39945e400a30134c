"""What rules and subscriptions must be to be taken; what they are not is named by its field."""

from collections.abc import Sequence

import msgspec

from pipeline.lookup.access.addresses import Network, parse_networks
from pipeline.lookup.delivery.egress import url_flaw
from pipeline.lookup.delivery.signing import is_secret, new_secret
from pipeline.settings import Settings
from schemas import (
    AlertRule,
    Channel,
    EmailChannel,
    KafkaChannel,
    WebhookChannel,
    is_user_id,
)

Flaw = tuple[str, str]
"""A field, and what is wrong with it."""


class ChannelChecks:
    """Checks for one deployment."""

    def __init__(self, settings: Settings) -> None:
        self.allowed: Sequence[Network] = parse_networks("CLOUT_DELIVERY_NETWORKS", settings.delivery_networks)
        self._prefix = settings.topic_prefix
        self._has_mail = bool(settings.smtp_url.get_secret_value())

    def url(self, url: str) -> str | None:
        """Return why deliveries cannot go to a URL, or None."""
        return url_flaw(url, self.allowed)

    def rule(self, rule: AlertRule, *, is_admin: bool) -> Flaw | None:
        """Return what is wrong with a rule; only administrators speak through the deployment's own servers."""
        for place, user in enumerate(rule.users or ()):
            if not is_user_id(user):
                return f"users[{place}]", "expected network:native-id, for example github:torvalds"
        for place, channel in enumerate(rule.channels):
            flaw = self._channel(channel, is_admin=is_admin)
            if flaw is not None:
                return f"channels[{place}].{flaw[0]}", flaw[1]
        return None

    def _channel(self, channel: Channel, *, is_admin: bool) -> Flaw | None:
        if isinstance(channel, EmailChannel | KafkaChannel) and not is_admin:
            return "kind", "this channel uses the deployment's own servers: it needs a key with the scope admin"
        if isinstance(channel, EmailChannel):
            return None if self._has_mail else ("kind", "no SMTP server is set: CLOUT_SMTP_URL")
        if isinstance(channel, KafkaChannel):
            is_own = channel.topic.startswith(self._prefix)
            return ("topic", "this is one of the pipeline's own topics") if is_own else None
        flaw = self.url(channel.url)
        if flaw is not None:
            return "url", flaw
        if isinstance(channel, WebhookChannel) and channel.secret and not is_secret(channel.secret):
            return "secret", "expected whsec_ and Base64 of 24 to 64 bytes"
        return None


def with_secrets(rule: AlertRule) -> AlertRule:
    """Return a rule whose webhooks all have a secret."""
    channels = [
        msgspec.structs.replace(channel, secret=channel.secret or new_secret())
        if isinstance(channel, WebhookChannel)
        else channel
        for channel in rule.channels
    ]
    return msgspec.structs.replace(rule, channels=channels)


def without_secrets(rule: AlertRule) -> AlertRule:
    """Return a rule as it is shown: secrets are shown once."""
    channels = [
        msgspec.structs.replace(channel, secret="") if isinstance(channel, WebhookChannel) else channel
        for channel in rule.channels
    ]
    return msgspec.structs.replace(rule, channels=channels)
