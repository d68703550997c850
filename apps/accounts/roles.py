"""What a member of a team may do, in order: each role may do all that the ones below it may."""

from __future__ import annotations

from django.db.models import TextChoices


class Role(TextChoices):
    """Compared by power: `Role.ADMIN > Role.DEVELOPER`."""

    VIEWER = "viewer", "Viewer"  # sees everything but secret values
    DEVELOPER = "developer", "Developer"  # changes drafts, deploys, rolls back
    ADMIN = "admin", "Admin"  # manages members, deletes pods
    OWNER = "owner", "Owner"  # manages admins and owners

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Role(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Role(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Role(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Role(other).rank
