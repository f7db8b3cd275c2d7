"""`make fuzz`: every campaign for a while, then what each of them came to.

Environment:
    FUZZ: the campaigns, separated by commas (all of them).
    FUZZ_SECONDS: how long each one runs (60).
    FUZZ_SEED: the seed (0).
    FUZZ_TRIAL: one trial as a fault names it, `texts:0:123`: only that one runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from fuzz.campaign import Count, campaigns, run


def main() -> int:
    counts = []
    for count in _counts():
        for fault in count.faults.values():
            print(f"\nFUZZ_TRIAL={fault.trial}: {fault.where}\n{fault.text}", flush=True)
        print(count, flush=True)
        counts.append(count)
    print("\n" + "\n".join(map(str, counts)))
    return 1 if any(count.faults for count in counts) else 0


def _counts() -> Iterator[Count]:
    one = os.environ.get("FUZZ_TRIAL")
    if one:
        name, seed, number = one.split(":")
        yield run(name, int(seed), lambda n: n == int(number), int(number))
        return
    seed, seconds = int(os.environ.get("FUZZ_SEED", "0")), float(os.environ.get("FUZZ_SECONDS", "60"))
    print(f"seed {seed}, {seconds:g} s for each campaign", flush=True)
    for name in os.environ.get("FUZZ", "").split(",") if os.environ.get("FUZZ") else campaigns():
        yield _for_seconds(name, seed, seconds)


def _for_seconds(name: str, seed: int, seconds: float) -> Count:
    end = time.monotonic() + seconds
    return run(name, seed, lambda _: time.monotonic() < end)


if __name__ == "__main__":
    sys.exit(main())
