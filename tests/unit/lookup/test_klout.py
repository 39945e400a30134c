"""Klout's ids, topics, classes and forms of an answer."""

import pytest

from pipeline.lookup.klout.answers import answer, answer_xml
from pipeline.lookup.klout.classes import EXPLORER, OBSERVER, SOCIALIZER, SPECIALIST, KloutClass, kclass
from pipeline.lookup.klout.errors import KloutError
from pipeline.lookup.klout.ids import klout_id, network_named, word_of
from pipeline.lookup.klout.shapes import KScore, UserTopics
from pipeline.lookup.topics import slug_of, topic_of, topics_of
from schemas import Factors
from tests.unit.lookup.documents import score_document


def test_an_id_depends_on_the_user_alone() -> None:
    """A change of these numbers would break every program that has stored them."""
    assert klout_id("twitter:11158872") == "5398726536279356008"
    assert klout_id("github:torvalds") == "8344045503636307888"


def test_ids_are_digits_that_fit_signed_64_bits() -> None:
    """Clients read them so."""
    numbers = [klout_id(f"x:{number}") for number in range(1000)]
    assert all(number.isdigit() and 0 < int(number) < 1 << 63 for number in numbers)
    assert len(set(numbers)) == 1000


@pytest.mark.parametrize(
    ("word", "network"),
    [("tw", "twitter"), ("Twitter", "twitter"), ("gp", "googleplus"), ("fb", "facebook"), ("bluesky", "bluesky")],
)
def test_networks_go_by_klouts_words_or_their_own(word: str, network: str) -> None:
    """Networks that Klout did not know have only one."""
    assert network_named(word) == network


def test_accounts_are_told_by_klouts_words() -> None:
    """Where Klout had one."""
    assert [word_of("twitter:1"), word_of("googleplus:1"), word_of("bluesky:did:plc:a")] == ["tw", "gp", "bluesky"]


@pytest.mark.parametrize(
    ("tag", "slug"),
    [
        ("Music", "music"),
        ("#BigData", "big-data"),
        ("machine learning", "machine-learning"),
        ("C++", "c"),
        ("音楽", "音楽"),
    ],
)
def test_tags_are_read_as_slugs(tag: str, slug: str) -> None:
    """However they are written."""
    assert slug_of(tag) == slug


def test_a_topic_of_klouts_keeps_its_id_and_name() -> None:
    """Also where a hashtag has lost its spaces."""
    music = topic_of("music")
    assert music is not None
    assert (music.id, music.name, music.topic_type) == ("5241585099662481339", "Music", "sub")
    joined = topic_of("humanrights")
    assert joined is not None
    assert (joined.slug, joined.display_name) == ("human-rights", "Human Rights")


def test_any_other_tag_is_a_topic_with_an_id_of_ours() -> None:
    """Digits that fit signed 64 bits, like all."""
    higgs = topic_of("HiggsBoson")
    assert higgs is not None
    assert (higgs.name, higgs.slug, higgs.topic_type) == ("Higgs Boson", "higgs-boson", "entity")
    assert 0 < int(higgs.id) < 1 << 63
    assert topic_of("!!!") is None


def test_a_topic_stands_once_for_all_its_tags() -> None:
    """At the place of the most frequent one."""
    assert [topic.slug for topic in topics_of(["bigdata", "music", "BigData", "big-data"])] == ["big-data", "music"]


@pytest.mark.parametrize(
    ("score", "reach", "impact", "expected"),
    [(5, 1, 1, OBSERVER), (20, 9, 9, EXPLORER), (50, 60, 30, SOCIALIZER), (50, 30, 60, SPECIALIST)],
)
def test_everyone_has_a_class(score: float, reach: float, impact: float, expected: KloutClass) -> None:
    """One of the four whose numbers are known."""
    factors = Factors(true_reach=reach, amplification=50, network_impact=impact)
    assert kclass(score_document("x:a", score, factors=factors)) is expected


def test_a_callback_makes_a_script() -> None:
    """Only of the name of a function."""
    made = answer(KScore("ann", 50.0), "jQuery17.cb[0]")
    assert made.content == b'/**/jQuery17.cb[0]({"twitter_screen_name":"ann","kscore":50.0});'
    assert made.media_type == "application/javascript"
    for callback in ("", "alert(1)//", "a b", "a" * 200, "<script>"):
        with pytest.raises(KloutError):
            answer(KScore("ann", 50.0), callback)


def test_xml_has_an_element_for_each_field_and_item() -> None:
    """What could be taken for markup is escaped."""
    made = answer_xml("users", [UserTopics("ann", ["a<b", "c"])])
    assert made.content.decode().splitlines()[1] == (
        "<users><user><twitter_screen_name>ann</twitter_screen_name>"
        "<topics><topic>a&lt;b</topic><topic>c</topic></topics></user></users>"
    )
