"""User agents that name themselves programs: crawlers, HTTP clients, automated browsers.

Two lists are matched with RE2, whose time no user agent can blow up: crawler-user-agents names the bot, isbot
says only that it is no browser. `visitors/data/README.txt` says where the lists come from.
"""

import re
from importlib.resources import files
from typing import Final, Literal

import re2
from msgspec import Struct, json

ClaimKind = Literal["bot", "client", "automation"]

UNNAMED: Final = "other"
_MEMORY: Final = 32 << 20  # bytes; RE2 falls back to a slower search when its automaton does not fit
# Names of devices, like HTC Butterfly or Google TV Streamer. A name with a version behind it is a program.
_DEVICE: Final = re.compile(r"(\(Linux; Android [0-9.]+; )[^;()/+]+(?: Build/[^;()]*)?(?=[;)])")
# RE2 has no look-around: these patterns are matched without it first, and then exactly with `re`.
_LOOK_AROUND: Final = re.compile(r"\(\?<?[!=](?:[^()]|\([^()]*\))*\)")


class Claim(Struct, frozen=True, kw_only=True):
    """A user agent that names itself a program. `tnc ua` shows the `pattern` and its list, `source`."""

    name: str
    kind: ClaimKind
    pattern: str
    source: str


class _NamedBots(Struct):
    patterns: list[tuple[str, str, ClaimKind]]


class _BotPatterns(Struct):
    patterns: list[str]


class _File(Struct, rename={"names": "crawler-user-agents", "marks": "isbot"}):
    names: _NamedBots
    marks: _BotPatterns


class Bots:
    """The compiled lists. Compiling takes a tenth of a second."""

    def __init__(self) -> None:
        read = json.decode(files("tnc.visitors").joinpath("data", "bots.json").read_bytes(), type=_File)
        self._named = [
            Claim(name=name, kind=kind, pattern=pattern, source="crawler-user-agents")
            for pattern, name, kind in read.names.patterns
        ]
        self._names = _compile([each.pattern for each in self._named], ignore_case=False)
        self._marks = read.marks.patterns
        self._no_browser = _compile([_LOOK_AROUND.sub("", each) for each in self._marks], ignore_case=True)
        self._exact = {
            index: re.compile(pattern, re.IGNORECASE | re.ASCII)
            for index, pattern in enumerate(self._marks)
            if _LOOK_AROUND.search(pattern)
        }

    def find(self, user_agent: str) -> Claim | None:
        """The claim with the longest name in a clean user agent; None if it matches only by the name of a device."""
        claim = self._find(user_agent)
        if claim is None:
            return None
        without_device = _DEVICE.sub(r"\1", user_agent, count=1)
        return claim if without_device == user_agent else self._find(without_device)

    def _find(self, user_agent: str) -> Claim | None:
        named: list[Claim] = [self._named[index] for index in self._names.Match(user_agent) or ()]
        if named:
            return max(named, key=lambda claim: len(claim.name))
        for index in sorted(self._no_browser.Match(user_agent) or ()):
            exact = self._exact.get(index)
            if exact is None or exact.search(user_agent):
                return Claim(name=UNNAMED, kind="bot", pattern=self._marks[index], source="isbot")
        return None


def _compile(patterns: list[str], *, ignore_case: bool) -> re2.Set:
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
