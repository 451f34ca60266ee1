"""The versions of the demo's configuration: what its owner changed in the course of the month."""

from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from tnc.admin.demo.traffic import CAMPAIGN_FILE
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.errors import FailedError
from tnc.core.formats import ListenAddress

POSTBACK_KEY: Final = "demo-key"  # of both networks; install.sh prints it in the example of a postback
OWNER: Final = "owner@example.com"


class Edit(NamedTuple):
    """A piece of the campaign file, and what stands in its place before and after a change."""

    in_file: str
    before: str
    after: str


class Change(NamedTuple):
    """`after_ms`: how long after the start of the month it went live."""

    after_ms: int
    edits: tuple[Edit, ...]


def _added(in_file: str, more: str) -> Edit:
    return Edit(in_file, in_file, in_file + more)


def _other_before(in_file: str, before: str) -> Edit:
    return Edit(in_file, before, in_file)


_WEBHOOK: Final = """
[[destination]]
id = "shop-crm"
name = "CRM of the shop"
type = "webhook"
url = "http://RECEIVER/crm"
secret = "whsec_ZGVtby1vbmx5LWRlbW8tb25seS1kZW1vLW9ubHkt"
on = ["lead", "sale"]
"""
_POSTBACK: Final = (
    'postback = { url = "http://RECEIVER/native-ads?id={external_id}&revenue={payout}", on = ["sale"] }\n'
)
_OFFERS: Final = 'offers = [ { id = "shoes", weight = 70 }, { id = "boots", weight = 30 } ]'

CHANGES: Final = (
    # The networks get keys, so that nobody else can report sales.
    Change(
        2 * DAY_MS + 9 * HOUR_MS,
        (
            _added('name = "Good Network"\n', f'key = "{POSTBACK_KEY}"\n'),
            _added('name = "Outdoor Partners"\n', f'key = "{POSTBACK_KEY}"\n'),
        ),
    ),
    # Declared bots are stopped, after a week in which they were only noted.
    Change(7 * DAY_MS + 11 * HOUR_MS, (_other_before('mode = "enforce"', 'mode = "monitor"'),)),
    # Sales are reported to the traffic source, and leads and sales to a CRM.
    Change(
        10 * DAY_MS + 14 * HOUR_MS,
        (
            _added('name = "Native Ads"\n', _POSTBACK),
            _added('name = "Autumn running"\n', 'destinations = ["shop-crm"]\n'),
            Edit("# ---------------------------------------------------------------- who goes where\n", "", _WEBHOOK),
        ),
    ),
    # The better offer gets more visitors, and a new status of a network gets its meaning.
    Change(
        17 * DAY_MS + 8 * HOUR_MS,
        (
            _other_before(_OFFERS, _OFFERS.replace("70", "50").replace("30", "50")),
            Edit('lead = ["pending"]', 'lead = ["pending"]', 'lead = ["pending", "in-review"]'),
        ),
    ),
    # Search ads become more expensive.
    Change(24 * DAY_MS + 10 * HOUR_MS, (_other_before("amount = 0.45", "amount = 0.40"),)),
)


def versions(receiver: ListenAddress) -> Iterator[tuple[int, str]]:
    """Each version of the campaign file, and how long after the start of the month it is applied."""
    for number, after_ms in enumerate((0, *(change.after_ms for change in CHANGES))):
        done, to_come = CHANGES[:number], CHANGES[number:]
        text = CAMPAIGN_FILE.read_text(encoding="utf-8")
        for edit in chain.from_iterable(change.edits for change in CHANGES):
            if edit.in_file not in text:
                raise FailedError(f"{CAMPAIGN_FILE.name} lacks {edit.in_file!r}, which a version of the demo changes.")
        for edit in chain.from_iterable(change.edits for change in done):
            text = text.replace(edit.in_file, edit.after)
        for edit in chain.from_iterable(change.edits for change in to_come):
            text = text.replace(edit.in_file, edit.before)
        yield after_ms, text.replace("RECEIVER", str(receiver))
