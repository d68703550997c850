from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name=model,
            name="holder",
            field=models.CharField(default="", editable=False, max_length=120),
        )
        for model in ("deployment", "duty")
    ]
