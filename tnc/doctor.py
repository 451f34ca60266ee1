"""Every check of an installation, each with its finding and what to type."""

import os
import resource
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from tnc.control import Remote
from tnc.errors import TncError
from tnc.facts.geo import PLACE_FACTS
from tnc.facts.ipdb import DAY_MS
from tnc.house import House
from tnc.reviewers import led_astray
from tnc.rules import needed_facts
from tnc.store.clicklog import Recording
from tnc.store.control import damage, sqlite_is_mended, sqlite_version
from tnc.store.days import utc_date
from tnc.store.ground import has_swap, is_encrypted, keeps_what_is_overwritten, read_proc
from tnc.store.inbox import UNMATCHED
from tnc.store.leaks import last_inspection
from tnc.store.requests import REMIND_DAYS

State = Literal["ok", "warning", "failed"]

_OF_THE_MACHINE: Final = frozenset(
    {"file system", "swap", "core dumps", "disk encryption"}
)  # for `tnc doctor`, not for every page
_LOW_DISK_BYTES: Final = 1 << 30
_DAY_MS: Final = 86_400_000
_DAYS_BEFORE: Final = 8
_ENOUGH_CALLS: Final = 20
_MUCH: Final = 0.1
_NIGHTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`fix` is what to type or do; empty when nothing is wrong."""

    check: str
    state: State
    text: str
    fix: str = ""


def _ok(check: str, text: str) -> Finding:
    return Finding(check=check, state="ok", text=text)


def examine(house: House) -> list[Finding]:
    """All checks, in the order in which a person would look."""
    return [finding for check in CHECKS for finding in check(house)]


def problems(house: House, recording: Recording) -> list[str]:
    """What is wrong right now, a sentence each: what the dashboard shows on top."""
    findings = [each for each in examine(house) if each.state != "ok" and each.check not in _OF_THE_MACHINE]
    found = [f"{each.text} {each.fix}".strip() for each in findings]
    if recording.failing is not None:
        found.insert(
            0,
            f"Clicks cannot be recorded ({recording.failing}); {recording.waiting} wait in memory. Visitors are sent "
            "on all the same. Make room on the disk or mend it.",
        )
    if recording.lost:
        found.insert(0, f"{recording.lost} clicks could not be kept since the start; their visitors were sent on.")
    return found


def _keys(house: House) -> Iterator[Finding]:
    key = house.settings.key
    if _others_may_read(key.stat()):
        yield Finding(
            check="key file",
            state="failed",
            text=f"Others on this machine can read the key file {key}.",
            fix=f"Type: chmod 600 {key}",
        )
    elif house.rooms.data in key.resolve().parents:
        yield Finding(
            check="key file",
            state="warning",
            text=f"The key file {key} lies beside the data, so a copy of the data directory holds both.",
            fix="Move it elsewhere and name it in config.toml (key = ...).",
        )
    else:
        yield _ok("key file", f"{key} is readable by its owner only.")
    try:
        house.check_keys()
        yield _ok("keyring", "Every recorded day has its key.")
    except TncError as error:
        yield Finding(check="keyring", state="failed", text=str(error), fix="")


def _others_may_read(file: os.stat_result) -> bool:
    """Beside its owner. systemd lets the service read a credential by an access list, which shows as a right of its
    group; that is root's.
    """
    allowed = stat.S_IRGRP if file.st_gid == 0 else 0
    return bool(stat.S_IMODE(file.st_mode) & 0o077 & ~allowed)


def _folders(house: House) -> Iterator[Finding]:
    data = house.rooms.data
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        yield Finding(
            check="data directory",
            state="failed",
            text=f"Others on this machine can look into {data}.",
            fix=f"Type: chmod 700 {data}",
        )
    else:
        yield _ok("data directory", f"{data} is closed to others.")
    free = shutil.disk_usage(data).free
    if free < _LOW_DISK_BYTES:
        yield Finding(
            check="disk",
            state="failed" if free < _LOW_DISK_BYTES // 10 else "warning",
            text=f"{free // (1 << 20)} MB are free on the disk of {data}.",
            fix="Make room, or shorten the retention in config.toml ([retention] clicks_days).",
        )
    else:
        yield _ok("disk", f"{free // (1 << 30)} GB are free.")
    if not os.access(data, os.W_OK):
        yield Finding(check="disk", state="failed", text=f"{data} cannot be written.", fix=f"Type: ls -ld {data}")


def _database(house: House) -> Iterator[Finding]:
    note = "" if sqlite_is_mended() else " Its write-ahead log needs one writer, which tnc keeps to."
    yield _ok("sqlite", f"SQLite {sqlite_version}.{note}")
    found = damage(house.rooms.control)
    if found is None:
        yield _ok("control database", "The control database is whole.")
    else:
        yield Finding(
            check="control database",
            state="failed",
            text=f"The control database is damaged: {found}.",
            fix="Restore it from a backup.",
        )


def _server(house: House) -> Iterator[Finding]:
    if Remote(house.rooms.socket).answers():
        yield _ok("server", "A server is running on this data.")
    else:
        yield Finding(check="server", state="warning", text="No server is running on this data.", fix="Type: tnc serve")


def _campaigns(house: House) -> Iterator[Finding]:
    _, configuration = house.configuration()
    live = [each for each in configuration.campaigns.values() if not each.archived]
    if not live:
        yield Finding(
            check="campaigns",
            state="warning",
            text="There is no campaign yet.",
            fix="Write one as docs/configuration.md shows, then type: tnc apply FILE",
        )
        return
    yield _ok("campaigns", f"{len(live)} campaigns are set up.")
    yield from _reviewers(house)


def _reviewers(house: House) -> Iterator[Finding]:
    """The declared crawlers of ad platforms go where an ordinary visitor goes, in every campaign."""
    astray = led_astray(house)
    for campaign, crawlers in astray.items():
        yield Finding(
            check="reviewers",
            state="failed",
            text=f"In campaign {campaign} declared crawlers would not go where ordinary visitors go: "
            f"{', '.join(crawlers)}.",
            fix="Take conditions on the user agent or on headers out of its flows; see docs/rules.md.",
        )
    if not astray:
        yield _ok("reviewers", "Declared crawlers of ad platforms go where ordinary visitors go.")


def _address_data(house: House) -> Iterator[Finding]:
    """What conditions ask for and nobody knows, what is old, and what could not be renewed."""
    now_ms = house.world.now_ms()
    try:
        manifest = house.addresses.manifest()
    except TncError as error:
        yield Finding(check="address data", state="failed", text=f"{error}.")
        return
    _, configuration = house.configuration()
    missing = PLACE_FACTS - house.geo().gives()
    for fact, places in needed_facts(configuration).items():
        if fact in missing:
            yield Finding(
                check="address data",
                state="warning",
                text=f"No installed address data knows {fact}, so it is unknown for {', '.join(places)}; nobody is "
                "dropped for it.",
                fix="Type: tnc ipdb update",
            )
    for item in manifest.items:
        if item.is_stale(now_ms):
            days = (now_ms - item.dated_ms) // DAY_MS
            yield Finding(
                check="address data",
                state="warning",
                text=f"Address data {item.name} ({item.kind}) is {days} days old; it is used all the same.",
                fix="Type: tnc ipdb update",
            )
    for name, why in manifest.problems.items():
        yield Finding(
            check="address data",
            state="warning",
            text=f"{name} could not be renewed: {why}.",
            fix="Type: tnc ipdb update",
        )
    kinds = ", ".join(sorted({each.kind for each in manifest.items}))
    more = "" if "city" in kinds else "Cities, networks and VPNs come with: tnc ipdb update"
    yield Finding(check="address data", state="ok", text=f"Known are: countries{kinds and f', {kinds}'}.", fix=more)


def _postbacks(house: House) -> Iterator[Finding]:
    """Whether more calls than before cannot be matched."""
    now_ms = house.world.now_ms()
    lately, before = Counter[str](), Counter[str]()
    for date in house.stories.dates()[-_DAYS_BEFORE:]:
        with house.stories.day(date) as reader:
            new, all_ = Counter(reader.inbox.counts(now_ms - _DAY_MS)), Counter(reader.inbox.counts())
        lately += new
        before += all_ - new
    share, usual = _unmatched(lately), _unmatched(before)
    if lately.total() >= _ENOUGH_CALLS and share > max(_MUCH, 2 * usual):
        worst = max(UNMATCHED, key=lambda outcome: lately[outcome])
        yield Finding(
            check="postbacks",
            state="warning",
            text=f"{share:.0%} of {lately.total()} postbacks since yesterday did not match (before, {usual:.0%}): "
            f"mostly {worst}.",
            fix="Type: tnc conversion inbox --unmatched",
        )
    else:
        yield _ok("postbacks", f"{lately.total()} postbacks since yesterday, of which {share:.0%} did not match.")


def _unmatched(counts: Counter[str]) -> float:
    return sum(counts[outcome] for outcome in UNMATCHED) / counts.total() if counts else 0.0


def _destinations(house: House) -> Iterator[Finding]:
    stops = house.stops.all_of(house.workspace)
    for stop in stops:
        yield Finding(
            check="destinations",
            state="failed",
            text=f"The destination {stop.destination} was stopped, and what it should be told waits: {stop.reason}.",
            fix=f"Mend it and apply, or type: tnc destination resume {stop.destination}",
        )
    if not stops:
        yield _ok("destinations", "No destination is stopped.")


def _requests(house: House) -> Iterator[Finding]:
    """The register shouts before it is late."""
    now_ms = house.world.now_ms()
    waiting = house.register.all_of(only_open=True)
    late = [each for each in waiting if each.due_at_ms <= now_ms]
    soon = [each for each in waiting if 0 < each.due_at_ms - now_ms <= REMIND_DAYS[0] * DAY_MS]
    if late:
        yield Finding(
            check="requests",
            state="failed",
            text=f"{len(late)} requests of people are overdue: {', '.join(each.request_id for each in late)}.",
            fix="Answer them now; type: tnc privacy requests --overdue",
        )
    for each in soon:
        left = each.days_left(now_ms)
        yield Finding(
            check="requests",
            state="warning",
            text=f"The request {each.request_id} ({each.kind}) must be answered within {left} days.",
            fix=f"Type: tnc privacy request show {each.request_id}",
        )
    if not late and not soon:
        yield _ok("requests", f"{len(waiting)} requests of people are open, and none is urgent.")


def _keyring_copies(house: House) -> Iterator[Finding]:
    escrow = house.forgotten.latest_escrow()
    if escrow is None:
        yield _ok("keyring copy", "No copy of the keyring lies elsewhere; a lost keyring is lost data.")
        return
    behind = house.forgotten.count_opened_by(escrow)
    if behind:
        yield Finding(
            check="keyring copy",
            state="warning",
            text=f"The copy of the keyring elsewhere still opens what {behind} erasures made unreadable since.",
            fix="Type: tnc keys escrow FILE, put it in the place of the old one, and destroy that.",
        )
    else:
        yield _ok("keyring copy", "The copy of the keyring elsewhere is up to date.")


def _words_in_the_clear(house: House) -> Iterator[Finding]:
    """What the nightly search found: of what, where, and never the words."""
    check, again = "words in the clear", "Type: tnc privacy scan"
    found = last_inspection(house.rooms.inspection)
    if found is None:
        yield Finding(check=check, state="ok", text="No search for them was made yet; one is each night.", fix=again)
        return
    clean = "never" if found.clean_at_ms is None else f"on {utc_date(found.clean_at_ms)}"
    days = abs(house.world.now_ms() - found.at_ms) / _DAY_MS
    if found.leaks:
        where = "; ".join(f"{each.file}: {each.kind} ({each.count})" for each in found.leaks)
        yield Finding(
            check=check,
            state="failed",
            text=f"What must not be in the clear was found on {utc_date(found.at_ms)}: {where}. All was clean {clean}.",
            fix="Look who writes there and delete it; then type: tnc privacy scan",
        )
    elif found.left:
        text = f"{found.left} files could not be looked through for words in the clear; all was clean {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    elif days > _NIGHTS:
        text = f"The last search for words in the clear was on {utc_date(found.at_ms)}; all was clean {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    else:
        yield _ok(
            check,
            f"{found.words} words of {found.clicks} visits were looked for in {found.files + found.unchanged} files on "
            f"{utc_date(found.at_ms)}: none is in the clear.",
        )


def _ground(house: House) -> Iterator[Finding]:
    """Below the files: what is overwritten there, and what memory reaches."""
    kept = keeps_what_is_overwritten(read_proc("mounts"), PurePosixPath(house.rooms.ring.resolve()))
    if kept is not None:
        yield Finding(
            check="file system",
            state="warning",
            text=f"A former key may be found again below {house.rooms.ring}: {kept}.",
            fix="Keep the folder `ring` on ext4 or xfs (on btrfs: chattr +C on it while it is empty).",
        )
    else:
        yield _ok("file system", "Overwritten keys are gone from the file system.")
    if has_swap(read_proc("swaps")):
        yield Finding(
            check="swap",
            state="warning",
            text="Memory may be written to a swap disk, and keys with it.",
            fix="Encrypt the swap, or run the service with MemorySwapMax=0 as the unit of install.sh does.",
        )
    else:
        yield _ok("swap", "No memory is written to a disk.")
    if resource.getrlimit(resource.RLIMIT_CORE)[0]:
        yield Finding(
            check="core dumps",
            state="warning",
            text="A crash would write the memory of this process to the disk, and keys with it.",
            fix="Type: ulimit -c 0; the unit of install.sh sets LimitCORE=0.",
        )
    else:
        yield _ok("core dumps", "A crash writes no memory to the disk.")
    if is_encrypted(house.rooms.data):
        yield _ok("disk encryption", "The disk below is encrypted.")
    else:
        yield Finding(
            check="disk encryption",
            state="warning",
            text="The disk below is not seen to be encrypted; records are sealed all the same, and old blocks stay.",
            fix="Put the data on an encrypted disk (LUKS), or know that the one of your provider is.",
        )


CHECKS: Final[Sequence[Callable[[House], Iterator[Finding]]]] = (
    _folders,
    _keys,
    _database,
    _server,
    _address_data,
    _campaigns,
    _postbacks,
    _destinations,
    _requests,
    _keyring_copies,
    _words_in_the_clear,
    _ground,
)
