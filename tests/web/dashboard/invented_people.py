"""Requests of people, made of plain objects, and a note of what the dashboard asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tnc.core.errors import NotFoundError

RECEIPT = {"receipt_id": "01a20c3d4bae97f348208cd1b707", "stores": [], "signature": "00ff"}


def invent_request(
    request_id: str, *, state: str = "received", days_left: int | None = 12, **of: Any
) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "kind": "erasure",
        "channel": "page",
        "state": state,
        "received_at": "2026-11-10T09:30:00.000Z",
        "due_at": "2026-12-10T09:30:00.000Z",
        "days_left": days_left,
        "overdue": days_left is not None and days_left < 0,
        "extended": False,
        "closed_at": None if days_left is not None else "2026-11-20T09:30:00.000Z",
        "subject": None,
        "evidence": None,
        "receipt_id": None,
        "duplicate_of": None,
        "text": "Please erase <b>me</b>.",
        "contact": "ann@example.com",
        "answer": "",
        "click": "",
        "receivers": [],
        "steps": [{"at": "2026-11-10T09:30:00.000Z", "actor": "person", "state": "received", "reason": ""}],
    } | of


@dataclass
class InventedPeople:
    told: list[dict[str, Any]] = field(
        default_factory=lambda: [
            invent_request("6f1c0a93be", days_left=-2),
            invent_request(
                "aa00bb11cc",
                state="acknowledged",
                click="of the person's own",
                receivers=[
                    {"name": "meta-main", "reports": 2, "outcome": None, "at": None, "what": "Ask its support."},
                    {
                        "name": "webhook",
                        "reports": 1,
                        "outcome": "letter",
                        "at": "2026-11-20T09:30:00.000Z",
                        "what": "Write.",
                    },
                ],
            ),
            invent_request("0123456789", state="fulfilled", days_left=None, receipt_id="r1", answer="Done."),
        ]
    )
    asked: list[tuple[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def requests(self) -> Sequence[Mapping[str, Any]]:
        return self.told

    def request(self, request_id: str) -> Mapping[str, Any]:
        for each in self.told:
            if each["request_id"] == request_id:
                return each
        raise NotFoundError("there is no such request.")

    def take_down(self, kind: str, *, channel: str, text: str, contact: str) -> Mapping[str, Any]:
        made = invent_request("ffffffffff", kind=kind, channel=channel, text=text, contact=contact)
        self.told.append(made)
        return made

    def following(self, state: str) -> Sequence[str]:
        return () if state == "fulfilled" else ("acknowledged", "denied", "withdrawn")

    def move(self, request_id: str, state: str, *, reason: str, answer: str) -> None:
        self.asked.append(("move", (request_id, state, reason, answer)))

    def settle(self, request_id: str, *, receiver: str, outcome: str) -> None:
        self.asked.append(("settle", (request_id, receiver, outcome)))

    def extend(self, request_id: str, *, until_ms: int, reason: str) -> None:
        self.asked.append(("extend", (request_id, until_ms, reason)))

    def overdue(self) -> int:
        return sum(each["overdue"] for each in self.told)

    def find(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append(("find", dict(who)))
        return {"subject": "visitor:00", "stores": [{"store": "clicks", "count": 1234}], "visitors": 7}

    def copy(self, who: Mapping[str, str]) -> tuple[str, bytes]:
        self.asked.append(("copy", dict(who)))
        return "copy.zip", b"PK"

    def object(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append(("object", dict(who)))
        return {"until": "2027-02-22T00:00:00.000Z"}

    def erase(self, who: Mapping[str, str], *, request_id: str) -> Mapping[str, Any]:
        self.asked.append(("erase", (request_id, dict(who))))
        return RECEIPT

    def restrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append(("restrict", dict(who)))
        return {"stores": [{"store": "clicks", "before": 3, "after": 0}]}

    def unrestrict(self, who: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append(("unrestrict", dict(who)))
        return {"stores": [{"store": "clicks", "before": 0, "after": 3}]}

    def terms(self) -> Mapping[str, Any]:
        return {
            "terms": [
                {"name": "clicks", "text": "clicks and what became of them", "days": 90, "can_be_set": True},
                {"name": "receipts", "text": "receipts of erasures", "days": 730, "can_be_set": False},
            ],
            "oldest": "2026-09-01",
            "goes_at": "2026-11-30T00:00:00.000Z",
            "changes": self.changes,
        }

    def preview_terms(self, days: Mapping[str, int]) -> Mapping[str, Any]:
        self.asked.append(("preview", dict(days)))
        gone = [{"date": f"2026-09-0{n}", "clicks": 1000} for n in (1, 2)] if days.get("clicks", 90) < 90 else []
        return {"days": gone}

    def set_terms(self, days: Mapping[str, int], *, by: str) -> None:
        self.asked.append(("set", dict(days)))
        self.changes.insert(
            0,
            {"at": "2026-11-23T14:05:06.123Z", "by": by, "name": "clicks", "before": 90, "after": days["clicks"],
             "days": 2, "clicks": 2000},
        )  # fmt: skip

    def stored(self) -> Sequence[Mapping[str, str]]:
        return [
            {"store": "day files", "table": "clicks", "column": "sealed", "class": "pii",
             "erase": "key destroyed, row deleted", "keep": "clicks: 90 days"},
            {"store": "columns", "table": "clicks", "column": "campaign", "class": "business",
             "erase": "file written again without it", "keep": "clicks: 90 days"},
        ]  # fmt: skip

    def receivers(self) -> Sequence[Mapping[str, str]]:
        return [{"name": "meta-main", "type": "meta", "host": "graph.facebook.com", "country": "IE", "gets": "ids"}]

    def records(self) -> Mapping[str, Any]:
        return {
            "config_version": 3,
            "purposes": [{"campaign": "summer", "name": "Summer", "purpose": "counting", "receivers": ["meta-main"]}],
            "people": "visitors",
            "measures": [{"check": "key file", "state": "ok", "text": "It is closed to others."}],
        }

    def breach(self, since_ms: int, until_ms: int | None) -> Mapping[str, Any]:
        self.asked.append(("breach", (since_ms, until_ms)))
        return {"draft": "About 13 visitors."}

    def check_receipt(self, text: str) -> Sequence[str]:
        self.asked.append(("check", text))
        return [] if "01a20c" in text else ["its signature does not hold: it was changed."]
