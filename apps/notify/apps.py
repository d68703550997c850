from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "apps.notify"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from apps.core.announce import listen
        from apps.notify.outbox import take

        listen(take)
