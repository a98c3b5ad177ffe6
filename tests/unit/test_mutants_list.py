"""The list of deliberate faults fits the code as it is: cheap to know, and noticed at the next change."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import LIST, ROOT, Mutant, load, mutate

MUTANTS = load(LIST)


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_breaks_one_place_of_the_product_and_names_its_tests(mutant: Mutant) -> None:
    assert Path(mutant.file).parts[0] in {"vidproc_desktop", "workers"}
    mutate((ROOT / mutant.file).read_text(encoding="utf-8"), mutant)
    assert mutant.why
    assert mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in source
