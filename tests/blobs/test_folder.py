import stat
from pathlib import Path

import pytest

from rig.blobs import BadDigest, BlobCorrupt, BlobMissing, Blobs, FolderBlobs, digest_of
from rig.errors import StorageUnavailable


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs")


def test_what_goes_in_comes_out(blobs: Blobs) -> None:
    digest = blobs.put(b"content")
    assert digest == digest_of(b"content")
    assert blobs.get(digest) == b"content"
    with blobs.open(digest) as file:
        assert file.read() == b"content"
    assert blobs.has(digest)
    assert blobs.put(b"content") == digest


def test_absent_content_is_missing(blobs: Blobs) -> None:
    assert not blobs.has("0" * 64)
    with pytest.raises(BlobMissing):
        blobs.get("0" * 64)


@pytest.mark.parametrize("digest", ["", "0" * 63, "A" * 64, "g" * 64, "../" + "0" * 61, "0" * 64 + "\n", "٠" * 64])
def test_what_is_no_digest_never_touches_a_path(blobs: Blobs, digest: str) -> None:
    for call in (blobs.get, blobs.open, blobs.has):
        with pytest.raises(BadDigest):
            call(digest)


def test_damaged_content_is_refused_and_healed_by_storing_it_again(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"content")
    file = tmp_path / digest[:2] / digest
    file.write_bytes(b"c0ntent")
    with pytest.raises(BlobCorrupt):
        blobs.get(digest)
    with pytest.raises(BlobCorrupt):
        blobs.open(digest)
    blobs.put(b"content")
    assert blobs.get(digest) == b"content"


def test_files_and_folders_are_private_and_nothing_half_written_stays(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    digest = blobs.put(b"x")
    folder = tmp_path / "blobs" / digest[:2]
    assert stat.S_IMODE((folder / digest).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [digest]


def test_a_disk_that_refuses_is_a_typed_error(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    (tmp_path / "blobs" / digest_of(b"x")[:2]).write_text("in the way")
    with pytest.raises(StorageUnavailable):
        blobs.put(b"x")
