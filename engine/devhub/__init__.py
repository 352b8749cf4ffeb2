"""The embedded Hub: a stand-in for the Hugging Face Hub that its unmodified client drives through HF_ENDPOINT.

For the demo, for tests, and for trying a webhook without an account. It is a fake: it takes its behaviour from
the client's source and the Hub's documentation, and can share our misreadings of them. What it does not know it
answers with 501. It holds models only, and listens on 127.0.0.1 only.

It speaks LFS, and clients need HF_HUB_DISABLE_XET=1, unless it is served with ``xet=True``; that needs blake3 and lz4.
Then clients may send and fetch large files by Xet too, where a chunk that is here is not sent again. Simplified: files
are kept as plain bytes besides, and whoever asks for a chunk is told of it whichever repo it came with.

People sign in to apps with it as with the Hub, by OpenID Connect but without a password, and workflows get tokens by
trusted publishing; that alone needs joserfc, which gradio[oauth] brings.
"""

from __future__ import annotations

from engine.devhub.faults import Exchange, Fault
from engine.devhub.grants import App
from engine.devhub.schema import Counts
from engine.devhub.server import Server, run, serve
from engine.devhub.store import Conflict, Store
from engine.devhub.trusted import Publisher

__all__ = ["App", "Conflict", "Counts", "Exchange", "Fault", "Publisher", "Server", "Store", "run", "serve"]
