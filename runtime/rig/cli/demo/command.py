"""``rig demo``: sets the stage, plays, and leaves nothing behind unless asked to."""

import asyncio
import contextlib
import shlex
import signal
from typing import Any

import click

from rig.cli.demo.deliveries import REPO, WISHES
from rig.cli.output import say

TERMINATED = 143
"""128 + SIGTERM."""


@click.command()
@click.option("--headless", is_flag=True, help="Print progress and a table, also on a terminal.")
@click.option("--keep", is_flag=True, help="Leave repository, data and worktrees in place, and say where.")
def demo(headless: bool, keep: bool) -> int:
    """Show the main job end to end, with no keys and no network.

    A small real git repository, signed GitHub deliveries, agents at work in worktrees, costs and traces. Exits 0 only when
    every issue is done.
    """
    from rig.cli.demo.stage import set_up

    say(f"rig demo: {len(WISHES)} issues of a small repository, two agents; no keys, no network")
    say()
    stage = set_up()
    try:
        rows = asyncio.run(_play(stage))
        from rig.cli.demo.play import show

        show(rows)
        if keep:
            _look_further(stage, rows)
        else:
            say("The demo leaves nothing behind; to look around afterwards: rig demo --keep")
        return 0 if len(rows) == len(WISHES) and all(row["state"] == "done" for row in rows) else 1
    except asyncio.CancelledError:
        return TERMINATED
    finally:
        if not keep:
            stage.remove()


async def _play(stage: Any) -> list[dict[str, Any]]:
    from rig.cli.demo.play import Play
    from rig.cli.demo.stage import daemon
    from rig.client import Client, target

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):
            loop.add_signal_handler(number, task.cancel)
    play = Play(loop.time())
    async with daemon(stage) as url:
        play.line(f"the daemon listens on {url}")
        async with Client(target(url, data_dir=stage.data, environ={})) as client:
            return await play.run(client, stage.secret)


def _look_further(stage: Any, rows: list[dict[str, Any]]) -> None:
    first = next((row for row in rows if row["executionId"]), None)
    say("Everything is kept. To look further:")
    say(f"  cd {shlex.quote(str(stage.root))}")
    say("  rig serve --data-dir data --port 8080 &")
    say(f"  rig issue trace '{REPO}#3'")
    if first is not None:
        say(f"  rig logs {first['executionId']}")
    say("  git -C todo log --oneline --all")
    say("  rig doctor --data-dir data")
