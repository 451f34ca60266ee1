"""Requests, terms and what is stored, as the dashboard sees them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tnc.admin.records import breach, processing
from tnc.admin.services import Services
from tnc.privacy.data_map import map_json
from tnc.privacy.export import export_zip, file_name
from tnc.privacy.receipts import read_receipt
from tnc.privacy.subject import Subject
from tnc.store.requests import Channel, Outcome, RequestKind, State, following
from tnc.store.terms import in_words


class PeopleDesk:
    def __init__(self, services: Services) -> None:
        self._workspace = services.workspace
        self._services = services

    def requests(self) -> Sequence[Mapping[str, Any]]:
        return self._services.privacy_requests.requests()

    def request(self, request_id: str) -> Mapping[str, Any]:
        return self._services.privacy_requests.request(request_id)

    def take_down(self, kind: str, *, channel: str, text: str, contact: str) -> Mapping[str, Any]:
        its_kind, its_channel = cast("RequestKind", kind), cast("Channel", channel)
        return self._services.privacy_requests.add(its_kind, channel=its_channel, text=text, contact=contact)

    def following(self, state: str) -> Sequence[str]:
        return following(cast("State", state))

    def move(self, request_id: str, state: str, *, reason: str, answer: str) -> None:
        self._services.privacy_requests.move(request_id, cast("State", state), reason=reason, answer=answer)

    def settle(self, request_id: str, *, receiver: str, outcome: str) -> None:
        self._services.privacy_requests.record_outcome(request_id, receiver=receiver, outcome=cast("Outcome", outcome))

    def extend(self, request_id: str, *, until_ms: int, reason: str) -> None:
        self._services.privacy_requests.extend(request_id, until_ms=until_ms, reason=reason)

    def overdue(self) -> int:
        return self._services.privacy_requests.overdue

    def find(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        eraser, subject = self._services.eraser, self._subject(who)
        return {**eraser.find(subject), "visitors": eraser.count_visitors(subject)}

    def copy(self, who: Mapping[str, str]) -> tuple[str, bytes]:
        eraser, subject = self._services.eraser, self._subject(who)
        return file_name(eraser.told(subject)), export_zip(self._workspace, eraser.vaults, subject)

    def object(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._services.eraser.object(self._subject(who))

    def erase(self, who: Mapping[str, str], *, request_id: str) -> Mapping[str, Any]:
        return self._services.eraser.erase(self._subject(who), request_id=request_id)

    def restrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._services.eraser.restrict(self._subject(who))

    def unrestrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._services.eraser.unrestrict(self._subject(who))

    def _subject(self, who: Mapping[str, Any]) -> Subject:
        return self._services.eraser.subject(**who)

    def terms(self) -> Mapping[str, Any]:
        return self._services.retention.show()

    def preview_terms(self, days: Mapping[str, int]) -> Mapping[str, Any]:
        return self._services.retention.set(days, dry_run=True)

    def set_terms(self, days: Mapping[str, int], *, by: str) -> None:
        self._services.retention.set(days, by=by)

    def stored(self) -> Sequence[Mapping[str, str]]:
        return map_json(in_words(self._workspace.settings))

    def receivers(self) -> Sequence[Mapping[str, str]]:
        return cast("Sequence[Mapping[str, str]]", processing(self._workspace)["receivers"])

    def records(self) -> Mapping[str, Any]:
        return processing(self._workspace)

    def breach(self, since_ms: int, until_ms: int | None) -> Mapping[str, Any]:
        end_ms = self._workspace.world.now_ms() if until_ms is None else until_ms
        return breach(self._workspace, since_ms=since_ms, until_ms=end_ms)

    def check_receipt(self, text: str) -> Sequence[str]:
        return self._services.eraser.verify(read_receipt(text))
