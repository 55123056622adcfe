"""BibTeX."""

from __future__ import annotations

import re

from publisher.page.metadata.card import Card, Person

# Control words end in {}, so that what follows is not taken for a part of their names. BibTeX counts braces before TeX
# reads anything, so an escaped one would still open or close.
_WORDS = {
    "\\": "textbackslash",
    "~": "textasciitilde",
    "^": "textasciicircum",
    "{": "textbraceleft",
    "}": "textbraceright",
}
_SPECIAL = str.maketrans({char: f"\\{char}" for char in "%&#_$"} | {c: f"\\{word}{{}}" for c, word in _WORDS.items()})


def bibtex(card: Card) -> str:
    """Return the release as a BibTeX entry."""
    fields = {
        "title": f"{{{_escaped(card.title)}}}",
        "author": " and ".join(map(_author, card.authors)),
        "year": card.year,
        "version": _escaped(card.version),
        "publisher": _escaped(card.publisher),
        "doi": _bare(card.doi),
        "url": "" if card.doi else _bare(card.home),
        "note": f"Licence: {_escaped(card.licence)}",
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    key = re.sub(r"[^A-Za-z0-9._-]", "-", f"{card.name}-{card.version}")
    return f"@misc{{{key},\n{body}\n}}\n"


def _author(person: Person) -> str:
    """Return a name; braces keep BibTeX from guessing which part of it is the family's."""
    if person.family:
        return f"{{{_escaped(person.family)}}}, {{{_escaped(person.given)}}}"
    return f"{{{_escaped(person.name)}}}"


def _escaped(words: str) -> str:
    return words.translate(_SPECIAL)


def _bare(address: str) -> str:
    """Return an address, which styles typeset as it is: only what could end the field is encoded."""
    return address.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")
