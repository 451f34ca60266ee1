"""`tnc conversion simulate`: a test click and a test postback through every real step, not counted."""

import asyncio
import http.client
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

import click

from tnc.admin.services import Services
from tnc.app import offline_tracking
from tnc.campaigns.destination_schema import destinations_of
from tnc.campaigns.platforms.registry import CLICK_IDS
from tnc.campaigns.warnings import missing_click_id
from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.cli.conversions import conversion
from tnc.core.clock import MINUTE_MS
from tnc.core.errors import FailedError
from tnc.core.fields import money
from tnc.core.models import Campaign, CampaignId, ClickHistory, ClickId, OfferId
from tnc.store.days.transactions import ReadOnly
from tnc.store.workspace import Workspace
from tnc.tracking.test_links import PARAMETER, signature

_RECENT_MS: Final = MINUTE_MS
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_HEADERS: Final = {"User-Agent": _AGENT, "Accept": "text/html", "Accept-Language": "en", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Step:
    step: str
    ok: bool
    text: str


@dataclass(slots=True)
class Walk:
    """The steps so far; `base` is the URL of the tracking listener."""

    workspace: Workspace
    base: str
    campaign: Campaign
    steps: list[Step] = field(default_factory=list)
    click_id: str | None = None
    mark: str = ""  # a parameter by which the click is found in the log

    def note(self, step: str, text: str, *, ok: bool = True) -> bool:
        self.steps.append(Step(step, ok, text))
        return ok

    def ask(self, path: str, params: dict[str, str]) -> tuple[int, str, str]:
        """Status, Location header and body."""
        token = signature(self.workspace.keys.control_key, self.workspace.world.now_ms())
        url = urlsplit(self.base)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
        try:
            connection.request("GET", f"{path}?{urlencode(params | {PARAMETER: token})}", headers=_HEADERS)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location") or "", answer.read().decode(errors="replace")
        except OSError as error:
            raise FailedError(f"{self.base} does not answer ({error}); see `tnc doctor`.") from error
        finally:
            connection.close()

    # -- the steps, in their order; each returns whether the next one can follow

    def go(self) -> None:
        """Take the steps until one fails."""
        for step in (self.visit, self.record, self.lander, self.carry, self.postback, self.convert, self.send_on):
            if not step():
                return
        self.note("not counted", "Reports, caps, uniqueness and destinations ignore it.")

    def visit(self) -> bool:
        self.mark = self.workspace.world.token(8).hex()
        status, onward, _ = self.ask(f"/{self.campaign.path}", {"tnc_walk": self.mark} | self._from_an_ad())
        if onward:
            return self.note(
                "click", f"A visitor of /{self.campaign.path} is redirected to {urlsplit(onward).hostname}."
            )
        if status == 200:
            return self.note("click", f"A visitor of /{self.campaign.path} gets a page that redirects.")
        return self.note("click", f"A visitor of /{self.campaign.path} gets status {status} and no redirect.")

    def _from_an_ad(self) -> dict[str, str]:
        """The parameters of a visitor with consent, with a click id of every platform."""
        source = self.workspace.configuration()[1].sources.get(self.campaign.source) if self.campaign.source else None
        own = [source.click_id] if source is not None and source.click_id else []
        return {"tnc_consent": "granted", **dict.fromkeys((*CLICK_IDS, *own), "tnc-trial")}

    def record(self) -> bool:
        since_ms = self.workspace.world.now_ms() - _RECENT_MS
        for found in self.workspace.histories.newest_clicks(since_ms=since_ms):
            if found.test and found.visit.params.get("tnc_walk") == self.mark:
                self.click_id = found.click_id
                where = found.offer or found.lander or f"nowhere: `tnc explain {found.click_id}` says why"
                return self.note("record", f"The click is in the log as {found.click_id}, sent to {where}.")
        return self.note("record", "The click is not in the log: see `tnc doctor`.", ok=False)

    def lander(self) -> bool:
        if self.history.click.lander is None:
            return True
        status, onward, _ = self.ask("/click", {"cid": self.history.click.click_id})
        if onward:
            return self.note("lander", f"The lander's button redirects to {urlsplit(onward).hostname}.")
        return self.note("lander", f"The lander's button gets status {status}: the flow has no offer.", ok=False)

    def postback(self) -> bool:
        status, _, text = self.ask("/postback", {"cid": self.history.click.click_id, "txid": f"trial-{self.mark}"})
        return self.note("postback", f"The postback gets {status} {text}.", ok=status == 200)

    def carry(self) -> bool:
        """The network can send back only what the offer's URL hands over."""
        offer = self.workspace.configuration()[1].offers.get(self.history.offer or OfferId(""))
        lost = None if offer is None else missing_click_id(offer)
        return lost is None or self.note("click id", f"{lost[0].upper()}{lost[1:]}", ok=False)

    def convert(self) -> bool:
        conversions = self.history.conversions
        if not conversions:
            return self.note("conversion", "The click has no conversion: see `tnc doctor`.", ok=False)
        earned = money(conversions[0].payout_micros)
        worth = "without a payout" if earned is None else f"of {earned} {conversions[0].currency}"
        return self.note("conversion", f"The click has a {conversions[0].status} {worth}.")

    def send_on(self) -> bool:
        """What each destination would be sent; nothing is sent."""
        forwarding = Services(self.workspace, ReadOnly()).destinations
        for each in destinations_of(self.workspace.configuration()[1], self.campaign):
            result = forwarding.preview(each.id, self.history.click.click_id)
            text = "would get it" if result["send"] else f"would not get it: {result['why']}"
            self.note("destination", f"{each.id} {text}.")
        return True

    @property
    def history(self) -> ClickHistory:
        return self.workspace.histories.get(ClickId(self.click_id or ""))


@conversion.command("simulate")
@click.argument("campaign_id", metavar="CAMPAIGN")
@with_json
@with_context
def simulate(context: CliContext, campaign_id: str, as_json: bool) -> None:
    """Send a signed test click and postback through every real step; not counted."""
    server = context.server()
    if server is not None:
        with context.workspace() as workspace:
            walk = Walk(workspace, _nearby(server.call("tracking")), _campaign(workspace, campaign_id))
            walk.go()
    else:
        with context.writing() as services:
            workspace = services.workspace
            walk = asyncio.run(_walk_alone(workspace, _campaign(workspace, campaign_id)))
    ok = all(step.ok for step in walk.steps)
    if as_json:
        steps = [asdict(step) for step in walk.steps]
        print_json({"campaign": campaign_id, "click_id": walk.click_id, "ok": ok, "steps": steps})
    else:
        for step in walk.steps:
            click.echo(f"{'ok    ' if step.ok else 'FAILED'}  {step.step:12} {plain(step.text)}")
    if not ok:
        raise FailedError("the test failed; the last step says where.")


def _campaign(workspace: Workspace, campaign_id: str) -> Campaign:
    return workspace.plan(CampaignId(campaign_id)).campaign


def _nearby(base: str) -> str:
    """The loopback address of a listener on all addresses."""
    return base.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


async def _walk_alone(workspace: Workspace, campaign: Campaign) -> Walk:
    async with offline_tracking(workspace) as base:
        walk = Walk(workspace, base, campaign)
        await asyncio.to_thread(walk.go)
        return walk
