"""A run: the machine's facts, then one section after the other, printed as they end."""

import sys
from collections.abc import Sequence

from rig.bench import machine, report
from rig.bench.asking import asks
from rig.bench.claiming import claims
from rig.bench.commits import group_commit
from rig.bench.memory import memory
from rig.bench.settings import Benchmark, Settings
from rig.bench.size import size
from rig.bench.starting import starts
from rig.bench.writing import write_path

SECTIONS: dict[str, Benchmark] = {
    "write": write_path,
    "commit": group_commit,
    "ask": asks,
    "claim": claims,
    "start": starts,
    "memory": memory,
    "size": size,
}


async def measure(settings: Settings, only: Sequence[str], *, json: bool) -> None:
    """Run the named sections; text comes section by section, JSON at the end."""
    facts = machine.facts(settings.directory)
    found = report.Report(facts)
    if not json:
        print(report.machine_text(facts), flush=True)
    for name, benchmark in SECTIONS.items():
        if name not in only:
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        section = await benchmark(settings)
        found.sections.append(section)
        if not json:
            print("\n" + report.section_text(section), flush=True)
    if json:
        print(report.as_json(found))
    elif any(section.short for section in found.sections):
        print("\nSHORT: " + ", ".join(section.name for section in found.sections if section.short))
