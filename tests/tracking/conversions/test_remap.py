"""A new status mapping applies to past conversions as if it had been there from the start."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.tracking.conversions.shared import NETWORK, OneClick, campaign
from tnc.core.models import Cost

MAPPED = replace(NETWORK, statuses={**NETWORK.statuses, "lead": ("pending", "odd"), "rejected": ("Frozen",)})


def test_a_stored_unknown_status_gets_its_meaning() -> None:
    click = OneClick(campaign=campaign(Cost(model="cpa", amount=3)))
    click.call(txid="t1", status="odd", payout="7")
    assert click.remap() == 0

    click.network = MAPPED

    assert click.remap() == 1
    (conversion,) = click.conversions
    assert (conversion.status, conversion.payout_micros, conversion.cost_micros) == ("lead", 7_000_000, 3_000_000)
    assert (conversion.converted_at_ms, conversion.history[-1].status_word) == (1_001, "odd")


def test_a_rejection_mapped_later_rejects_the_sale() -> None:
    click = OneClick()
    click.calls([{"txid": "t1", "payout": "5"}, {"txid": "t1", "status": "frozen"}, {"txid": "t2"}])

    click.network = MAPPED

    assert click.remap() == 1
    assert click.statuses == ["rejected", "sale"]


def test_a_lead_mapped_later_does_not_replace_a_sale() -> None:
    click = OneClick(network=replace(NETWORK, duplicates="update"))
    click.calls([{"txid": "t1", "status": "odd"}, {"txid": "t1"}])

    click.network = replace(MAPPED, duplicates="update")

    assert click.remap() == 0


def test_a_correction_by_hand_survives_a_remapping() -> None:
    click = OneClick()
    click.calls([{"txid": "t1"}, {"txid": "t1", "status": "frozen"}, {"txid": "t1", "status": "rejected"}])
    click.call("hand", txid="t1", status="sale")

    click.network = MAPPED

    assert click.remap() == 0
    assert click.statuses == ["sale"]


def test_statuses_may_be_mapped_one_after_the_other() -> None:
    click = OneClick()
    click.calls([{"txid": "t1", "status": "odd"}, {"txid": "t1", "status": "frozen"}])

    click.network = replace(MAPPED, statuses={"lead": ("odd",)})
    assert (click.remap(), click.statuses) == (1, ["lead"])

    click.network = MAPPED
    assert (click.remap(), click.statuses) == (1, ["rejected"])


calls = st.fixed_dictionaries(
    {"txid": st.sampled_from(["t1", "t2"])},
    optional={"status": st.sampled_from(["lead", "sale", "rejected", "pending", "frozen", "odd"])},
)


@given(st.lists(calls, max_size=10))
def test_mapping_later_equals_mapping_from_the_start(sequence: list[dict[str, str]]) -> None:
    late, early = OneClick(), OneClick(network=MAPPED)
    late.calls(sequence)
    early.calls(sequence)

    late.network = MAPPED
    late.remap()

    assert late.statuses == early.statuses
    assert late.remap() == 0
