"""Alerts: rules of a key, silences, acknowledgements, and what was told."""

import secrets
from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec

from pipeline.clock import system_clock
from pipeline.control.desk import ControlDesk
from pipeline.lookup import keys
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.alerts.checks import ChannelChecks, with_secrets, without_secrets
from pipeline.lookup.alerts.rules import Alert
from pipeline.lookup.api.answers import answered
from pipeline.lookup.api.fields import KEY_PROBLEMS, Limit
from pipeline.lookup.api.problems import InvalidFieldError, NotFoundError
from pipeline.lookup.api.subscriptions import DeliveryLog, LoggedDelivery
from pipeline.lookup.delivery.queue import DeliveryQueue
from schemas import Acknowledgement, AlertRule, Channel, Silence
from schemas.alert import Level, Name, Occasion

_NO_STORE: Final = {"Cache-Control": "no-store"}
_LIMIT: Final = 100
"""Rules of one key, and silences."""


class RuleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule; schemas/json/control.json says what each field means."""

    channels: Annotated[list[Channel], msgspec.Meta(min_length=1, max_length=8)]
    occasions: Annotated[tuple[Occasion, ...], msgspec.Meta(min_length=1, max_length=3)] = ("rise",)
    users: Annotated[list[str], msgspec.Meta(min_length=1, max_length=10_000)] | None = None
    above_score: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    networks: list[str] | None = None
    level: Level = 1
    authenticity: Annotated[str, msgspec.Meta(pattern="^(organic|suspicious)$")] = "suspicious"
    group_by: Annotated[str, msgspec.Meta(pattern="^(rule|user)$")] = "user"
    group_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    tell_closed: bool = True


class Rules(msgspec.Struct, frozen=True):
    """The rules of the key, without the secrets of their webhooks."""

    rules: list[AlertRule]


class SilenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when (Unix ms), and what: all that is named must fit; nothing named is everything."""

    until: Annotated[int, msgspec.Meta(ge=0)]
    rule: Name | None = None
    user: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    network: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    comment: Annotated[str, msgspec.Meta(max_length=512)] = ""


class Silences(msgspec.Struct, frozen=True):
    """The silences of the key, also those that are over."""

    silences: list[Silence]


class AcknowledgeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id of the spike that somebody cares for."""

    spike: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    comment: Annotated[str, msgspec.Meta(max_length=512)] = ""


class AlertLog(msgspec.Struct, frozen=True):
    """What the key's rules had to tell, the newest first, with what became of it."""

    alerts: list[Alert]


_decode_alert = msgspec.json.Decoder(Alert).decode


@get("/v1/alerts/rules", responses={200: ResponseSpec(Rules, description="All of them."), **KEY_PROBLEMS})
async def get_rules(caller: Caller, desk: ControlDesk) -> Response[Rules]:
    """Return the key's rules."""
    return Response(content=Rules([without_secrets(each) for each in _rules(desk, caller)]), headers=_NO_STORE)


@put("/v1/alerts/rules/{name:str}", responses={200: ResponseSpec(AlertRule, description="It holds."), **KEY_PROBLEMS})
async def put_rule(
    name: str, data: RuleRequest, caller: Caller, desk: ControlDesk, checks: ChannelChecks
) -> Response[AlertRule]:
    """
    Make or replace a rule. Secrets of webhooks that are made for it are shown this once.

    E-mail and Kafka go through the deployment's own servers: they need a key with the scope `admin`.
    """
    fields = {
        **msgspec.to_builtins(data),
        "type": "rule",
        "id": _rule_id(caller, name),
        "owner": caller.owner,
        "name": name,
    }
    try:
        rule = with_secrets(msgspec.convert(fields, AlertRule))
    except msgspec.ValidationError as exc:
        raise InvalidFieldError("name", str(exc)) from exc
    flaw = checks.rule(rule, is_admin=caller.may("admin"))
    if flaw is not None:
        raise InvalidFieldError(*flaw)
    if desk.table.get(rule.id, AlertRule) is None and len(_rules(desk, caller)) >= _LIMIT:
        raise InvalidFieldError("name", f"this key has {_LIMIT} rules: delete some")
    await desk.put(rule)
    return Response(content=rule, headers=_NO_STORE)


@delete("/v1/alerts/rules/{name:str}", status_code=204, responses=KEY_PROBLEMS)
async def delete_rule(name: str, caller: Caller, desk: ControlDesk) -> None:
    """Delete a rule."""
    await desk.delete(_found(desk, caller, name).id)


@get(
    "/v1/alerts/rules/{name:str}/deliveries",
    responses={200: ResponseSpec(DeliveryLog, description="The newest first."), **KEY_PROBLEMS},
)
async def get_rule_deliveries(
    name: str, caller: Caller, desk: ControlDesk, deliveries: DeliveryQueue
) -> Response[DeliveryLog]:
    """Return what a rule's channels were sent, and what came of it."""
    found = await answered(deliveries.log(_found(desk, caller, name).id))
    shown = [LoggedDelivery(e.id, e.status, e.created, e.subject, e.body, e.attempts) for e in found]
    return Response(content=DeliveryLog(shown), headers=_NO_STORE)


@get("/v1/alerts", responses={200: ResponseSpec(AlertLog, description="The newest first."), **KEY_PROBLEMS})
async def get_alerts(caller: Caller, deliveries: DeliveryQueue, limit: Limit = 20) -> Response[AlertLog]:
    """Return what the key's rules had to tell: sent, grouped, silenced, acknowledged, suppressed, or too old."""
    found = await answered(deliveries.entries(keys.alert_log(caller.owner), limit))
    return Response(content=AlertLog([_decode_alert(each) for each in found]), headers=_NO_STORE)


@get("/v1/alerts/silences", responses={200: ResponseSpec(Silences, description="All of them."), **KEY_PROBLEMS})
async def get_silences(caller: Caller, desk: ControlDesk) -> Response[Silences]:
    """Return the key's silences."""
    return Response(content=Silences(_silences(desk, caller)), headers=_NO_STORE)


@post("/v1/alerts/silences", responses={201: ResponseSpec(Silence, description="It holds."), **KEY_PROBLEMS})
async def post_silence(data: SilenceRequest, caller: Caller, desk: ControlDesk) -> Response[Silence]:
    """Silence alerts: they are recorded, and not sent."""
    if data.until <= system_clock():
        raise InvalidFieldError("until", "this is over")
    if len(_silences(desk, caller)) >= _LIMIT:
        raise InvalidFieldError("until", f"this key has {_LIMIT} silences: delete some")
    silence = Silence(
        f"silence:{secrets.token_hex(8)}", caller.owner, data.until, data.rule, data.user, data.network, data.comment
    )
    await desk.put(silence)
    return Response(content=silence, status_code=201, headers=_NO_STORE)


@delete("/v1/alerts/silences/{name:str}", status_code=204, responses=KEY_PROBLEMS)
async def delete_silence(name: str, caller: Caller, desk: ControlDesk) -> None:
    """End a silence."""
    found = desk.table.get(name if name.startswith("silence:") else f"silence:{name}", Silence)
    if found is None or found.owner != caller.owner:
        raise NotFoundError(f"there is no silence {name!r}")
    await desk.delete(found.id)


@post(
    "/v1/alerts/acknowledgements",
    responses={201: ResponseSpec(Acknowledgement, description="It holds."), **KEY_PROBLEMS},
)
async def post_acknowledgement(
    data: AcknowledgeRequest, caller: Caller, desk: ControlDesk
) -> Response[Acknowledgement]:
    """Say that somebody cares for a spike: the key's rules tell no more of it."""
    record = Acknowledgement(f"ack:{caller.owner}/{data.spike}", caller.owner, data.spike, system_clock(), data.comment)
    await desk.put(record)
    return Response(content=record, status_code=201, headers=_NO_STORE)


def _rule_id(caller: Caller, name: str) -> str:
    return f"rule:{caller.owner}/{name}"


def _rules(desk: ControlDesk, caller: Caller) -> list[AlertRule]:
    return [each for each in desk.table.all(AlertRule) if each.owner == caller.owner]


def _silences(desk: ControlDesk, caller: Caller) -> list[Silence]:
    return [each for each in desk.table.all(Silence) if each.owner == caller.owner]


def _found(desk: ControlDesk, caller: Caller, name: str) -> AlertRule:
    found = desk.table.get(_rule_id(caller, name), AlertRule)
    if found is None:
        raise NotFoundError(f"there is no rule {name!r}")
    return found
