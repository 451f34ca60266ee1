"""Programs that say so: user agents of crawlers, HTTP clients and driven browsers.

Two lists go through RE2, which no user agent can make slow: crawler-user-agents says which bot it is, isbot
says that it is no browser. What both know is on `facts/data/README.txt`.
"""

import re
from importlib.resources import files
from typing import Final, Literal

import re2
from msgspec import Struct, json

ClaimKind = Literal["bot", "client", "automation"]

UNNAMED: Final = "other"
_MEMORY: Final = 32 << 20  # RE2 falls back to a slow search when its automaton does not fit
# Makers call devices HTC Butterfly and Google TV Streamer. What has a version of its own behind the name is none.
_DEVICE: Final = re.compile(r"(\(Linux; Android [0-9.]+; )[^;()/+]+(?: Build/[^;()]*)?(?=[;)])")
# RE2 knows no look-around. What these patterns exclude is asked of `re`, and only where the rest was found.
_LOOK_AROUND: Final = re.compile(r"\(\?<?[!=](?:[^()]|\([^()]*\))*\)")


class Claim(Struct, frozen=True, kw_only=True):
    """A user agent that names itself a program. `pattern` and its list are shown to who asks why."""

    name: str
    kind: ClaimKind
    pattern: str
    source: str


class _Names(Struct):
    patterns: list[tuple[str, str, ClaimKind]]


class _Marks(Struct):
    patterns: list[str]


class _File(Struct, rename={"names": "crawler-user-agents", "marks": "isbot"}):
    names: _Names
    marks: _Marks


class Bots:
    """The compiled lists. Costs a tenth of a second once."""

    def __init__(self) -> None:
        read = json.decode(files("tnc.visitors").joinpath("data", "bots.json").read_bytes(), type=_File)
        self._named = [
            Claim(name=name, kind=kind, pattern=pattern, source="crawler-user-agents")
            for pattern, name, kind in read.names.patterns
        ]
        self._names = _set([each.pattern for each in self._named], ignore_case=False)
        self._marks = read.marks.patterns
        self._no_browser = _set([_LOOK_AROUND.sub("", each) for each in self._marks], ignore_case=True)
        self._exact = {
            place: re.compile(pattern, re.IGNORECASE | re.ASCII)
            for place, pattern in enumerate(self._marks)
            if _LOOK_AROUND.search(pattern)
        }

    def find(self, user_agent: str) -> Claim | None:
        """The most telling pattern that a clean user agent matches. The name of a device is no claim."""
        claim = self._find(user_agent)
        if claim is None:
            return None
        nameless = _DEVICE.sub(r"\1", user_agent, count=1)
        return claim if nameless == user_agent else self._find(nameless)

    def _find(self, user_agent: str) -> Claim | None:
        named: list[Claim] = [self._named[place] for place in self._names.Match(user_agent) or ()]
        if named:
            return max(named, key=lambda claim: len(claim.name))
        for place in sorted(self._no_browser.Match(user_agent) or ()):
            exact = self._exact.get(place)
            if exact is None or exact.search(user_agent):
                return Claim(name=UNNAMED, kind="bot", pattern=self._marks[place], source="isbot")
        return None


def _set(patterns: list[str], *, ignore_case: bool) -> re2.Set:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.never_capture = True
    options.case_sensitive = not ignore_case
    options.log_errors = False
    compiled = re2.Set.SearchSet(options)
    for pattern in patterns:
        compiled.Add(pattern)
    compiled.Compile()
    return compiled
