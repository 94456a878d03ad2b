from hypothesis import given
from hypothesis import strategies as st

from rig.work.keys import is_key, workspace_key


def test_an_identifier_that_is_a_safe_name_is_its_own_key() -> None:
    assert workspace_key("ENG-123") == "ENG-123"
    assert workspace_key("a.b_c") == "a.b_c"


def test_what_sanitising_changes_gets_a_suffix() -> None:
    assert workspace_key("owner/repo#42").startswith("owner_repo_42-")
    assert workspace_key("owner/repo#42") != workspace_key("owner/repo/42")
    assert workspace_key("ENG-1", "other") not in ("ENG-1", workspace_key("ENG-1", "third"))


def test_nobody_can_take_anothers_key_by_name() -> None:
    taken = workspace_key("owner/repo#42")
    assert workspace_key(taken) != taken


@given(st.text(), st.text(min_size=1))
def test_every_key_is_a_plain_name(identifier: str, tenant: str) -> None:
    key = workspace_key(identifier, tenant)
    assert is_key(key)
    assert key not in (".", "..", ".git", ".rig")
    assert not key.endswith((".lock", "."))


@given(st.text(max_size=8), st.text(max_size=8))
def test_two_identifiers_never_share_a_key(one: str, other: str) -> None:
    assert (workspace_key(one) == workspace_key(other)) == (one == other)
