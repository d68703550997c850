from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0004_kinds"),
    ]

    operations = [
        migrations.AddField(
            model_name="backup",
            name="remote_tried_at",
            field=models.DateTimeField(null=True),
        ),
    ]
