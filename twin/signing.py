"""Signed addresses: whoever holds a token signs a path for a while, and whoever has the address reads there what its holder may.

For browsers of people who have no token: `?sig=` on a GET. The token's secret stays with the signer, who needs no word with the twin to
sign; a signature ends at its time, or with the token. It is `1.ID.EXPIRES.PATH.MAC`: ID names the token without telling it, EXPIRES in
seconds since 1970, PATH in base64url, MAC the HMAC-SHA256 (RFC 2104) of what stands before it under a key made from the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from twin.errors import BadInput, NotAuthenticated

PARAMETER: Final = "sig"
LONGEST: Final = timedelta(days=31)
_VERSION: Final = "1"
_ID_BYTES: Final = 9
_MOST_CHARACTERS: Final = 600
_MOST_PATH: Final = 300


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What a token signs with. `id` names the token; `key` is made from its secret and does not give it back."""

    id: bytes
    key: bytes

    @classmethod
    def of(cls, secret: str) -> Self:
        digest = hashlib.sha256(secret.encode()).digest()
        return cls(
            hashlib.sha256(b"twin:url-id:" + digest).digest()[:_ID_BYTES],
            hashlib.sha256(b"twin:url-key:" + digest).digest(),
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it stands in an address. `expires`: seconds since 1970."""

    id: bytes
    expires: int
    path: str
    mac: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """NotAuthenticated where it is none."""
        try:
            if len(text) > _MOST_CHARACTERS:
                raise ValueError("too long")
            version, ident, expires, path, mac = text.split(".")
            if version != _VERSION or not expires.isascii() or not expires.isdigit():
                raise ValueError("another version")
            return cls(_unpacked(ident), int(expires), _unpacked(path).decode(), _unpacked(mac))
        except (ValueError, binascii.Error) as error:
            raise NotAuthenticated(
                "what stands as `sig` is no signature", remedy="take the address whole, as it was signed"
            ) from error

    def __str__(self) -> str:
        return f"{_signed(self.id, self.expires, self.path)}.{_packed(self.mac)}"

    def check(self, key: bytes, path: str, *, now: float | None = None) -> None:
        """NotAuthenticated where the key did not sign this, its time is over, or it was signed for another path."""
        if not hmac.compare_digest(_mac(key, self.id, self.expires, self.path), self.mac):
            raise unknown_signature()
        left = self.expires - (time.time() if now is None else now)
        if left <= 0:
            raise NotAuthenticated("the signature of this address is over", remedy="ask who gave it for a new one")
        if left > LONGEST.total_seconds():
            raise NotAuthenticated("the signature of this address lasts too long", remedy=f"sign for at most {LONGEST}")
        if not _within(path, self.path):
            raise NotAuthenticated(
                f"this address was signed for {self.path}, not for {path[:100]}",
                remedy="sign the folder that holds all that is wanted",
            )


def unknown_signature() -> NotAuthenticated:
    return NotAuthenticated(
        "the signature is not known: its token was ended, or it was changed on the way",
        remedy="take the address whole, or ask who gave it for a new one",
    )


def sign(secret: str, path: str, *, ttl: timedelta, now: float | None = None) -> str:
    """What to put behind `?sig=` of every GET at or below `path` ("/tiles/land.parcels/") until `ttl` is over. BadInput for what cannot be."""
    if not path.startswith("/") or ".." in path or "?" in path or len(path) > _MOST_PATH:
        raise BadInput(f"{path[:100]!r} cannot be signed", remedy="give a path such as /tiles/land.parcels/")
    if not timedelta(0) < ttl <= LONGEST:
        raise BadInput(f"an address cannot be signed for {ttl}", remedy=f"give more than 0 s and at most {LONGEST}")
    signer = SigningKey.of(secret)
    expires = int((time.time() if now is None else now) + ttl.total_seconds())
    return str(Signature(signer.id, expires, path, _mac(signer.key, signer.id, expires, path)))


def carried(address: str, signature: str | None) -> str:
    """An address that an answer names, with the signature that the question brought: what it leads to is read the same way."""
    if signature is None:
        return address
    return f"{address}{'&' if '?' in address else '?'}{PARAMETER}={signature}"


def _within(path: str, signed: str) -> bool:
    folder = signed if signed.endswith("/") else f"{signed}/"
    return ".." not in path and (path == signed or path.startswith(folder))


def _signed(ident: bytes, expires: int, path: str) -> str:
    return f"{_VERSION}.{_packed(ident)}.{expires}.{_packed(path.encode())}"


def _mac(key: bytes, ident: bytes, expires: int, path: str) -> bytes:
    return hmac.digest(key, _signed(ident, expires, path).encode(), "sha256")


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
