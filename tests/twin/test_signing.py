"""Addresses signed with a token: what they open, and what they do not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin.errors import BadInput, NotAuthenticated
from twin.signing import LONGEST, Signature, SigningKey, carried, sign

SECRET = "a-secret-of-a-token"  # not anybody's
NOW = 1_800_000_000.0
HOUR = timedelta(hours=1)


def checked(text: str, path: str, *, now: float = NOW, secret: str = SECRET) -> None:
    Signature.read(text).check(SigningKey.of(secret).key, path, now=now)


@pytest.mark.parametrize(
    ("signed", "path"),
    [
        ("/tiles/land.parcels/", "/tiles/land.parcels/14/9559/8281.mvt"),
        ("/tiles/land.parcels", "/tiles/land.parcels/14/9559/8281.mvt"),
        ("/tiles/land.parcels.json", "/tiles/land.parcels.json"),
        ("/", "/scenes/buildings/tileset.json"),
    ],
)
def test_a_signature_opens_its_path_and_what_lies_below(signed: str, path: str) -> None:
    checked(sign(SECRET, signed, ttl=HOUR, now=NOW), path)


@pytest.mark.parametrize(
    "path",
    ["/tiles/land.parcelsx/1/0/0.mvt", "/tiles/", "/layers", "/tiles/land.parcels/../land.zones/1/0/0.mvt"],
)
def test_it_opens_nothing_else(path: str) -> None:
    with pytest.raises(NotAuthenticated, match="signed for"):
        checked(sign(SECRET, "/tiles/land.parcels/", ttl=HOUR, now=NOW), path)


def test_it_ends_at_its_time() -> None:
    text = sign(SECRET, "/", ttl=HOUR, now=NOW)
    checked(text, "/", now=NOW + 3599)
    with pytest.raises(NotAuthenticated, match="over"):
        checked(text, "/", now=NOW + 3600)


def test_another_token_did_not_sign_it_and_no_part_can_be_changed() -> None:
    text = sign(SECRET, "/tiles/", ttl=HOUR, now=NOW)
    with pytest.raises(NotAuthenticated, match="not known"):
        checked(text, "/tiles/", secret="another")
    version, ident, expires, path, mac = text.split(".")
    longer = sign(SECRET, "/", ttl=HOUR, now=NOW).split(".")[3]
    for changed in ([version, ident, str(int(expires) + 1), path, mac], [version, ident, expires, longer, mac]):
        with pytest.raises(NotAuthenticated, match="not known"):
            checked(".".join(changed), "/")


def test_a_signature_of_ages_is_not_taken_even_where_its_key_is_right() -> None:
    text = sign(SECRET, "/", ttl=LONGEST, now=NOW)
    with pytest.raises(NotAuthenticated, match="too long"):
        checked(text, "/", now=NOW - 10)


@pytest.mark.parametrize(
    "text", ["", "1", "1.a.b.c.d", "2.aaaa.1.Lw.aaaa", "1.aaaa.\u0661.Lw.aaaa", "1.é.1.Lw.aa", "1." * 400]
)
def test_what_is_no_signature_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NotAuthenticated, match="no signature"):
        Signature.read(text)


@pytest.mark.parametrize(("path", "ttl"), [("tiles", HOUR), ("/a/../b", HOUR), ("/?x", HOUR), ("/", -HOUR), ("/", timedelta(days=32))])  # fmt: skip
def test_what_cannot_be_signed_is_refused_with_a_remedy(path: str, ttl: timedelta) -> None:
    with pytest.raises(BadInput):
        sign(SECRET, path, ttl=ttl)


def test_an_address_carries_its_signature_behind_its_other_words() -> None:
    assert carried("/a", None) == "/a"
    assert carried("/a", "s") == "/a?sig=s"
    assert carried("/a?b=1", "s") == "/a?b=1&sig=s"


def test_the_key_does_not_give_the_secret_s_hash_back() -> None:
    made = SigningKey.of(SECRET)
    assert len(made.id) == 9
    assert made.key != SigningKey.of("another").key
