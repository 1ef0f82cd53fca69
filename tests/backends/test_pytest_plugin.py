"""A user's suite has the fixtures where the package is installed, with nothing to import."""

from __future__ import annotations

import pytest

from cg_backends.conformance import CASES

pytest_plugins = ["pytester"]


def require_passed(pytester: pytest.Pytester, suite: str, *, tests: int) -> None:
    """Run a user's suite as the user does: in a process and a directory of its own."""
    pytester.makepyfile(suite)
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=tests)


def test_a_suite_has_the_fixtures_with_no_import_line(pytester: pytest.Pytester) -> None:
    require_passed(
        pytester,
        '''
        JOB = "P+Y4IApeFQLrYS2W7MkVg7"

        def deploy(groups):
            """The user's program."""
            groups.add_job("farm", JOB, join_secret="tiger")
            return groups.list_jobs("farm")

        def test_program(compute_groups):
            compute_groups.create("render farm", join_key="farm", join_secret="tiger")
            assert deploy(compute_groups) == (JOB,)

        def test_client_is_of_the_world(compute_groups, compute_groups_world):
            farm = compute_groups.create("render farm")
            assert [group.id for group in compute_groups_world.state().groups] == [farm]
            assert compute_groups_world.connect().list_jobs(farm) == ()
        ''',
        tests=2,
    )


def test_each_test_of_a_suite_begins_with_nothing(pytester: pytest.Pytester) -> None:
    require_passed(
        pytester,
        """
        import pytest
        from cg_backends.memory import connect
        from cg_core import ClientClosed

        URL = "http://127.0.0.1:9800/"
        before = []

        @pytest.mark.parametrize("number", range(2))
        def test_client_and_world_are_new(compute_groups, compute_groups_world, number):
            assert compute_groups_world.state().groups == ()
            compute_groups.create("render farm", join_key="farm")
            for client in before:
                with pytest.raises(ClientClosed):
                    client.list_groups()
            before.append(compute_groups)

        def test_a_program_left_groups_behind():
            connect(URL).create("render farm")

        def test_what_connect_keeps_by_url_is_forgotten_before(compute_groups_world):
            assert connect(URL).list_groups() == ()
            connect(URL).create("render farm")

        def test_and_after():
            assert connect(URL).list_groups() == ()
        """,
        tests=5,
    )


def test_a_suite_that_uses_no_fixture_does_not_load_the_library(pytester: pytest.Pytester) -> None:
    require_passed(
        pytester,
        """
        import sys

        def test_nothing_is_loaded():
            assert "cg_backends.pytest_plugin" in sys.modules
            assert not {"cg_core", "cg_backends.memory"} & set(sys.modules)
        """,
        tests=1,
    )


SUITE_OF_A_BACKEND = """
    from contextlib import ExitStack

    import attrs
    import pytest
    from cg_backends.conformance import CASES
    from cg_backends.memory import World

    @attrs.frozen
    class MyBackend:
        world: World
        clients: ExitStack

        def connect(self, identity, *, join_identity=None):
            client = self.world.connect(identity, join_identity=join_identity)
            return self.clients.enter_context(client)

    @pytest.fixture
    def backend():
        with ExitStack() as clients:
            yield MyBackend(World(), clients)

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_conforms(case, backend):
        case(backend)
"""


def test_a_suite_of_a_new_backend_runs_every_case(pytester: pytest.Pytester) -> None:
    require_passed(pytester, SUITE_OF_A_BACKEND, tests=len(CASES))


def test_a_case_that_fails_tells_the_values(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest looks into the assertions of all that comes with a plugin that it finds by itself; of
    # one that is named, only where the plugin says so.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        SUITE_OF_A_BACKEND.replace("World()", "USED")
        + """
    from cg_backends.conformance import ALICE

    USED = World()
    USED.connect(ALICE).create("left by another test")
"""
    )
    run = pytester.runpytest_subprocess(
        "-W", "error", "-p", "cg_backends.pytest_plugin", "-k", "list_groups_gives"
    )
    run.assert_outcomes(failed=1, deselected=len(CASES) - 1)
    run.stdout.fnmatch_lines(["E *assert (Group(*) == ()"])
