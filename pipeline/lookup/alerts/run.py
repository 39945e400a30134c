"""Runs the alerter: the reader of topics and the delivery engine."""

import asyncio
from typing import Final

import msgspec

from pipeline.clock import system_clock
from pipeline.control.desk import ControlDesk
from pipeline.errors import BrokerUnavailableError
from pipeline.logs import get_logger
from pipeline.lookup.access.mirror import Mirror
from pipeline.lookup.alerts.alerter import Alerter, all_of
from pipeline.lookup.alerts.checks import ChannelChecks
from pipeline.lookup.alerts.memory import Memory
from pipeline.lookup.alerts.rulesfile import OWNER, RulesFile
from pipeline.lookup.alerts.source import AlertSource
from pipeline.lookup.alerts.subscriptions import owner_flaw, unwanted
from pipeline.lookup.connection import connect, redacted
from pipeline.lookup.delivery.delivery import Delivery
from pipeline.lookup.delivery.engine import Engine
from pipeline.lookup.delivery.http import HttpSender
from pipeline.lookup.delivery.mail import MailSender
from pipeline.lookup.delivery.queue import DeliveryQueue
from pipeline.lookup.delivery.topic import TopicSender
from pipeline.probe import serve_probes
from pipeline.settings import Settings
from schemas import Subscription

log = get_logger(__name__)

_TIMEOUT_S: Final = 2.0


async def run(settings: Settings) -> None:
    """
    Run until cancelled.

    Raises:
        ConfigError: The port is taken, or the rules file or a setting cannot be used.
    """
    checks = ChannelChecks(settings)
    rules_file = RulesFile(settings.alert_rules, checks)
    mail = MailSender(settings.smtp_url.get_secret_value(), settings.smtp_from)
    redis = connect(settings.redis, _TIMEOUT_S)
    desk = ControlDesk(settings, Mirror(redis))
    queue = DeliveryQueue(redis)
    source = AlertSource(settings)
    alerter = Alerter(source, queue, Memory(redis), desk.table, rules_file)

    def wanted(delivery: Delivery) -> str | None:
        if not desk.table.is_complete:
            # The records are being read: nothing is dropped for want of them.
            return None
        if delivery.source.startswith("subscription:"):
            return unwanted(desk.table, delivery, system_clock())
        return None if delivery.owner == OWNER else owner_flaw(desk.table, delivery.owner, system_clock())

    async def gone(delivery: Delivery) -> None:
        subscription = desk.table.get(delivery.source, Subscription)
        if subscription is None:
            return
        try:
            await desk.put(msgspec.structs.replace(subscription, disabled="the receiver answered 410"))
        except BrokerUnavailableError as exc:
            log.warning("a subscription could not be disabled: its receiver will be asked again", reason=str(exc))

    async def alert() -> None:
        # A spike that is read before the rules would pass in silence, and its offset would be noted.
        await desk.completed()
        await alerter.run()

    engine = Engine(
        queue, HttpSender(checks.allowed, system_clock), mail, TopicSender(settings), wanted=wanted, gone=gone
    )
    log.info("alerter starts", broker=settings.broker, redis=redacted(settings.redis), rules=len(rules_file.rules))
    desk.start()
    try:
        async with serve_probes(settings.host, settings.alerter_port, lambda: alerter.is_ready):
            await all_of(asyncio.create_task(alert()), asyncio.create_task(engine.run()))
    finally:
        await source.stop()
        await desk.close()
        await redis.aclose()
