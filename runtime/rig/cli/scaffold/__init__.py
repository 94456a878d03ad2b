"""What ``rig plugin new`` writes: a project for each kind of plugin, from templates that come with Rig."""
