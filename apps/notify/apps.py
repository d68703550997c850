from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "apps.notify"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from apps.core.announce import carry, listen
        from apps.notify.letters import post
        from apps.notify.outbox import take

        listen(take)
        carry(post)
