"""What ``rigtui`` does in a release without the dashboard: say so, and point to what there is."""

import sys


def main() -> None:
    """Print one line and exit with 1."""
    sys.exit("rigtui: the dashboard is not in this release; use the rig commands instead, for example: rig issue list")


if __name__ == "__main__":
    main()
