"""The shared store on PostgreSQL (extra ``postgres``): the same log, the same folds and the same bytes as the embedded one.

Everything is in the schema ``rig`` of the database that the URL names. One daemon serves a store at a time: it holds a session's
advisory lock on the connection that it writes with (``guard``). For several daemons at once these are left: to look at the
``head`` row again and decide a batch anew when another has written, to hear of the others' batches (LISTEN/NOTIFY with a poll
behind it) so that caches, actors and streams see them, and to share out timers and polling.

Importing this raises ConfigError where psycopg is missing.
"""

from rig.errors import ConfigError

try:
    import psycopg as _psycopg  # noqa: F401
except ImportError as error:
    raise ConfigError(f"a store on PostgreSQL needs psycopg ({error}); install it: pip install 'rigtui[postgres]'") from None
