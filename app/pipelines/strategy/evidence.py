"""Find quotes in a text: as they stand there, but for white space, case and typography."""

import re

_SAME = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
            }
)  # fmt: skip

_AROUND = " \"'\u2026"

_WORD_BEGINS, _WORD_ENDS = r"(?<!\w)(?<!\d[.,])", r"(?!\w|[.,]\d)"
"""A number is a word with its fraction: who risks 1.5 % does not risk 1."""


class Text:
    """A text in which quotes are looked for."""

    def __init__(self, text: str) -> None:
        folded: list[str] = []
        self._places: list[int] = []
        for place, character in enumerate(text):
            plain = _folded(character)
            if plain == " " and folded and folded[-1] == " ":
                continue
            folded.append(plain)
            self._places.append(place)
        self._folded = "".join(folded)

    def find(self, quote: str) -> tuple[int, int] | None:
        """Where the quote begins and ends, whole words only; None when it does not stand there.

        >>> Text("We buy\\n  EUR/USD.").find('buy EUR/USD')
        (3, 16)
        >>> Text("a short squeeze").find("hort"), Text("abc").find('" "')
        (None, None)
        """
        wanted = " ".join("".join(map(_folded, quote)).split()).strip(_AROUND)
        wanted = wanted.removeprefix("...").removesuffix("...").strip()
        if not re.search(r"\w", wanted):
            return None
        before = _WORD_BEGINS if wanted[0].isalnum() else ""
        after = _WORD_ENDS if wanted[-1].isalnum() else ""
        found = re.search(before + re.escape(wanted) + after, self._folded)
        if found is None:
            return None
        return self._places[found.start()], self._places[found.end() - 1] + 1


def _folded(character: str) -> str:
    """One character for one, so that places stay."""
    plain = character.translate(_SAME)
    if plain.isspace():
        return " "
    lower = plain.lower()
    return lower if len(lower) == 1 else plain
