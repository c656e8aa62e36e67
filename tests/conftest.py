"""What all tests share: inputs are drawn on machines that are busy, so how long that takes is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("rsi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rsi")
