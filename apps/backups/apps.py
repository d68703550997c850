from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "apps.backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        from apps.backups import gone, seeding  # noqa: F401  # gone: listens
        from apps.backups.practice import backups
        from apps.deployments import filling
        from apps.infrastructure.practices import register

        register("Backups", backups)
        filling.register(seeding.fill)
