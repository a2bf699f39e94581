"""The check for phrases to avoid."""

import pytest

from tests.voice import advice, findings, main

BAD = "Who" + "ever asks"  # in two parts, so that the check passes over this file


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"# {BAD}", 1),
        ("plain\n" + "the reader is " + "told twice", 2),
        ("# the job goes back into\n#     the" + " line", 1),
        ("def test_it_ends_for_" + "good() -> None:", 1),
    ],
)
def test_a_phrase_is_found_with_its_line_even_across_lines_or_in_names(text: str, line: int) -> None:
    ((number, phrase),) = findings(text)
    assert number == line
    assert advice(phrase)


@pytest.mark.parametrize("text", ["We told the user", "a good reason", "recommended", "for goodness"])
def test_plain_text_passes(text: str) -> None:
    assert list(findings(text)) == []


def test_the_checkout_is_free_of_phrases_to_avoid() -> None:
    assert main() == 0
