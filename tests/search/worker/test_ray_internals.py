"""What the workers use of Ray and Ray does not promise is there."""

from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, RayActorError, RayError

from se_nas.search.worker import ray_internals


def test_ray_has_its_own_copy_of_setproctitle() -> None:
    assert callable(ray._raylet.setproctitle)


def test_a_ray_without_one_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ray._raylet, "setproctitle")
    ray_internals.set_title("ray::SETrial:resnet18")


def test_actors_have_a_method_that_is_ready_when_they_are() -> None:
    class Counter:
        pass

    methods = ray.remote(Counter).__ray_metadata__.method_meta.methods
    assert "__ray_ready__" in methods


def test_an_actor_that_raised_in_its_constructor_is_told_from_one_that_died() -> None:
    died: Any = ActorDiedError()  # type: ignore[no-untyped-call]
    assert not ray_internals.failed_to_start(died)
    raised: Any = RayActorError(actor_init_failed=True)  # type: ignore[no-untyped-call]
    assert ray_internals.failed_to_start(raised)
    assert not ray_internals.failed_to_start(RayError())
