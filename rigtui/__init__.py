"""The terminal dashboard: ``rigtui [URL]``. It talks HTTP to a daemon, holds rows, and draws them."""
