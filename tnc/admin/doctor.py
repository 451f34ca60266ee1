"""Every check of an installation, each with its finding and what to type."""

import logging
import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from tnc.admin import checks as dealings
from tnc.admin.checks import Finding, ok
from tnc.admin.disk import has_swap, is_encrypted, keeps_what_is_overwritten, read_proc
from tnc.admin.remote import Remote
from tnc.campaigns.warnings import warnings
from tnc.core.clock import DAY_MS
from tnc.core.errors import TncError
from tnc.privacy.leak_report import last_leak_report
from tnc.rules import needed_facts
from tnc.store.database import damage, sqlite_is_mended, sqlite_version
from tnc.store.days.click_log import Recording
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.review_parity import find_mismatches
from tnc.visitors.geo.geo import PLACE_FACTS

log = logging.getLogger(__name__)

_OF_THE_MACHINE: Final = frozenset(
    {"file system", "swap", "core dumps", "disk encryption"}
)  # for `tnc doctor`, not for every page
_LOW_DISK_BYTES: Final = 1 << 30
_NIGHTS: Final = 3


def examine(workspace: Workspace) -> list[Finding]:
    """All checks, in the order in which a person would look."""
    return [finding for check in CHECKS for finding in check(workspace)]


def problems(workspace: Workspace, recording: Recording) -> list[str]:
    """What is wrong right now, a sentence each: what the dashboard shows on top."""
    findings = [each for each in examine(workspace) if each.state != "ok" and each.check not in _OF_THE_MACHINE]
    found = [f"{each.text} {each.fix}".strip() for each in findings]
    return [f"{each.text} {each.fix}".strip() for each in _recording(recording)] + found


def alarms(workspace: Workspace, recording: Recording) -> list[Finding]:
    """What is worth a mail right now; a check that fails itself keeps none of the others from being heard."""
    found = list(_recording(recording))
    for check in _ALARMING:
        try:
            found += check(workspace)
        except Exception:
            log.exception("a check failed")
    return [each for each in found if each.subject]


def _recording(recording: Recording) -> Iterator[Finding]:
    if recording.lost:
        yield Finding(
            check="recording",
            state="failed",
            text=f"{recording.lost} clicks could not be kept since the start; their visitors were sent on.",
            subject="clicks were lost",
        )
    if recording.failing is not None:
        yield Finding(
            check="recording",
            state="failed",
            text=f"Clicks cannot be recorded ({recording.failing}); {recording.waiting} wait in memory. Visitors are "
            "sent on all the same.",
            fix="Make room on the disk or mend it.",
            subject="clicks cannot be recorded",
        )


def _keys(workspace: Workspace) -> Iterator[Finding]:
    key = workspace.settings.key
    if _others_may_read(key.stat()):
        yield Finding(
            check="key file",
            state="failed",
            text=f"Others on this machine can read the key file {key}.",
            fix=f"Type: chmod 600 {key}",
        )
    elif workspace.paths.data in key.resolve().parents:
        yield Finding(
            check="key file",
            state="warning",
            text=f"The key file {key} lies beside the data, so a copy of the data directory holds both.",
            fix="Move it elsewhere and name it in config.toml (key = ...).",
        )
    else:
        yield ok("key file", f"{key} is readable by its owner only.")
    try:
        workspace.check_keys()
        yield ok("keyring", "Every recorded day has its key.")
    except TncError as error:
        yield Finding(check="keyring", state="failed", text=str(error), fix="")


def _others_may_read(file: os.stat_result) -> bool:
    """Beside its owner. systemd lets the service read a credential by an access list, which shows as a right of its
    group; that is root's.
    """
    allowed = stat.S_IRGRP if file.st_gid == 0 else 0
    return bool(stat.S_IMODE(file.st_mode) & 0o077 & ~allowed)


def _folders(workspace: Workspace) -> Iterator[Finding]:
    data = workspace.paths.data
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        yield Finding(
            check="data directory",
            state="failed",
            text=f"Others on this machine can look into {data}.",
            fix=f"Type: chmod 700 {data}",
        )
    else:
        yield ok("data directory", f"{data} is closed to others.")
    free = shutil.disk_usage(data).free
    if free < _LOW_DISK_BYTES:
        yield Finding(
            check="disk",
            state="failed" if free < _LOW_DISK_BYTES // 10 else "warning",
            text=f"{free // (1 << 20)} MB are free on the disk of {data}.",
            fix="Make room, or shorten the retention in config.toml ([retention] clicks_days).",
            subject="the disk is nearly full",
        )
    else:
        yield ok("disk", f"{free // (1 << 30)} GB are free.")
    if not os.access(data, os.W_OK):
        yield Finding(
            check="disk",
            state="failed",
            text=f"{data} cannot be written.",
            fix=f"Type: ls -ld {data}",
            subject="the data cannot be written",
        )


def _database(workspace: Workspace) -> Iterator[Finding]:
    note = "" if sqlite_is_mended() else " Its write-ahead log needs one writer, which tnc keeps to."
    yield ok("sqlite", f"SQLite {sqlite_version}.{note}")
    found = damage(workspace.paths.control)
    if found is None:
        yield ok("control database", "The control database is whole.")
    else:
        yield Finding(
            check="control database",
            state="failed",
            text=f"The control database is damaged: {found}.",
            fix="Restore it from a backup.",
        )


def _server(workspace: Workspace) -> Iterator[Finding]:
    if Remote(workspace.paths.socket).answers():
        yield ok("server", "A server is running on this data.")
    else:
        yield Finding(check="server", state="warning", text="No server is running on this data.", fix="Type: tnc serve")


def _campaigns(workspace: Workspace) -> Iterator[Finding]:
    _, configuration = workspace.configuration()
    live = [each for each in configuration.campaigns.values() if not each.archived]
    if not live:
        yield Finding(
            check="campaigns",
            state="warning",
            text="There is no campaign yet.",
            fix="Write one as docs/configuration.md shows, then type: tnc apply FILE",
        )
        return
    yield ok("campaigns", f"{len(live)} campaigns are set up.")
    for text in warnings(configuration):
        yield Finding(
            check="offers", state="warning", text=f"{text[0].upper()}{text[1:]}", fix="Then type: tnc apply FILE"
        )
    yield from _reviewers(workspace)


def _reviewers(workspace: Workspace) -> Iterator[Finding]:
    """The declared crawlers of ad platforms go where an ordinary visitor goes, in every campaign."""
    astray = find_mismatches(workspace)
    for campaign, crawlers in astray.items():
        yield Finding(
            check="reviewers",
            state="failed",
            text=f"In campaign {campaign} declared crawlers would not go where ordinary visitors go: "
            f"{', '.join(crawlers)}.",
            fix="Take conditions on the user agent or on headers out of its flows; see docs/rules.md.",
        )
    if not astray:
        yield ok("reviewers", "Declared crawlers of ad platforms go where ordinary visitors go.")


def _address_data(workspace: Workspace) -> Iterator[Finding]:
    """What conditions ask for and nobody knows, what is old, and what could not be renewed."""
    now_ms = workspace.world.now_ms()
    try:
        manifest = workspace.addresses.manifest()
    except TncError as error:
        yield Finding(check="address data", state="failed", text=f"{error}.")
        return
    _, configuration = workspace.configuration()
    missing = PLACE_FACTS - workspace.geo().known_facts()
    for fact, places in needed_facts(configuration).items():
        if fact in missing:
            yield Finding(
                check="address data",
                state="warning",
                text=f"No installed geo data knows {fact}, so it is unknown for {', '.join(places)}; nobody is "
                "dropped for it.",
                fix="Type: tnc ipdb update",
            )
    for item in manifest.items:
        if item.is_stale(now_ms):
            days = (now_ms - item.dated_ms) // DAY_MS
            yield Finding(
                check="address data",
                state="warning",
                text=f"Geo data {item.name} ({item.kind}) is {days} days old; it is used all the same.",
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


def _keyring_copies(workspace: Workspace) -> Iterator[Finding]:
    escrow = workspace.erasures.latest_escrow().wait()
    if escrow is None:
        yield ok("keyring copy", "No copy of the keyring lies elsewhere; a lost keyring is lost data.")
        return
    behind = workspace.erasures.count_opened_by(escrow).wait()
    if behind:
        yield Finding(
            check="keyring copy",
            state="warning",
            text=f"The copy of the keyring elsewhere still opens what {behind} erasures made unreadable since.",
            fix="Type: tnc keys escrow FILE, put it in the place of the old one, and destroy that.",
        )
    else:
        yield ok("keyring copy", "The copy of the keyring elsewhere is up to date.")


def _words_in_the_clear(workspace: Workspace) -> Iterator[Finding]:
    """What the nightly search found: of what, where, and never the words."""
    check, again = "words in the clear", "Type: tnc privacy scan"
    found = last_leak_report(workspace.paths.inspection)
    if found is None:
        yield Finding(check=check, state="ok", text="No search for them was made yet; one is each night.", fix=again)
        return
    clean = "never" if found.clean_at_ms is None else f"on {utc_date(found.clean_at_ms)}"
    days = abs(workspace.world.now_ms() - found.at_ms) / DAY_MS
    if found.leaks:
        where = "; ".join(f"{each.file}: {each.kind} ({each.count})" for each in found.leaks)
        yield Finding(
            check=check,
            state="failed",
            text=f"What must not be in the clear was found on {utc_date(found.at_ms)}: {where}. All was clean {clean}.",
            fix="Look who writes there and delete it; then type: tnc privacy scan",
            subject="words are in the clear",
        )
    elif found.left:
        text = f"{found.left} files could not be looked through for words in the clear; all was clean {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    elif days > _NIGHTS:
        text = f"The last search for words in the clear was on {utc_date(found.at_ms)}; all was clean {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    else:
        yield ok(
            check,
            f"{found.words} words of {found.clicks} visits were looked for in {found.files + found.unchanged} files on "
            f"{utc_date(found.at_ms)}: none is in the clear.",
        )


def _ground(workspace: Workspace) -> Iterator[Finding]:
    """Below the files: what is overwritten there, and what memory reaches."""
    kept = keeps_what_is_overwritten(read_proc("mounts"), PurePosixPath(workspace.paths.ring.resolve()))
    if kept is not None:
        yield Finding(
            check="file system",
            state="warning",
            text=f"A former key may be found again below {workspace.paths.ring}: {kept}.",
            fix="Keep the folder `ring` on ext4 or xfs (on btrfs: chattr +C on it while it is empty).",
        )
    else:
        yield ok("file system", "Overwritten keys are gone from the file system.")
    if has_swap(read_proc("swaps")):
        yield Finding(
            check="swap",
            state="warning",
            text="Memory may be written to a swap disk, and keys with it.",
            fix="Encrypt the swap, or run the service with MemorySwapMax=0 as the unit of install.sh does.",
        )
    else:
        yield ok("swap", "No memory is written to a disk.")
    if resource.getrlimit(resource.RLIMIT_CORE)[0]:
        yield Finding(
            check="core dumps",
            state="warning",
            text="A crash would write the memory of this process to the disk, and keys with it.",
            fix="Type: ulimit -c 0; the unit of install.sh sets LimitCORE=0.",
        )
    else:
        yield ok("core dumps", "A crash writes no memory to the disk.")
    if is_encrypted(workspace.paths.data):
        yield ok("disk encryption", "The disk below is encrypted.")
    else:
        yield Finding(
            check="disk encryption",
            state="warning",
            text="The disk below is not seen to be encrypted; records are sealed all the same, and old blocks stay.",
            fix="Put the data on an encrypted disk (LUKS), or know that the one of your provider is.",
        )


CHECKS: Final[Sequence[Callable[[Workspace], Iterator[Finding]]]] = (
    _folders,
    _keys,
    _database,
    _server,
    _address_data,
    _campaigns,
    dealings.postbacks,
    dealings.destinations,
    dealings.deliveries,
    dealings.requests,
    dealings.mail,
    _keyring_copies,
    _words_in_the_clear,
    _ground,
)
_ALARMING: Final[Sequence[Callable[[Workspace], Iterator[Finding]]]] = (
    _folders,
    dealings.postbacks,
    dealings.destinations,
    dealings.deliveries,
    dealings.requests,
    _words_in_the_clear,
)
"""Quick enough to be asked every minute."""
