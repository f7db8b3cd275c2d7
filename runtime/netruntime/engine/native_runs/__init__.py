"""Native runs in plans: which steps they do, and calls that go straight to one."""

from netruntime.engine.native_runs.direct import DirectCalls
from netruntime.engine.native_runs.planner import NativePlanner

__all__ = ["DirectCalls", "NativePlanner"]
