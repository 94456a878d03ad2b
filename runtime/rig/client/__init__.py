"""The HTTP client of the API, for the command line and the dashboard: one call an operation, streams that resume by themselves."""

from rig.client.address import Target, operator_token, target
from rig.client.connection import Client
from rig.client.sse import Frame, Parser
from rig.client.waiting import until_ready, until_state

__all__ = ["Client", "Frame", "Parser", "Target", "operator_token", "target", "until_ready", "until_state"]
