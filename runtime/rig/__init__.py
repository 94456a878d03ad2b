"""Rig: the control plane for a fleet of coding agents. The names here are the public ones, for plugin authors."""

__version__ = "0.1.0"
