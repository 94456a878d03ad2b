"""A board of issues that is a folder of Markdown files."""

from collections.abc import Sequence

from rig import Tracker, TrackersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_files.config:FilesConfig"


@hookimpl
def rig_register_trackers(context: TrackersContext) -> Sequence[Tracker]:
    if not context.config.folder:
        return []
    from rig_files.tracker import FileBoard

    return [FileBoard(context.config)]
