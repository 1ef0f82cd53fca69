"""The cases' assertions, and the model's, are explained as a test's own are."""

import pytest

pytest.register_assert_rewrite("tests.backends.conformance", "tests.backends.model")
