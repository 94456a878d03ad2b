"""Shapes of what goes over the wire, by the names that ``rig.wire.operations`` uses."""
