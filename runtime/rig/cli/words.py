"""Values as the command line prints them; ``rig.wire.words`` says how, for the dashboard too."""

from rig.wire.words import NOTHING, ago, moment, money, safe_json, short, tokens, word

__all__ = ["NOTHING", "ago", "moment", "money", "safe_json", "short", "tokens", "word"]
