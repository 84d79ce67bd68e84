"""The instructions of IFEval, checked on French text; strict only.

Identifiers and arguments are those of IFEval (Zhou et al., 2023), with or without the prefix ``fr:``. Where
French differs: own sentence and word splitting, quotation with « », relations and constrained answers in
French too. An argument that is missing is an error: IFEval draws one at random. A response without a
recognisable language does not follow ``response_language``; IFEval lets it pass. Words to count or avoid are
whole words, and case instructions do not ask for a language, which has an instruction of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palmares.benchmarks.ifeval_fr.task.french import sentences, words

_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "less than": int.__lt__,
    "moins de": int.__lt__,
    "at least": int.__ge__,
    "au moins": int.__ge__,
}
_CONSTRAINED = (
    *("ma réponse est oui.", "ma réponse est non.", "ma réponse est peut-être."),
    *("my answer is yes.", "my answer is no.", "my answer is maybe."),
)
_QUOTES = (('"', '"'), ("«", "»"), ("“", "”"))


def _compare(found: int, relation: str, wanted: float) -> bool:
    return _RELATIONS[relation](found, int(wanted))


def _whole_word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _existence(text: str, *, keywords: Sequence[str]) -> bool:
    return all(keyword.casefold() in text.casefold() for keyword in keywords)


def _forbidden(text: str, *, forbidden_words: Sequence[str]) -> bool:
    return not any(_whole_word(word).search(text) for word in forbidden_words)


def _frequency(text: str, *, keyword: str, frequency: float, relation: str) -> bool:
    return _compare(len(_whole_word(keyword).findall(text)), relation, frequency)


def _letters(text: str, *, letter: str, let_frequency: float, let_relation: str) -> bool:
    return _compare(text.casefold().count(letter.casefold()), let_relation, let_frequency)


def _number_words(text: str, *, num_words: float, relation: str) -> bool:
    return _compare(len(words(text)), relation, num_words)


def _number_sentences(text: str, *, num_sentences: float, relation: str) -> bool:
    return _compare(len(sentences(text)), relation, num_sentences)


def _number_paragraphs(text: str, *, num_paragraphs: float) -> bool:
    paragraphs = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    inside = paragraphs[1:-1]
    return all(inside) and sum(1 for part in paragraphs if part) == int(num_paragraphs)


def _nth_first_word(text: str, *, num_paragraphs: float, nth_paragraph: float, first_word: str) -> bool:
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    if len(paragraphs) != int(num_paragraphs) or not 1 <= int(nth_paragraph) <= len(paragraphs):
        return False
    found = words(paragraphs[int(nth_paragraph) - 1])
    return bool(found) and found[0].casefold() == first_word.casefold()


def _bullets(text: str, *, num_bullets: float) -> bool:
    return len(re.findall(r"^\s*(?:\*(?!\*)|-(?!-)|•).*\S", text, re.MULTILINE)) == int(num_bullets)


def _highlights(text: str, *, num_highlights: float) -> bool:
    bold = re.findall(r"\*\*[^\n*]*\S[^\n*]*\*\*", text)
    rest = re.sub(r"\*\*[^\n*]*\*\*", "", text)
    return len(bold) + len(re.findall(r"\*[^\n*]*\S[^\n*]*\*", rest)) >= int(num_highlights)


def _sections(text: str, *, section_spliter: str, num_sections: float) -> bool:
    return len(re.findall(rf"\s?{re.escape(section_spliter)}\s?\d+\s?", text)) >= int(num_sections)


def _json(text: str) -> bool:
    text = re.sub(r"^```(?:json)?|```$", "", text.strip(), flags=re.IGNORECASE).strip()
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _title(text: str) -> bool:
    return any(title.strip("<> ") for title in re.findall(r"<<[^\n]+?>>", text))


def _constrained(text: str) -> bool:
    return any(answer in text.casefold() for answer in _CONSTRAINED)


def _placeholders(text: str, *, num_placeholders: float) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= int(num_placeholders)


def _postscript(text: str, *, postscript_marker: str) -> bool:
    marker = r"\s?".join(re.escape(character) for character in postscript_marker if not character.isspace())
    return re.search(rf"^\s*{marker}.*\w", text, re.IGNORECASE | re.MULTILINE) is not None


def _ends(text: str, *, end_phrase: str) -> bool:
    return text.strip().strip('"»” ').casefold().endswith(end_phrase.strip().casefold())


def _quoted(text: str) -> bool:
    text = text.strip()
    return len(text) > 2 and any(text.startswith(first) and text.endswith(last) for first, last in _QUOTES)


def _lowercase(text: str) -> bool:
    return text.islower()


def _uppercase(text: str) -> bool:
    return text.isupper()


def _capital_words(text: str, *, capital_frequency: float, capital_relation: str) -> bool:
    capitals = sum(1 for word in words(text) if word.isupper())
    return _compare(capitals, capital_relation, capital_frequency)


def _no_comma(text: str) -> bool:
    return "," not in text


def _language(text: str, *, language: str) -> bool:
    import langdetect

    langdetect.DetectorFactory.seed = 0
    try:
        return str(langdetect.detect(text)) == language
    except langdetect.LangDetectException:
        return False


def _two_responses(text: str) -> bool:
    parts = [part.strip() for part in text.split("******")]
    inside = [part for index, part in enumerate(parts) if part or 0 < index < len(parts) - 1]
    return len(inside) == 2 and all(inside) and inside[0] != inside[1]


def _repeats(text: str, *, prompt_to_repeat: str) -> bool:
    return text.strip().casefold().startswith(prompt_to_repeat.strip().casefold())


@dataclass(frozen=True, slots=True)
class Checker:
    """How one instruction is checked, and the arguments that it needs."""

    check: Callable[..., bool]
    arguments: tuple[str, ...] = ()


CHECKERS: dict[str, Checker] = {
    "keywords:existence": Checker(_existence, ("keywords",)),
    "keywords:forbidden_words": Checker(_forbidden, ("forbidden_words",)),
    "keywords:frequency": Checker(_frequency, ("keyword", "frequency", "relation")),
    "keywords:letter_frequency": Checker(_letters, ("letter", "let_frequency", "let_relation")),
    "language:response_language": Checker(_language, ("language",)),
    "length_constraints:number_sentences": Checker(_number_sentences, ("num_sentences", "relation")),
    "length_constraints:number_paragraphs": Checker(_number_paragraphs, ("num_paragraphs",)),
    "length_constraints:number_words": Checker(_number_words, ("num_words", "relation")),
    "length_constraints:nth_paragraph_first_word": Checker(
        _nth_first_word, ("num_paragraphs", "nth_paragraph", "first_word")
    ),
    "detectable_content:number_placeholders": Checker(_placeholders, ("num_placeholders",)),
    "detectable_content:postscript": Checker(_postscript, ("postscript_marker",)),
    "detectable_format:number_bullet_lists": Checker(_bullets, ("num_bullets",)),
    "detectable_format:constrained_response": Checker(_constrained),
    "detectable_format:number_highlighted_sections": Checker(_highlights, ("num_highlights",)),
    "detectable_format:multiple_sections": Checker(_sections, ("section_spliter", "num_sections")),
    "detectable_format:json_format": Checker(_json),
    "detectable_format:title": Checker(_title),
    "combination:two_responses": Checker(_two_responses),
    "combination:repeat_prompt": Checker(_repeats, ("prompt_to_repeat",)),
    "startend:end_checker": Checker(_ends, ("end_phrase",)),
    "startend:quotation": Checker(_quoted),
    "change_case:capital_word_frequency": Checker(_capital_words, ("capital_frequency", "capital_relation")),
    "change_case:french_lowercase": Checker(_lowercase),
    "change_case:french_uppercase": Checker(_uppercase),
    "punctuation:no_comma": Checker(_no_comma),
}

ALIASES = {
    "change_case:english_lowercase": "change_case:french_lowercase",
    "change_case:english_uppercase": "change_case:french_uppercase",
    "change_case:english_capital": "change_case:french_uppercase",
    "change_case:french_capital": "change_case:french_uppercase",
}


def _canonical(identifier: str) -> str:
    bare = identifier.removeprefix("fr:")
    return ALIASES.get(bare, bare)


def instruction_problem(identifier: str, kwargs: Mapping[str, Any]) -> str | None:
    """Say why an instruction cannot be checked; None: it can."""
    checker = CHECKERS.get(_canonical(identifier))
    if checker is None:
        return f"unknown instruction {identifier!r}"
    missing = [name for name in checker.arguments if kwargs.get(name) is None]
    if missing:
        return f"{identifier!r} lacks {missing}"
    relations = [name for name in checker.arguments if name.endswith("relation")]
    unknown = [kwargs[name] for name in relations if kwargs[name] not in _RELATIONS]
    return f"{identifier!r} has an unknown relation, not in {sorted(_RELATIONS)}" if unknown else None


def follows(identifier: str, kwargs: Mapping[str, Any], response: str) -> bool:
    """Tell whether a response follows an instruction; an empty one follows none.

    Args:
        identifier: As in the dataset, e.g. ``punctuation:no_comma``.
        kwargs: The instruction's arguments; others and nulls are ignored, as datasets pad structs with nulls.
        response: What the model wrote.
    """
    checker = CHECKERS[_canonical(identifier)]
    arguments = {name: kwargs[name] for name in checker.arguments}
    return bool(response.strip()) and checker.check(response, **arguments)
