"""Priority words and ranks: critical 0, high 1, normal 2, low 3 (R0-27, R0-31)."""

NAMES = ("critical", "high", "normal", "low")
NORMAL = 2


def rank(value: object) -> int:
    """The rank of a word in any letter case or of Symphony's 1–4; anything else is normal."""
    if isinstance(value, str):
        word = value.strip().lower()
        return NAMES.index(word) if word in NAMES else NORMAL
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4:
        return value - 1
    return NORMAL


def name(rank_: int) -> str:
    """The word for a rank."""
    return NAMES[rank_] if 0 <= rank_ < len(NAMES) else "normal"
