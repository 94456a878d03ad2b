"""What was measured, as data, and how it reads: medians with their range, ratios within a round, targets met or not."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Line:
    """One variant: a value a round, in the unit that is named."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(frozen=True)
class Target:
    """What a section must reach."""

    name: str
    value: float
    bound: Literal["≥", "≤"]
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.bound == "≥" else self.value <= self.limit


@dataclass(frozen=True)
class Section:
    """One benchmark with its outcome."""

    name: str
    title: str
    lines: tuple[Line, ...] = ()
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def short(self) -> bool:
        """Whether something falls short of its target."""
        return not all(target.met for target in self.targets)


@dataclass(frozen=True)
class Report:
    """A whole run."""

    machine: dict[str, str]
    sections: list[Section] = field(default_factory=list)


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of each round: what wanders from round to round wanders for both."""
    return median(a / b for a, b in zip(over, under, strict=True))


def number(value: float) -> str:
    """Three digits that count, thousands with a comma."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def section_text(section: Section) -> str:
    """A section as people read it."""
    out = [f"{section.name}: {section.title}"]
    width = max([44, *(len(line.name) for line in section.lines), *(len(t.name) for t in section.targets)])
    for line in section.lines:
        spread = f"[{number(min(line.values))} – {number(max(line.values))}] n={len(line.values)}"
        out.append(
            f"  {line.name:<{width}} {number(line.median):>10} {line.unit:<9} {spread if len(line.values) > 1 else ''}".rstrip()
        )
    for target in section.targets:
        word = "pass " if target.met else "SHORT"
        unit = f" {target.unit}" if target.unit else ""
        out.append(
            f"  {target.name:<{width}} {number(target.value):>10} {target.bound} {number(target.limit)}{unit}  {word}".rstrip()
        )
    out.extend(f"  ({note})" for note in section.notes)
    return "\n".join(out)


def machine_text(machine: dict[str, str]) -> str:
    """The facts without which no figure means anything."""
    width = max(len(name) for name in machine)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in machine.items())


def as_json(report: Report) -> str:
    """The run for programs: every value of every round, and whether each target is met."""
    sections: list[dict[str, Any]] = []
    for section in report.sections:
        shown = asdict(section)
        shown["targets"] = [asdict(target) | {"met": target.met} for target in section.targets]
        sections.append(shown)
    return json.dumps({"machine": report.machine, "sections": sections}, indent=2, ensure_ascii=False)
