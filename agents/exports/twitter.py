"""
The archive that Twitter, now X, gives to an account: data/*.js.

| document | record |
|---|---|
| tweets | post; a retweet is a share, an answer a comment, another tweet a comment for each person mentioned |
| likes given | none: neither the author nor the time is there |
| followers, followed | none: there is no time. Their numbers go into the profile |

What others did to the tweets is there as totals alone, without who and when.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from agents.exports.archive import Archive
from agents.exports.documents import entries, listed
from agents.exports.source import Entry, Made, Totals, last_of_all
from agents.limits import TEXT_LIMIT, tags_of
from schemas import Engagement, Post, Profile

_MENTIONS: Final = 8
"""Mentions of one tweet that count: who names more people means none of them."""
_PART: Final = r"(?:-part\d+)?\.js"


class Mention(msgspec.Struct, frozen=True, gc=False):
    """Who is named in a tweet; the id is -1 where the account is gone."""

    id_str: str = ""


class Hashtag(msgspec.Struct, frozen=True, gc=False):
    """A hashtag, without its sign."""

    text: str


class Entities(msgspec.Struct, frozen=True, gc=False):
    """What a tweet's text holds."""

    user_mentions: list[Mention] = []
    hashtags: list[Hashtag] = []


class Tweet(msgspec.Struct, frozen=True, gc=False):
    """A tweet of the account."""

    id_str: str
    created_at: str
    full_text: str = ""
    entities: Entities = Entities()
    in_reply_to_user_id_str: str = ""
    in_reply_to_status_id_str: str = ""


class TweetEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry of tweets.js."""

    tweet: Tweet


class Account(msgspec.Struct, frozen=True, gc=False):
    """Whose archive it is."""

    accountId: str  # noqa: N815 - the wire's name
    username: str
    accountDisplayName: str = ""  # noqa: N815 - the wire's name


class AccountEntry(msgspec.Struct, frozen=True, gc=False):
    """The entry of account.js."""

    account: Account


def read(archive: Archive) -> Iterator[Entry]:
    """Yield what an archive holds."""
    owner = _owner(archive)
    totals = Totals()
    user, name = f"twitter:{owner.accountId}", owner.accountDisplayName[:TEXT_LIMIT] or None
    profile = Profile(user, "twitter", 0, name=name, handle=owner.username)
    yield from last_of_all(_entries(archive, user, totals), profile, totals)


def _entries(archive: Archive, owner: str, totals: Totals) -> Iterator[Entry]:
    for name in archive.names(f"data/(?:tweets?|community-tweets?){_PART}"):
        tweets = _listed(archive, name)
        totals.posts += len(tweets)
        yield from entries(tweets, TweetEntry, lambda entry: _tweeted(entry.tweet, owner))
    for name in archive.names(f"data/likes?{_PART}"):
        yield from ((None, "like_without_author") for _ in _listed(archive, name))
    for name in archive.names(f"data/(?:followers?|following){_PART}"):
        people = _listed(archive, name)
        if "following" in name:
            totals.following += len(people)
        else:
            totals.followers += len(people)
        yield from ((None, "follow_without_time") for _ in people)


def _tweeted(tweet: Tweet, owner: str) -> Entry:
    time = _ms(tweet.created_at)
    if time is None or not tweet.id_str.isdigit():
        return None, "malformed"
    status, named = f"twitter:status/{tweet.id_str}", [one.id_str for one in tweet.entities.user_mentions]

    def engaged(made: str, kind: str, whom: str, on: str | None = None) -> Made:
        return Engagement(made, kind, "twitter", owner, f"twitter:{whom}", time, on)  # type: ignore[arg-type]

    if tweet.full_text.startswith("RT @"):
        # The archive does not name the tweet that was passed on.
        return time, [engaged(status, "share", named[0])] if named and named[0].isdigit() else "no_target"
    tags = tags_of(tag.text for tag in tweet.entities.hashtags)
    made: list[Made] = [Post(f"{status}#post", "twitter", owner, time, object=status, tags=tags)]
    if tweet.in_reply_to_user_id_str.isdigit():
        answered = tweet.in_reply_to_status_id_str
        on = f"twitter:status/{answered}" if answered else None
        made.append(engaged(f"{status}#reply", "comment", tweet.in_reply_to_user_id_str, on))
    else:
        people = list(dict.fromkeys(filter(str.isdigit, named)))[:_MENTIONS]
        made += [engaged(f"{status}#mention/{whom}", "comment", whom) for whom in people]
    return time, made


def _owner(archive: Archive) -> Account:
    expected = "an archive of Twitter with data/account.js, which says whose it is"
    for name in archive.names(r"data/account\.js"):
        found = _listed(archive, name)
        try:
            return msgspec.json.decode(found[0], type=AccountEntry).account
        except (IndexError, msgspec.MsgspecError, UnicodeError) as exc:
            raise archive.wrong(name, expected, str(exc)) from exc
    raise archive.lacks(expected)


def _listed(archive: Archive, name: str) -> list[msgspec.Raw]:
    """Return the entries of a document: JavaScript that assigns a list to `window.YTD.NAME.partN`."""
    content = archive.read(name)
    start = content.find(b"=", 0, 200) + 1
    if not content.startswith(b"window.YTD.") or not start:
        raise archive.wrong(name, "window.YTD.NAME.part0 = [..]", repr(content[:40].decode(errors="replace")))
    return listed(archive, name, content[start:].rstrip(b" \n\r\t;"))


def _ms(text: str) -> int | None:
    try:
        return int(datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y").timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
