"""Scripts of the provider ``mock``: what they may say, where they come from, and the one that is played when there is none. Pure."""

import random
import re
import tomllib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig import ConfigError, ProviderConfig

DEFAULT_MODEL = "claude-sonnet-4-5"

MAX_TURNS = 200

_BLOCK = re.compile(r"^```rig-mock[ \t]*\r?\n(.*?)(?:^```[ \t]*\r?$|(\Z))", re.DOTALL | re.MULTILINE)
"""The first block; the last group is there when the block has no end: looking for another one could take for ever."""


class Spent(BaseModel):
    """Tokens that a turn reports."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: int = Field(0, ge=0)
    output: int = Field(0, ge=0)
    cache_read: int = Field(0, ge=0)
    cache_creation: int = Field(0, ge=0)
    model: str | None = None
    """Unset takes the session's."""


class Turn(BaseModel):
    """One turn of the agent. Its parts happen in the order of the fields; ``$issue`` and ``$execution`` are filled in in texts and paths."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    delay_ms: int = Field(0, ge=0, le=3_600_000)
    """Time that the model thinks."""
    text: str = ""
    """What the agent says; one log line a line."""
    ask: str = ""
    """What the agent asks a person; the turn goes on with the answer, which is ``$answer`` from then on."""
    options: tuple[str, ...] = ()
    """What may be answered; empty: any text."""
    deadline_seconds: float | None = Field(None, gt=0, le=604_800)
    """When the question counts as denied (``$answer`` is ``deny``); unset waits as long as the lease lives."""
    steer: bool = False
    """Wait until somebody steers the session; what was said is ``$steer`` from then on."""
    write: dict[str, str] = Field(default_factory=dict)
    """Files to write, path within the workspace to content; folders are made."""
    append: dict[str, str] = Field(default_factory=dict)
    """Files to add to."""
    delete: tuple[str, ...] = ()
    """Files to remove."""
    usage: Spent | None = None
    """Tokens of the turn; unset draws them, from the seed and the issue."""
    hang: bool = False
    """Never come back; only cancellation ends the session."""
    raises: str | None = None
    """Break the provider itself with an exception of this text."""
    fail: str | None = None
    """End the session as failed for this reason."""


class MockConfig(ProviderConfig):
    """``[providers.mock]``."""

    script: tuple[Turn, ...] = Field((), max_length=MAX_TURNS)
    """Turns that every session plays; an issue's own script comes before it, and empty plays a small change."""
    scripts_from_issues: bool = True
    """Whether a block fenced as ``rig-mock`` in the prompt, TOML with ``[[turn]]`` tables, is the session's script."""
    delay_ms: int = Field(40, ge=0, le=60_000)
    """Thinking time of each turn of the built-in script."""
    seed: int = 0
    """Same seed and same issue, same tokens."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid")
    turn: tuple[Turn, ...] = Field(min_length=1, max_length=MAX_TURNS)


def scripted(prompt: str) -> tuple[Turn, ...] | None:
    """The script that a prompt carries, None when it carries none. Raises ConfigError when it can't be read."""
    found = _BLOCK.search(prompt)
    if found is None or found[2] is not None:
        return None
    try:
        return _Block.model_validate(tomllib.loads(found[1])).turn
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the rig-mock block is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ConfigError(f"the rig-mock block: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def default(issue: str, prompt: str, delay_ms: int) -> tuple[Turn, ...]:
    """A small change that suits the issue: a note in a file of its own, made in three turns."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", issue).strip("-.") or "issue"
    path = f"notes/{slug}.md"
    subject = next((line.strip("# \t")[:120] for line in prompt.splitlines() if line.strip("# \t")), issue)
    words = len(prompt.split())
    return (
        Turn(delay_ms=delay_ms, text=f"Reading {issue}: {subject}\nLooking for the place of the change."),
        Turn(
            delay_ms=delay_ms,
            text=f"Writing {path}",
            write={
                path: f"# {issue.replace('$', '$$')}\n\n{subject.replace('$', '$$')}\n\nDone from a prompt of {words} words.\n"
            },
        ),
        Turn(delay_ms=delay_ms, text=f"{path} says what {issue} asked for."),
    )


def drawn(seed: int, issue: str, turns: int) -> list[Spent]:
    """Plausible tokens for each turn: a context that is cached and grows, a little new input, an answer."""
    rng = random.Random(f"{seed}:{issue}")
    cached, spent = 0, []
    for _ in range(turns):
        created = rng.randint(600, 6_000) if cached else rng.randint(9_000, 16_000)
        spent.append(
            Spent(input=rng.randint(4, 60), output=rng.randint(120, 1_800), cache_read=cached, cache_creation=created),
        )
        cached += created
    return spent


def script_of(config: MockConfig, issue: str, prompt: str) -> Sequence[Turn]:
    """The turns that a session plays: the prompt's, else the configuration's, else the built-in ones."""
    own = scripted(prompt) if config.scripts_from_issues else None
    return own or config.script or default(issue, prompt, config.delay_ms)
