"""Django's settings, from brainpod/config.py."""

from __future__ import annotations

import dj_database_url

from brainpod import config as configuration
from brainpod import logging

BRAINPOD = configuration.read()
ROOT = configuration.ROOT

SECRET_KEY = configuration.secret_key(BRAINPOD)
DEBUG = BRAINPOD.debug
ALLOWED_HOSTS = [BRAINPOD.dashboard_host, "127.0.0.1", "[::1]", "localhost"]
CSRF_TRUSTED_ORIGINS = [BRAINPOD.public_address]
ROOT_URLCONF = "brainpod.urls"
WSGI_APPLICATION = "brainpod.wsgi.application"
ASGI_APPLICATION = "brainpod.asgi.application"
COMPONENTS = "brainpod.wiring"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "allauth.account",  # allauth.mfa asks for it; its pages and its e-mail addresses are not used
    "allauth.mfa",  # the rows of second factors; the pages are ours
    "ninja",  # for its static files alone: the page that shows the API
    "apps.core",
    "apps.audit",
    "apps.accounts",
    "apps.connections",
    "apps.logs",
    "apps.metrics",
    "apps.pods",
    "apps.infrastructure",
    "apps.cdn",
    "apps.certificates",
    "apps.builds",
    "apps.deployments",
    "apps.databases",
    "apps.disks",
    "apps.terminals",
    "apps.manifests",
    "apps.blueprints",
    "apps.backups",
    "apps.previews",
    "apps.notify",
    "apps.reporting",
    "apps.flatrun",
    "apps.api",
    "apps.hooks",
    "apps.pushes",
    "apps.dashboard",
]

MIDDLEWARE = [
    "apps.dashboard.middleware.request_id",
    "apps.dashboard.middleware.circumstances",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.dashboard.middleware.content_security_policy",
    "apps.dashboard.middleware.htmx_redirect",
    "apps.dashboard.middleware.htmx_messages",
    "apps.dashboard.middleware.user_errors",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {"environment": "apps.dashboard.environment.environment"},
    },
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
]

DATABASES = {
    "default": dj_database_url.parse(BRAINPOD.database_url or f"sqlite:///{BRAINPOD.state / 'brainpod.sqlite3'}"),
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "brainpod.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        # Writers queue for the lock at BEGIN instead of failing at the first write (a read lock cannot be upgraded).
        "transaction_mode": "IMMEDIATE",
        # Seconds. While a build fills the disk's queue, one write was seen to wait for 40 s, and all others for it.
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = 60  # opening one costs a page more than several of its queries
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

VALKEY_URL = BRAINPOD.valkey_url or f"unix://{BRAINPOD.run / 'valkey.sock'}?db=0"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 ends a blocking read after 5 s by itself, and with it an idle websocket.
        "CONFIG": {"hosts": [{"address": VALKEY_URL, "socket_timeout": 30}]},
    }
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign-in"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ADAPTER = "apps.accounts.factors.adapter.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds that a clock may be off
MFA_RECOVERY_CODE_DIGITS = 10
MFA_WEBAUTHN_USER_VERIFICATION = "required"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_NAME = "brainpod_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BRAINPOD.secure
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # nginx says it itself; nobody else gets here
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024
CSRF_FAILURE_VIEW = "apps.dashboard.errors.csrf_failure"

STATIC_URL = "/static/"
STATIC_ROOT = BRAINPOD.state / "static"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "apps.dashboard.static_files.HashedStaticFiles"},
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False

CELERY_BROKER_URL = VALKEY_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "brainpod.pool:TaskPool"
CELERY_WORKER_AUTOSCALER = "brainpod.pool:Autoscaler"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

LOGGING = logging.configure(BRAINPOD.log_form)

if BRAINPOD.sentry_dsn:
    from brainpod import reporting  # here: nothing of the client is loaded where nobody wants it

    reporting.start(BRAINPOD, secret_key=SECRET_KEY)
