"""What a terminal shows of one user."""

from io import StringIO

from rich.console import Console, RenderableType

from pipeline.lookup.card import bar, explain_card, score_card, sparkline
from pipeline.lookup.history.series import DAY_MS, HOUR_MS, Point, Series
from schemas import Advice, Contribution, Details, Discount, Fading, NetworkPoints, TopActor, TopPost, TopTag
from tests.unit.lookup.documents import score_document

NOW = 1_341_446_400_000


def shown(card: RenderableType) -> str:
    """Return a card as a terminal of 80 columns shows it."""
    console = Console(width=80, record=True, file=StringIO())
    console.print(card)
    return console.export_text()


def test_a_bar_is_exact_to_an_eighth_of_a_column() -> None:
    """And never longer than its room."""
    assert [bar(share, 2) for share in (-1, 0, 1 / 16, 0.5, 0.75, 1, 7)] == ["", "", "▏", "█", "█▌", "██", "██"]


def test_a_graph_has_eight_heights() -> None:
    """Noise is not enlarged."""
    assert sparkline([float(n) for n in range(8)]) == "▁▂▃▄▅▆▇█"
    assert sparkline([50.0, 50.1, 50.0]) == "▄▄▄"


def test_the_card_of_a_score_tells_its_changes() -> None:
    """From the document before, and within a day, a week and a month, where that is known."""
    series = Series([Point(NOW - 9 * DAY_MS, 40.0), Point(NOW - DAY_MS - HOUR_MS, 48.0), Point(NOW, 50.25)])
    text = shown(score_card(score_document("x:a", 50.25, previous=50.0, name="Ann"), series, NOW))
    assert "Ann  x:a" in text
    assert "last +0.25   day +2.25   week +10.25   month -" in text
    assert "▁▁▁" in text
    assert "40.00 to 50.25 within 7 d" in text
    assert "engagers 5" in text


def test_a_new_score_has_no_graph() -> None:
    """A single point is none."""
    text = shown(score_card(score_document("x:a"), Series([Point(NOW, 50.0)]), NOW))
    assert "within" not in text
    assert "last -   day -   week -   month -" in text


def test_the_card_of_an_explanation_names_actors_posts_and_topics() -> None:
    """With the scores of the actors; markup in an id is text."""
    details = Details(
        user="x:a",
        actors=[TopActor("x:[red]b", 1200), TopActor("x:c", 1)],
        posts=[TopPost("at://post", 7)],
        tags=[TopTag("bigdata", 3)],
        contributions=[Contribution("true_reach", 30.0), Contribution("network_impact", 15.0)],
        version=1,
        time=NOW,
        as_of=NOW,
    )
    text = shown(explain_card(score_document("x:a", 45.0), details, {"x:c": 61.5}))
    for expected in ("true reach", "30.00", "x:[red]b", "1,200", "61.50", "at://post", "Big Data"):
        assert expected in text
    assert "45.00" not in shown(explain_card(None, details, {}))


def test_the_card_of_an_explanation_tells_what_would_help() -> None:
    """Strengths, weaknesses, what is doubted, advice and outlook, and the networks of whoever is on several."""
    details = Details(
        "x:a",
        [],
        [],
        [],
        [],
        1,
        NOW,
        NOW,
        networks=[NetworkPoints("github", 30.25), NetworkPoints("x", 12.5)],
        strengths=["Many people."],
        weaknesses=["Few posts."],
        advice=Advice("Come back.", 2.345),
        discounts=[Discount("mass activity", 0.25)],
        fading=Fading(0.5, 7.25),
    )
    text = shown(explain_card(None, details, {}))
    for said in ("github", "30.25", "Many people.", "Few posts.", "Come back. +2.3 points"):
        assert said in text
    assert "mass activity: 25% less authenticity" in text
    assert "-0.5 points within a day, -7.2 within a week" in text
