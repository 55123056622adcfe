"""Colours of a site: contrast as WCAG 2.1 reckons it, and a style sheet of two colours that people chose."""

from __future__ import annotations

from collections.abc import Mapping

AA = 4.5  # contrast that WCAG 2.1 asks of text, https://www.w3.org/TR/WCAG21/#contrast-minimum
LIGHT, DARK = "#ffffff", "#1e2229"  # what text stands on in the two schemes
_STEPS = 20

Rgb = tuple[int, int, int]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, each #rrggbb: from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    shares = (value / 255 for value in _rgb(color))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)  # noqa: PLR2004 - sRGB's own
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def mixed(color: str, other: str, share: float) -> str:
    """Return a colour with a share of another in it."""
    pairs = zip(_rgb(color), _rgb(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def readable(color: str, ground: str, towards: str) -> str:
    """Return a colour that can be read on a ground: it, or the nearest that is mixed with another."""
    steps = (mixed(color, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next((made for made in steps if contrast(made, ground) >= AA), towards)


def ink(ground: str) -> str:
    """Return which of white and black can be read on a colour; one of them always can."""
    return LIGHT if contrast(LIGHT, ground) >= AA else "#000000"


def faint(accent: str) -> tuple[str, str] | None:
    """Return (message, hint) where links of a colour are hard to read on a page's white; None where they are not.

    What stands on the primary colour is white or black, whichever can be read on it: one always can.
    """
    ratio = contrast(accent, LIGHT)
    if ratio >= AA:
        return None
    message = f"{accent} has a contrast of {ratio:.2f} : 1 on the page's white; WCAG AA asks for {AA} : 1"
    return message, f"{readable(accent, LIGHT, '#000000')} is the nearest darker one that has it"


def style(colors: Mapping[str, str]) -> str:
    """Return the style sheet of the colours that are given, `primary` and `accent`; the dark scheme's follow from them."""
    root: dict[str, str] = {}
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    if primary := colors.get("primary"):
        text = ink(primary)
        root |= {
            "primary-fg-color": primary,
            "primary-fg-color--light": mixed(primary, LIGHT, 0.15),
            "primary-fg-color--dark": mixed(primary, "#000000", 0.25),
            "primary-bg-color": text,
            "primary-bg-color--light": f"{text}d9",
        }
    if accent := colors.get("accent"):
        pale = readable(accent, DARK, LIGHT)
        light |= {"accent-fg-color": accent, "accent-fg-color--transparent": f"{accent}1a", "typeset-a-color": accent}
        dark |= {"accent-fg-color": pale, "accent-fg-color--transparent": f"{pale}1f", "typeset-a-color": pale}
    scopes = (
        (":root", root),
        ('[data-md-color-scheme="default"]', light),
        ('[data-md-color-scheme="slate"]', dark),
    )
    return "".join(
        f"{scope}{{{';'.join(f'--md-{name}:{value}' for name, value in values.items())}}}"
        for scope, values in scopes
        if values
    )
