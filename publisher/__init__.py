"""publisher: describe a dataset release in one YAML file, publish it, prove it, and write its page."""

__version__ = "0.1.0"
