from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "People and teams"

    def ready(self) -> None:
        import_module("apps.accounts.signals")  # its receivers need the models, which are loaded by now
