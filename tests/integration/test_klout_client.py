"""A client of 2012 as it was published, against scores of July 2012: only its host differs."""

import pytest
from klout import Klout, KloutHTTPError

from pipeline.lookup.klout.ids import klout_id
from tests.integration.test_pipeline_higgs import document, leaders, replay, run_to_rest, stop_all
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.unit.agents.samples import HIGGS, needs_data

pytestmark = [pytest.mark.integration, needs_data]


def test_the_client_of_2012_reads_scores_of_2012(cluster: Cluster) -> None:
    """identity, user, score, topics and influence, by every name that it knows for them."""
    _, worker, sink, _ = run_to_rest(cluster, lambda: replay(cluster, HIGGS, "higgs", "--limit", "40000"))
    serve = cluster.start("serve").wait_ready()
    client = Klout("a-key-of-2012", domain=f"127.0.0.1:{serve.port}")
    for user in leaders(cluster)[:5]:
        known, native = document(cluster, user), user.removeprefix("twitter:")
        identity = eventually(lambda native=native: found(client, native), 60, f"{user} has a number")
        assert identity == {"id": klout_id(user), "network": "ks"}
        number = identity["id"]
        assert client.identity.klout(tw=native) == identity
        assert client.identity.tw(klout=number) == {"id": native, "network": "tw"}
        score = client.user.score(kloutId=number, timeout=60)
        assert (score["score"], score["bucket"]) == (known.score, known.bucket)
        assert set(score["scoreDelta"]) == {"dayChange", "weekChange", "monthChange"}
        assert client.user(kloutId=number)["nick"] == known.handle
        assert client.user.topics(kloutId=number) == []
        influence = client.user.influence(kloutId=number)
        assert influence["myInfluenceesCount"] == known.engagers
        scores = [entry["entity"]["payload"]["score"]["score"] for entry in influence["myInfluencees"]]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) <= 5
    with pytest.raises(KloutHTTPError) as refused:
        client.identity.klout(screenName="nobody-at-all")
    refused.value.e.close()
    stop_all(worker, sink, serve)


def found(client: Klout, name: str) -> dict[str, str] | None:
    """Return the identity of a name once its number leads back to it."""
    try:
        identity: dict[str, str] = client.identity.klout(screenName=name)
        client.user(kloutId=identity["id"])
    except KloutHTTPError as exc:
        exc.e.close()  # the client leaves it open
        return None
    return identity
