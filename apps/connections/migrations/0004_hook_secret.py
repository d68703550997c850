from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0003_api_and_apps"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="hook_old_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="hook_rotated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="hook_untold",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
