from django.apps import AppConfig


class DisksConfig(AppConfig):
    name = "apps.disks"
    verbose_name = "Disks"
