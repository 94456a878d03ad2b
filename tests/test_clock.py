"""How instants are written."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rig.clock import iso, iso_exact, micros

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_an_instant_is_written_as_utc_with_milliseconds_and_read_again(moment: datetime) -> None:
    at = (moment - EPOCH) // timedelta(microseconds=1)
    assert iso(at) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert iso_exact(at) == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert micros(iso_exact(at)) == at
