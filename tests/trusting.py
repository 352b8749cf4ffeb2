"""A workflow's side of trusted publishing: an issuer of id tokens, as GitHub's runners have one, over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

REQUEST_TOKEN = "ghs_of-this-job"
CLAIMS = {"repository": "ada-l/recipes", "ref": "refs/heads/main", "workflow": "publish"}


class Issuer:
    """Signs what it is asked for. ``lifetime`` is how many seconds an id token is good for; ``issued`` are those."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lifetime = 300
        self.status = 200
        self.issued: list[str] = []
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)

    @property
    def keys(self):
        return {"keys": [self._key.as_dict(private=False)]}

    def id_token(self, audience: str, **changed: object) -> str:
        claims = {"iss": self.url, "aud": audience, "exp": int(time.time()) + self.lifetime, **CLAIMS, **changed}
        token = jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)
        self.issued.append(token)
        return token

    def environment(self) -> dict[str, str]:
        """What a runner sets for a job with ``permissions: id-token: write``."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
        }


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            allowed = self.headers.get("Authorization") == f"Bearer {REQUEST_TOKEN}"
            status = issuer.status if allowed else 401
            value = {"value": issuer.id_token(query["audience"][0])} if status == 200 else {"message": "no"}
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
