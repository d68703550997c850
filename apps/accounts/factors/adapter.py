"""What django-allauth asks of us: how secrets are kept, and what the platform is called by passkeys."""

from __future__ import annotations

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.crypto import salted_hmac

from apps.core.errors import PlatformError

_SALT = "accounts.second-factor"


class Adapter(DefaultMFAAdapter):
    """Secrets are sealed with a key made of SECRET_KEY, which is not in the database: a copy of that opens nothing."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises PlatformError("second_factor_sealed") if SECRET_KEY is not the one it was sealed with."""
        try:
            return _box().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise PlatformError(
                "second_factor_sealed",
                "The key of this authenticator app cannot be opened: the platform's SECRET_KEY is another one now.",
                "An operator puts the old one back, or takes the factor away: manage.py second_factor EMAIL --remove.",
            ) from None

    def get_totp_issuer(self) -> str:
        return f"Brainpod ({settings.BRAINPOD.dashboard_host})"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The dashboard's host alone: what apps on other hosts are given is no use to them here."""
        return {"id": settings.BRAINPOD.dashboard_host, "name": "Brainpod"}

    def get_public_key_credential_user_entity(self, user: AbstractBaseUser) -> dict[str, object]:
        entity = super().get_public_key_credential_user_entity(user)
        return {**entity, "display_name": user.get_username()}


def _box() -> Fernet:
    key = salted_hmac(_SALT, "", secret=settings.SECRET_KEY, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
