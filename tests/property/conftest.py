"""Property tests have no deadline: machines are shared, and a slow example is no failure."""

from hypothesis import settings

settings.register_profile("clout", deadline=None)
settings.load_profile("clout")
