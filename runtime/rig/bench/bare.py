"""What the write path is measured against: aiohttp with one handler that decodes a JSON body and answers, and nothing else."""

import asyncio

import msgspec
from aiohttp import web

from rig.bench.children import loop_factory

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def _handle(request: web.Request) -> web.Response:
    body = _decode(await request.read())
    return web.Response(body=_encode({"ok": True, "type": body["type"]}), content_type="application/json")


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/api/events", _handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve())
