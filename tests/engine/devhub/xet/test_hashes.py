from __future__ import annotations

from pathlib import Path

import pytest
from hf_xet import hash_files

from engine.devhub.xet import hashes

NODES = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "cfc5d07f6f03c29bbf424132963fe08d19a37d5757aaf520bf08119f05cd56d6",
    "c3e67584b5c4fc2a89837ec39e40f2c8a6bb0b2987ac94cd4b31e5fbdd210a72",
    "0d2beb91b9196929a5ddec9f6e306924ddf4a24268e3e59fd8464738d525af37",
    "adf8773496a9b7319b2e50dc98093f344053b17d8ad37100b9c07d9805988784",
    "4ac202caf347fc1e9c874b1ef6a1c5e619141eb775a6f43f0f0124ccd0060d9e",
    "b3b28636f65c149ea52eb1f94669466f70f033b54cea792824c696ba6ef3c389",
    "0e2c1a002aae913d2c0fc8ddfa4e9e14b7b311b3b0d458726d5d9f6a6318013c",
]
"""Node k has the size 100 k. These and the hashes below are the reference values that xet-core has for ports of it."""
REFERENCE = [
    (
        [1],
        "cfc5d07f6f03c29bbf424132963fe08d19a37d5757aaf520bf08119f05cd56d6",
        "8e16257caa3fe079d484d872a8975264b2ff683b0d6db9028cc7c0f968a45661",
    ),
    (
        [1, 2, 3],
        "71ec1275fca074724e2dd666921b3277c7cee603e4d025bcab2d4050015be2bc",
        "54e55dccc6653c612bdb5576c5d3cb34bb31bc4e100248abccf4c908b3ef7715",
    ),
    (
        [1] * 4,
        "89f2ada89ff8c96763c6b25010e6dd76a4c05b1466207633ea559acf2093211b",
        "2cdba690d0e09563596e0cda626d43eb4c96ef1e994fe72d9b2f5a83cfcd36dd",
    ),
    (
        [*range(8)],
        "f62abe77e3fb9c954fe52b0028027ddc90c064c45951a4fd2211d87e5c0011db",
        "d1b068be5bbdb38992269e8efe61f601881e39f7a7585fd76883cc6ea5c23b44",
    ),
    (
        [i % 8 for i in range(64)],
        "6554007c9b5d0a5e7918f79596a1b68815c1407535585435f5735db761f21b88",
        "a8640ab81d48854e00078e12b1ea8be5d90be0ffb5f73a15b7009981d093ddd8",
    ),
    (
        [1] * 32,
        "0a0123c1617921883b7e13902095fcb86676e77c49120c33b233003b0af0e0a6",
        "53af4711fd1d5e5bdc7f931b6be932314d8d673cb16ad2482f6f5222eaf9e63d",
    ),
    (
        [*range(8), 1, 1, 1, 1],
        "e7fc30b73ec9930593f80fe777b334e9d3bb73e45e6a79fa5784b2603446158b",
        "69e1af2fd6023ce133e0d1b90e32d1d42ef79f5a710f2b0accfc3a735e98de9d",
    ),
    (
        [i // 2 for i in range(16)],
        "636c65db520ec16e8166f9ec7a0cf9f74b26369077ac60160ec0221c86bc9f77",
        "6a90ad0d6f5246ac61f1de898c6944c03e14004a1368e6fb23387108c4d039e0",
    ),
]


def test_a_hash_as_text_is_four_numbers() -> None:
    """The example of the specification's "CAS API"."""
    text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert hashes.as_text(bytes(range(32))) == text
    assert hashes.as_bytes(text) == bytes(range(32))


@pytest.mark.parametrize(("nodes", "xorb", "file"), REFERENCE)
def test_the_tree_has_the_published_hashes(nodes: list[int], xorb: str, file: str) -> None:
    chunks = [(NODES[node], 100 * node) for node in nodes]
    assert hashes.xorb_hash(chunks) == xorb
    assert hashes.file_hash(chunks) == file


def test_a_small_file_is_one_chunk(tmp_path: Path) -> None:
    """Up to 8 KiB, by the specification; the client's own library tells the file's hash."""
    content = bytes(i * i % 251 for i in range(5000))
    (tmp_path / "a").write_bytes(content)
    found = hash_files([str(tmp_path / "a")])[0].hash
    assert hashes.file_hash([(hashes.chunk_hash(content), len(content))]) == found


@pytest.mark.parametrize(("last", "expected"), [(0, True), (1023, False), (1024, True), (2**64 - 1024, True)])
def test_every_1024th_chunk_is_tracked(last: int, expected: bool) -> None:
    assert hashes.is_tracked("f" * 48 + f"{last:016x}") is expected
