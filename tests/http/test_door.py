"""What is let in as a body, whole rows of the table of bad inputs (finding 8, I36)."""

import gzip
import io
import json
import logging
import time
import zlib
from collections.abc import AsyncIterator

import pytest

from rig.errors import MalformedJson
from rig.http import door
from tests.http.edge import Edge

GOOD = b'{"type":"HEARTBEAT","agentId":"a","note":"\\u00e9 \\ud83d\\ude00 \\\\u0000","n":-9223372036854775808,"f":1.5e3}'

BAD = {
    "empty": b"",
    "blank": b"  ",
    "array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "truncated": b'{"type":"HEARTBEAT","agentId"',
    "trailing": b'{"type":"HEARTBEAT","agentId":"a"} {}',
    "duplicate keys": b'{"type":"HEARTBEAT","agentId":"a","a":1,"a":2}',
    "duplicate keys, escaped": b'{"type":"HEARTBEAT","agentId":"a","a":1,"\\u0061":2}',
    "NaN": b'{"type":"HEARTBEAT","agentId":"a","x":NaN}',
    "Infinity": b'{"type":"HEARTBEAT","agentId":"a","x":-Infinity}',
    "1e999": b'{"type":"HEARTBEAT","agentId":"a","x":1e999}',
    "2^63": b'{"type":"HEARTBEAT","agentId":"a","x":9223372036854775808}',
    "5,000 digits": b'{"type":"HEARTBEAT","agentId":"a","x":' + b"9" * 5000 + b"}",
    "depth 200k": b'{"type":"HEARTBEAT","agentId":"a","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "depth 65": b'{"type":"HEARTBEAT","agentId":"a","x":' + b"[" * 64 + b"]" * 64 + b"}",
    "NUL": b'{"type":"HEARTBEAT","agentId":"a","x":"\\u0000"}',
    "NUL in a key": b'{"type":"HEARTBEAT","agentId":"a","\\u0000":1}',
    "raw NUL": b'{"type":"HEARTBEAT","agentId":"a","x":"\x00"}',
    "lone surrogate": b'{"type":"HEARTBEAT","agentId":"a","x":"\\ud800"}',
    "UTF-16": '{"type":"HEARTBEAT","agentId":"a"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"type":"HEARTBEAT","agentId":"a"}',
    "bad UTF-8": b'{"type":"HEARTBEAT","agentId":"a","x":"\xff"}',
    "surrogate as UTF-8": b'{"type":"HEARTBEAT","agentId":"a","x":"\xed\xa0\x80"}',
    "wrong types": b'{"type":1,"agentId":{}}',
}
JSON = {"Content-Type": "application/json"}


async def test_good_json_comes_in(edge: Edge) -> None:
    async with edge.client.post("/api/events", data=GOOD, headers=JSON) as response:
        assert response.status == 200


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/api/events", "/api/assignments/claim"])
async def test_bad_json_is_400_at_once_and_nothing_is_stored(
    edge: Edge, name: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    if path.endswith("claim") and name == "empty":
        pytest.skip("an absent body is all defaults there, and lacks agentId in another way")
    with caplog.at_level(logging.WARNING):
        began = time.perf_counter()
        async with edge.client.post(path, data=BAD[name], headers=JSON) as response:
            body = await response.json()
        took = time.perf_counter() - began
    assert response.status == 400, body
    assert set(body) <= {"error", "code", "traceId", "details"}
    assert took < 0.5  # 50 ms on a quiet machine
    assert not caplog.records
    with edge.store.snapshot() as snapshot:
        assert snapshot.as_of("default") == 0


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json; charset="UTF-8"', 200),
        ("application/vnd.rig+json", 200),
        ("application/json; charset=bogus", 400),
        ("application/json; charset=utf-16", 400),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_only_json_in_utf8_is_taken(edge: Edge, kind: str, status: int) -> None:
    data = b'{"type":"HEARTBEAT","agentId":"a"}'
    async with edge.client.post("/api/events", data=data, headers={"Content-Type": kind}) as response:
        assert response.status == status


async def test_a_body_over_its_limit_is_413_also_while_it_comes(edge: Edge) -> None:
    big = b'{"type":"HEARTBEAT","agentId":"a","x":"' + b"a" * (2 * 2**20) + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(big), 65536):
            yield big[at : at + 65536]

    for data in (io.BytesIO(big), chunks()):
        async with edge.client.post("/api/events", data=data, headers=JSON) as response:
            assert (response.status, (await response.json())["code"]) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_bomb_is_413(edge: Edge, encoding: str) -> None:
    bomb = b'{"x":"' + b"a" * (50 * 2**20)
    data = gzip.compress(bomb) if encoding == "gzip" else zlib.compress(bomb)
    headers = JSON | {"Content-Encoding": encoding}
    async with edge.client.post("/api/events", data=data, headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    "body", [{"agentId": "a", "nope": 1}, {"agentId": 1}, {"agentId": "a", "leaseSeconds": 0}, {"agentId": ""}]
)
async def test_unknown_fields_and_wrong_types_are_400_with_every_error(edge: Edge, body: dict[str, object]) -> None:
    status, answer = await edge.post("/api/assignments/claim", body)
    assert status == 400
    assert [e["field"] for e in answer["details"]["errors"]]
    status, answer = await edge.post("/api/api-keys", {"name": "", "scopes": [], "extra": "rig_secret"})
    assert (status, len(answer["details"]["errors"])) == (400, 3)
    assert "rig_secret" not in json.dumps(answer)


async def test_keys_that_mean_something_elsewhere_are_plain_data_here(edge: Edge) -> None:
    event = {"type": "HEARTBEAT", "agentId": "a", "__proto__": {"x": 1}, "__class__": "y"}
    assert (await edge.post("/api/events", event))[0] == 200
    assert (await edge.post("/api/assignments/claim", {"agentId": "a", "__class__": "y"}))[0] == 400


def test_sixty_four_levels_are_let_in_and_brackets_in_texts_do_not_count() -> None:
    door.decode(b"[" * 64 + b"]" * 64)
    door.decode(json.dumps({"x": "[{" * 500}).encode())
    door.decode(json.dumps([{"a": [1]}] * 200).encode())
    with pytest.raises(MalformedJson, match="nested"):
        door.decode(b'[1,"' + b"x" * 10 + b'",' + b"[" * 64 + b"]" * 65)
