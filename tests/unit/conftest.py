import pytest

from mcphub.domain.testing import Scenario


@pytest.fixture
def scenario():
    return Scenario()
