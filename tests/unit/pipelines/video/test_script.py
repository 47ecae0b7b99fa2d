"""Scripts say what the article says, sentence by sentence."""

import pytest

from app.pipelines.video import script
from app.pipelines.video.article import Article, Section


def article(*sections: Section) -> Article:
    return Article(
        pubmed_id="1",
        title="A title.",
        authors=("Ada Apium",),
        journal=None,
        year="2024",
        doi=None,
        sections=sections,
    )


def section(label: str | None, *lengths: int) -> Section:
    """Sentences of so many words; each begins with its number in its section."""
    said = [f"S{number} " + "w " * (length - 2) + "end." for number, length in enumerate(lengths)]
    return Section(label=label, text=" ".join(said))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("Smith et al. Found it. So.", ["Smith et al. Found it.", "So."]),
        ("Dose of 3.5 mg (cf. Table 2). Next.", ["Dose of 3.5 mg (cf. Table 2).", "Next."]),
        ("By J. K. Rowan and A. Kim. Then.", ["By J. K. Rowan and A. Kim.", "Then."]),
        ('He said "Stop." Then left.', ['He said "Stop."', "Then left."]),
        ("No end", ["No end"]),
        ("", []),
    ],
)
def test_a_text_is_cut_at_the_ends_of_its_sentences(text: str, want: list[str]) -> None:
    assert script.sentences(text) == want


def test_a_short_abstract_is_told_whole() -> None:
    found = script.build_script(article(section("Aim", 5), section(None, 6, 7)), words=400)
    assert [(scene.heading, len(scene.sentences)) for scene in found.scenes] == [
        ("A title.", 1),
        ("Aim", 1),
        ("Abstract", 2),
    ]
    assert found.scenes[0].sentences == ("Ada Apium. 2024",)
    assert found.source == "PubMed 1"


def test_a_long_abstract_keeps_beginnings_and_ends() -> None:
    long = article(section("Methods", *[20] * 8), section("Results", *[20] * 3))
    found = script.build_script(long, words=100)
    told = [[said.split()[0] for said in scene.sentences] for scene in found.scenes[1:]]
    assert sum(map(len, told)) == 5
    assert all(said[0] == "S0" for said in told)
    assert [said[-1] for said in told] == ["S7", "S2"]


def test_every_section_keeps_a_sentence() -> None:
    found = script.build_script(article(section("A", 90, 90), section("B", 90)), words=20)
    assert [len(scene.sentences) for scene in found.scenes[1:]] == [1, 1]
