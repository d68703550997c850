"""Second factors: codes of an authenticator app, recovery codes, passkeys. The rows are django-allauth's."""
