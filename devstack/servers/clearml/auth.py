"""Who is asking: key and secret at log-in, a signed token afterwards."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from devstack.servers.clearml.documents import COMPANY, COMPANY_NAME, USER, USER_NAME
from devstack.servers.clearml.protocol import API_VERSION, SERVER_VERSION, ApiError

COOKIE = "clearml_token_basic"
_ALGORITHM = "HS256"
_DEFAULT_LIFE_S = 30 * 24 * 3600
_LONGEST_LIFE_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The server's only pair of credentials, and what signs its tokens."""

    access_key: str
    secret_key: str
    jwt_secret: str

    def check_pair(self, access_key: str, secret_key: str) -> None:
        """Compare in constant time.

        Raises:
            ApiError: 401/22.
        """
        # & and not `and`: both comparisons always run.
        known = secrets.compare_digest(access_key.encode(), self.access_key.encode())
        if not known & secrets.compare_digest(secret_key.encode(), self.secret_key.encode()):
            raise ApiError(401, 22, "failed to locate provided credentials")

    def new_token(self, expiration_s: int | None) -> str:
        """A token with the claims that SDK and agent decode (they do not check the signature)."""
        issued = int(time.time())
        life = min(expiration_s or _DEFAULT_LIFE_S, _LONGEST_LIFE_S)
        claims = {
            "exp": issued + life,
            "iat": issued,
            "auth_type": "Bearer",
            "identity": {
                "role": "user",
                "user": USER,
                "user_name": USER_NAME,
                "company": COMPANY,
                "company_name": COMPANY_NAME,
            },
            "env": "",
            "api_version": API_VERSION,
            "server_version": SERVER_VERSION,
            "feature_set": "basic",
        }
        return jwt.encode(claims, self.jwt_secret, algorithm=_ALGORITHM)


def read_token(token: str, jwt_secret: str) -> dict[str, Any]:
    """The claims of a token that we signed and that has not run out.

    Raises:
        ApiError: 401/30.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token, jwt_secret, algorithms=[_ALGORITHM], options={"require": ["exp", "iat"]}
        )
    except jwt.InvalidTokenError as e:
        raise ApiError(401, 30, str(e)) from e
    return claims


def check_bearer(header: str | None, jwt_secret: str) -> None:
    """Accept ``Bearer <token>`` only.

    Raises:
        ApiError: 401.
    """
    if not header:
        raise ApiError(401, 20)
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer":
        raise ApiError(401, 10)
    read_token(token.strip(), jwt_secret)


def authorize(header: str | None, keys: Keys, *, basic_only: bool) -> None:
    """Accept ``Basic`` with the key pair, or, elsewhere than at log-in, a token.

    Raises:
        ApiError: 401.
    """
    if header and header.lower().startswith("basic "):
        try:
            pair = base64.b64decode(header[6:].strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as e:
            raise ApiError(401, 22, "failed to locate provided credentials") from e
        keys.check_pair(*pair.partition(":")[::2])
    elif basic_only and not header:
        raise ApiError(401, 20)
    else:
        check_bearer(header, keys.jwt_secret)
