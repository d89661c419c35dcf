"""The doctor against healthy and ailing installations."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

from search.doctor.installation import (
    EXTRAS,
    check_extra,
    check_packages,
    check_python,
    check_threads,
)


def test_versions_against_floors() -> None:
    assert check_python("3.12.1", ">=3.11").status == "ok"
    assert check_python("3.10.9", ">=3.11").status == "problem"
    packages = [Requirement(line) for line in ("numpy>=2", "pillow>=9999", "no-such-package")]
    found = list(check_packages(packages))
    assert [one.status for one in found] == ["problem", "problem", "ok"]
    assert "expected pillow>=9999, received" in found[0].detail
    assert "pip install" in str(found[0].remedy)


def test_extras_may_be_absent_but_not_too_old() -> None:
    absent, present, old = (
        Requirement(one) for one in ("no-such-package", "numpy", "pillow>=9999")
    )
    found = check_extra("plot", "for --plots", [absent, present])
    assert found.status == "ok"
    assert "not installed" in found.detail
    assert "digit-search[plot]" in found.detail
    assert check_extra("plot", "for --plots", [absent, old]).status == "warning"
    assert check_extra("plot", "for --plots", [present]).detail.startswith("installed")


def test_every_extra_has_a_purpose() -> None:
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"].keys() <= EXTRAS.keys()


def test_thread_settings() -> None:
    assert check_threads({}, 2).status == "ok"
    assert check_threads({"OMP_NUM_THREADS": "2"}, 2).status == "ok"
    assert check_threads({"OMP_NUM_THREADS": "64"}, 2).status == "warning"
    assert check_threads({"OMP_NUM_THREADS": "many"}, 2).remedy == "unset OMP_NUM_THREADS"
