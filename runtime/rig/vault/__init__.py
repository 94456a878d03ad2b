"""Secrets at rest: the master key, sealing, API keys and the operator's token. Import from the modules; most need little."""
