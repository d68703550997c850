from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0003_pinned"),
    ]

    operations = [
        migrations.AddField(
            model_name="backupplan",
            name="kind",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
    ]
