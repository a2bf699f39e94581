import pickle

import pytest

from shared.errors import Code, Flaw, InputError, TsadError, UnavailableError
from worker.leasing import LostError


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError(Code.DATABASE_UNAVAILABLE, "The database is away.", retry_after_s=2),
        InputError(Code.NOT_FINITE, "A value is NaN.", flaws=[Flaw(("values", 3), "is NaN")]),
        LostError(),
    ],
)
def test_an_error_crosses_processes_with_its_sentence(error: TsadError) -> None:
    """Celery pickles errors of its children. It hides those that it cannot pickle."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
