"""``rig demo``: sets the stage, plays, and leaves nothing behind unless asked to."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from typing import Any

import click

from rig.cli.demo.deliveries import REPO, WISHES
from rig.cli.output import say

TERMINATED = 143
"""128 + SIGTERM."""


@click.command()
@click.option("--headless", is_flag=True, help="Print progress and a table instead of the dashboard, also on a terminal.")
@click.option("--keep", is_flag=True, help="Leave repository, data and worktrees in place, and say where.")
def demo(headless: bool, keep: bool) -> int:
    """Show the main job end to end, with no keys and no network.

    A small real git repository, signed GitHub deliveries, agents at work in worktrees, costs and traces. On a terminal the
    dashboard shows it; ctrl+q leaves that. Exits 0 only when every issue is done.
    """
    from rig.cli.demo.stage import set_up

    say(f"rig demo: {len(WISHES)} issues of a small repository, two agents; no keys, no network")
    say()
    stage = set_up()
    try:
        rows = asyncio.run(_play(stage, dashboard=not headless and _on_a_terminal()))
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


def _on_a_terminal() -> bool:
    """Whether there is a terminal that the dashboard can draw on and read from."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and (
        os.environ.get("TERM", "dumb") != "dumb"
    )


async def _play(stage: Any, *, dashboard: bool) -> list[dict[str, Any]]:
    from rig.cli.demo.play import LEISURELY, Play
    from rig.cli.demo.stage import daemon, watching
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
            if not dashboard:
                return await play.run(client, stage.secret)
            play.silent, play.pace = True, LEISURELY
            playing = asyncio.ensure_future(play.run(client, stage.secret))
            try:
                await watching(stage, url)
                play.silent = False
                if not playing.done():
                    play.line("the dashboard is closed; the demo goes on to its end")
                return await playing
            finally:
                playing.cancel()


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
