"""The checks of `tnc doctor`, each with its findings and what to type."""

import logging
import os
import resource
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Final

from tnc.admin import checks
from tnc.admin.checks import Finding, ok
from tnc.admin.disk import has_swap, is_encrypted, keeps_what_is_overwritten, read_proc
from tnc.admin.remote import Remote
from tnc.campaigns.warnings import warnings
from tnc.core.clock import DAY_MS
from tnc.core.errors import NotFoundError, TncError
from tnc.privacy.leak_report import last_leak_report
from tnc.rules import needed_facts
from tnc.store.database import damage, has_wal_reset_fix, sqlite_version
from tnc.store.days.click_log import Recording
from tnc.store.days.files import LostClicks
from tnc.store.days.writer import day_path, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.review_parity import find_mismatches
from tnc.visitors.geo.geo import PLACE_FACTS

log = logging.getLogger(__name__)

_OF_THE_MACHINE: Final = frozenset(
    {"file system", "swap", "core dumps", "disk encryption", "networks"}
)  # shown by `tnc doctor` and not on the dashboard
_DAYS_OF_LOSSES: Final = 8
_SECONDS_FOR_RECORDS: Final = 5.0
_LOW_DISK_BYTES: Final = 1 << 30
_NIGHTS: Final = 3


def examine(workspace: Workspace) -> list[Finding]:
    """The findings of all checks."""
    return [finding for check in CHECKS for finding in _findings(check, workspace)]


def _findings(check: Callable[[Workspace], Iterator[Finding]], workspace: Workspace) -> Iterator[Finding]:
    """The findings of a check. One that fails because a file is damaged says so, and the others go on."""
    try:
        yield from check(workspace)
    except (TncError, OSError, sqlite3.Error) as error:
        name = check.__name__.strip("_").replace("_", " ")
        yield Finding(check=name, state="failed", text=f"This could not be checked: {error}")


def problems(workspace: Workspace, recording: Recording) -> list[str]:
    """The current problems, one sentence each, as the dashboard shows them on top."""
    quick = [finding for check in CHECKS if check is not _records for finding in _findings(check, workspace)]
    findings = [each for each in quick if each.state != "ok" and each.check not in _OF_THE_MACHINE]
    found = [f"{each.text} {each.fix}".strip() for each in findings]
    return [f"{each.text} {each.fix}".strip() for each in _recording(recording)] + found


def alarms(workspace: Workspace, recording: Recording) -> list[Finding]:
    """The current findings that are mailed. An error in a check is logged, and the others still run."""
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
            text=f"{recording.lost} clicks could not be stored since the start; their visitors were redirected.",
            subject="clicks were lost",
        )
    if recording.failing is not None:
        yield Finding(
            check="recording",
            state="failed",
            text=f"Clicks cannot be recorded ({recording.failing}); {recording.waiting} wait in memory. Visitors are "
            "still redirected.",
            fix="Free disk space, or repair the disk.",
            subject="clicks cannot be recorded",
        )


def _keys(workspace: Workspace) -> Iterator[Finding]:
    key = workspace.settings.key
    if others_may_read(key.stat()):
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
            text=f"The key file {key} is in the data directory, so a copy of that directory contains both.",
            fix="Move it elsewhere and name it in config.toml (key = ...).",
        )
    else:
        yield ok("key file", f"{key} is readable by its owner only.")
    try:
        workspace.check_keys()
        yield ok("keyring", "Every recorded day has its key.")
    except TncError as error:
        yield Finding(check="keyring", state="failed", text=str(error), fix="")


def others_may_read(file: os.stat_result) -> bool:
    """Whether others than the owner can read it. systemd grants the service its credential by an access list, which
    shows as a right of the group, which is root.
    """
    allowed = stat.S_IRGRP if file.st_gid == 0 else 0
    return bool(stat.S_IMODE(file.st_mode) & 0o077 & ~allowed)


def _folders(workspace: Workspace) -> Iterator[Finding]:
    data = workspace.paths.data
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        yield Finding(
            check="data directory",
            state="failed",
            text=f"Others on this machine can read {data}.",
            fix=f"Type: chmod 700 {data}",
        )
    else:
        yield ok("data directory", f"Others on this machine cannot read {data}.")
    free = shutil.disk_usage(data).free
    if free < _LOW_DISK_BYTES:
        yield Finding(
            check="disk",
            state="failed" if free < _LOW_DISK_BYTES // 10 else "warning",
            text=f"{free // (1 << 20)} MB are free on the disk of {data}.",
            fix="Free disk space, or keep clicks for a shorter time: tnc retention set clicks=DAYS",
            subject="the disk is nearly full",
        )
    else:
        yield ok("disk", f"{free // (1 << 30)} GB are free.")
    if not os.access(data, os.W_OK):
        is_read_only = os.statvfs(data).f_flag & os.ST_RDONLY
        yield Finding(
            check="disk",
            state="failed",
            text=f"The file system of {data} is read-only: clicks are not recorded."
            if is_read_only
            else f"{data} cannot be written.",
            fix="Look for the reason with: dmesg; then type: mount -o remount,rw"
            if is_read_only
            else f"Type: ls -ld {data}",
            subject="the data cannot be written",
        )


def _database(workspace: Workspace) -> Iterator[Finding]:
    note = "" if has_wal_reset_fix() else " Its write-ahead log needs a single writer, and tnc has only one."
    yield ok("sqlite", f"SQLite {sqlite_version}.{note}")
    for each in workspace.damage.all():
        yield Finding(check="damage", state="failed", text=each.text, fix=each.fix, subject="data is damaged")
    if workspace.degraded is not None:
        yield Finding(
            check="control database",
            state="failed",
            text=f"Visitors are redirected by the snapshot of the configuration; no change is stored: "
            f"{workspace.degraded}.",
            subject="the control database is damaged",
        )
        return
    found = damage(workspace.paths.control)
    if found is None:
        yield ok("control database", "The control database is not damaged.")
    else:
        yield Finding(
            check="control database",
            state="failed",
            text=f"The control database is damaged: {found}.",
            fix="Restore it from a backup.",
        )


def _clock(workspace: Workspace) -> Iterator[Finding]:
    """Whether retention may destroy by the clock."""
    doubt = workspace.clock.doubt()
    if doubt is not None:
        yield Finding(check="clock", state="failed", text=str(doubt), fix=doubt.fix, subject="the clock is doubted")
    else:
        yield ok("clock", "The clock agrees with the recorded data.")
    if workspace.clock.is_overdue():
        yield Finding(
            check="retention",
            state="failed",
            text="Many days are past their retention time at once. They are not shown, and kept for a day of running.",
            fix="Look at them with: tnc retention run --dry-run; if that is right, type: tnc retention run --yes",
            subject="many days are past their retention time",
        )


def _records(workspace: Workspace) -> Iterator[Finding]:
    """Decrypt the newest records of each day, for a few seconds. Everything else passes over damaged ones."""
    opened, ends_at = 0, time.monotonic() + _SECONDS_FOR_RECORDS
    damaged = False
    for date in reversed(workspace.histories.dates()):
        try:
            with workspace.histories.day(date) as reader:
                for _ in takewhile(lambda _: time.monotonic() < ends_at, reader.newest_clicks()):
                    opened += 1
                for _ in takewhile(lambda _: time.monotonic() < ends_at, reader.events()):
                    opened += 1
                count = reader.damaged_rows
        except NotFoundError:
            continue
        except TncError as error:
            damaged = True
            yield Finding(check="records", state="failed", text=str(error))
            continue
        if count:
            damaged = True
            yield Finding(
                check="records",
                state="failed",
                text=f"{count} records or pages of {day_path(workspace.paths.days, workspace.id, date)} are damaged "
                "and passed over.",
                fix=f"Restore {date} from a backup (tnc backup restore).",
            )
    if not damaged:
        yield ok("records", f"The newest {opened} records can be decrypted.")


def _lost_clicks(workspace: Workspace) -> Iterator[Finding]:
    """Clicks that could not be kept: as counted in the newest days, and at the last stop."""
    lost = {"at the last stop": LostClicks(workspace.paths.days / "lost").read()}
    for date in workspace.histories.dates()[-_DAYS_OF_LOSSES:]:
        with suppress(TncError), workspace.histories.day(date) as reader:
            lost[f"on {date}"] = reader.number("clicks lost")
    for when, clicks in lost.items():
        if clicks:
            yield Finding(
                check="lost clicks",
                state="warning",
                text=f"{clicks} clicks could not be kept {when}; their visitors were redirected.",
                fix="Look whether the disk was full: df -h",
            )
    if not any(lost.values()):
        yield ok("lost clicks", "No click was lost lately.")


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
    yield ok("campaigns", "1 campaign is configured." if len(live) == 1 else f"{len(live)} campaigns are configured.")
    for text in warnings(configuration):
        yield Finding(
            check="offers", state="warning", text=f"{text[0].upper()}{text[1:]}", fix="Then type: tnc apply FILE"
        )
    yield from _reviewers(workspace)


def _reviewers(workspace: Workspace) -> Iterator[Finding]:
    """Check that declared crawlers of ad platforms go where ordinary visitors go, in every campaign."""
    mismatches = find_mismatches(workspace)
    for campaign, crawlers in mismatches.items():
        yield Finding(
            check="reviewers",
            state="failed",
            text=f"In campaign {campaign} declared crawlers would not go where ordinary visitors go: "
            f"{', '.join(crawlers)}.",
            fix="Remove conditions on the user agent or on headers from its flows; see docs/rules.md.",
        )
    if not mismatches:
        yield ok("reviewers", "Declared crawlers of ad platforms go where ordinary visitors go.")


def _geo_data(workspace: Workspace) -> Iterator[Finding]:
    """Warn about facts in conditions that no installed data knows, stale data and failed updates."""
    now_ms = workspace.world.now_ms()
    try:
        manifest = workspace.addresses.manifest()
    except TncError as error:
        yield Finding(check="geo data", state="failed", text=f"{error}.")
        return
    _, configuration = workspace.configuration()
    missing = PLACE_FACTS - workspace.geo().known_facts()
    for fact, places in needed_facts(configuration).items():
        if fact in missing:
            yield Finding(
                check="geo data",
                state="warning",
                text=f"No installed geo data knows {fact}, so it is unknown for {', '.join(places)}; visitors "
                "are still redirected.",
                fix="Type: tnc ipdb update",
            )
    for item in manifest.items:
        if item.is_stale(now_ms):
            days = (now_ms - item.dated_ms) // DAY_MS
            yield Finding(
                check="geo data",
                state="warning",
                text=f"Geo data {item.name} ({item.kind}) is {days} days old; it is still used.",
                fix="Type: tnc ipdb update",
            )
    for name, why in workspace.addresses.damaged().items():
        yield Finding(
            check="geo data",
            state="failed",
            text=f"Geo data {name} is damaged and not used: {why}.",
            fix=f"Type: tnc ipdb remove {name}, then: tnc ipdb update",
        )
    for name, why in manifest.problems.items():
        yield Finding(
            check="geo data",
            state="warning",
            text=f"{name} could not be updated: {why}.",
            fix="Type: tnc ipdb update",
        )
    kinds = ", ".join(sorted({each.kind for each in manifest.items}))
    more = "" if "city" in kinds else "For cities, networks and VPNs type: tnc ipdb update"
    yield Finding(check="geo data", state="ok", text=f"Installed: countries{kinds and f', {kinds}'}.", fix=more)


def _key_backup(workspace: Workspace) -> Iterator[Finding]:
    escrow = workspace.erasures.latest_escrow().wait()
    if escrow is None:
        yield ok(
            "key backup",
            "No copy of the keyring was made; without one, a lost keyring is lost data. Type: tnc keys escrow FILE",
        )
        return
    behind = workspace.erasures.count_opened_by(escrow).wait()
    if behind:
        yield Finding(
            check="key backup",
            state="warning",
            text=f"The copy of the keyring can still decrypt what {behind} erasures made unreadable since.",
            fix="Type: tnc keys escrow FILE, replace the old copy with the new one, and destroy the old one.",
        )
    else:
        yield ok("key backup", "The copy of the keyring is up to date.")


def _plain_text(workspace: Workspace) -> Iterator[Finding]:
    """The result of the last search for personal data in plain text: kinds and files, never the values."""
    check, again = "plain text", "Type: tnc privacy scan"
    found = last_leak_report(workspace.paths.inspection)
    if found is None:
        yield Finding(
            check=check, state="ok", text="There was no search for plain text yet; it runs each night.", fix=again
        )
        return
    clean = "never" if found.clean_at_ms is None else f"on {utc_date(found.clean_at_ms)}"
    days = abs(workspace.world.now_ms() - found.at_ms) / DAY_MS
    if found.leaks:
        where = "; ".join(f"{each.file}: {each.kind} ({each.count})" for each in found.leaks)
        yield Finding(
            check=check,
            state="failed",
            text=f"Plain text was found on {utc_date(found.at_ms)}: {where}. Last clean search: {clean}.",
            fix="Find out who wrote it there and delete it; then type: tnc privacy scan",
            subject="personal data in plain text",
        )
    elif found.left:
        text = f"{found.left} files could not be searched for plain text. Last clean search: {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    elif days > _NIGHTS:
        text = f"The last search for plain text was on {utc_date(found.at_ms)}. Last clean search: {clean}."
        yield Finding(check=check, state="warning", text=text, fix=again)
    else:
        yield ok(
            check,
            f"{found.words} values of {found.clicks} visits were searched for in {found.files + found.unchanged} files "
            f"on {utc_date(found.at_ms)}: none is in plain text.",
        )


def _machine(workspace: Workspace) -> Iterator[Finding]:
    """File system, swap, core dumps and disk encryption."""
    kept = keeps_what_is_overwritten(read_proc("mounts"), PurePosixPath(workspace.paths.ring.resolve()))
    if kept is not None:
        yield Finding(
            check="file system",
            state="warning",
            text=f"Overwritten keys may remain on the disk of {workspace.paths.ring}: {kept}.",
            fix="Put the folder `ring` on ext4 or xfs (on btrfs: chattr +C on it while it is empty).",
        )
    else:
        yield ok("file system", "Overwritten keys do not remain on the disk.")
    if has_swap(read_proc("swaps")):
        yield Finding(
            check="swap",
            state="warning",
            text="There is swap, so keys in memory may be written to the disk.",
            fix="Encrypt the swap, or run the service with MemorySwapMax=0 as the unit of install.sh does.",
        )
    else:
        yield ok("swap", "There is no swap, so memory is not written to the disk.")
    if resource.getrlimit(resource.RLIMIT_CORE)[0]:
        yield Finding(
            check="core dumps",
            state="warning",
            text="Core dumps are on, so a crash would write keys in memory to the disk.",
            fix="Type: ulimit -c 0; the unit of install.sh sets LimitCORE=0.",
        )
    else:
        yield ok("core dumps", "Core dumps are off, so a crash writes no memory to the disk.")
    if is_encrypted(workspace.paths.data):
        yield ok("disk encryption", "The disk is encrypted.")
    else:
        yield Finding(
            check="disk encryption",
            state="warning",
            text="No disk encryption was detected. Records are encrypted anyway; deleted blocks may remain.",
            fix="Put the data on an encrypted disk (LUKS), or make sure that your provider encrypts it.",
        )


CHECKS: Final[Sequence[Callable[[Workspace], Iterator[Finding]]]] = (
    _folders,
    _keys,
    _database,
    _clock,
    _records,
    _lost_clicks,
    _server,
    _geo_data,
    _campaigns,
    checks.postbacks,
    checks.held_postbacks,
    checks.networks,
    checks.missed_paths,
    checks.unreadable_costs,
    checks.destinations,
    checks.deliveries,
    checks.requests,
    checks.mail,
    _key_backup,
    _plain_text,
    _machine,
)
_ALARMING: Final[Sequence[Callable[[Workspace], Iterator[Finding]]]] = (
    _folders,
    _clock,
    checks.postbacks,
    checks.destinations,
    checks.deliveries,
    checks.requests,
    _plain_text,
)
"""Checks that are quick enough to run every minute."""
