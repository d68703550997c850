from django.apps import AppConfig


class FlatRunConfig(AppConfig):
    name = "apps.flatrun"
    verbose_name = "Infrastructure API"
