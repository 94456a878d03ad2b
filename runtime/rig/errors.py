"""The one tree of errors: each class knows its code, its HTTP status and its exit code.

Raised where the fact is known, turned into HTTP in one middleware and into one line of text in one place of the command
line. A class's docstring is its default message; keyword arguments become the error's ``details``.
"""

from typing import Any, ClassVar


class RigError(Exception):
    """Something went wrong inside Rig."""

    code: ClassVar[str] = "unavailable"
    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 1
    retry_after: int | None = None
    """Seconds after which the same request may succeed, or None when repeating it is pointless."""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        super().__init__(self.message)


class BadRequest(RigError):
    """The request is malformed."""

    code = "bad_request"
    http_status = 400
    exit_code = 2


class MalformedJson(BadRequest):
    """The body is not acceptable JSON."""

    code = "malformed_json"


class UnknownEventType(BadRequest):
    """Unknown event type."""

    code = "unknown_event_type"


class BadCursor(BadRequest):
    """The cursor is not a sequence of this log."""

    code = "bad_cursor"


class IdempotencyKeyRequired(BadRequest):
    """This operation needs an Idempotency-Key header."""

    code = "IDEMPOTENCY_KEY_REQUIRED"


class Unauthorized(RigError):
    """A valid credential is required."""

    code = "unauthorized"
    http_status = 401
    exit_code = 5


class BadSignature(Unauthorized):
    """The delivery's signature does not match any configured secret."""

    code = "bad_signature"


class StaleDelivery(BadSignature):
    """The delivery was signed too long ago, or in the future; compare the clocks."""

    code = "replay_rejected"


class Forbidden(RigError):
    """This credential may not do that."""

    code = "forbidden"
    http_status = 403
    exit_code = 5


class TenantRequired(Forbidden):
    """The X-Stella-Tenant header is required."""

    code = "TENANT_REQUIRED"


class TenantForbidden(Forbidden):
    """The credential belongs to another tenant."""

    code = "TENANT_FORBIDDEN"


class NotFound(RigError):
    """There is no such thing."""

    code = "not_found"
    http_status = 404
    exit_code = 3


class MethodNotAllowed(RigError):
    """The method is not allowed on this path."""

    code = "method_not_allowed"
    http_status = 405
    exit_code = 2


class NotAcceptable(RigError):
    """No acceptable representation."""

    code = "not_acceptable"
    http_status = 406
    exit_code = 2


class RequestTimeout(RigError):
    """The request came too slowly."""

    code = "request_timeout"
    http_status = 408
    exit_code = 7


class Conflict(RigError):
    """The thing is not in the state that this needs."""

    code = "conflict"
    http_status = 409
    exit_code = 4


class VersionConflict(Conflict):
    """The stream has moved on since it was read."""

    code = "version_conflict"


class StaleLease(Conflict):
    """The lease has ended or its fence is no longer the newest."""

    code = "stale_lease"


class IllegalTransition(Conflict):
    """The state machine does not allow that."""

    code = "illegal_transition"


class Vetoed(Conflict):
    """A plugin does not allow it."""

    code = "vetoed"


class AlreadyExists(Conflict):
    """It exists already."""

    code = "already_exists"


class Gone(RigError):
    """What was asked for was kept for a while, and is no more."""

    code = "gone"
    http_status = 410
    exit_code = 3


class CursorTooOld(RigError):
    """The cursor is older than what is kept; read a list and subscribe from its asOf."""

    code = "cursor_too_old"
    http_status = 410


class PreconditionFailed(RigError):
    """The If-Match version is not the current one."""

    code = "precondition_failed"
    http_status = 412
    exit_code = 4


class TooLarge(RigError):
    """The body is too large."""

    code = "too_large"
    http_status = 413
    exit_code = 2


class UriTooLong(RigError):
    """The request target is too long."""

    code = "uri_too_long"
    http_status = 414
    exit_code = 2


class UnsupportedMediaType(RigError):
    """The body must be application/json."""

    code = "unsupported_media_type"
    http_status = 415
    exit_code = 2


class Unprocessable(RigError):
    """The request is well-formed but means something impossible."""

    code = "unprocessable"
    http_status = 422
    exit_code = 2


class IdempotencyReuse(Unprocessable):
    """The Idempotency-Key was used with another body."""

    code = "idempotency_key_reused"


class TooManyRequests(RigError):
    """Too many requests."""

    code = "too_many_requests"
    http_status = 429
    retry_after = 1


class HeadersTooLarge(RigError):
    """The request's headers are too large."""

    code = "headers_too_large"
    http_status = 431
    exit_code = 2


class BadGateway(RigError):
    """Something that Rig depends on gave a bad answer."""

    code = "bad_gateway"
    http_status = 502


class Unavailable(RigError):
    """Rig cannot do that at the moment."""

    retry_after = 1


class StorageUnavailable(Unavailable):
    """The store cannot be written at the moment; nothing was stored."""

    code = "storage_unavailable"


class OutcomeUnknown(Unavailable):
    """The store failed while committing; read before you repeat, or repeat with the same Idempotency-Key."""

    code = "outcome_unknown"


class LogCorrupt(RigError):
    """The log is damaged; writes are refused until an operator decides."""

    code = "log_corrupt"

    def __init__(self, message: str | None = None, *, sequence: int | None = None, **details: Any) -> None:
        super().__init__(message, sequence=sequence, **details)
        self.sequence = sequence
        """First sequence that cannot be trusted, None when even that cannot be told."""


class Internal(Unavailable):
    """Rig failed at this; the log has the details under this trace id."""

    code = "internal"


class NotReady(Unavailable):
    """Rig takes no work at the moment."""

    code = "not_ready"


class Draining(Unavailable):
    """The daemon is stopping."""

    code = "draining"


class Busy(Unavailable):
    """Too much work is waiting; try again shortly."""

    code = "busy"


class DeadlineExceeded(Unavailable):
    """No answer came in time; the outcome is unknown."""

    code = "deadline_exceeded"


class ActorFault(Unavailable):
    """The part of Rig that handles this failed and was rebuilt; try again."""

    code = "actor_fault"


class ConfigError(RigError):
    """The configuration is not valid."""

    code = "config_invalid"
    http_status = 422
    exit_code = 78


class CannotListen(RigError):
    """The address cannot be listened on."""

    code = "cannot_listen"


class DataDirInUse(RigError):
    """Another daemon holds the data directory."""

    code = "data_dir_in_use"


class SchemaTooNew(RigError):
    """The store was written by a newer Rig."""

    code = "schema_too_new"


class WrongKey(RigError):
    """The master key does not open the vault."""

    code = "wrong_master_key"


class WorkspaceError(RigError):
    """The workspace could not be made or used."""

    code = "workspace_error"


class ProcessError(RigError):
    """A program that Rig ran failed."""

    code = "process_error"


class PluginError(RigError):
    """A plugin failed."""

    code = "plugin_error"


class NotSent(RigError):
    """A notification was not taken."""

    code = "not_sent"

    def __init__(self, message: str | None = None, *, retry_after: int | None = None, final: bool = False) -> None:
        """``retry_after``: seconds that the other side asks to be left alone; ``final``: sending it again is pointless."""
        super().__init__(message)
        self.retry_after = retry_after
        self.final = final


class TrackerUnavailable(RigError):
    """A tracker can't be read now."""

    code = "tracker_unavailable"

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        """``retry_after``: seconds to leave it alone, as until its rate limit is reset; None: it does not say."""
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(RigError):
    """The daemon does not answer; is it running?"""

    code = "unreachable"
    exit_code = 6


class WaitedTooLong(RigError):
    """Waited too long."""

    code = "waited_too_long"
    exit_code = 7
