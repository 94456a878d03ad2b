"""The configuration of the file board."""

from pydantic import Field

from rig import PluginConfig


class FilesConfig(PluginConfig):
    """``[plugins.files]``."""

    folder: str = ""
    """Folder whose Markdown files are issues, for example `~/board`; empty: there is no board."""
    repo: str = Field("", pattern=r"^([A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100})?$")
    """Repository that files are issues of: `12-faster.md` is `owner/name#12`; empty: of none, it is `TASK-12`."""
    prefix: str = Field("TASK", pattern=r"^[A-Z][A-Z0-9]{0,9}$")
    """Prefix of issues without a repository."""
    default_state: str = Field("todo", min_length=1, max_length=100)
    """State of a file that names none and lies in no sub-folder."""
    active: tuple[str, ...] = ("todo", "ready", "in progress", "doing")
    """States in which a file is work to do; what is in none of these lists is not to be done now."""
    done: tuple[str, ...] = ("done", "closed", "completed")
    """States of what is done."""
    cancelled: tuple[str, ...] = ("cancelled", "canceled", "dropped", "wontfix")
    """States of what is given up."""
