import starlette.applications

app = starlette.applications.Starlette()
