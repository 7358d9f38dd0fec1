"""Where a catalog entry's repository is. Pure."""

from mooring.base import fields, giturl


def repo_url(value: object, /, *, field: str) -> str:
    """`URL[#ref[:path]]`, as it was given. Raises Unfit.

    file: URLs are let through: whether they may be used is a setting of the machine that fetches
    (MOORING_ALLOW_FILE_REPOSITORIES), asked where the session is prepared, not where the row is written.
    """
    found = fields.line(value, field=field)
    giturl.parse(found, field=field, allow_file=True)
    return found
