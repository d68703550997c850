"""Apps that end instead of listening."""

from __future__ import annotations

from apps.builds.failures.entry import RUNNING, Entry, signs

LAUNCH = (
    Entry(
        "engine_no_room",
        "No machine of the cluster has room",
        ("release", "launch"),
        "Nomad found no node that has the memory and the CPU that were asked for, or none in the pod's region: the"
        " line says what was lacking on how many.",
        "Choose a smaller instance or fewer of them, stop what nobody needs, or add a node to the datacenter.",
        signs("No node of the cluster took it: it {why:text}"),
    ),
    Entry(
        "address_in_use",
        "The port is taken",
        RUNNING,
        "Something of the app listens on that port already: it starts two servers, or one twice.",
        "Start one server, and have it listen on the port in the variable PORT.",
        signs(
            "EADDRINUSE",
            "Address already in use",
            "address already in use",
            "Connection in use: ",
            "Only one usage of each socket address",
        ),
    ),
    Entry(
        "port_not_permitted",
        "The port needs privileges",
        RUNNING,
        "The app wants to listen on a port below 1024, which only the system's administrator may.",
        "Listen on the port in the variable PORT.",
        signs(
            "listen EACCES: permission denied",
            "PermissionError: [Errno 13] Permission denied$",
            "bind: permission denied",
            "bind() to 0.0.0.0:80 failed",
        ),
    ),
    Entry(
        "app_object_not_found",
        "The server does not find the app",
        RUNNING,
        "The start command names a module or a variable in it that is not there.",
        "Set the start command to module:variable as they are called in the code (gunicorn main:app, uvicorn"
        " main:app).",
        signs(
            "Failed to find attribute '{*}' in '{*}'",
            "Failed to parse '{*}' as an attribute name or function call",
            "Error loading ASGI app. ",
            "Error: Could not locate a Flask application",
            "Error: Failed to find Flask application or factory in module",
            "Error: Could not import '{*}'",
            "no python application found, check your startup logs",
        ),
        stacks=("Python",),
    ),
    Entry(
        "jar_not_runnable",
        "The jar says not what to run",
        RUNNING,
        "The jar has no main class: it is the library, not the packaged app.",
        "Start the jar that the packaging plugin writes (spring-boot:repackage, shadowJar), or name the Main-Class.",
        signs("no main manifest attribute, in ", "Could not find or load main class "),
        stacks=("Java",),
    ),
    Entry(
        "host_not_allowed",
        "The app refuses its host name",
        RUNNING,
        "The framework answers only to host names it was told, and this is none of them.",
        "Add the pod's host names to ALLOWED_HOSTS (Django), config.hosts (Rails) or server.allowedHosts (Vite).",
        signs("Invalid HTTP_HOST header", "DisallowedHost", "Blocked hosts: ", "is not allowed. To allow this host"),
    ),
    Entry(
        "start_command_not_found",
        "The start command is not there",
        RUNNING,
        "The start command calls a program that is neither in the app nor in its dependencies.",
        "Check its spelling, and that the package with it is among the dependencies.",
        signs(
            "the start command was not found",
            "sh: {*}: {name}: not found$",
            "sh: {name}: not found$",
            "sh: {name}: command not found",
        ),
    ),
    Entry(
        "start_file_missing",
        "The start command names a file that is not there",
        RUNNING,
        "The start command runs {name}, and neither the repository nor the build made it.",
        "Check the path, and that the build command writes it; paths are relative to the app's root directory.",
        signs(
            "Cannot find module '/app/{name}'",
            "can't open file '{name}': [Errno 2]",
            "Unable to access jarfile {name}",
            "sh: {*}: {name}: No such file",
            "Could not open input file: {name}",
            "No such file or directory -- {name} (LoadError)",
        ),
    ),
)
