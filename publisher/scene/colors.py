"""Colours that people can tell apart."""

from __future__ import annotations

import colorsys

# Distinct on dark and light, also for the colour-blind (Okabe and Ito, and three between).
COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999", "#66ccbb", "#aa5599")
_GOLDEN = 0.618033988749895  # steps of the golden ratio never come close to a hue that was there before


def distinct(at: int) -> str:
    """Return the colour of the thing number `at`: ten that were chosen, then hues that keep their distance."""
    return COLORS[at] if at < len(COLORS) else _hue(at, 0.6, 0.9)


def pale(at: int) -> str:
    """Return the colour of the region number `at`: paler than any neuron in front of it."""
    return _hue(at, 0.28, 0.88)


def _hue(at: int, saturation: float, value: float) -> str:
    red, green, blue = colorsys.hsv_to_rgb((0.55 + at * _GOLDEN) % 1, saturation, value)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
