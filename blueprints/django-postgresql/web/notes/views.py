from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render

from notes.models import Note


def index(request):
    return render(request, "notes/index.html", {"site_name": settings.SITE_NAME, "notes": Note.objects.all()[:50]})


def health(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")
