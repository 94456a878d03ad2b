"""The page of the API: served from the installation, closed to everything else."""

import re
import sys

import pytest

from tests.http.edge import Edge, MakeEdge


async def test_the_page_is_public_and_lets_nothing_in_from_elsewhere(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required")
    async with edge.client.get("/api/docs") as page:
        text = await page.text()
        assert (page.status, page.content_type) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "//" not in text.replace("<!doctype", "")
    assert not re.search(r"<script>|<style>|\son\w+=", text)
    for asset in re.findall(r'(?:src|href)="(docs/[^"]+)"', text):
        async with edge.client.get(f"/api/{asset}") as file:
            assert file.status == 200
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            assert "max-age" in file.headers["Cache-Control"]
            kind = {"js": "text/javascript", "css": "text/css", "png": "image/png"}[asset.rpartition(".")[2]]
            assert file.content_type == kind
            assert await file.read()
    async with edge.client.get("/api/docs/start.js") as start:
        assert "validatorUrl: null" in await start.text()


async def test_the_swagger_ui_is_a_current_one_and_no_framework_comes_along(edge: Edge) -> None:
    async with edge.client.get("/api/docs/swagger-ui-bundle.js") as bundle:
        assert len(await bundle.read()) > 500_000
    assert "flask" not in sys.modules


@pytest.mark.parametrize(
    "name", ["swagger-ui.js", "..%2fflask_swagger_ui.py", "..%2F..%2f..%2fetc%2fpasswd", "docs.html", "%00"]
)
async def test_no_other_file_is_served(edge: Edge, name: str) -> None:
    from yarl import URL

    url = URL(str(edge.client.make_url("/")) + f"api/docs/{name}", encoded=True)
    async with edge.client.session.get(url) as response:
        assert response.status in (400, 404)
