"""Text from outside made harmless: escape sequences and invisible characters out, live secrets out, data fenced off."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import quote

REPLACEMENT = "\ufffd"
REDACTED = "[REDACTED]"

_SEQUENCE = re.compile(
    # OSC, DCS, SOS, PM and APC take everything up to their terminator, yet never more than the line they stand in
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    # CSI: parameters, intermediates, a final byte
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    # every other escape
    r"|\x1b[ -/]*[0-~]?"
)
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators, bidi
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"  # tags and supplementary variation selectors
)


def clean(text: str) -> str:
    """``text`` without terminal escape sequences; every other control, bidi or invisible character becomes U+FFFD.

    Tab and newline stay, CR LF becomes LF. Linear in the length whatever the text (promises §3.5).
    """
    if text.isprintable():  # no control or format character at all; the fillers among letters are looked for below
        return _INVISIBLE.sub(REPLACEMENT, text) if not text.isascii() else text
    return _INVISIBLE.sub(REPLACEMENT, _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def visible(text: str) -> str:
    """``text`` in which nothing is hidden: what is not printable, but tab and newline, is written as its escape in Python.

    For what a person is to judge, such as a command: ``clean`` would take out what a shell would still read.
    """
    return "".join(c if c in "\n\t" or c.isprintable() and not _INVISIBLE.match(c) else ascii(c)[1:-1] for c in text)


def one_line(text: str, limit: int = 200) -> str:
    """``text`` cleaned, on one line and at most ``limit`` characters long, for log records, reasons and table cells."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit and len(text) <= 4 * limit else flat[: limit - 1] + "…"


def fence_untrusted(text: str, boundary: str) -> str:
    """``text``, cleaned, as data between two marks that carry ``boundary``, which the caller draws at random for each prompt.

    A text of one line stays on one line; the boundary itself is taken out of the text, so nothing in it can close the fence.
    """
    inner = clean(text)
    while boundary in inner:
        inner = inner.replace(boundary, "")
    edge = "\n" if "\n" in inner else ""
    return f"<untrusted-{boundary}>{edge}{inner}{edge}</untrusted-{boundary}>"


_WINDOW = 12
_STRIDE = 6
_GRAM = _WINDOW - _STRIDE + 1
"""Every window of 12 characters holds a whole gram of 7 that starts at a multiple of 6: looking there finds every window."""

_PATTERNS = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{16,}"),
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
        ("glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
        ("sk-", r"\bsk-[A-Za-z0-9_-]{16,}"),
        ("rig_", r"\brig_[A-Za-z0-9]{4,16}_[A-Za-z0-9_-]{16,}"),
        ("AKIA", r"\bAKIA[0-9A-Z]{16}"),
        ("AIza", r"\bAIza[0-9A-Za-z_-]{30,}"),
        ("xox", r"\bxox[a-z]-[A-Za-z0-9-]{10,}"),
        ("lin_", r"\blin_(?:api|oauth)_[A-Za-z0-9]{16,}"),
        ("eyJ", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
        ("://", r"(?<=://)[^\s/@:]{1,256}:[^\s/@]{1,1024}(?=@)"),
        ("PRIVATE KEY", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]{0,40}PRIVATE KEY-----)?"),
    )
)


class Redactor:
    """Takes live secrets, and whatever looks like a token, out of a text; also parts of them and their usual encodings.

    A secret is found by every run of 12 characters of it, plain, URL-quoted, in hex, reversed and in base64 at each of the
    three alignments; one of 4 to 11 characters only whole; shorter ones not at all. Made once for each execution; safe to
    call on any thread.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._windows: set[str] = set()
        short: set[str] = set()
        for secret in secrets:
            for form in _forms(secret):
                if len(form) >= _WINDOW:
                    self._windows.update(form[i : i + _WINDOW] for i in range(len(form) - _WINDOW + 1))
                elif len(form) >= 8 or form == secret and len(form) >= 4:
                    short.add(form)
        self._grams = {window[i : i + _GRAM] for window in self._windows for i in range(_STRIDE)}
        self._short = re.compile("|".join(map(re.escape, sorted(short, key=len, reverse=True)))) if short else None

    def __call__(self, text: str) -> str:
        """``text`` with every find replaced by ``[REDACTED]``; the same object when there is none."""
        cuts = [match.span() for mark, pattern in _PATTERNS if mark in text for match in pattern.finditer(text)]
        if self._short is not None:
            cuts += [match.span() for match in self._short.finditer(text)]
        if self._grams and not self._grams.isdisjoint([text[i : i + _GRAM] for i in range(0, len(text), _STRIDE)]):
            windows = self._windows
            cuts += [(i, i + _WINDOW) for i in range(len(text) - _WINDOW + 1) if text[i : i + _WINDOW] in windows]
        if not cuts:
            return text
        parts: list[str] = []
        end = 0
        for start, stop in sorted(cuts):
            if start > end or not parts:
                parts += [text[end:start], REDACTED]
            end = max(end, stop)
        return "".join(parts) + text[end:]


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(raw, safe=""), raw.hex(), raw.hex().upper(), secret[::-1]}
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            text = encode(b"\0" * shift + raw).decode().rstrip("=")
            # the first characters depend on what stands before the secret, the last one on what follows it
            forms.add(text[4 if shift else 0 : -1])
    return forms
