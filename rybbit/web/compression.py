"""What is sent compressed: files and texts that are the same for everybody.

Pages with somebody's own things never are. Their length would tell the secrets in them, a letter at a time,
to whoever can have a text of their own put beside those (the attack is known as BREACH).
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flask import Response, request


@dataclass(frozen=True)
class PublicText:
    """A text for everybody, as it is and compressed once."""

    plain: bytes
    compressed: bytes

    @classmethod
    def of(cls, plain: bytes) -> Self:
        """Compress it; slow enough to be worth keeping."""
        return cls(plain, gzip.compress(plain, mtime=0))

    def answer(self, content_type: str) -> Response:
        """The form of it that the browser takes."""
        is_compressed = accepts_gzip()
        response = Response(self.compressed if is_compressed else self.plain, content_type=content_type)
        return mark_encoding(response, is_compressed=is_compressed)


def accepts_gzip() -> bool:
    """Whether the one who asks says so."""
    return request.accept_encodings.quality("gzip") > 0


def accepted_twin(file: Path) -> Path | None:
    """The compressed twin that the front-end build put beside a file, if there is one and it is accepted."""
    twin = file.with_name(f"{file.name}.gz")
    return twin if accepts_gzip() and twin.is_file() else None


def mark_encoding(response: Response, *, is_compressed: bool) -> Response:
    """Say what the answer is, and to caches that others may get it in another form."""
    if is_compressed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    return response
