"""``rig demo``: the main job end to end on a small real repository, with the provider that needs no model."""
