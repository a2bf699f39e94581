from functools import partial

import httpx
import pytest

from tests.cli.commands import Tsad, run


@pytest.fixture
def tsad(api: httpx.Client) -> Tsad:
    """The command, told where the tests' API is."""
    return partial(run, TSAD_URL=str(api.base_url))
