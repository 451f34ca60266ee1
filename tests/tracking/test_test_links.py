"""Signed test links: only our signatures count, for five minutes, and are removed from the URL."""

from hypothesis import given
from hypothesis import strategies as st

from tnc.core.clock import MINUTE_MS
from tnc.tracking.test_links import PARAMETER, is_signed, signature, without

KEY, NOW_MS = b"k" * 32, 1_795_500_000_000


@given(st.integers(0, 5 * MINUTE_MS))
def test_a_signature_is_valid_for_five_minutes(later_ms: int) -> None:
    assert is_signed(signature(KEY, NOW_MS), KEY, NOW_MS + later_ms)


@given(st.one_of(st.integers(5 * MINUTE_MS + 1, 1 << 40), st.integers(-(1 << 40), -1)))
def test_a_signature_is_invalid_before_and_after(away_ms: int) -> None:
    assert not is_signed(signature(KEY, NOW_MS), KEY, NOW_MS + away_ms)


@given(st.text())
def test_other_texts_are_not_accepted(text: str) -> None:
    assert not is_signed(text, KEY, NOW_MS)
    assert not is_signed(signature(b"another key" * 3, NOW_MS), KEY, NOW_MS)


@given(st.lists(st.sampled_from(["a=1", "b=%26", "c", ""])), st.integers(0, 4))
def test_only_the_signature_is_removed_from_the_query(parts: list[str], place: int) -> None:
    marked = [*parts[:place], f"{PARAMETER}=x-1", *parts[place:]]

    assert without("&".join(marked)) == ("&".join(parts), "x-1")
    assert without("&".join(parts)) == ("&".join(parts), "")
