"""A message on the terminal comes seldom, however often somebody met it."""

import logging

from experiments.listen.logs import SECONDS, Seldom, say_seldom


def test_one_message_of_a_kind_in_a_while(caplog):
    logger = logging.getLogger("test.seldom")
    for _ in range(2):
        say_seldom(logger)  # again: a new one
        assert [type(found) for found in logger.filters] == [Seldom]
    for number in range(5):
        logger.error("study.sqlite: %s", f"full {number}")
        logger.error("another")
    assert [record.getMessage() for record in caplog.records] == ["study.sqlite: full 0", "another"]
    passed = logger.filters[0].last["study.sqlite: %s"]
    logger.filters[0].last["study.sqlite: %s"] = passed - SECONDS
    logger.error("study.sqlite: %s", "full 6")
    assert caplog.records[-1].getMessage() == "study.sqlite: full 6 (4 more like it before)"
