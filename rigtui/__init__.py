"""The terminal dashboard's package; it is not in this release, ``rigtui.__main__`` says so."""
