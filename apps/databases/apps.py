from django.apps import AppConfig


class DatabasesConfig(AppConfig):
    name = "apps.databases"
    verbose_name = "Databases"
