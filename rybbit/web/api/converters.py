"""Parts of addresses that are no numbers and no plain words."""

from werkzeug.routing import BaseConverter


class UserIdConverter(BaseConverter):
    """The id of a user to the end of the address, which may hold any character.

    Not `path`: it takes neither a slash in front, so that `/ada` would be sent on to `ada`, nor a line break.
    """

    regex = r"[\s\S]+"
    part_isolating = False
