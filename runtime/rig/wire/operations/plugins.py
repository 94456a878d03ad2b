"""Plugins: what there is, switching it, and what plugins add to the API themselves."""

from rig.wire.operations.operation import ADMIN, READ, WAIT, WRITE, Operation, Parameter

OPERATIONS: tuple[Operation, ...] = (
    Operation("list_plugins", "GET", ("/api/v1/plugins",), "Plugins and their state", "plugins", READ, response="Plugins"),
    Operation(
        "list_plugin_calls",
        "GET",
        ("/api/v1/plugins/calls",),
        "The last calls into plugins",
        "plugins",
        ADMIN,
        response="PluginCalls",
        query=(
            Parameter("after", "only calls after this number", "integer", minimum=0, default=0),
            Parameter("plugin", "only calls into this plugin"),
            WAIT,
        ),
        installation=True,
    ),
    Operation(
        "enable_plugin",
        "POST",
        ("/api/v1/plugins/{name}/enable",),
        "Let a plugin in, or out of its quarantine",
        "plugins",
        ADMIN,
        response="Plugin",
        installation=True,
    ),
    Operation(
        "disable_plugin",
        "POST",
        ("/api/v1/plugins/{name}/disable",),
        "Take a plugin out",
        "plugins",
        ADMIN,
        response="Plugin",
        installation=True,
    ),
    Operation(
        "query_plugin",
        "GET",
        ("/x/{plugin}/{operation}",),
        "Ask an operation that a plugin adds",
        "plugins",
        READ,
        open_query=True,
    ),
    Operation(
        "call_plugin",
        "POST",
        ("/x/{plugin}/{operation}",),
        "Call an operation that a plugin adds",
        "plugins",
        WRITE,
        request="PluginBody",
        optional_body=True,
    ),
)
