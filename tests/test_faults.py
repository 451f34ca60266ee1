"""Faults that another tracker really shipped, and the tests that keep each of them out of this one."""

import re
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent

# In the order in which its own changelog tells them.
FAULTS: Final[dict[str, tuple[str, ...]]] = {
    "1. the cost in reports was always 0": (
        "reports/test_run.py::test_any_report_equals_a_recount",
        "e2e/test_click.py::test_a_click_is_sent_on_stored_explained_converted_and_reported",
    ),
    "2. deposits counted twice": (
        "tracking/conversions/test_settle.py::test_an_event_beside_the_sale_does_not_earn_the_payout_of_the_offer",
        "tracking/conversions/test_settle.py::test_the_same_call_twice_is_the_same_as_once",
    ),
    "3. a click had at most one conversion": (
        "tracking/conversions/test_settle.py::test_other_transactions_and_other_events_are_other_conversions",
    ),
    "4. status words had to be written in one case": (
        "tracking/conversions/test_statuses.py::test_statuses_of_a_network_are_known_in_any_case",
    ),
    "5. no grouped report could be asked": (
        "reports/test_run.py::test_every_dimension_can_be_grouped_filtered_and_sorted_by",
    ),
    "6. conversions had no campaign, offer or parameters": (
        "tracking/test_record.py::test_a_conversion_counts_for_the_offer_of_the_lander_click",
        "reports/columns/test_columns.py::test_the_offer_of_a_conversion_is_that_of_the_last_lander_click",
    ),
    "7. nothing emptied the queue of postbacks": (
        "e2e/test_deliveries.py::test_every_answered_conversion_reaches_every_receiver_after_repeated_kills",
    ),
    "8. settings were saved and never read": (
        "core/test_settings.py::test_every_setting_is_read",
        "core/test_settings.py::test_every_setting_is_used_somewhere",
        "privacy/test_retention.py::test_changed_terms_take_effect_at_once",
    ),
    "9. a save wiped names": (
        "campaigns/test_export_document.py::test_a_stored_configuration_is_read_back_unchanged",
        "campaigns/test_export.py::test_an_export_is_read_back_unchanged_and_holds_no_secret",
    ),
    "10. what was switched off still got traffic": (
        "rules/test_plan.py::test_fault_10_paused_and_archived_flows_and_offers_get_no_traffic",
    ),
    "11. a failing import said success, and currencies were mixed": (
        "cli/test_ipdata.py::test_an_update_without_any_download_exits_1_and_changes_nothing",
        "reports/test_run.py::test_several_currencies_need_a_choice_where_none_is_the_usual_one",
    ),
    "12. a click did not keep the ids of the ad": (
        "visitors/test_request.py::test_a_long_click_id_is_kept_unchanged",
        "e2e/test_hostile.py::test_a_hundred_parameters_are_all_stored",
    ),
    "13. who came by a prefetch saw an empty page": (
        "e2e/test_browser.py::test_a_prefetch_is_no_visit_and_the_click_after_it_is_one",
    ),
    "14. certificates were not checked": (
        "destinations/test_certificates.py::test_a_delivery_is_not_sent_to_a_receiver_with_an_untrusted_certificate",
        "destinations/test_certificates.py::test_a_file_is_not_downloaded_from_a_server_with_an_untrusted_certificate",
    ),
    "15. a second installation deleted files": (
        "test_install.py::test_the_demo_is_prepared_by_one_command_and_stays_as_it_is_by_the_next",
        "e2e/test_life.py::test_init_never_overwrites",
    ),
    "16. what could not be asked was called the latest": (
        "cli/test_ipdata.py::test_an_update_without_any_download_exits_1_and_changes_nothing",
        "cli/test_ipdata.py::test_a_partly_failed_update_exits_5_and_the_list_says_why",
    ),
    "17. what failed once was never tried again": (  # certificates there; tnc gets none yet
        "destinations/test_worker.py::test_a_failed_delivery_is_sent_again_later_with_the_same_id",
        "admin/test_jobs.py::test_a_job_that_fails_runs_again_and_does_not_keep_others_from_running",
    ),
    "18. the page shipped without its newest parts": (
        "test_install.py::test_whatever_lies_in_the_package_is_installed_with_it",
        "web/dashboard/test_middleware.py::test_static_files_stay_for_ever_under_their_version",
    ),
    "19. the copy button did nothing on plain http": (
        "e2e/test_dashboard_pages.py::test_links_are_copied_without_the_clipboard_api",
    ),
    "20. macros were percent-encoded": ("rules/test_templates.py::test_encoded_macros_and_host_names_are_normalised",),
    "21. a second ? lost the click": (
        "visitors/test_request.py::test_queries_are_decoded_once_and_repaired",
        "e2e/test_hostile.py::test_a_second_question_mark_separates_parameters",
    ),
    "22. conversions without a click got an invented one": (
        "tracking/conversions/test_postback.py::test_a_missing_click_id_is_refused",
        "tracking/test_record.py::test_an_unknown_click_is_answered_before_a_wrong_key",
    ),
    "23. a click waited for the network": (
        "e2e/test_visitor.py::test_a_click_opens_no_file_and_no_network_connection",
    ),
    "24. every request changed the schema": (
        "e2e/test_visitor.py::test_a_click_opens_no_file_and_no_network_connection",
    ),
    "25. caps were stored and not kept": (
        "rules/test_plan.py::test_fault_25_a_full_offer_sends_its_visitors_on",
        "e2e/test_click.py::test_a_cap_is_exact_under_fifty_postbacks_at_once",
    ),
}


@pytest.mark.parametrize("tests", FAULTS.values(), ids=FAULTS)
def test_is_kept_out(tests: tuple[str, ...]) -> None:
    for test in tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE), test


def test_none_is_left_out() -> None:
    assert [int(fault.partition(".")[0]) for fault in FAULTS] == list(range(1, 26))
