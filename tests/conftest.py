"""What all tests share: Hypothesis judges laws, not the speed of the machine it runs on."""

from hypothesis import HealthCheck, settings

settings.register_profile("tnc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tnc")
