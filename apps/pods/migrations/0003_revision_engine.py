from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pods", "0002_fleet"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="engine",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
    ]
