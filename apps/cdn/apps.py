from django.apps import AppConfig


class CdnConfig(AppConfig):
    name = "apps.cdn"
    verbose_name = "Networks in front"
