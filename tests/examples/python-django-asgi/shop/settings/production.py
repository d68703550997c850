STATIC_URL = "s/"
