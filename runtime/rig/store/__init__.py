"""The log and its read models: one port, three adapters, one contract test class."""
