"""Deliveries by e-mail, through the deployment's SMTP server."""

import asyncio
import smtplib
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from pipeline.errors import ConfigError
from pipeline.lookup.delivery.delivery import Delivery
from pipeline.lookup.delivery.outcome import Outcome
from schemas import EmailChannel

_TIMEOUT_S: Final = 10.0
_PORTS: Final = {"smtp": 587, "smtps": 465}


class MailSender:
    """
    Sends by `smtp://user:password@host:587` (STARTTLS where the server offers it) or by `smtps://`.

    Raises:
        ConfigError: The address of the server is none.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._parts = urlsplit(url)
        self._sender = sender
        if url and (self._parts.scheme not in _PORTS or not self._parts.hostname):
            raise ConfigError(
                "CLOUT_SMTP_URL: expected smtp://user:password@host:587 or smtps://user:password@host:465"
            )

    async def send(self, delivery: Delivery, channel: EmailChannel) -> Outcome:
        """Try once."""
        if not self._parts.hostname:
            return Outcome("retry", "no SMTP server is set: CLOUT_SMTP_URL")
        message = EmailMessage()
        message["Subject"] = delivery.subject
        message["From"] = self._sender
        message["To"] = ", ".join(channel.to)
        # The same each time, so that a mailbox knows a repeat.
        message["Message-ID"] = f"<{delivery.id}@{self._sender.partition('@')[2] or 'clout'}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(delivery.body)
        try:
            await asyncio.to_thread(self._submit, message)
        except (smtplib.SMTPException, OSError) as exc:
            return Outcome("retry", str(exc) or type(exc).__name__)
        return Outcome("delivered", "accepted by the SMTP server")

    def _submit(self, message: EmailMessage) -> None:
        parts = self._parts
        kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        with kind(parts.hostname or "", parts.port or _PORTS[parts.scheme], timeout=_TIMEOUT_S) as server:
            server.ehlo()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls()
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
