from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0005_lifecycle"),
    ]

    operations = [
        migrations.AddField(
            model_name="workload",
            name="engine",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
    ]
