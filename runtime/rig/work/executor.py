"""Runs work orders: workspace, hooks, prompt, the provider's session, the commit of what is left, and one report of the end."""

import asyncio
import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rig.errors import AlreadyExists, Busy, Conflict, Draining, RigError
from rig.ids import Ids
from rig.plugin.provider import SessionResult, Steer
from rig.text import clean, one_line
from rig.work.environment import MARKER, environment, make_home
from rig.work.execution import EndedEarly, Execution, guarded
from rig.work.group import end_orphans
from rig.work.hooks import HookName, HookResult, run_hook
from rig.work.keys import workspace_key
from rig.work.logs import LogStore
from rig.work.order import Finished, ProviderSource, Recovered, Reporter, Running, Started, WorkOrder, WorkSettings
from rig.work.prompt import DEFAULT_TEMPLATE, PromptError, Prompts, literal, variables_of
from rig.work.segments import Segment
from rig.work.session import Ending, WorkSession
from rig.work.threads import in_thread
from rig.work.workspace import Workspace, Workspaces

_log = logging.getLogger(__name__)

RENDER_SECONDS = 0.25
_RESULT_CHARACTERS = 16_384
_LAST_HOOK_SECONDS = 1.0
"""Time of ``after_run`` while the daemon stops."""


class Executor:
    """A number of slots, each running one execution at a time. Used from one event loop, which nothing here blocks."""

    def __init__(
        self,
        *,
        slots: int,
        workspaces: Workspaces,
        logs: LogStore,
        homes: Path,
        providers: ProviderSource,
        reporter: Reporter,
        settings: Callable[[], WorkSettings],
        ids: Ids,
        inherited: Mapping[str, str] | None = None,
    ) -> None:
        self.slots = slots
        """May be changed at any time; running executions go on."""
        self._workspaces = workspaces
        self._logs = logs
        self._homes = homes
        self._providers = providers
        self._reporter = reporter
        self._settings = settings
        self._ids = ids
        self._inherited = inherited
        self._prompts = Prompts()
        self._runs: dict[str, Execution] = {}
        self._draining = False

    @property
    def free(self) -> int:
        """Slots without an execution; 0 while stopping."""
        return 0 if self._draining else max(0, self.slots - len(self._runs))

    @property
    def running(self) -> Sequence[WorkOrder]:
        return [run.order for run in self._runs.values()]

    def start(self, order: WorkOrder) -> None:
        """Begin an execution; its end comes to the reporter. Raises Busy, Draining, or AlreadyExists for a running one."""
        if self._draining:
            raise Draining
        if order.execution in self._runs:
            raise AlreadyExists("this execution is running")
        if self.free == 0:
            raise Busy("every slot is taken")
        run = Execution(order, self._settings())
        for steer in order.steers:
            run.say(steer)
        self._runs[order.execution] = run
        run.task = asyncio.create_task(self._drive(run), name=f"execution {order.execution}")

    def cancel(self, execution: str, reason: str) -> bool:
        """Ask an execution to end as cancelled; False when it isn't running. Cancelling again changes nothing."""
        run = self._runs.get(execution)
        if run is not None:
            run.end(Ending("cancelled", one_line(reason)))
        return run is not None

    def steer(self, execution: str, steer: Steer) -> bool:
        """Have a running execution's session told something; False when it isn't running. Once is enough."""
        run = self._runs.get(execution)
        if run is not None:
            run.say(steer)
        return run is not None

    async def wait(self, execution: str) -> None:
        """Return when the execution has been reported as finished, at once when it isn't running."""
        if (run := self._runs.get(execution)) is not None and run.task is not None:
            await asyncio.wait([run.task])

    async def shutdown(self) -> None:
        """Take no more orders and end every execution as interrupted: TERM, KILL after the grace, then the reports."""
        self._draining = True
        for run in self._runs.values():
            run.end(Ending("interrupted", "the daemon is stopping"))
        if tasks := [run.task for run in self._runs.values() if run.task is not None]:
            await asyncio.wait(tasks)

    async def remove_workspace(self, key: str, *, force: bool = False) -> None:
        """Remove the workspace of that key, its ``before_remove`` hook first; the branch stays.

        Raises NotFound, Conflict while an execution uses it, WorkspaceDirty where work would be lost and not ``force``.
        """
        workspace = await in_thread(lambda: self._workspaces.find(key))
        if any(workspace_key(run.order.issue, run.order.tenant) == key for run in self._runs.values()):
            raise Conflict("the workspace is in use")
        await self._workspaces.check_removal(workspace, force=force)
        if workspace.folder.is_dir():
            given = {"RIG_ISSUE": workspace.identifier, "RIG_WORKSPACE": workspace.path}
            try:
                result = await run_hook(
                    self._settings().hooks, "before_remove", workspace.folder, given, inherited=self._inherited
                )
                if result is not None and not result.ok:
                    _log.warning("hook before_remove of %s: %s", key, one_line(result.reason))
            except RigError as error:
                _log.warning("hook before_remove of %s: %s", key, one_line(error.message))
        await self._workspaces.remove(workspace, force=force)

    async def recover(self, running: Sequence[Running]) -> list[Recovered]:
        """After a kill -9: end what is left of these executions and seal their output, before anything is started (I11)."""
        return list(await asyncio.gather(*(self._recover(entry) for entry in running)))

    async def _recover(self, entry: Running) -> Recovered:
        grace = self._settings().grace_seconds
        ended = await end_orphans(entry.execution, entry.process_group, entry.process_started, grace)
        segments: list[Segment] = []
        problem = ""
        try:
            segments = await self._logs.recover(entry.execution)
        except (OSError, RigError) as error:
            problem = one_line(str(error))
        if not entry.home:
            await self._drop_home(entry.execution)
        return Recovered(entry.execution, ended, tuple(segments), problem)

    async def _drive(self, run: Execution) -> None:
        order = run.order
        try:
            run.log = self._logs.open(order.execution, run.redact, run.segments.put_nowait, cap=run.settings.log_bytes)
            telling = asyncio.create_task(self._tell_segments(run))
            try:
                finished = await self._attempt(run)
                await self._after(run, finished)
            finally:
                await run.log.close()
                run.segments.put_nowait(None)
                await telling
        except Exception as error:  # noqa: BLE001 - whatever it is, the end of an execution is never lost
            finished = Finished("failed", run.reason(error))
        finally:
            await asyncio.shield(end_orphans(order.execution, None, None, run.settings.grace_seconds))
            self._runs.pop(order.execution, None)
        try:
            await self._reporter.finished(order, finished)
        except Exception as error:  # noqa: BLE001 - a late result of a lost lease changes nothing (I13)
            _log.warning("the end of execution %s was not taken: %s", order.execution, run.reason(error))

    async def _attempt(self, run: Execution) -> Finished:
        """The execution up to its outcome; raises nothing but its own cancellation."""
        order = run.order
        branch: str | None = None
        try:
            provider, config = self._providers(order.provider)
            planned = await in_thread(lambda: self._workspaces.plan(order.issue, order.tenant))
            branch = planned.branch
            steers = bool(getattr(provider, "steers", False))
            started = Started(branch, planned.path, order.provider, order.model, steers)
            await run.until(self._reporter.started(order, started))
            run.home = await in_thread(lambda: self._make_home(order))
            ensuring = self._workspaces.ensure(
                order.issue,
                tenant=order.tenant,
                repo=order.source,
                base=order.base,
                prepare=lambda made: self._hook(run, "after_create", made, fatal=True),
            )
            run.workspace = workspace = await run.until(ensuring)
            await run.until(self._hook(run, "before_run", workspace, fatal=True))
            prompt = await run.until(self._prompt(run, workspace, steers))
            run.session = session = WorkSession(
                order,
                run.settings,
                workspace=workspace.folder,
                prompt=prompt,
                config=config,
                env=environment({**self._facts(run, workspace), **order.environment, **run.home}, self._inherited),
                log=run.writer,
                redact=run.redact,
                reporter=self._reporter,
                ending=run.ending,
                steers=run.steers,
            )
            result = await run.session_of(guarded(provider.run(session)))
            if not await session.close():
                return Finished("failed", "some of its processes could not be ended", branch)
            return await self._judged(run, workspace, result)
        except EndedEarly as early:
            turns, resumable = (early.result.turns, early.result.session_id) if early.result else (0, None)
            return Finished(early.ending.outcome, early.ending.reason, branch, turns=turns, session=resumable)
        except Conflict as error:
            if run.ending.done():  # a report that was refused ends the run; its reason says more
                return Finished(run.ending.result().outcome, run.ending.result().reason, branch)
            return Finished("failed", run.reason(error), branch)
        except Exception as error:  # noqa: BLE001 - providers and hooks raise what they like
            return Finished("failed", run.reason(error), branch)
        finally:
            if run.session is not None:
                await asyncio.shield(run.session.close())

    async def _judged(self, run: Execution, workspace: Workspace, result: SessionResult) -> Finished:
        order = run.order
        words = run.redact(clean(result.summary))[:_RESULT_CHARACTERS] if result.summary else None
        if not result.ok:
            reason = run.redact(one_line(result.reason)) or "the session failed"
            return Finished("failed", reason, workspace.branch, None, words, result.turns, result.session_id)
        if run.settings.commit and workspace.branch is not None:
            title = run.redact(one_line(order.title or "work", 120))
            message = f"{order.name}: {title}\n\nLeft uncommitted by {order.agent} in execution {order.execution}.\n"
            if commit := await self._workspaces.commit_leftovers(workspace, message):
                await run.writer.write([f"committed what was left as {commit}"], "system")
        head = await self._workspaces.head(workspace)
        return Finished("completed", "", workspace.branch, head, words, result.turns, result.session_id)

    async def _after(self, run: Execution, finished: Finished) -> None:
        if run.workspace is not None and run.workspace.folder.is_dir():
            seconds = _LAST_HOOK_SECONDS if finished.outcome == "interrupted" else None
            try:
                await self._hook(run, "after_run", run.workspace, seconds=seconds)
            except Exception as error:  # noqa: BLE001 - what comes after the outcome does not change it
                await run.writer.write([f"hook after_run: {run.reason(error)}"], "system")
        ending = "session completed" if finished.ok else f"session {finished.outcome}: {finished.reason}"
        await run.writer.write([ending], "system")
        if finished.ok or finished.session is None or finished.outcome == "cancelled":
            await self._drop_home(run.order.home or run.order.execution)

    async def _hook(
        self, run: Execution, name: HookName, workspace: Workspace, *, fatal: bool = False, seconds: float | None = None
    ) -> None:
        given = self._facts(run, workspace)
        result: HookResult | None = await run_hook(
            run.settings.hooks, name, workspace.folder, given, inherited=self._inherited, seconds=seconds
        )
        if result is None:
            return
        lines = [f"[{name}] {line}" for line in result.output.splitlines()]
        await run.writer.write([*lines, f"hook {name}: {result.reason or 'ok'}"], "system")
        if fatal:
            result.checked()

    async def _prompt(self, run: Execution, workspace: Workspace, steers: bool) -> str:
        """The prompt, with what attempts before were told; a session that takes nothing later gets all that waits with it."""
        order, waiting = run.order, []
        while not steers and not run.steers.empty():
            waiting.append(run.steers.get_nowait())
        notes = (order.note, *order.told, *(steer.text for steer in waiting))
        prompt = _noted(await self._rendered(run, workspace), notes)
        for steer in waiting:
            await self._reporter.steered(order, steer, None)
        return prompt

    async def _rendered(self, run: Execution, workspace: Workspace) -> str:
        order = run.order
        if order.prompt is not None:
            return literal(order.prompt)
        template = order.template or run.settings.template or DEFAULT_TEMPLATE
        variables = variables_of(
            identifier=order.name,
            title=order.title,
            description=order.description,
            boundary=re.sub(r"[^A-Za-z0-9]", "", self._ids.secret())[:12],
            repo=order.repo,
            number=order.number,
            url=order.url,
            labels=order.labels,
            priority=order.priority,
            attempt=order.attempt,
            workspace={"path": workspace.path, "branch": workspace.branch, "key": workspace.key},
        )
        try:
            async with asyncio.timeout(RENDER_SECONDS * 8):  # generous: the machine may be busy, the sizes are bounded
                rendered = await in_thread(lambda: self._prompts.render(template, variables), "rig-prompt")
        except TimeoutError:
            raise PromptError("the template takes too long") from None
        return rendered

    def _facts(self, run: Execution, workspace: Workspace) -> dict[str, str]:
        order = run.order
        facts = {
            MARKER: order.execution,
            "RIG_JOB_ID": order.job,
            "RIG_ISSUE": order.issue,
            "RIG_AGENT": order.agent,
            "RIG_ATTEMPT": str(order.attempt),
            "RIG_WORKSPACE": workspace.path,
        }
        return facts | {"RIG_BRANCH": workspace.branch} if workspace.branch else facts

    def _make_home(self, order: WorkOrder) -> dict[str, str]:
        self._homes.mkdir(mode=0o700, parents=True, exist_ok=True)
        mail = re.sub(r"[^A-Za-z0-9._-]", "-", order.agent) or "agent"
        return make_home(self._home(order.home or order.execution), order.agent, f"{mail}@rig.invalid")

    def _home(self, name: str) -> Path:
        return self._homes / re.sub(r"[^A-Za-z0-9_-]", "_", name)

    async def _drop_home(self, name: str) -> None:
        await in_thread(lambda: shutil.rmtree(self._home(name), ignore_errors=True))

    async def _tell_segments(self, run: Execution) -> None:
        while (segment := await run.segments.get()) is not None:
            try:
                await self._reporter.sealed(run.order, segment)
            except Exception as error:  # noqa: BLE001 - the segment is stored and is found again by ``recover``
                _log.warning("a sealed segment of %s was not taken: %s", run.order.execution, run.reason(error))


def _noted(prompt: str, notes: Sequence[str]) -> str:
    said = [literal(note) for note in notes if note]
    return "\n\n".join([prompt.rstrip(), *said]) + "\n" if said else prompt
