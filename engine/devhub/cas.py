"""Routes of the Xet storage, on the files' own address. Source: the specification's "CAS API", its version 1.

Newer clients ask for version 2 first, and take 501 for the word that there is none.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from engine.devhub.answers import Answer, as_json, bad_request, parse_range, refuse, send_file
from engine.devhub.signed import LIFETIME, check_signed, sign
from engine.devhub.xet_tokens import check_token

if TYPE_CHECKING:
    from engine.devhub.answers import Call
    from engine.devhub.xet.store import Xet

_HASH = re.compile(r"[0-9a-f]{64}")


def add_xorb(call: Call) -> Answer:
    """POST /v1/xorbs/default/{hash}: a xorb → ``{was_inserted}``."""
    check_token(call, "write")
    name, upload = _hash(call), call.upload
    try:
        new = upload is not None and _xet(call).add_xorb(name, upload.file)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return as_json({"was_inserted": new})


def xorb_grant(call: Call) -> Answer:
    """POST /v1/xorb-grants/default/{hash}: 404, which tells the client (hf_xet 1.8.0) to send the xorb here."""
    check_token(call, "write")
    raise refuse(404, "This storage grants no uploads to another address: send the xorb to /v1/xorbs")


def add_shard(call: Call) -> Answer:
    """POST /v1/shards: a shard, whose files the token's repo may then commit → ``{result: 1}``."""
    repo = check_token(call, "write")
    try:
        _xet(call).add_shard(call.body, repo)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return as_json({"result": 1})


def chunk(call: Call) -> Answer:
    """GET /v1/chunks/default/{hash}: a shard with the xorb that holds the chunk, if clients may ask for it.

    Simplified: it tells of xorbs of every repo, and their chunks' hashes as they are; the Hub hides those from
    clients that do not know them already.
    """
    check_token(call, "read")
    now = int(time.time())
    found = _xet(call).known_with(_hash(call), now, now + LIFETIME)
    if found is None:
        raise refuse(404, "This chunk is not tracked")
    return Answer(200, {"Content-Type": "application/octet-stream"}, found)


def reconstruction(call: Call) -> Answer:
    """GET /v1/reconstructions/{hash}, with or without a range → where the chunks are that make it up."""
    repo, name, xet = check_token(call, "read"), _hash(call), _xet(call)
    found = xet.file(name)
    if found is None or not call.store.has_large(repo, found[0]):
        raise refuse(404, f"{repo} has no file {name}")
    size = sum(term.size for term in found[1])
    skipped, terms, fetches = xet.parts(found[1], *(parse_range(call.headers.get("range"), size) or (0, size)))
    rows = [
        {"hash": term.xorb, "unpacked_length": term.size, "range": {"start": term.begin, "end": term.end}}
        for term in terms
    ]
    fetch_info = {name: [_fetch(call, name, *span) for span in spans] for name, spans in fetches.items()}
    return as_json({"offset_into_first_range": skipped, "terms": rows, "fetch_info": fetch_info})


def xorb(call: Call) -> Answer:
    """GET /xorbs/{hash}?range, signed, for exactly that range; takes no token."""
    check_signed(call)
    if call.headers.get("range") != f"bytes={call.one('range')}":
        raise refuse(403, "This address was signed for another range")
    file = _xet(call).path(call.params["hash"])
    return send_file(call, file, file.stat().st_size, {})


def _fetch(call: Call, name: str, chunks: range, sent: range) -> dict[str, Any]:
    last = sent.stop - 1
    url = call.files_base + sign(call.secret, f"/xorbs/{name}", f"range={sent.start}-{last}")
    return {
        "range": {"start": chunks.start, "end": chunks.stop},
        "url": url,
        "url_range": {"start": sent.start, "end": last},
    }


def _hash(call: Call) -> str:
    if not _HASH.fullmatch(call.params["hash"]):
        raise bad_request(f"{call.params['hash']} is no hash: 64 hexadecimal digits, in lower case")
    return call.params["hash"]


def _xet(call: Call) -> Xet:
    if call.xet is None:
        raise refuse(501, "this Hub speaks no Xet")
    return call.xet
