from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0002_oauth")]

    operations = [
        migrations.AddField(
            model_name="oauthapplication",
            name="api",
            field=models.BooleanField(
                default=False,
                help_text="Lists repositories, registers webhooks and reports back: the application has to have the scopes for it, which docs/git-access.md names. Who signed in before signs in again.",
                verbose_name="more than cloning",
            ),
        ),
    ]
