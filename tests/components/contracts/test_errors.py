"""What may help when tried again, and what never does."""

import errno
import inspect

import pytest

from components.contracts import errors
from components.contracts.errors import DiptychError, Preempted, TransientError, is_transient


@pytest.mark.parametrize(
    "err",
    [
        TransientError("x"),
        TimeoutError(),
        ConnectionResetError(),
        OSError(errno.ECONNREFUSED, "x"),
        OSError(errno.ESTALE, "x"),
    ],
    ids=repr,
)
def test_a_world_that_failed_may_be_tried_again(err):
    assert is_transient(err)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.ENOENT, errno.EROFS])
def test_what_stays_as_it_is_may_not(code):
    assert not is_transient(OSError(code, "x"))


def test_no_fault_of_the_user_is_tried_again():
    ours = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DiptychError)]
    assert len(ours) > 8
    assert [kind for kind in ours if is_transient(kind("x"))] == [Preempted, TransientError]
    assert not is_transient(ValueError("x"))
