"""Judges of recorded histories: models of their own, which share no code with what they judge."""
