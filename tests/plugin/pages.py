"""The examples of docs/plugins/: the first block of Python on each page is a plugin in one file, which its first line names."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "plugins"
BLOCK = re.compile(r"^```python\n# (\w+)\.py: [^\n]+\n.*?^```$", re.DOTALL | re.MULTILINE)


def example(hook: str) -> tuple[str, str]:
    """(name of the plugin, its code) of a hook's page."""
    found = BLOCK.findall(text := (PAGES / f"{hook}.md").read_text())
    assert len(found) == 1, f"{hook}.md has {len(found)} examples"
    block = BLOCK.search(text)
    assert block is not None
    return found[0], block[0].removeprefix("```python\n").removesuffix("```")


def hooks() -> list[str]:
    """The hooks that have a page."""
    return sorted(page.stem for page in PAGES.glob("rig_*.md"))


def write(folder: Path, *only: str) -> dict[str, str]:
    """Put examples into a folder of one-file plugins; hook to plugin."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for hook in only or hooks():
        written[hook], code = example(hook)
        (folder / f"{written[hook]}.py").write_text(code)
    return written
