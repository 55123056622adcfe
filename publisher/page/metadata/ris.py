"""RIS, which reference managers import."""

from __future__ import annotations

from publisher.page.metadata.card import Card


def ris(card: Card) -> str:
    """Return the release as a RIS record: one line a tag, CR LF at its end as the format has it."""
    year, month, day = card.date.split("-")
    names = (f"{one.family}, {one.given}" if one.family else one.name for one in card.authors)
    tags = [
        ("TY", "DATA"),
        *(("AU", name) for name in names),
        ("TI", card.title),
        ("PY", card.year),
        ("DA", f"{year}/{month}/{day}/"),
        ("ET", card.version),
        ("PB", card.publisher),
        ("DO", card.doi),
        ("UR", f"https://doi.org/{card.doi}" if card.doi else card.home),
        *(("KW", word) for word in card.keywords),
        ("AB", " ".join(card.description.split())),
        ("N1", f"Licence: {card.licence}"),
        ("ER", ""),
    ]
    return "".join(f"{tag}  - {value}\r\n" for tag, value in tags if value or tag == "ER")
