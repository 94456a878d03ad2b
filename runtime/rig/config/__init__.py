"""Configuration: what holds, where each value came from, and what a change would have to be."""

from rig.config.configuration import Configuration, load
from rig.config.mirror import write_mirror
from rig.config.places import default_data_dir, usable_data_dir
from rig.config.sections import Secret, Section, Settings

__all__ = ["Configuration", "Secret", "Section", "Settings", "default_data_dir", "load", "usable_data_dir", "write_mirror"]
