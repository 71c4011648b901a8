from __future__ import annotations

from tests.write_words import MOST_WORDS, WORDS, page, sentences, texts, words_in


def test_the_page_of_all_words_is_what_the_screens_say_now() -> None:
    assert WORDS.read_text("utf-8") == page(), "run: make words"


def test_no_sentence_is_longer_than_one_understands_at_first_reading() -> None:
    long = [
        f"{name}: {sentence}"
        for name, told in texts().items()
        for each in told
        for sentence in sentences(each)
        if words_in(sentence) > MOST_WORDS
    ]

    assert long == []
