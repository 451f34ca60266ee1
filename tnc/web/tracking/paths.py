"""Paths without a campaign: corrected if the intended campaign is unambiguous, otherwise counted."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from tnc.rules import Plan, Plans
from tnc.visitors.request import split_target

_QUERY_IN_PATH: Final = re.compile(r"[&?]|%26|%3f", re.IGNORECASE)
_AROUND: Final = (
    " \t\u00a0\u200b\ufeff.,;:!\"'<>()[]{}"  # characters that texts, chats and spreadsheets add around a link
)
_MOST_PATHS: Final = 500
_LONGEST_PATH: Final = 100
_SIMILAR: Final = 0.75


@dataclass(slots=True)
class PathMender:
    """Finds the campaign of a path with its query after `&`, in another case, or with extra characters around it."""

    _version: int = -1
    _by_folded: Mapping[str, Plan] = field(default_factory=dict)

    def mend(self, target: str, plans: Plans) -> tuple[Plan, str] | None:
        """The campaign and the corrected request target; None if no campaign fits, or more than one."""
        if plans.version != self._version:
            self._version, self._by_folded = plans.version, _unique(plans.by_path)
        path, query = split_target(target)
        found = _QUERY_IN_PATH.search(path)
        if found is not None:
            rest = path[found.end() :]
            rest = unquote(rest) if "=" not in rest else rest
            path, query = path[: found.start()], f"{rest}&{query}" if query else rest
        name = unquote(path, errors="replace").strip("/").strip(_AROUND).strip("/")
        plan = plans.by_path.get(name) or self._by_folded.get(name.casefold())
        if plan is None:
            return None
        return plan, f"/{plan.campaign.path}?{query}" if query else f"/{plan.campaign.path}"


def _unique(by_path: Mapping[str, Plan]) -> dict[str, Plan]:
    counted = Counter(path.casefold() for path in by_path)
    return {path.casefold(): plan for path, plan in by_path.items() if counted[path.casefold()] == 1}


@dataclass(slots=True)
class UnknownPaths:
    """Counts requests for unknown paths: in memory, limited, without queries."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, path: str) -> None:
        path = path[:_LONGEST_PATH]
        if path in self.counts or len(self.counts) < _MOST_PATHS:
            self.counts[path] += 1

    def take_similar(self, campaign_paths: Collection[str]) -> list[tuple[str, str, int]]:
        """Unknown paths similar to one of a campaign: (path, path of the campaign, count), most frequent first.

        Counting begins again.
        """
        counts, self.counts = self.counts, Counter()
        found = []
        folded = {each.casefold(): each for each in campaign_paths}
        for path, count in counts.most_common():
            near = difflib.get_close_matches(path.casefold(), folded, n=1, cutoff=_SIMILAR)
            if near:
                found.append((path, folded[near[0]], count))
        return found
