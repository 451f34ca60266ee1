"""When a delivery is tried again, and when it is given up."""

from typing import Final

from tnc.deliver.delivery import Delivery
from tnc.deliver.platform import Platform
from tnc.deliver.verdict import Verdict

BASE_MS: Final = 5_000
CAP_MS: Final = 3_600_000
AHEAD_MS: Final = 60_000  # an event from further in the future is refused everywhere
LEASE_MS: Final = 60_000

PER_DESTINATION: Final = 4  # requests under way at once, so that one hanging receiver cannot starve the others
IN_ALL: Final = 32


def wait_ms(verdict: Verdict, *, attempts: int, chance: float, scale: float = 1.0) -> int:
    """How long to wait after the `attempts`-th attempt (1 is the first). `chance` is from 0 up to 1.

    Full jitter while the waits grow. At the cap only their last fifth is left to chance: whatever the dice say,
    a day of outage costs one delivery at most 40 attempts. A wait that the receiver asked for is kept, unscaled.
    """
    ceiling = min(CAP_MS, BASE_MS << min(attempts - 1, 20))
    floor = CAP_MS * 4 // 5 if ceiling == CAP_MS else 0
    ours = max(verdict.pause_ms, floor + (ceiling - floor) * chance)
    return max(round(ours * scale), verdict.after_ms or 0)


def first_attempt_ms(delivery: Delivery, platform: Platform, made_ms: int) -> int:
    """When a new delivery may go: at once, or when the platform takes a correction, and never before its time."""
    settled = delivery.first_word_ms + platform.settles_ms if delivery.kind != "convert" else made_ms
    return max(made_ms, settled, delivery.at_ms - AHEAD_MS)


def expires_ms(delivery: Delivery, platform: Platform, made_ms: int) -> int:
    """After this moment it is not tried again."""
    given_up = made_ms + platform.patience_ms
    return given_up if platform.max_age_ms is None else min(given_up, delivery.at_ms + platform.max_age_ms)
