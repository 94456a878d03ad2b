"""``python -m rig.bench``: the same as ``rig bench``."""

import sys

from rig.bench import main

sys.exit(main(sys.argv[1:]))
