"""Subscriptions: webhooks of a key."""

import secrets
from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec

from pipeline.clock import system_clock
from pipeline.control.desk import ControlDesk
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.alerts.checks import ChannelChecks
from pipeline.lookup.alerts.subscriptions import test_delivery
from pipeline.lookup.api.answers import answered
from pipeline.lookup.api.fields import KEY_PROBLEMS, checked_user
from pipeline.lookup.api.problems import InvalidFieldError, NotFoundError
from pipeline.lookup.delivery.delivery import Attempt, Delivery, Status
from pipeline.lookup.delivery.queue import DeliveryQueue, Step
from pipeline.lookup.delivery.signing import is_secret, new_secret
from schemas import EventKind, Subscription

_NO_STORE: Final = {"Cache-Control": "no-store"}
_LIMIT: Final = 100
"""Subscriptions of one key."""


class SubscriptionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to tell, and where to."""

    url: Annotated[str, msgspec.Meta(min_length=8, max_length=2048)]
    events: Annotated[list[EventKind], msgspec.Meta(min_length=1, max_length=3)]
    users: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    threshold: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    min_delta: Annotated[float, msgspec.Meta(ge=0, le=99)] = 1.0
    secret: str | None = None
    """`whsec_` and Base64; one is made where none is given."""


class Subscribed(msgspec.Struct, frozen=True):
    """The subscription; its secret is shown this once."""

    subscription: Subscription
    secret: str


class SubscriptionList(msgspec.Struct, frozen=True):
    """The subscriptions of the key, without their secrets."""

    subscriptions: list[Subscription]


class LoggedDelivery(msgspec.Struct, frozen=True):
    """A delivery, what was sent, and what came of each attempt."""

    id: str
    status: Status
    created: int
    subject: str
    body: str
    attempts: list[Attempt]


class DeliveryLog(msgspec.Struct, frozen=True):
    """The newest 200 deliveries of three days, the newest first."""

    deliveries: list[LoggedDelivery]


@post("/v1/subscriptions", responses={201: ResponseSpec(Subscribed, description="It holds."), **KEY_PROBLEMS})
async def post_subscription(
    data: SubscriptionRequest, caller: Caller, desk: ControlDesk, checks: ChannelChecks
) -> Response[Subscribed]:
    """
    Be told by webhook, signed by Standard Webhooks: `score` of changes, `threshold` of crossings, `spike` of spikes.

    The address must be public and https. A delivery that fails is tried again for a day; 410 ends the subscription.
    """
    flaw = checks.url(data.url)
    if flaw is not None:
        raise InvalidFieldError("url", flaw)
    if "threshold" in data.events and data.threshold is None:
        raise InvalidFieldError("threshold", "the event threshold needs one, from 1 to 100")
    if data.secret is not None and not is_secret(data.secret):
        raise InvalidFieldError("secret", "expected whsec_ and Base64 of 24 to 64 bytes")
    users = None if data.users is None else [checked_user("users", user) for user in data.users]
    if len(_owned(desk, caller)) >= _LIMIT:
        raise InvalidFieldError("url", f"this key has {_LIMIT} subscriptions: delete some")
    subscription = Subscription(
        id=f"subscription:{secrets.token_hex(8)}",
        owner=caller.owner,
        url=data.url,
        secret=data.secret or new_secret(),
        events=sorted(set(data.events)),
        created=system_clock(),
        users=users,
        threshold=data.threshold,
        min_delta=data.min_delta,
    )
    await desk.put(subscription)
    shown = Subscribed(_shown(subscription), subscription.secret)
    return Response(content=shown, status_code=201, headers=_NO_STORE)


@get("/v1/subscriptions", responses={200: ResponseSpec(SubscriptionList, description="All of them."), **KEY_PROBLEMS})
async def get_subscriptions(caller: Caller, desk: ControlDesk) -> Response[SubscriptionList]:
    """Return the key's subscriptions."""
    return Response(content=SubscriptionList([_shown(each) for each in _owned(desk, caller)]), headers=_NO_STORE)


@delete("/v1/subscriptions/{name:str}", status_code=204, responses=KEY_PROBLEMS)
async def delete_subscription(name: str, caller: Caller, desk: ControlDesk) -> None:
    """End a subscription; what waits for it is dropped."""
    await desk.delete(_found(desk, caller, name).id)


@post(
    "/v1/subscriptions/{name:str}/test",
    status_code=202,
    responses={202: ResponseSpec(LoggedDelivery, description="It is on its way: see the deliveries."), **KEY_PROBLEMS},
)
async def post_subscription_test(
    name: str, caller: Caller, desk: ControlDesk, deliveries: DeliveryQueue
) -> Response[LoggedDelivery]:
    """Send a message of the type `test`."""
    now = system_clock()
    delivery = test_delivery(_found(desk, caller, name), now)
    await answered(deliveries.add(Step(deliveries=[(delivery, now)])))
    return Response(content=_logged(delivery), status_code=202, headers=_NO_STORE)


@get(
    "/v1/subscriptions/{name:str}/deliveries",
    responses={200: ResponseSpec(DeliveryLog, description="The newest first."), **KEY_PROBLEMS},
)
async def get_deliveries(
    name: str, caller: Caller, desk: ControlDesk, deliveries: DeliveryQueue
) -> Response[DeliveryLog]:
    """Return what was sent, and what came of it."""
    found = await answered(deliveries.log(_found(desk, caller, name).id))
    return Response(content=DeliveryLog([_logged(each) for each in found]), headers=_NO_STORE)


def _owned(desk: ControlDesk, caller: Caller) -> list[Subscription]:
    return [each for each in desk.table.all(Subscription) if each.owner == caller.owner]


def _found(desk: ControlDesk, caller: Caller, name: str) -> Subscription:
    found = desk.table.get(name if name.startswith("subscription:") else f"subscription:{name}", Subscription)
    if found is None or found.owner != caller.owner:
        raise NotFoundError(f"there is no subscription {name!r}")
    return found


def _shown(subscription: Subscription) -> Subscription:
    return msgspec.structs.replace(subscription, secret="")


def _logged(delivery: Delivery) -> LoggedDelivery:
    return LoggedDelivery(
        delivery.id, delivery.status, delivery.created, delivery.subject, delivery.body, delivery.attempts
    )
