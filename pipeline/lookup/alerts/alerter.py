"""The alerter: reads, judges, and queues what is to be told, in one step with how far it has read."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
import stamina
from aiokafka.structs import ConsumerRecord

from pipeline.clock import Clock, system_clock
from pipeline.control.table import ControlTable
from pipeline.logs import get_logger
from pipeline.lookup import keys
from pipeline.lookup.alerts.memory import Group, Memory
from pipeline.lookup.alerts.messages import deliveries
from pipeline.lookup.alerts.occasion import Event, of_silence, of_spike
from pipeline.lookup.alerts.rules import Alert, Context, Told, group_of, judge
from pipeline.lookup.alerts.rulesfile import RulesFile
from pipeline.lookup.alerts.source import SCORES, SPIKES, AlertSource, Fetched
from pipeline.lookup.alerts.subscriptions import ScoreNews, Subscriptions
from pipeline.lookup.connection import AWAY
from pipeline.lookup.delivery.queue import DeliveryQueue, Step
from pipeline.metrics import ALERTS
from schemas import Acknowledgement, AlertRule, Silence, Spike, Tick

log = get_logger(__name__)

_WAIT_MS: Final = 200
_decode_score = msgspec.json.Decoder(ScoreNews).decode
_decode_spike = msgspec.json.Decoder(Spike).decode
_decode_tick = msgspec.json.Decoder(Tick).decode
_encode = msgspec.json.Encoder().encode


class Alerter:
    """One reader; of two that run, one reads and the other begins anew behind it."""

    def __init__(
        self,
        source: AlertSource,
        queue: DeliveryQueue,
        memory: Memory,
        table: ControlTable,
        rules_file: RulesFile,
        clock: Clock = system_clock,
    ) -> None:
        self._source = source
        self._queue = queue
        self._memory = memory
        self._table = table
        self._rules_file = rules_file
        self._subscriptions = Subscriptions(table)
        self._clock = clock
        self.is_ready = False

    async def run(self) -> None:
        """Work until cancelled; Kafka and Redis may be away for as long as they like."""
        await self._source.start()
        while True:
            async for attempt in _until_redis_answers():
                with attempt:
                    positions = await self._memory.load()
            is_ours = await self._add(Step(positions=await self._source.seek(positions)))
            self.is_ready = True
            while is_ours:
                is_ours = await self._step()
            log.info("another alerter has read on: beginning behind it")

    async def _step(self) -> bool:
        self._subscriptions.refresh()
        self._rules_file.refresh()
        await self._source.read_scores(wanted=self._subscriptions.want_scores)
        moved, fetched = await self._source.fetch(_WAIT_MS)
        step = Step(positions=moved)
        now = self._clock()
        async for attempt in _until_redis_answers():
            with attempt:
                scores = await self._memory.scores(self._users_of_spikes(fetched))
        self._take(step, fetched, scores, now)
        if self._source.is_current(now):
            self._look_for_silence(step, now)
        for name, group in self._memory.groups_due(now):
            self._send_group(step, name, group, now)
        if not (step.positions or step.notes or step.deliveries):
            return True
        return await self._add(step)

    async def _add(self, step: Step) -> bool:
        async for attempt in _until_redis_answers():
            with attempt:
                is_added = await self._queue.add(step)
        return is_added

    def _users_of_spikes(self, fetched: Fetched) -> list[str]:
        users = {
            (record.key or b"").decode("utf-8", "replace") for topic, rs in fetched if topic == SPIKES for record in rs
        }
        return sorted(users)

    def _take(self, step: Step, fetched: Fetched, scores: dict[str, float], now: int) -> None:
        for topic, records in fetched:
            if topic == SCORES:
                self._take_scores(step, records, now)
            elif topic == SPIKES:
                self._take_spikes(step, records, scores, now)
            else:
                self._take_ticks(step, records)

    def _take_scores(self, step: Step, records: Iterable[ConsumerRecord], now: int) -> None:
        for record in records:
            if record.value is None or not self._subscriptions.wants(record.key.decode("utf-8", "replace")):
                continue
            try:
                news = _decode_score(record.value)
            except msgspec.MsgspecError:
                log.warning("score left out", offset=record.offset)
                continue
            step.deliveries.extend((each, now) for each in self._subscriptions.of_score(news, now))

    def _take_spikes(self, step: Step, records: Iterable[ConsumerRecord], scores: dict[str, float], now: int) -> None:
        for record in records:
            if record.value is None:
                continue
            try:
                spike = _decode_spike(record.value)
            except msgspec.MsgspecError:
                log.warning("spike left out", offset=record.offset)
                continue
            step.deliveries.extend((each, now) for each in self._subscriptions.of_spike(spike, now))
            self._alert(step, of_spike(spike), scores.get(spike.user), now)

    def _take_ticks(self, step: Step, records: Iterable[ConsumerRecord]) -> None:
        heard = set()
        for record in records:
            try:
                tick = _decode_tick(record.value or b"")
            except msgspec.MsgspecError:
                continue
            before = self._memory.ticking.last.get(tick.source)
            self._memory.ticking.take(tick, record.timestamp)
            heard.add(tick.source)
            if before is not None:
                self._end_silence(step, tick.source, before, record.timestamp)
        self._memory.note_ticks(step, heard & self._memory.ticking.last.keys())

    # -- rules

    def _rules(self) -> list[AlertRule]:
        return [*self._rules_file.rules, *self._table.all(AlertRule)]

    def _alert(self, step: Step, event: Event, score: float | None, now: int) -> None:
        context = Context(
            now,
            list(self._table.all(Silence)),
            frozenset((each.owner, each.spike) for each in self._table.all(Acknowledgement)),
            self._memory.ticking.missing(event.network, now),
        )
        for rule in self._rules():
            alert = judge(rule, event, self._memory.told(rule.id, event.id), score, context)
            if alert is None:
                continue
            # What was told stays open when a later word of it is silenced.
            before = self._memory.told(rule.id, event.id)
            is_sent = alert.outcome == "sent" or (before is not None and before.is_sent)
            told = None if event.is_closed else Told(event.level, is_sent)
            self._memory.tell(step, rule.id, event.id, told)
            self._record(step, self._send(step, rule, alert, now))

    def _send(self, step: Step, rule: AlertRule, alert: Alert, now: int) -> Alert:
        if alert.outcome != "sent":
            return alert
        name = group_of(rule, alert.event)
        group = self._memory.group(name)
        if now < group.next_at:
            self._memory.put_group(step, name, Group(group.next_at, [*group.waiting, alert]))
            return msgspec.structs.replace(alert, outcome="grouped")
        self._memory.put_group(step, name, Group(now + rule.group_s * 1000))
        step.deliveries.extend((each, now) for each in deliveries(rule, [alert], now))
        return alert

    def _send_group(self, step: Step, name: str, group: Group, now: int) -> None:
        rule = next((each for each in self._rules() if group.waiting and each.id == group.waiting[0].rule), None)
        if rule is None:
            self._memory.put_group(step, name, None)
            return
        self._memory.put_group(step, name, Group(now + rule.group_s * 1000))
        step.deliveries.extend((each, now) for each in deliveries(rule, group.waiting, now))

    def _record(self, step: Step, alert: Alert) -> None:
        ALERTS.labels(alert.outcome).inc()
        step.log.append((keys.alert_log(alert.owner), _encode(alert).decode()))

    # -- agents

    def _look_for_silence(self, step: Step, now: int) -> None:
        ticking = self._memory.ticking
        self._memory.note_ticks(step, set(ticking.forget(now)))
        for source in ticking.dead(now):
            self._alert(step, of_silence(source, ticking.last[source], now, is_closed=False), None, now)

    def _end_silence(self, step: Step, source: str, before: int, now: int) -> None:
        event = of_silence(source, before, now, is_closed=True)
        if self._memory.is_told_by_anyone(event.id):
            self._alert(step, event, None, self._clock())


def _until_redis_answers() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(on=AWAY, attempts=None, timeout=None, wait_initial=0.1, wait_max=1.0)


async def all_of(*tasks: "asyncio.Task[None]") -> None:
    """Wait until one of several endless tasks fails or this is cancelled, then end the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
