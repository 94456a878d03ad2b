"""The configuration in force while the daemon runs: follows the overlay in the log and mirrors it for people."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from rig.config import Configuration, write_mirror
from rig.errors import ConfigError
from rig.ids import DEFAULT_TENANT
from rig.model.rows import OverlayRow
from rig.model.tables import OVERLAY
from rig.store.port import Batch, Store
from rig.vault.secrets import SealedFile

log = logging.getLogger(__name__)


class LiveConfiguration:
    """Holds the newest good configuration; what HTTP shows and changes, and what reactors read at each use."""

    def __init__(self, start: Configuration, store: Store, secrets: SealedFile) -> None:
        """Takes in the overlay that the log has. An overlay that no longer fits is said and left out, never fatal."""
        self.current = start
        self.version = 0
        self._base = start
        self._secrets = secrets
        self._changed: list[Callable[[Configuration], None]] = []
        self._mirroring: asyncio.Task[None] | None = None
        row = store.get(OVERLAY, DEFAULT_TENANT, OVERLAY.name)
        if row is not None:
            self._take(row)

    # What HTTP asks of it

    def effective(self) -> Mapping[str, Any]:
        return self.current.effective()

    def provenance(self) -> Mapping[str, str]:
        return self.current.provenance()

    def schema(self) -> Mapping[str, Any]:
        return self.current.schema()

    def candidate(self, overlay: Mapping[str, Any]) -> Mapping[str, Any]:
        """The overlay as it may be stored: secrets go to the vault, references stay. Raises ConfigError with every error."""
        stored = deepcopy(dict(overlay))
        spelled = self._base.spelled_secrets(stored)
        names = {key: _secret_name(key) for key in spelled}
        values = {key: _swap(stored, key.split("."), f"$SECRET:{name}") for key, name in names.items()}
        checked = self._base.with_overlay(stored).overlay
        for key, name in names.items():
            self._secrets.put(DEFAULT_TENANT, name, values[key])
        return checked

    # What the log tells it

    def on_change(self, listener: Callable[[Configuration], None]) -> None:
        """Call ``listener`` with every new configuration, on the event loop."""
        self._changed.append(listener)

    def hear(self, batch: Batch) -> None:
        """A store listener."""
        row = batch.rows.get((DEFAULT_TENANT, OVERLAY.name, "overlay"))
        if isinstance(row, OverlayRow):
            self._take(row)
            for listener in self._changed:
                listener(self.current)
            self._mirroring = asyncio.get_running_loop().create_task(self._mirror())

    def _take(self, row: OverlayRow) -> None:
        self.version = row.version
        try:
            self.current = self._base.with_overlay(row.values)
        except ConfigError as error:
            log.error("the overlay does not fit this configuration and is left out: %s", error.message)
            self.current = self._base

    async def _mirror(self) -> None:
        try:
            await asyncio.to_thread(write_mirror, self.current.overlay_file, self.current.overlay)
        except OSError as error:
            log.warning("overlay.toml could not be written: %s", error.strerror)


def _secret_name(key: str) -> str:
    """What a secret of the overlay is called in the vault: the same for the same key, so that a change replaces it."""
    return ("OVERLAY_" + re.sub(r"[^A-Za-z0-9]", "_", key).upper())[:64]


def _swap(values: Any, path: list[str], reference: str) -> str:
    """Put ``reference`` at ``path`` and return the text that stood there."""
    *tables, last = path
    for name in tables:
        values = values[int(name)] if isinstance(values, list) else values[name]
    place: Any = int(last) if isinstance(values, list) else last
    text: str = values[place]
    values[place] = reference
    return text
