"""Fixtures of the edge."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.http.edge import Edge, MakeEdge, open_edge


@pytest.fixture
async def make_edge() -> AsyncIterator[MakeEdge]:
    """``await make_edge(auth_mode="required", …)``: as ``open_edge``, closed with the test."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Edge:
            return await stack.enter_async_context(open_edge(**options))

        yield make


@pytest.fixture
async def edge(make_edge: MakeEdge) -> Edge:
    """An edge on loopback, where the client is the local operator."""
    return await make_edge()
