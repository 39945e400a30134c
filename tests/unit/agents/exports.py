"""Small exports, written by hand as the networks lay theirs out."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.exports.source import ExportSource
from agents.formats import open_source
from agents.protocol import Batch
from agents.span import ALWAYS
from schemas import Engagement

ADA = {"resourceName": "users/101", "displayName": "Ada", "profilePageUrl": "https://plus.google.com/101"}
BOB = {"resourceName": "users/102", "displayName": "Bob", "profilePageUrl": "https://plus.google.com/+Bob"}
CYD = {"displayName": "Cyd", "profilePageUrl": "https://plus.google.com/103"}
GOOGLEPLUS: dict[str, Any] = {
    "Takeout/Google+ Stream/Posts/20181010 - Hello.json": {
        "url": "https://plus.google.com/+Ada/posts/abc",
        "creationTime": "2018-10-10 11:11:11+0000",
        "updateTime": "2018-10-11 11:11:11+0000",
        "author": ADA,
        "content": "Hello",
        "comments": [
            {
                "creationTime": "2018-10-10 12:00:00+0000",
                "author": BOB,
                "content": "Hi",
                "resourceName": "users/101/posts/Ugj1/comments/c1",
            },
            {"creationTime": "2018-10-10 12:30:00+0000", "author": ADA, "content": "Thanks"},
            {"creationTime": 7},
        ],
        "plusOnes": [{"plusOner": BOB}, {"plusOner": CYD}],
        "reshares": [{"resharer": CYD}],
        "resourceName": "users/101/posts/Ugj1",
        "postAcl": {"isPublic": True},
    },
    "Takeout/Google+ Communities/Tea/Posts/20181012 - Shared.json": {
        "url": "https://plus.google.com/+Ada/posts/def",
        "creationTime": "2018-10-12 08:00:00+0000",
        "author": ADA,
        "resharedPost": {
            "url": "https://plus.google.com/102/posts/x",
            "author": BOB,
            "resourceName": "users/102/posts/x",
        },
        "resourceName": "users/101/posts/Ugj2",
    },
    "Takeout/Google+ Stream/Posts/photo.jpg": b"\xff\xd8",
    "Takeout/archive_browser.html": b"<html>",
}


def tweet(number: int, text: str, **more: Any) -> dict[str, Any]:
    """Return an entry of tweets.js."""
    made = {"id_str": str(number), "full_text": text, "created_at": f"Sat Feb 18 12:{number % 60:02}:11 +0000 2023"}
    return {"tweet": {**made, "favorite_count": "3", "retweet_count": "1", **more}}


def mentions(*people: int) -> dict[str, Any]:
    """Return the entities of a tweet that names people."""
    return {"user_mentions": [{"id_str": str(person), "screen_name": "x", "indices": ["3", "5"]} for person in people]}


def ytd(name: str, entries: object, part: int = 0) -> bytes:
    """Return a document as Twitter writes it."""
    return f"window.YTD.{name}.part{part} = {json.dumps(entries, indent=2)}".encode()


ACCOUNT = {"accountId": "42", "username": "ada", "accountDisplayName": "Ada \U0001f525", "email": "a@example.org"}
TWITTER: dict[str, Any] = {
    "data/account.js": ytd("account", [{"account": ACCOUNT}]),
    "data/tweets.js": ytd(
        "tweets",
        [
            tweet(1, "Hello", entities={"hashtags": [{"text": "physics"}], "user_mentions": []}),
            tweet(2, "RT @bob: so it is", entities=mentions(43)),
            tweet(3, "RT @gone: once", entities=mentions(-1)),
            tweet(4, "@bob yes", in_reply_to_user_id_str="43", in_reply_to_status_id_str="9", entities=mentions(43)),
            tweet(5, "to myself", in_reply_to_user_id_str="42", in_reply_to_status_id_str="4"),
            {"tweet": {"id_str": 6}},
        ],
    ),
    "data/tweets-part1.js": ytd("tweets", [tweet(7, "thanks @bob and @cyd", entities=mentions(43, 44, 42))], 1),
    "data/like.js": ytd(
        "like", [{"like": {"tweetId": "9", "fullText": "..", "expandedUrl": "https://twitter.com/i/9"}}]
    ),
    "data/follower.js": ytd("follower", [{"follower": {"accountId": str(n), "userLink": "x"}} for n in (43, 44)]),
    "data/following.js": ytd("following", [{"following": {"accountId": "43", "userLink": "x"}}]),
    "data/manifest.js": b"window.__THAR_CONFIG = {}",
    "data/direct-messages.js": b"this is not read",
}


def followed(name: str, second: int, **changes: Any) -> dict[str, Any]:
    """Return an entry of followers_1.json."""
    said = {"href": f"https://www.instagram.com/{name}", "value": name, "timestamp": second, **changes}
    return {"title": "", "media_list_data": [], "string_list_data": [said]}


_OWNED = [
    {"dict": [{"label": "Name", "value": "Bob"}, {"label": "Username", "value": "bob"}], "title": ""},
]
INSTAGRAM: dict[str, Any] = {
    "personal_information/personal_information/personal_information.json": {
        "profile_user": [
            {"title": "", "string_map_data": {"Username": {"value": "ada"}, "Name": {"value": "Ad\u00c3\u00a8le"}}}
        ]
    },
    "connections/followers_and_following/followers_1.json": [followed("bob", 1_700_000_000), followed("cyd", 0)],
    "connections/followers_and_following/following.json": {
        "relationships_following": [
            {
                "title": "bob",
                "string_list_data": [{"href": "https://www.instagram.com/_u/bob", "timestamp": 1_700_000_100}],
            }
        ]
    },
    "your_instagram_activity/likes/liked_posts.json": {
        "likes_media_likes": [
            {
                "title": "bob",
                "string_list_data": [
                    {
                        "href": "https://www.instagram.com/p/C1/",
                        "value": "\u00f0\u009f\u0091\u008d",
                        "timestamp": 1_700_000_200,
                    }
                ],
            }
        ]
    },
    "your_instagram_activity/likes/liked_comments.json": [
        {
            "timestamp": 1_700_000_300,
            "media": [],
            "label_values": [
                {"label": "URL", "value": "https://www.instagram.com/p/C2/", "href": "https://www.instagram.com/p/C2/"},
                {"dict": _OWNED, "title": "Owner"},
            ],
            "fbid": "1",
        }
    ],
    "your_instagram_activity/comments/post_comments_1.json": [
        {
            "string_map_data": {
                "Comment": {"value": "caf\u00c3\u00a9"},
                "Media Owner": {"value": "bob"},
                "Time": {"timestamp": 1_700_000_400},
            }
        },
        {"string_map_data": {"Kommentar": {"value": "ja"}, "Zeit": {"timestamp": 1_700_000_401}}},
    ],
    "your_instagram_activity/media/posts_1.json": [{"media": [{"uri": "x.jpg", "creation_timestamp": 1_700_000_500}]}],
}

FACEBOOK: dict[str, Any] = {
    "personal_information/profile_information/profile_information.json": {
        "profile_v2": {"name": {"full_name": "Ad\u00c3\u00a8le Byron"}, "profile_uri": "https://www.facebook.com/ada"}
    },
    "your_facebook_activity/posts/your_posts__check_ins__photos_and_videos_1.json": [
        {"timestamp": 1_700_000_000, "data": [{"post": "Hi"}], "title": "Ad\u00c3\u00a8le Byron updated her status."}
    ],
    "your_facebook_activity/comments_and_reactions/likes_and_reactions_1.json": [
        {"timestamp": 1_700_000_100, "title": "Ad\u00c3\u00a8le Byron likes Tobias L\u00c3\u00b8ye's post."},
        {"timestamp": 1_700_000_110, "title": "Ad\u00c3\u00a8le Byron likes her own photo."},
        {"timestamp": 1_700_000_120, "title": "Ad\u00c3\u00a8le Byron reacted to a post."},
    ],
    "your_facebook_activity/comments_and_reactions/comments.json": {
        "comments_v2": [
            {
                "timestamp": 1_700_000_200,
                "data": [{"comment": {"comment": "so", "author": "Ad\u00c3\u00a8le Byron"}}],
                "title": "Ad\u00c3\u00a8le Byron replied to Mary O'Neill's comment.",
            }
        ]
    },
    "connections/friends/your_friends.json": {"friends_v2": [{"name": "Mary O'Neill", "timestamp": 1_700_000_300}]},
    "connections/followers/people_who_followed_you.json": {"followers_v3": [{"name": "Cyd"}]},
}

ALL: dict[str, dict[str, Any]] = {
    "facebook": FACEBOOK,
    "googleplus": GOOGLEPLUS,
    "instagram": INSTAGRAM,
    "twitter": TWITTER,
}


def as_bytes(content: object) -> bytes:
    """Return a document's bytes."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def pack(path: Path, documents: Mapping[str, object]) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in documents.items():
            file.writestr(name, as_bytes(content))
    return path


def unpack(path: Path, documents: Mapping[str, object]) -> Path:
    """Write a folder."""
    for name, content in documents.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(as_bytes(content))
    return path


def read(path: Path, name: str) -> Batch:
    """Return what a whole export becomes."""
    source = open_source(path, name, {})  # type: ignore[arg-type]
    assert isinstance(source, ExportSource)
    source.start(ALWAYS, 0)
    whole = Batch()
    while (batch := source.read(3)) is not None:
        whole.add(batch)
    return whole


def said(batch: Batch) -> list[tuple[str, str, str]]:
    """Return kind, actor and target of each engagement."""
    return [(item.kind, item.actor, item.target) for item in batch.items if isinstance(item, Engagement)]
