"""What each platform's answers mean, by its own error codes."""

import json
from typing import Any

import pytest

from tests.destinations.examples import destination
from tnc.campaigns.platforms.google_data_manager import read_status
from tnc.campaigns.platforms.messages import Answer
from tnc.campaigns.platforms.outcome import SIX_HOURS_MS, Outcome, retry_after_ms, without_answer
from tnc.campaigns.platforms.registry import PLATFORMS


def answer(status: int, body: Any, **headers: str) -> Answer:
    written = body if isinstance(body, str) else json.dumps(body)
    return Answer(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=written.encode())


def read(to: str, of: Answer, **settings: str) -> Outcome:
    return PLATFORMS[to].read_answer(of, destination(to, settings))


def meta_error(code: int, subcode: int = 0, *, transient: bool = False) -> Any:
    return {"error": {"message": "for a.person@example.com", "code": code, "error_subcode": subcode,
                      "is_transient": transient, "fbtrace_id": "Zz"}}  # fmt: skip


HTML = "<!doctype html><title>Service</title>"


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (answer(200, {"events_received": 1, "messages": [], "fbtrace_id": "Ab"}), "done"),
        (answer(200, HTML), "retry"),
        (answer(200, {"messages": []}), "retry"),
        (answer(404, HTML), "retry"),
        (answer(500, meta_error(1)), "retry"),
        (answer(400, meta_error(2)), "retry"),
        (answer(400, meta_error(368)), "retry"),
        (answer(400, meta_error(100, 2804019, transient=True)), "retry"),
        (answer(400, meta_error(4)), "throttled"),
        (answer(400, meta_error(17)), "throttled"),
        (answer(400, meta_error(80003)), "throttled"),
        (answer(429, HTML), "throttled"),
        (answer(400, meta_error(190, 463)), "stop"),
        (answer(403, meta_error(200)), "stop"),
        (answer(403, meta_error(10)), "stop"),
        (answer(400, meta_error(100, 33)), "stop"),
        (answer(400, meta_error(100, 2804003)), "drop"),
        (answer(400, meta_error(100)), "drop"),
        (answer(400, meta_error(3)), "drop"),
        (answer(400, meta_error(105)), "drop"),
    ],
)
def test_meta_answers_by_error_code(of: Answer, kind: str) -> None:
    assert read("meta", of).kind == kind


def test_a_reason_has_the_codes_and_not_the_message() -> None:
    outcome = read("meta", answer(400, meta_error(100, 2804003)))

    assert outcome.reason == "meta-100/2804003"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(0, "done"), (20001, "split"), (40000, "drop"), (40002, "drop"), (40001, "stop"), (40003, "drop"),
     (40061, "drop"), (40062, "drop"), (40100, "throttled"), (40132, "throttled"), (40102, "stop"), (40104, "stop"),
     (40105, "stop"), (40202, "retry"), (50000, "retry"), (50002, "retry"), (51010, "retry")],
)  # fmt: skip
def test_tiktok_answers_200_with_a_code_in_the_body(code: int, kind: str) -> None:
    assert read("tiktok", answer(200, {"code": code, "message": "", "request_id": "r", "data": {}})).kind == kind


@pytest.mark.parametrize(("of", "kind"), [(answer(200, HTML), "retry"), (answer(503, HTML), "retry"),
                                             (answer(429, ""), "throttled")])  # fmt: skip
def test_tiktok_without_a_code_counts_by_status(of: Answer, kind: str) -> None:
    assert read("tiktok", of).kind == kind


def snap_refusal(status: int, *codes: Any) -> Answer:
    return answer(status, {"status": "INVALID", "event": 0, "errors": {"codes": list(codes), "error_msgs": ["No."]}})


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (answer(200, {"status": "VALID", "reason": "Events have been processed successfully."}), "done"),
        (answer(200, {"status": "VALID", "test_event": True}), "done"),
        (answer(200, HTML), "retry"),
        (answer(200, {}), "retry"),
        (answer(503, HTML), "retry"),
        (answer(429, ""), "throttled"),
        (answer(401, {"status": "INVALID", "reason": "Unauthorized"}), "stop"),
        (answer(403, ""), "stop"),
        (answer(404, ""), "stop"),
        (snap_refusal(400, "E1"), "drop"),
        (snap_refusal(200, "E1"), "drop"),
        (answer(400, HTML), "drop"),
        (snap_refusal(500, "E1"), "retry"),
    ],
)
def test_snapchat_answers_by_status_and_by_valid_or_invalid_in_the_body(of: Answer, kind: str) -> None:
    assert read("snapchat", of).kind == kind


def test_a_refusal_of_snapchat_is_logged_by_its_codes() -> None:
    logs = {"status": "INVALID", "event_logs": [{"errors": {"codes": ["E7"]}}, {"errors": {"codes": ["E8", "E7"]}}]}

    assert read("snapchat", snap_refusal(400, "E1", "for a.person@example.com", 7)).reason == "snapchat-E1"
    assert read("snapchat", answer(400, logs)).reason == "snapchat-E7 snapchat-E8"
    assert read("snapchat", snap_refusal(400)).reason == "http-400: invalid"


def google_error(status: int, code: str, *reasons: str) -> Answer:
    violations = [{"field": "events[0]", "reason": each} for each in reasons]
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]
    return answer(status, {"error": {"code": status, "message": "No.", "status": code, "details": details}})


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (answer(200, {"requestId": "r1", "fieldWarnings": []}), "accepted"),
        (answer(200, HTML), "retry"),
        (google_error(429, "RESOURCE_EXHAUSTED"), "throttled"),
        (google_error(500, "INTERNAL", "INTERNAL_ERROR"), "retry"),
        (google_error(504, "DEADLINE_EXCEEDED"), "retry"),
        (google_error(401, "UNAUTHENTICATED"), "stop"),
        (google_error(403, "PERMISSION_DENIED"), "stop"),
        (google_error(403, "FAILED_PRECONDITION", "NOT_ALLOWLISTED"), "stop"),
        (google_error(400, "FAILED_PRECONDITION", "TERMS_AND_CONDITIONS_NOT_SIGNED"), "stop"),
        (google_error(400, "INVALID_ARGUMENT", "REQUIRED_FIELD_MISSING"), "drop"),
        (answer(502, HTML), "retry"),
    ],
)
def test_data_manager_accepts_first(of: Answer, kind: str) -> None:
    assert read("google-data-manager", of).kind == kind


def status_of(status: str, *reasons: str) -> Answer:
    counts = [{"reason": f"PROCESSING_ERROR_REASON_{each}", "recordCount": "1"} for each in reasons]
    return answer(
        200, {"requestStatusPerDestination": [{"requestStatus": status, "errorInfo": {"errorCounts": counts}}]}
    )


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (status_of("PROCESSING"), "accepted"),
        (status_of("SUCCESS"), "done"),
        (status_of("FAILED", "DUPLICATE_TRANSACTION_ID"), "done"),
        (status_of("FAILED", "DUPLICATE_GCLID"), "done"),
        (status_of("FAILED", "TOO_RECENT_CLICK"), "retry"),
        (status_of("FAILED", "INTERNAL_ERROR"), "retry"),
        (status_of("FAILED", "EVENT_TOO_OLD"), "drop"),
        (status_of("FAILED", "INVALID_GCLID"), "drop"),
        (status_of("FAILED", "DENIED_CONSENT"), "drop"),
        (status_of("PARTIAL_SUCCESS", "DUPLICATE_GCLID", "INVALID_GCLID"), "drop"),
        (status_of("FAILED", "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED"), "stop"),
        (answer(404, ""), "retry"),
        (answer(200, HTML), "retry"),
    ],
)
def test_data_manager_reports_the_result_later(of: Answer, kind: str) -> None:
    assert read_status(of).kind == kind


def test_a_click_too_recent_for_google_waits_six_hours() -> None:
    assert read_status(status_of("FAILED", "TOO_RECENT_CLICK")).pause_ms == SIX_HOURS_MS


def test_a_mixed_batch_at_data_manager_is_split() -> None:
    outcome = read_status(status_of("PARTIAL_SUCCESS", "INVALID_GCLID"))

    assert outcome.for_batch(20).kind == "split"
    assert outcome.for_batch(1).kind == "drop"


def rows_of(*rows: tuple[int | None, str]) -> Answer:
    errors = [
        {
            "errorCode": {"conversionUploadError": code},
            "trigger": {"stringValue": "CLICK_ID_OF_A_PERSON"},
            "location": {
                "fieldPathElements": [{"fieldName": "conversions", **({} if row is None else {"index": row})}]
            },
        }
        for row, code in rows
    ]
    return answer(200, {"results": [{}], "partialFailureError": {"code": 3, "details": [{"errors": errors}]}})


def test_google_ads_names_the_rows_that_failed() -> None:
    outcome = read(
        "google-ads",
        rows_of((None, "EXPIRED_EVENT"), (2, "ORDER_ID_ALREADY_IN_USE"), (3, "TOO_RECENT_EVENT"),
                (4, "NO_CONVERSION_ACTION_FOUND")),
    )  # fmt: skip

    assert [outcome.of_row(row).kind for row in range(5)] == ["drop", "done", "done", "retry", "stop"]
    assert outcome.of_row(0).reason == "EXPIRED_EVENT"
    assert outcome.of_row(3).pause_ms == SIX_HOURS_MS


def ads_failure(status: int, kind: str, code: str) -> Answer:
    details = [{"errors": [{"errorCode": {kind: code}, "message": "No."}]}]
    return answer(status, {"error": {"code": status, "status": "PERMISSION_DENIED", "details": details}})


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (answer(200, {"results": [{"gclid": "x"}]}), "done"),
        (answer(200, HTML), "retry"),
        (ads_failure(403, "authorizationError", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"), "stop"),
        (ads_failure(429, "quotaError", "RESOURCE_EXHAUSTED"), "throttled"),
        (google_error(400, "INVALID_ARGUMENT"), "drop"),
    ],
)
def test_google_ads_may_refuse_the_whole_request(of: Answer, kind: str) -> None:
    assert read("google-ads", of).kind == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, "done"), (204, "done"), (301, "stop"), (302, "stop"), (400, "drop"), (401, "stop"), (403, "stop"),
     (404, "drop"), (408, "retry"), (422, "drop"), (429, "throttled"), (500, "retry"), (503, "retry")],
)  # fmt: skip
def test_postbacks_and_webhooks_count_by_status(status: int, kind: str) -> None:
    assert read("postback", answer(status, "")).kind == kind
    assert read("webhook", answer(status, "")).kind == kind


def test_a_webhook_that_is_gone_stops_the_destination() -> None:
    assert read("webhook", answer(410, "")).kind == "stop"


@pytest.mark.parametrize(
    ("text", "kind"), [("OK 1", "done"), ("error: no such click", "drop"), ("<html>maintenance", "retry")]
)
def test_success_and_failure_patterns_decide_about_an_answer_with_status_200(text: str, kind: str) -> None:
    assert read("postback", answer(200, text), success="^ok", failure="error").kind == kind


def test_retry_after_is_seconds_or_a_date_relative_to_the_date_header() -> None:
    date, later = "Mon, 23 Nov 2026 14:00:00 GMT", "Mon, 23 Nov 2026 14:01:30 GMT"

    assert retry_after_ms(answer(429, "", retry_after="30")) == 30_000
    assert retry_after_ms(answer(429, "", retry_after=later, date=date)) == 90_000
    assert retry_after_ms(answer(429, "", retry_after=date, date=later)) == 0
    assert retry_after_ms(answer(429, "", retry_after="-5")) is None
    assert retry_after_ms(answer(429, "", retry_after=later)) is None
    assert retry_after_ms(answer(429, "")) is None


def test_without_an_answer_only_a_forbidden_address_stops_the_destination() -> None:
    assert without_answer(Answer(trouble="dns")).kind == "retry"
    assert without_answer(Answer(trouble="timeout")).kind == "retry"
    assert without_answer(Answer(trouble="forbidden-address")).kind == "stop"
