from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "apps.reporting"
    verbose_name = "Reports to git hosts"

    def ready(self) -> None:
        from apps.core.announce import listen
        from apps.reporting.outbox import take

        listen(take)
