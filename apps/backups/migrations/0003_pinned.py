from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0002_seeds"),
    ]

    operations = [
        migrations.AddField(
            model_name="backup",
            name="pinned",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
