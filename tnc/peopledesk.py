"""Requests, terms and what is stored, as the dashboard sees them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tnc.house import House
from tnc.keeping import Keeping
from tnc.records import processing
from tnc.store.datamap import map_json
from tnc.store.requests import Channel, RequestKind, State, following
from tnc.store.subject import Subject
from tnc.store.terms import in_words


class PeopleDesk:
    def __init__(self, house: House, keeping: Keeping) -> None:
        self._house = house
        self._keeping = keeping

    def requests(self) -> Sequence[Mapping[str, Any]]:
        return self._keeping.rights.requests()

    def request(self, request_id: str) -> Mapping[str, Any]:
        return self._keeping.rights.request(request_id)

    def take_down(self, kind: str, *, channel: str, text: str, contact: str) -> Mapping[str, Any]:
        its_kind, its_channel = cast("RequestKind", kind), cast("Channel", channel)
        return self._keeping.rights.add(its_kind, channel=its_channel, text=text, contact=contact)

    def following(self, state: str) -> Sequence[str]:
        return following(cast("State", state))

    def move(self, request_id: str, state: str, *, reason: str, answer: str) -> None:
        self._keeping.rights.move(request_id, cast("State", state), reason=reason, answer=answer)

    def find(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._keeping.forgetting.find(self._subject(who))

    def erase(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._keeping.forgetting.erase(self._subject(who))

    def restrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._keeping.forgetting.restrict(self._subject(who))

    def unrestrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        return self._keeping.forgetting.unrestrict(self._subject(who))

    def _subject(self, who: Mapping[str, Any]) -> Subject:
        return self._keeping.forgetting.subject(**who)

    def terms(self) -> Mapping[str, Any]:
        return self._keeping.retention.show()

    def preview_terms(self, days: Mapping[str, int]) -> Mapping[str, Any]:
        return self._keeping.retention.set(days, dry_run=True)

    def set_terms(self, days: Mapping[str, int]) -> None:
        self._keeping.retention.set(days)

    def stored(self) -> Sequence[Mapping[str, str]]:
        return map_json(in_words(self._house.settings))

    def receivers(self) -> Sequence[Mapping[str, str]]:
        return cast("Sequence[Mapping[str, str]]", processing(self._house)["receivers"])
