"""Answers that a page gives quickly one after another."""

from __future__ import annotations

import threading

from imil.app.train.given_answers import GivenAnswers


def test_an_answer_given_while_another_is_looked_into_is_not_lost() -> None:
    given, first_inside, go_on = GivenAnswers(), threading.Event(), threading.Event()

    def slow() -> None:
        with given.turn("page", "a.zip", ()) as own:
            first_inside.set()
            go_on.wait(10)
            own.answers = (*own.answers, ("label", "x"))

    def fast() -> None:
        # The page did not know the first answer yet.
        with given.turn("page", "a.zip", ()) as own:
            own.answers = (*own.answers, ("split", "none"))

    threads = [threading.Thread(target=each) for each in (slow, fast)]
    threads[0].start()
    first_inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)

    with given.turn("page", "a.zip", ()) as own:
        assert own.answers == (("label", "x"), ("split", "none"))


def test_answers_are_of_one_page_and_one_file() -> None:
    given = GivenAnswers()
    with given.turn("page", "a.zip", ()) as own:
        own.answers = (("label", "x"),)

    with given.turn("other", "a.zip", ()) as own:
        assert own.answers == ()
    with given.turn("page", "b.zip", ()) as own:
        assert own.answers == ()
    given.forget("page")
    with given.turn("page", "b.zip", (("leave", "y"),)) as own:
        assert own.answers == (("leave", "y"),)
