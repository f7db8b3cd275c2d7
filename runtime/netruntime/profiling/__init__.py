"""Where the time of a run goes: `profile` of a network, `profile_training` of a training step."""

from netruntime.profiling.measuring import Profile, profile
from netruntime.profiling.parts import Part
from netruntime.profiling.training import profile_training

__all__ = ["Part", "Profile", "profile", "profile_training"]
