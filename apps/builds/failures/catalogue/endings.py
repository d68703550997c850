"""What ends a command whatever it was doing: time, memory, disk, open files."""

from __future__ import annotations

from apps.builds.failures.entry import COMMANDS, INSTALL_ON, Entry, Fix, signs

ENDINGS = (
    Entry(
        "build_timeout",
        "It took too long",
        INSTALL_ON,
        "The {stage} took longer than {seconds} s and was ended.",
        "Make it faster, or have an operator raise BRAINPOD_BUILD_SECONDS. A command that waits for input or starts a"
        " server never ends by itself.",
        endings=("timeout",),
    ),
    Entry(
        "disk_limit",
        "It wrote too much",
        INSTALL_ON,
        "The {stage} wrote more to the disk than a build may and was ended.",
        "Leave out what the app does not need (test data, several browsers, debug symbols), or have an operator raise"
        " BRAINPOD_BUILD_DISK_MB.",
        endings=("disk",),
    ),
    Entry(
        "file_limit",
        "It made too many files",
        INSTALL_ON,
        "The {stage} made more files than a build may and was ended.",
        "Look for a loop that writes files, or have an operator raise BRAINPOD_BUILD_FILES.",
        endings=("files",),
    ),
    Entry(
        "output_limit",
        "It printed too much",
        INSTALL_ON,
        "The {stage} printed more than a build may and was ended.",
        "Make it quieter; or have an operator raise BRAINPOD_BUILD_OUTPUT_MB.",
        endings=("output",),
    ),
    Entry(
        "out_of_memory",
        "Out of memory",
        COMMANDS,
        "The {stage} used more memory than it may and was ended.",
        "Make it smaller (fewer workers, no source maps), or give it more: a larger instance for a running app,"
        " more build memory for a build.",
        signs(
            "JavaScript heap out of memory",
            "used more memory than it may and was ended",
            "java.lang.OutOfMemoryError",
            "MemoryError$",
            "Cannot allocate memory",
            "memory allocation of {n:number} bytes failed",
            "ENOMEM",
            "Allowed memory size of {n:number} bytes exhausted",
            "signal: 9, SIGKILL",
            "signal: killed",
            "runtime: out of memory",
            "Worker {*} was sent SIGKILL! Perhaps out of memory?",
        ),
        endings=("memory", 137, -9),
        fixes=(
            Fix("Let Node.js use 3 GB", "env.NODE_OPTIONS", "--max-old-space-size=3072", on="JavaScript heap"),
            Fix("Give builds 8 GB", "build.memory", 8192, stages=("install", "build")),
        ),
    ),
    Entry(
        "too_many_open_files",
        "Too many open files",
        COMMANDS,
        "The command opened more files at once than a process may.",
        "Read files one after another or in batches (graceful-fs in Node.js); close what is no longer needed.",
        signs(
            "System limit for number of file watchers reached",
            "EMFILE",
            "System limit for number of file watchers reached",
            "Too many open files",
            "too many open files",
        ),
    ),
    Entry(
        "disk_full",
        "The disk is full",
        COMMANDS,
        "There was no room left to write to.",
        "Write less (build output, caches, uploads), use a larger disk, or have an operator free space on the host.",
        signs("ENOSPC", "No space left on device", "Disk quota exceeded"),
    ),
)
