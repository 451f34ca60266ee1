"""`python -m tnc.admin.demo` prints 30 days of generated clicks, one per line, for `tnc import clicks`."""

import json
import sys

from tnc.admin.demo.traffic import demo_plans, invented_clicks
from tnc.core.clock import World

for _click in invented_clicks(demo_plans(), until_ms=World().now_ms()):
    sys.stdout.write(json.dumps(_click, ensure_ascii=False, separators=(",", ":")) + "\n")
