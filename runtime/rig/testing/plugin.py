"""The suite of every plugin: it loads, and says properly what it wants."""

import time
from collections.abc import Collection

from rig.plugin.hookspecs import HOOKS
from rig.testing.neighbours import clashes
from rig.testing.subject import Subject, entry_of
from rig.testing.suite import Suite, check, must

IMPORT_SECONDS = 3.0


class PluginContract(Suite):
    """What the daemon expects of a plugin before it calls it."""

    commands: Collection[str] = ()
    """Names that no command of the plugin may have; ``rig plugin test`` gives those of Rig itself."""

    @check
    async def test_it_loads(self) -> None:
        began = time.monotonic()
        subject = self.subject()
        must(time.monotonic() - began < IMPORT_SECONDS, f"loading took longer than {IMPORT_SECONDS:g} s: import late")
        must(subject.loaded.hooks, "it implements no hook: is each function marked with @rig.hookimpl?")
        old = [f"{hook} ({note})" for hook in subject.loaded.hooks if (note := HOOKS[hook].deprecated)]
        must(not old, f"it implements what will go: {', '.join(old)}")

    @check
    async def test_a_misspelt_key_of_its_table_is_found(self) -> None:
        subject = Subject(self.plugin, {**self.config, "no_such_key_of_yours": 1})
        must(subject.loaded.state == "config_error", "its configuration lets a misspelt key pass: derive from rig.PluginConfig")
        must(subject.error and "no_such_key_of_yours" in subject.error or subject.loaded.model is None, f"{subject.error}")

    @check
    async def test_it_loads_again_after_it_was_switched_off(self) -> None:
        first, second = self.subject(), self.subject()
        must(first.loaded.hooks == second.loaded.hooks, "it implements other hooks the second time")

    @check
    async def test_it_is_loaded_beside_those_installed_here(self) -> None:
        self.subject()
        wrong = clashes(entry_of(self.plugin), self.config, self.commands)
        must(not wrong, "; ".join(wrong))
