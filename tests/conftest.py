"""One hypothesis profile for everybody: the same examples on every run."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gdemoi",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gdemoi")
