"""Real servers for tests, on this machine only, and what breaks the way to them on purpose."""
