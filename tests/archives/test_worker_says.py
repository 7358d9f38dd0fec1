"""What the worker on archives says, and what that means for who asked."""

import errno

import pytest

from mooring.base.errors import MooringError, Unavailable
from mooring.files import workshop
from mooring.files.archive.jobs import Broke
from mooring.files.errors import Damaged, Refused


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EIO, Unavailable),
        (errno.ENOMEM, Unavailable),
        (errno.EMFILE, Unavailable),
        (errno.ENOSPC, Unavailable),
        (errno.EFBIG, Refused),
        (errno.EACCES, Damaged),
        (None, Damaged),
    ],
)
def test_what_may_pass_is_told_from_what_is_wrong_with_the_archive(
    number: int | None, kind: type[MooringError]
) -> None:
    with pytest.raises(MooringError) as raised:
        workshop.checked(Broke(reason="it broke", errno=number))
    assert type(raised.value) is kind
