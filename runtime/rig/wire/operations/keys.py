"""API keys."""

from rig.wire.operations.operation import ADMIN, Operation

OPERATIONS: tuple[Operation, ...] = (
    Operation("list_api_keys", "GET", ("/api/api-keys",), "API keys, by prefix", "keys", ADMIN, response="Keys"),
    Operation(
        "create_api_key",
        "POST",
        ("/api/api-keys",),
        "Create an API key; it is shown this once",
        "keys",
        ADMIN,
        "NewKey",
        "KeyCreated",
        201,
        secret=True,
    ),
    Operation("revoke_api_key", "DELETE", ("/api/api-keys/{id}",), "Revoke an API key", "keys", ADMIN, response="Removed"),
)
