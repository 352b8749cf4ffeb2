"""Trusted publishing: a workflow's id token, signed by whoever runs it, for a token of this Hub's.

Source: the client's ``_oidc`` (huggingface_hub 2.4.0), RFC 8693 (token exchange), and the Hub's page on trusted
publishers. Simplified: an issuer's keys are given to ``serve`` instead of fetched, and claims are compared as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.devhub.answers import Answer, as_json, bad_request, refuse
from engine.devhub.grants import Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.devhub.answers import Call

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a kind of token, and no token


@dataclass(frozen=True)
class Publisher:
    """Who may have a token for ``resource``: a repo's, to write to it, or a user's, to read gated repos as that user.

    Whoever shows an id token of ``issuer``, signed by one of its ``keys`` (a JWK set), with these ``claims``. The token
    is good for ``lifetime`` seconds; the Hub's are for an hour.
    """

    resource: str
    issuer: str
    keys: Mapping[str, Any]
    claims: Mapping[str, str]
    lifetime: int = 3600


def exchange(call: Call) -> Answer:
    """POST /oauth/token ``{grant_type, subject_token_type, subject_token, resource}`` → a token for the resource."""
    body = call.json()
    if body.get("grant_type") != GRANT or body.get("subject_token_type") != ID_TOKEN:
        raise bad_request("A JSON body here exchanges a token: grant_type and subject_token_type must say so")
    resource, shown = str(body.get("resource")), str(body.get("subject_token"))
    known = [(each, claims) for each in call.grants.publishers if (claims := _claims(call, each, shown)) is not None]
    if not known:
        raise refuse(
            401, "The id token is not one of an issuer that this Hub knows, or is not meant for it, or expired"
        )
    for publisher, claims in known:
        if publisher.resource == resource and publisher.claims.items() <= claims.items():
            token = call.grants.new_token(_grant(call, publisher))
            told = {"access_token": token, "token_type": "bearer", "expires_in": publisher.lifetime}
            return as_json(told, headers={"Cache-Control": "no-store"})
    raise refuse(403, f"No trusted publisher of {resource} has the claims of this id token")


def _grant(call: Call, publisher: Publisher) -> Grant:
    expires = call.grants.clock() + publisher.lifetime
    repo = call.store.repo(publisher.resource)
    if repo is not None:
        return Grant(repo.owner, publisher.issuer, (), expires, repo.id)
    if publisher.resource in call.store.users():
        return Grant(publisher.resource, publisher.issuer, ("gated-repos",), expires)
    raise refuse(404, f"There is no repo and no user {publisher.resource}")


def _claims(call: Call, publisher: Publisher, token: str) -> Mapping[str, Any] | None:
    """Return what an id token claims; None where it is not this issuer's, is for somebody else, or has expired."""
    # As in Grants.key.
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet  # noqa: PLC0415

    try:
        claims = jwt.decode(token, KeySet.import_key_set(dict(publisher.keys)), algorithms=["RS256"]).claims  # type: ignore[arg-type]
    except (JoseError, ValueError):
        return None
    fits = claims.get("iss") == publisher.issuer and claims.get("aud") == call.base
    return claims if fits and float(claims.get("exp", 0)) > call.grants.clock() else None
