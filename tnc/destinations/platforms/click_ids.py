"""The click ids of the ad platforms, as they came: under the platforms' own names, unchanged.

Those of the platforms' cookies (`_fbp`, `_fbc`, `_ttp`) stand among the parameters of a visit.
"""

from tnc.core.models import Click


def click_id(click: Click, *names: str) -> tuple[str, str] | None:
    """The first of these parameters that the click has, with its name."""
    params = click.visit.params
    return next(((name, params[name]) for name in names if params.get(name)), None)


def click_ids(click: Click, *names: str) -> dict[str, str]:
    params = click.visit.params
    return {name: params[name] for name in names if params.get(name)}


def fbc(click: Click) -> str | None:
    """Meta's click id: the browser's own `_fbc` while it tells of the same ad click, else made from `fbclid`.

    Meta: `fb.<subdomain index>.<ms when first seen>.<fbclid>`, index 1 on a server; case and length are kept.
    """
    found = click_ids(click, "_fbc", "fbclid")
    cookie, fbclid = found.get("_fbc"), found.get("fbclid")
    if fbclid is None or (cookie is not None and fbclid in cookie.split(".")):
        return cookie
    return f"fb.1.{click.clicked_at_ms}.{fbclid}"
