"""Where plugins have a say in the work: before and after dispatch, run and completion, and after every transition."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from rig.clock import iso
from rig.model import priority
from rig.model.events import TYPES, Event
from rig.model.folds.issue import destination
from rig.model.rows import IssueRow, State
from rig.model.states import OPEN
from rig.model.tables import ISSUES, Query
from rig.plugin.happenings import Happenings
from rig.plugin.moments import (
    CompletionContext,
    DispatchContext,
    RunChanges,
    RunContext,
    RunEndedContext,
    TransitionContext,
    Veto,
)
from rig.store.port import Batch, Snapshot, Store
from rig.work.order import Finished, WorkOrder

OWN = ("HOME", "PATH")
"""Names that no plugin may set in a run's environment; nor any ``RIG_*``."""


class Gates:
    """Asks and tells the plugins' hooks in the name of dispatch, executor and edge."""

    def __init__(self, happenings: Happenings, store: Store) -> None:
        self._happenings = happenings
        self._store = store
        self._states: dict[tuple[str, str], State] | None = None
        """(tenant, stream) of every open issue to its state; None until a plugin wants to know of transitions."""

    async def admit(self, order: WorkOrder) -> tuple[WorkOrder, str | None, float]:
        """(the order as plugins want it run, why it may not be run or None, seconds until it may be tried again)."""
        veto = _first(await self._happenings.ask("rig_before_dispatch", DispatchContext(**_order(order)), Veto))
        if veto is None:
            context = RunContext(**_order(order), execution=order.execution, job=order.job)
            answers = await self._happenings.ask("rig_before_run", context, (RunChanges, Veto))
            veto = _first([(plugin, answer) for plugin, answer in answers if isinstance(answer, Veto)])
            for _, answer in answers:
                if isinstance(answer, RunChanges):
                    order = _changed(order, answer)
        if veto is not None:
            return order, f"{veto[0]}: {veto[1].reason}", max(1.0, veto[1].seconds)
        self._happenings.tell("rig_after_dispatch", DispatchContext(**_order(order)))
        return order, None, 0.0

    def ended(self, order: WorkOrder, finished: Finished) -> None:
        """A run is over and reported."""
        run = RunEndedContext(
            **_order(order),
            execution=order.execution,
            job=order.job,
            outcome=finished.outcome,
            reason=finished.reason,
            turns=finished.turns,
        )
        self._happenings.tell("rig_after_run", run)

    async def completion(
        self,
        row: IssueRow | None,
        issue: str,
        agent: str,
        to: str,
        *,
        branch: str | None,
        commit: str | None,
        result: str | None,
    ) -> str | None:
        """Why a plugin does not let work count as completed, None when all do."""
        if not self._happenings.wanted("rig_before_transition"):
            return None
        context = CompletionContext(
            issue=issue,
            title=row.title if row else None,
            labels=row.labels if row else (),
            agent=agent,
            to=to,
            branch=branch,
            commit=commit,
            result=result,
        )
        veto = _first(await self._happenings.ask("rig_before_transition", context, Veto))
        return None if veto is None else f"{veto[0]}: {veto[1].reason}"

    # Transitions

    def hear(self, batch: Batch) -> None:
        """A store listener: tell of every state that an event of the batch changed."""
        if not self._happenings.wanted("rig_after_transition"):
            self._states = None
            return
        if self._states is None:
            with self._store.snapshot() as snapshot:
                self._states = _open_issues(snapshot)
            for event in batch.events:  # the snapshot has them already: what they changed is told from the next batch on
                self._forget(event, batch.rows)
            return
        for event in batch.events:
            self._tell(event, batch.rows)

    def _tell(self, event: Event, rows: Mapping[tuple[str, str, str], object]) -> None:
        assert self._states is not None
        key = (event.tenant, event.stream)
        row = rows.get((event.tenant, ISSUES.name, event.stream))
        if not isinstance(row, IssueRow) or TYPES[event.type].family not in ("issue", "system"):
            return
        before = self._states.get(key)
        after, reason = destination(event.type, msgspec.json.decode(event.body or b"{}"), before)
        if row.version == event.version:
            after, reason = row.state, None
        if reason is not None or after is None or after == before:
            return
        self._set(key, after)
        self._happenings.tell(
            "rig_after_transition",
            TransitionContext(
                issue=event.stream,
                before=before,
                after=after,
                event=event.type,
                sequence=event.sequence,
                at=iso(event.at),
                agent=row.agent,
                reason=row.reason,
            ),
        )

    def _forget(self, event: Event, rows: Mapping[tuple[str, str, str], object]) -> None:
        row = rows.get((event.tenant, ISSUES.name, event.stream))
        if isinstance(row, IssueRow):
            self._set((event.tenant, event.stream), row.state)

    def _set(self, key: tuple[str, str], state: State) -> None:
        assert self._states is not None
        if state in OPEN:
            self._states[key] = state
        else:
            self._states.pop(key, None)


def _open_issues(snapshot: Snapshot) -> dict[tuple[str, str], State]:
    found: dict[tuple[str, str], State] = {}
    for tenant in snapshot.tenants():
        after: str | None = None
        while page := snapshot.page(
            Query(ISSUES, tenant, (("state", "in", tuple(sorted(OPEN))),), limit=5000, after_key=after)
        ):
            found |= {(tenant, stream): row.state for stream, row in page}
            after = page[-1][0]
    return found


def _order(order: WorkOrder) -> dict[str, Any]:
    return {
        "issue": order.issue,
        "title": order.title,
        "labels": order.labels,
        "priority": priority.name(order.priority),
        "attempt": order.attempt,
        "agent": order.agent,
        "provider": order.provider,
        "model": order.model,
    }


def _changed(order: WorkOrder, changes: RunChanges) -> WorkOrder:
    mine = {k: str(v) for k, v in changes.environment.items() if k not in OWN and not k.upper().startswith("RIG_")}
    note = "\n\n".join(filter(None, [order.note, changes.note]))
    return replace(order, environment={**mine, **order.environment}, note=note)


def _first(vetoes: "list[tuple[str, Veto]]") -> "tuple[str, Veto] | None":
    return vetoes[0] if vetoes else None
