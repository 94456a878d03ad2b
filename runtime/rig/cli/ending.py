"""How a command ends: its exit code, and whatever went wrong as one line that says what to do. No traceback reaches a user."""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

import click

from rig.errors import RigError
from rig.text import one_line

INTERRUPTED = 130
"""128 + SIGINT."""
CLOSED_PIPE = 141
"""128 + SIGPIPE: what was written for went away, as ``| head`` does."""
DEBUG = "RIG_DEBUG"
"""Environment variable that shows the traceback of whatever goes wrong."""
LINE = 4000


class NobodyReads(Exception):
    """Whoever read the output has gone."""


def run(arguments: Sequence[str]) -> int:
    """Run ``rig`` with these arguments; the exit code."""
    os.umask(0o077)  # whatever a command writes is its user's alone
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - closed by whoever started us; it lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a stream may be None or another's
    return ended(lambda: _command(arguments))


def _command(arguments: Sequence[str]) -> object:
    from rig.cli.root import rig

    return rig.main(args=list(arguments), prog_name="rig", standalone_mode=False)


def ended(command: Callable[[], object]) -> int:
    """The exit code of ``command``, which returns one, None for 0, or raises; failures are said on stderr."""
    try:
        code = command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            error.show()
        return error.exit_code
    except click.ClickException as error:
        return _failed(_usage(error), error.exit_code)
    except RigError as error:
        _debug()
        return _failed(_with_trace(error), error.exit_code)
    except (NobodyReads, BrokenPipeError):
        _drop_output()
        return CLOSED_PIPE
    except OSError as error:
        _debug()
        named = f"{error.filename}: " if error.filename else ""
        _drop_output()
        return _failed(f"{named}{(error.strerror or str(error)).lower()}", 1)
    except Exception as error:  # noqa: BLE001 - the last resort: a defect is one line too
        _debug()
        if type(error).__module__ == "sqlite3":
            return _failed(f"the store cannot be read: {error}; run `rig doctor`", 1)
        return _failed(f"this is a defect of Rig: {type(error).__name__}: {error}; set {DEBUG}=1 to see where", 1)
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        message = f"{message.rstrip('.')}; see: {context.command_path} --help"
    return message


def _with_trace(error: RigError) -> str:
    trace = error.details.get("trace_id")
    return f"{error.message} (trace {trace})" if trace and error.http_status >= 500 else error.message


def _failed(message: str, code: int) -> int:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"rig: {one_line(message, LINE)}", file=sys.stderr, flush=True)
    return code


def _debug() -> None:
    if os.environ.get(DEBUG, "") not in ("", "0"):
        import traceback

        traceback.print_exc()


def _drop_output() -> None:
    """Nothing more can be written: keep the interpreter from trying again at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
