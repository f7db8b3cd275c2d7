"""A profile as a trace for the viewers of Chrome's format: chrome://tracing and ui.perfetto.dev."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from netruntime.profiling.measuring import Profile
from netruntime.profiling.parts import Part


def chrome_trace(profile: Profile) -> dict[str, Any]:
    """The fastest run of a profile as a JSON document: an event for each kernel, in microseconds."""
    named = {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": f"{profile.name} by netrun"}}
    events = [
        {
            "name": profile.parts[number].label,
            "cat": kernel,
            "ph": "X",
            "pid": 1,
            "tid": 1,
            "ts": 1e6 * start,
            "dur": 1e6 * seconds,
            "args": {"kernel": kernel, **_facts(profile.parts[number])},
        }
        for number, kernel, start, seconds in profile.timeline
    ]
    return {"traceEvents": [named, *events], "displayTimeUnit": "ms"}


def _facts(part: Part) -> dict[str, Any]:
    return {
        "line": f"{PurePath(part.span.source.name).name}:{part.span.line}",
        "operators": part.operator,
        "multiply-adds": part.multiply_adds,
        "bytes": part.bytes,
    }
