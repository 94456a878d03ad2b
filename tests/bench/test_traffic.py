"""What the benchmarks post is what the daemon takes."""

import json

from rig.bench import traffic
from rig.model import facts


def test_every_event_is_a_fact_and_a_new_issue_comes_every_fourth_time() -> None:
    found = [facts.parse(json.loads(traffic.single(n))) for n in range(8)]
    kinds = ["issue_approved", "work_started", "token_usage", "heartbeat"]
    assert [fact.type.name for fact in found] == kinds * 2
    assert [fact.stream for fact in found] == ["acme/web#1"] * 3 + ["agent-1"] + ["acme/web#2"] * 3 + ["agent-2"]


def test_batches_continue_where_the_one_before_ended() -> None:
    posted = [event for n in range(2) for event in json.loads(traffic.batch(n, 3))]
    assert posted == [json.loads(traffic.single(n)) for n in range(6)]
