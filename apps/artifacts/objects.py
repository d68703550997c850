"""Where machines share what they made: objects by name, over any storage that Django knows."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol, TypeVar

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage

from apps.core.errors import Unavailable

T = TypeVar("T")


class ObjectsAway(Unavailable):
    """The store does not answer, or answers with an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("object_store_away", f"The object store: {type(error).__name__}: {error}"[:300])


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    size: int
    modified: datetime.datetime


class Objects(Protocol):
    """Names are relative paths. Everything raises ObjectsAway, and nothing else, when the store cannot be had."""

    def get(self, name: str) -> IO[bytes] | None:
        """The object's content, to be closed; None if there is none."""
        ...

    def has(self, name: str) -> bool: ...

    def put(self, name: str, content: IO[bytes]) -> None:
        """In the place of what was there."""
        ...

    def objects(self, prefix: str) -> Iterator[Object]:
        """Every object beneath the directory `prefix`."""
        ...

    def delete(self, name: str) -> None:
        """It need not be there."""
        ...


class StorageObjects:
    """`failures`: what the storage raises when it is away; a missing object is a FileNotFoundError with all of them."""

    def __init__(self, storage: Storage, failures: tuple[type[Exception], ...] = ()) -> None:
        self.storage = storage
        self._failures: tuple[type[Exception], ...] = (OSError, *failures)

    def get(self, name: str) -> IO[bytes] | None:
        def opened() -> IO[bytes] | None:
            try:
                file = self.storage.open(name)
                file.seek(0)  # a missing object of S3 is found out by reading
            except FileNotFoundError:
                return None
            return file

        return self._tried(opened)

    def has(self, name: str) -> bool:
        return self._tried(lambda: self.storage.exists(name))

    def put(self, name: str, content: IO[bytes]) -> None:
        self._tried(lambda: self.storage.save(name, File(content)))

    def objects(self, prefix: str) -> Iterator[Object]:
        directories, names = self._listed(prefix)
        for directory in directories:
            yield from self.objects(f"{prefix}/{directory}" if prefix else directory)
        for name in names:
            found = self._object(f"{prefix}/{name}" if prefix else name)
            if found:
                yield found

    def delete(self, name: str) -> None:
        self._tried(lambda: self.storage.delete(name))

    def _listed(self, prefix: str) -> tuple[list[str], list[str]]:
        def listed() -> tuple[list[str], list[str]]:
            try:
                return self.storage.listdir(prefix)
            except FileNotFoundError:
                return [], []

        return self._tried(listed)

    def _object(self, name: str) -> Object | None:
        def looked() -> Object | None:
            try:
                return Object(name, self.storage.size(name), self.storage.get_modified_time(name))
            except FileNotFoundError:
                return None

        return self._tried(looked)

    def _tried(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except self._failures as error:
            raise ObjectsAway(error) from error


def opened(url: str) -> Objects:
    """`file:///directory`, which several machines mount, or `s3://bucket/prefix?endpoint=https://…&region=…`."""
    if url.startswith("s3://"):
        from apps.artifacts import s3  # here: its client costs every process 30 MB and half a second

        return s3.bucket(url)
    return StorageObjects(FileSystemStorage(location=url.removeprefix("file://"), allow_overwrite=True))
